"""Carries out runs as jobs on a remote cluster: starts an attempt unless one is running or complete, follows it to its
end however often the connection drops, and returns the exit code of the run itself.

`ray job submit` is not used, because it exits 0 for a stopped job, 1 for any failure, and may stop following early.
"""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reqflo_ray._internal.errors import ClusterError, InterruptedRunError, RunConflictError
from reqflo_ray._internal.model.results import Verdict
from reqflo_ray._internal.outputs.file import whole_file
from reqflo_ray._internal.process import handling_signals
from reqflo_ray._internal.ray_cluster.job_log import JobLog, JobOutcome
from reqflo_ray._internal.ray_cluster.jobs import Job, Jobs, JobState
from reqflo_ray._internal.runner.prepare.job_bundle import JobBundle, pack

ENTRYPOINT: Final = "exec reqflo-ray run-submitted"
_ATTEMPTS: Final = 1000
POLL_SECONDS: Final = 1.0
# A connection that died silently looks like a job that prints nothing, so the job is checked after this time.
_SILENT_SECONDS: Final = 60.0
_PATIENCE_SECONDS: Final = 300.0
# A run ends with these codes only after it has reported an outcome; without one, it did not come that far.
_NEED_AN_OUTCOME: Final = (0, 1)
_KNOWN_CODES: Final = (2, 3, 5, 129, 130, 143)
_UNKNOWN: Final = 3
_STOPPED: Final = 143


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The job of a submission. `attached`: it already existed."""

    job: Job
    attached: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """How a job ended. `outcome` None: it ended before the run could report an outcome, and `reason` is what Ray
    reports. `reports` are those that the job sent, by format."""

    job: Job
    exit_code: int
    outcome: JobOutcome | None
    reports: Mapping[str, bytes]
    reason: str = ""

    @property
    def run_id(self) -> str:
        """The ID of the run."""
        return self.job.run_id

    @property
    def verdict(self) -> Verdict | None:
        """The verdict that the run reported; None if it reported none."""
        return self.outcome.verdict if self.outcome else None

    @property
    def is_complete(self) -> bool:
        """Whether every row has ended and the verdict is final."""
        return bool(self.outcome and self.outcome.complete)

    def write_report(self, format: str, path: str | os.PathLike[str]) -> None:
        """Write a report that the job sent to a file, whole or not at all.

        Raises:
            ClusterError: `report_not_sent`.
            UsageError: `output_not_writable`.
            ReqfloError: `output_not_written`.
        """
        if format not in self.reports:
            raise ClusterError(
                f"the {format} report did not come back through the job's log",
                code="report_not_sent",
                cause="it is too large for the log, did not arrive whole, or could not be written on the cluster",
                hint=f"run `reqflo-ray report {self.run_id} …` where the store is mounted; to fetch a report that"
                " did not arrive whole, run the same command again, which repeats no row",
            )
        with whole_file(Path(path)) as file:
            file.write(self.reports[format])


def start(jobs: Jobs, bundle: JobBundle, *, ship_data: bool) -> Started:
    """Start the run of `bundle` on the cluster, or find the job that is running it or has completed it.

    After an attempt that ended unfinished, the next attempt resumes the run.

    Raises:
        UsageError, DatasetError: it cannot be sent (see `pack`).
        RunConflictError: `run_differs`: a job has this run ID and other inputs.
        ClusterError: the cluster cannot be reached, or refuses.
    """
    run_id = bundle.record.run_id
    with tempfile.TemporaryDirectory(prefix="reqflo-ray-") as name:
        folder = Path(name)
        packed = pack(folder, bundle, ship_data=ship_data)
        digest = packed.digest
        for _ in range(_ATTEMPTS):
            earlier = jobs.attempts(run_id)
            last = earlier[-1] if earlier else None
            if last and (not last.state.has_ended or _is_done(jobs, last, bundle.order.reports)):
                _need_same_digest(last, digest)
                return Started(job=last, attached=True)
            attempt = last.attempt + 1 if last else 1
            # False: someone else started the same attempt first, which is the last one now.
            if jobs.submit(run_id, attempt, entrypoint=ENTRYPOINT, folder=folder, digest=digest):
                return Started(job=jobs.attempts(run_id)[-1], attached=False)
    raise ClusterError(f"run `{run_id}` could not be started on the cluster", code="job_refused")


def outcome_of(jobs: Jobs, job: Job) -> JobOutcome | None:
    """Return the outcome in the log of a job that has ended; None if it has none. Raises `ClusterError`."""
    return _read(jobs, job).outcome


def _read(jobs: Jobs, job: Job) -> JobLog:
    log = JobLog()
    log.take(jobs.log(job), offset=0)
    return log


def _is_done(jobs: Jobs, job: Job, reports: Sequence[str]) -> bool:
    """Return whether the run is complete, by the outcome of its job, and has sent these reports or said why not."""
    try:
        log = _read(jobs, job)
    except ClusterError as problem:
        if problem.code == "job_refused":  # the log is lost with its node; the store still has the state
            return False
        raise
    if log.outcome is None or not log.outcome.complete:
        return False
    return set(reports) <= {*log.outcome.omitted, *log.reports()}


def _need_same_digest(job: Job, digest: str) -> None:
    if job.digest != digest:
        raise RunConflictError(
            f"run `{job.run_id}` is already on the cluster with other inputs",
            code="run_differs",
            hint=f"look at it with `reqflo-ray logs {job.run_id}`, or choose another `--run-id` for a new run",
        )


def follow(
    jobs: Jobs,
    job: Job,
    show: Callable[[str], None],
    notice: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
) -> Followed:
    """Follow a job to its end. The first signal (SIGINT, SIGTERM, SIGHUP) asks it to stop and waits for it; a later
    SIGINT stops following it.

    Args:
        show: takes the lines of the log, each once.
        notice: takes our own messages.
        clock: measures the time without an answer, in seconds.

    Raises:
        ClusterError: the cluster did not answer for five minutes; the job may still be running.
        InterruptedRunError: a SIGINT after another signal; the job may still be running.
    """
    return _Follower(jobs, job, show, notice, clock).run()


def printed(jobs: Jobs, job: Job, *, until_it_ends: bool) -> Iterator[str]:
    """Yield the lines of a job's log that are meant for people. Raises `ClusterError`."""
    log = JobLog()
    while True:
        job = jobs.look(job)
        yield from log.take(jobs.log(job), offset=0)
        if job.state.has_ended or not until_it_ends:
            yield from log.end()
            return
        time.sleep(POLL_SECONDS)


