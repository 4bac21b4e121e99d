"""Decides where a run is carried out and kept: from the arguments, the environment, the workspace, and whether this
process is a Ray job. It chooses and opens; it must not know what is done there.
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

# Starting Ray takes about ten seconds: fewer rows than this are finished sooner without it.
RAY_FROM_ROWS: Final = 5_000


def find_store(store: File | None = None, of_workspace: str = "") -> str:
    """Return the store as written in the argument, else in the environment, else in the workspace, else the default.

    Raises:
        UsageError: `relative_store`: it would be deleted with the folder of a Ray job.
    """
    chosen = os.path.expanduser(_chosen(store, of_workspace))
    if _is_relative(chosen) and inside_ray_job():
        raise UsageError(
            f"the store `{chosen}` is a relative path in the folder of a Ray job, which is deleted with the job",
            code="relative_store",
            hint="set `--store` or `REQFLO_STORE` to an absolute path that every node mounts, or to a bucket",
        )
    return chosen


def find_store_of_cluster(store: File | None = None, of_workspace: str = "") -> str:
    """Return the store of a submitted run: a place that is the same on the cluster as here.

    Raises:
        UsageError: `relative_store`.
    """
    chosen = _chosen(store, of_workspace)
    if _is_relative(chosen):
        raise UsageError(
            f"the store `{chosen}` is a relative path and cannot be reached from the cluster",
            code="relative_store",
            hint="set `--store` or `REQFLO_STORE` to an absolute path that every node mounts, or to a bucket",
        )
    return open_storage(chosen).uri


def open_found(store: str) -> Storage:
    """Return the storage of a store that `find_store` returned."""
    # Workers may run in another folder, so the path must be absolute.
    return open_storage(os.path.abspath(store) if _is_relative(store) else store)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a run is carried out and kept, decided. `address` is that of a cluster to join, or None; with `in_ray_job`
    it is the cluster of the job that this process is. `api` answers in this process instead of the network."""

    store: str
    backend: str
    address: str | None
    workers: WorkerRange
    in_ray_job: bool = False
    api: InProcessApi | None = None

    @classmethod
    def of(cls, target: Target, *, workers: int | str, store: str = "", address: str = "") -> Self:
        """Return the place that `target` names, with `workers` workers.

        Args:
            store, address: those of the workspace, used if `target` names none.

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
        """Return what can stage a large dataset: the cluster that the run joins. An embedded cluster has only the cores
        of this machine, and takes as long to start as it would save."""
        if self.address is None or self.backend == "local":
            return None
        from reqflo_ray._internal.ray_cluster.backend import RayBackend
        from reqflo_ray._internal.ray_cluster.staging import RayStagingExecutor

        return RayStagingExecutor(RayBackend(address=self.address, workers=WorkerRange(0, 0)))

    def room(self, rows: int) -> Room:
        """Return the room for workers where `rows` rows are carried out. Raises `ClusterError`."""
        backend, _ = self.choose_backend(rows)
        return backend.room()

    def choose_backend(self, rows: int) -> tuple[ShardBackend, str]:
        """Return the backend for `rows` rows, and the reason."""
        if self.backend == "local":
            return LocalBackend(self.api), "a fake API answers" if self.api is not None else "as requested"
        if self.address is not None:
            return self._ray(), "this is a Ray job" if self.in_ray_job else f"the cluster at {self.address}"
        if self.backend == "ray":
            return self._ray(), "an embedded cluster, as requested"
        if rows >= RAY_FROM_ROWS:
            return self._ray(), f"{rows} rows justify starting an embedded cluster"
        counted = "1 row is" if rows == 1 else f"{rows} rows are"
        return LocalBackend(), f"{counted} done sooner without a cluster"

    def _ray(self) -> ShardBackend:
        from reqflo_ray._internal.ray_cluster.backend import RayBackend

        return RayBackend(address=self.address, workers=self.workers, store_is_relative=_is_relative(self.store))


def _chosen(store: File | None, of_workspace: str) -> str:
    return os.fspath(store or "") or os.environ.get("REQFLO_STORE") or of_workspace or DEFAULT_STORE


def _is_relative(store: str) -> bool:
    return "://" not in store and not os.path.isabs(store)
