"""Settles where a run is carried out and kept: by what was asked for, the environment, the workspace, and where this
process is itself. It opens and chooses; what is done there, others know.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from reqflo_ray._internal.errors import UsageError
from reqflo_ray._internal.model.workers import Room, WorkerRange, parse_workers
from reqflo_ray._internal.ray_cluster.ray_internals import inside_ray_job
from reqflo_ray._internal.runner.drive.backend import LocalBackend, ShardBackend
from reqflo_ray._internal.runner.prepare.request import File, Target
from reqflo_ray._internal.runs.folder.layout import DEFAULT_STORE
from reqflo_ray._internal.runs.staging.parallel import StagingExecutor
from reqflo_ray._internal.storage.open import open_storage
from reqflo_ray._internal.storage.protocol import Storage

if TYPE_CHECKING:
    from reqflo_ray._internal.http.engines.in_process_engine import InProcessApi

# Starting Ray takes about ten seconds: fewer rows than this are done sooner without it.
RAY_FROM_ROWS: Final = 5_000


def find_store(store: File | None = None, of_workspace: str = "") -> str:
    """The store that was asked for, as it was written; else that of the environment, the workspace, or the usual one.

    Raises:
        UsageError: `relative_store`, for one that would vanish with the folder of a Ray job.
    """
    chosen = os.path.expanduser(_chosen(store, of_workspace))
    if _is_relative(chosen) and inside_ray_job():
        raise UsageError(
            f"the store `{chosen}` is a relative path, and a Ray job's folder is a copy that vanishes with it",
            code="relative_store",
            hint="give --store (or REQFLO_STORE) an absolute path that every node mounts, or a bucket",
        )
    return chosen


def find_store_of_cluster(store: File | None = None, of_workspace: str = "") -> str:
    """The store of a submitted run: a place that means the same on the cluster as here.

    Raises:
        UsageError: `relative_store`.
    """
    chosen = _chosen(store, of_workspace)
    if _is_relative(chosen):
        raise UsageError(
            f"the store `{chosen}` is relative to a folder of this machine",
            code="relative_store",
            hint="give --store (or REQFLO_STORE) an absolute path that every node of the cluster mounts, or a bucket",
        )
    return open_storage(chosen).uri


def open_found(store: str) -> Storage:
    """The storage of a store that was found."""
    # Workers may run in another folder, so they are told an absolute one.
    return open_storage(os.path.abspath(store) if _is_relative(store) else store)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a run is carried out and kept, settled. `address` is that of a cluster to join, None for no such one; with
    `in_ray_job` it is that of the job which this process is. `api` answers in place of the network, here."""

    store: str
    backend: str
    address: str | None
    workers: WorkerRange
    in_ray_job: bool = False
    api: InProcessApi | None = None

    @classmethod
    def of(cls, target: Target, *, workers: int | str, store: str = "", address: str = "") -> Self:
        """Where `target` means, with this many workers.

        Args:
            store, address: those of the workspace, where `target` names none.

        Raises:
            UsageError: `relative_store`, `invalid_workers`.
        """
        is_local = target.backend == "local" or target.transport is not None
        joined = None if target.transport is not None else target.address or address or None
        in_ray_job = joined is None and not is_local and inside_ray_job()
        return cls(
            store=find_store(target.store, store),
            backend="local" if is_local else target.backend,
            address="auto" if in_ray_job else joined,
            workers=parse_workers(workers),
            in_ray_job=in_ray_job,
            api=target.transport,
        )

    def open(self) -> Storage:
        """The storage of the store."""
        return open_found(self.store)

    def staging_executor(self) -> StagingExecutor | None:
        """Who can stage a large dataset: a cluster that the run joins. An embedded one has the cores of this machine
        only, and takes as long to start as it would save."""
        if self.address is None or self.backend == "local":
            return None
        from reqflo_ray._internal.ray_cluster.backend import RayBackend
        from reqflo_ray._internal.ray_cluster.staging import RayStagingExecutor

        return RayStagingExecutor(RayBackend(address=self.address, workers=WorkerRange(0, 0)))

    def room(self, rows: int) -> Room:
        """The room for workers where so many rows are carried out. Raises `ClusterError`."""
        backend, _ = self.choose_backend(rows)
        return backend.room()

    def choose_backend(self, rows: int) -> tuple[ShardBackend, str]:
        """The backend for so many rows, and why that one."""
        if self.backend == "local":
            return LocalBackend(self.api), "a fake API answers" if self.api is not None else "as asked for"
        if self.address is not None:
            return self._ray(), "this is a Ray job" if self.in_ray_job else f"the cluster at {self.address}"
        if self.backend == "ray":
            return self._ray(), "an embedded cluster, as asked for"
        if rows >= RAY_FROM_ROWS:
            return self._ray(), f"{rows} rows repay the start of an embedded cluster"
        counted = "1 row is" if rows == 1 else f"{rows} rows are"
        return LocalBackend(), f"{counted} done sooner without a cluster"

    def _ray(self) -> ShardBackend:
        from reqflo_ray._internal.ray_cluster.backend import RayBackend

        return RayBackend(address=self.address, workers=self.workers, store_is_relative=_is_relative(self.store))


def _chosen(store: File | None, of_workspace: str) -> str:
    return os.fspath(store or "") or os.environ.get("REQFLO_STORE") or of_workspace or DEFAULT_STORE


def _is_relative(store: str) -> bool:
    return "://" not in store and not os.path.isabs(store)