def stop_and_wait(jobs: Jobs, job: Job) -> Job:
    """Ask a job to stop, wait until it has ended, and return it. Raises `ClusterError`."""
    jobs.stop(job)
    while not (job := jobs.look(job)).state.has_ended:
        time.sleep(POLL_SECONDS)
    return job


class _Follower:
    def __init__(
        self,
        jobs: Jobs,
        job: Job,
        show: Callable[[str], None],
        notice: Callable[[str], None],
        clock: Callable[[], float],
    ) -> None:
        self._jobs = jobs
        self._job = job
        self._show = show
        self._notice = notice
        self._clock = clock
        self._log = JobLog()
        self._received: list[int] = []  # signals
        self._heeded = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._following: asyncio.Task[None] | None = None
        self._reading: asyncio.Task[None] | None = None
        self._asked_to_stop = False
        self._answered_at = clock()
        self._lost = False

    def run(self) -> Followed:
        try:
            # Installed before the loop starts, so that no signal is lost in between.
            with handling_signals(self._heed):
                asyncio.run(self._until_ended())
        except asyncio.CancelledError:
            raise self._left() from None
        for line in self._log.end():
            self._show(line)
        return self._judged()

    async def _until_ended(self) -> None:
        self._following, self._loop = asyncio.current_task(), asyncio.get_running_loop()
        while True:
            self._reading = asyncio.create_task(self._read_for_a_while())
            self._heed_signals()
            await asyncio.wait({self._reading})
            await self._stop_if_asked()
            if await self._has_ended():
                return
            await asyncio.sleep(POLL_SECONDS)

    def _heed(self, number: int) -> bool:
        # A signal may arrive between any two instructions, also within a print, so the handler only records it.
        if self._received and number != signal.SIGINT:
            return True
        self._received.append(number)
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._heed_signals)
        return len(self._received) <= 2

    def _heed_signals(self) -> None:
        if self._received and not self._heeded:
            self._heeded = True
            self._notice("stopping the run on the cluster; interrupt again to leave without waiting for it")
            if self._reading is not None:
                self._reading.cancel()
        elif len(self._received) > 1 and self._following is not None:
            self._following.cancel()

    async def _read_for_a_while(self) -> None:
        """Show the log until it ends, falls silent, or the connection drops; `_has_ended` determines which one it
        was."""
        offset = 0
        async with aclosing(self._jobs.follow_log(self._job)) as pieces:
            with suppress(StopAsyncIteration, TimeoutError, ClusterError):
                while True:
                    piece = await asyncio.wait_for(anext(pieces), _SILENT_SECONDS)
                    self._take(piece, offset)
                    offset += len(piece)

    async def _stop_if_asked(self) -> None:
        if self._received and not self._asked_to_stop:
            with suppress(ClusterError):
                await asyncio.to_thread(self._jobs.stop, self._job)
                self._asked_to_stop = True

    async def _has_ended(self) -> bool:
        """Return whether the job has ended and its whole log is read.

        Raises:
            ClusterError: the cluster has not answered for too long.
        """
        try:
            self._job = await asyncio.to_thread(self._jobs.look, self._job)
            if not self._job.state.has_ended:
                self._answered()
                return False
            with suppress(ClusterError):  # the log is lost with its node, but the end state of the job is not
                self._take(await asyncio.to_thread(self._jobs.log, self._job), 0)
            return True
        except ClusterError as problem:
            if self._clock() - self._answered_at > _PATIENCE_SECONDS or problem.code == "cluster_authentication":
                raise
            if not self._lost:
                self._lost = True
                self._notice("the connection to the cluster is lost; the run continues there; trying to reconnect")
            return False

    def _answered(self) -> None:
        self._answered_at = self._clock()
        if self._lost:
            self._lost = False
            self._notice("the cluster answers again")

    def _take(self, piece: str, offset: int) -> None:
        for line in self._log.take(piece, offset=offset):
            self._show(line)

    def _judged(self) -> Followed:
        job, outcome = self._job, self._log.outcome
        code = exit_code_of(job, outcome)
        if self._received and job.state is JobState.STOPPED and not (outcome and outcome.complete):
            code = 128 + self._received[0]
        reason = "" if outcome else job.message or job.state.value
        return Followed(job=job, exit_code=code, outcome=outcome, reports=self._log.reports(), reason=reason)

    def _left(self) -> InterruptedRunError:
        run_id = self._job.run_id
        told = "which was asked to stop it" if self._asked_to_stop else "which may not have been asked to stop it"
        return InterruptedRunError(
            f"left run `{run_id}` on the cluster, {told}",
            code="left_running",
            hint=f"look at it with `reqflo-ray status {run_id}`, or stop it with `reqflo-ray stop {run_id}`",
            exit_code=128 + self._received[0],
        )


def exit_code_of(job: Job, outcome: JobOutcome | None) -> int:
    """Return the exit code of the run that `job`, which has ended, carried out."""
    if outcome is not None and (outcome.complete or job.state is not JobState.FAILED):
        return outcome.exit_code
    if job.state is JobState.STOPPED:
        return _STOPPED
    if job.exit_code in _KNOWN_CODES or (outcome is not None and job.exit_code in _NEED_AN_OUTCOME):
        return job.exit_code
    return _UNKNOWN
