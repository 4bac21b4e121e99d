"""Where runs live and who carries them out, by what was asked for, the environment, and where this process is itself.

It opens and chooses; what is done there, others know.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from reqflo_ray._internal.errors import UsageError
from reqflo_ray._internal.model.workers import WorkerRange
from reqflo_ray._internal.runner.drive.backend import Backend, LocalBackend
from reqflo_ray._internal.runner.prepare.launch import Prepared, inside_ray_job
from reqflo_ray._internal.runs.folder.layout import DEFAULT_STORE
from reqflo_ray._internal.runs.staging.parallel import StagingExecutor
from reqflo_ray._internal.storage.open import open_storage
from reqflo_ray._internal.storage.protocol import Storage

# Starting Ray takes about ten seconds: fewer rows than this are done sooner without it.
RAY_FROM_ROWS: Final = 5_000


def chosen_store(given: str | None, prepared: Prepared | None = None) -> str:
    """The store that was asked for, as it was written. Raises `UsageError` for one that would vanish."""
    chosen = given or os.environ.get("REQFLO_STORE")
    if not chosen and prepared is not None:
        chosen = prepared.checked.runner.store
    chosen = os.path.expanduser(chosen or DEFAULT_STORE)
    if _is_relative(chosen) and inside_ray_job():
        raise UsageError(
            f"the store `{chosen}` is a relative path, and a Ray job's folder is a copy that vanishes with it",
            code="relative_store",
            hint="give --store (or REQFLO_STORE) an absolute path that every node mounts, or a bucket",
        )
    return chosen


def store_of_cluster(given: str | None, prepared: Prepared) -> str:
    """The store of a submitted run: a place that means the same on the cluster as here."""
    chosen = given or os.environ.get("REQFLO_STORE") or prepared.checked.runner.store or DEFAULT_STORE
    if _is_relative(chosen):
        raise UsageError(
            f"the store `{chosen}` is relative to a folder of this machine",
            code="relative_store",
            hint="give --store (or REQFLO_STORE) an absolute path that every node of the cluster mounts, or a bucket",
        )
    return open_storage(chosen).uri


def _is_relative(store: str) -> bool:
    return "://" not in store and not os.path.isabs(store)


def opened(store: str) -> Storage:
    # Workers may run in another folder, so they are told an absolute one.
    return open_storage(os.path.abspath(store) if _is_relative(store) else store)


def staging_executor(backend: str, address: str | None) -> StagingExecutor | None:
    """Who can stage a large dataset: a cluster that the run joins. An embedded one has the cores of this machine only,
    and takes as long to start as it would save."""
    if address is None and inside_ray_job():
        address = "auto"
    if address is None or backend == "local":
        return None
    from reqflo_ray._internal.ray_cluster.backend import RayBackend
    from reqflo_ray._internal.ray_cluster.staging import RayStagingExecutor

    return RayStagingExecutor(RayBackend(address=address, workers=WorkerRange(0, 0)))


def backend_chooser(
    backend: str, address: str | None, workers: WorkerRange, store: str
) -> Callable[[int], tuple[Backend, str]]:
    """Chooses the backend once the number of rows is known, and says why that one."""

    def ray(reason: str, address: str | None = address) -> tuple[Backend, str]:
        from reqflo_ray._internal.ray_cluster.backend import RayBackend

        return RayBackend(address=address, workers=workers, store_is_relative=_is_relative(store)), reason

    def choose(rows: int) -> tuple[Backend, str]:
        if backend == "local":
            return LocalBackend(), "as asked for"
        if address is not None:
            return ray(f"the cluster at {address}")
        if inside_ray_job():
            return ray("this is a Ray job", "auto")
        if backend == "ray":
            return ray("an embedded cluster, as asked for")
        if rows >= RAY_FROM_ROWS:
            return ray(f"{rows} rows repay the start of an embedded cluster")
        counted = "1 row is" if rows == 1 else f"{rows} rows are"
        return LocalBackend(), f"{counted} done sooner without a cluster"

    return choose
