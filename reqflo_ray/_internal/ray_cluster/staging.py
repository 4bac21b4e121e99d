"""Stages datasets on a Ray cluster: passes staging jobs to Ray Data, one task each. It knows jobs, not rows.

Descriptors go in and small reports come out; rows, keys, and findings go through files of the run. Ray repeats the task
of a worker that died, and a job that runs twice writes the same bytes twice.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import msgspec

from reqflo_ray._internal.ray_cluster.connection import cluster_failed, quiet_data_context
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.runs.staging.jobs import Job, Refusal, Report, run_job
from reqflo_ray._internal.storage.open import open_storage

if TYPE_CHECKING:
    import ray

_TICK_SECONDS: Final = 0.25
# How long a job that is no longer needed may take to end.
_GRACE_SECONDS: Final = 10.0
_LEAST_BYTES: Final = 256 * 2**20
_JOB_BYTES: Final = 64 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """Everything that a task gets: where the run is, and all jobs. The position of a task selects its job."""

    store: str
    run_id: str
    jobs: tuple[bytes, ...]

    def __repr__(self) -> str:
        return f"JobSpec(run_id={self.run_id!r})"


class RayStagingExecutor:
    """Carries out staging jobs on a cluster, which the context manager `cluster` joins and leaves.

    Joining and starting the first workers takes about ten seconds, in which a driver stages a million rows; therefore
    `least_bytes` exists. A job of `job_bytes` takes a few seconds.
    """

    def __init__(
        self, cluster: AbstractContextManager[object], *, least_bytes: int = _LEAST_BYTES, job_bytes: int = _JOB_BYTES
    ) -> None:
        self.least_bytes = least_bytes
        self.job_bytes = job_bytes
        self._cluster = cluster
        self._given_up = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._given_up.clear()
        self._cluster.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Without a cluster, Ray Data would start its own.
        self._given_up.set()
        if self._thread is not None:
            self._thread.join(_GRACE_SECONDS)
        self._cluster.__exit__(kind, error, traceback)

    def carry_out(self, folder: RunFolder, jobs: Sequence[Job]) -> Iterator[Report]:
        """See `StagingExecutor.carry_out`."""
        spec = JobSpec(
            store=folder.storage.uri, run_id=folder.run_id, jobs=tuple(msgspec.json.encode(job) for job in jobs)
        )
        arrived: queue.SimpleQueue[Report | BaseException | None] = queue.SimpleQueue()
        # Ray waits in C++, where Python cannot handle a signal, so it waits in its own thread.
        arguments = (spec, arrived.put, self._given_up)
        self._thread = threading.Thread(target=_consume, args=arguments, name="ray-data", daemon=True)
        self._thread.start()
        while True:
            try:
                report = arrived.get(timeout=_TICK_SECONDS)
            except queue.Empty:
                continue
            if report is None:
                return
            if isinstance(report, BaseException):
                hint = "resume the run; nothing was sent"
                raise cluster_failed("the cluster could not stage the dataset", report, hint=hint) from None
            yield report


def _consume(spec: JobSpec, put: Callable[[Report | BaseException | None], None], given_up: threading.Event) -> None:
    try:
        for block in _dataset(spec).iter_batches(batch_size=None, prefetch_batches=0):
            if given_up.is_set():
                return
            for encoded in block["report"]:
                put(msgspec.json.decode(bytes(encoded), type=Report))
        put(None)
    except BaseException as error:
        put(error)


def _dataset(spec: JobSpec) -> ray.data.Dataset:
    """Return the pipeline: one block per job, mapped by plain tasks.

    Ray Data fuses the range and the map into one task, because both ask for one core, which is what a job keeps busy.
    So no task waits for a core that another one has, and the job of a worker that died is a task that runs again.
    """
    import ray.data

    quiet_data_context()
    blocks = len(spec.jobs)
    descriptors = ray.data.range(blocks, override_num_blocks=blocks)
    return descriptors.map_batches(partial(_carry_out, spec), batch_size=None, num_cpus=1)


def _carry_out(spec: JobSpec, batch: dict[str, Any]) -> Any:
    """Carry out the jobs of a block: positions in, encoded `Report`s out."""
    folder = RunFolder(open_storage(spec.store), spec.run_id)
    jobs = (msgspec.json.decode(spec.jobs[position], type=Job) for position in batch["id"].tolist())
    return {"report": [msgspec.json.encode(_report(folder, job)) for job in jobs]}


def _report(folder: RunFolder, job: Job) -> Report:
    try:
        return run_job(folder, job)
    except Exception as error:
        # Ray prints exceptions that escape a task, with the values in their text.
        refused = Refusal("part of the dataset could not be staged", "internal_error", type(error).__name__, "")
        return Report(number=job.number, refused=refused)
