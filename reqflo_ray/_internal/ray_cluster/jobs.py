"""Submits, finds, follows, and stops the jobs of a remote cluster, by run: a thin shell around Ray's own client, with
our errors. It must not know what a run is.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from reqflo_ray._internal.errors import ClusterError, UsageError
from reqflo_ray._internal.model import instants
from reqflo_ray._internal.model.names import meant_by
from reqflo_ray._internal.ray_cluster.address import ClusterAddress, check_cluster, refused_token
from reqflo_ray._internal.ray_cluster.ray_internals import is_not_ready, mute_job_client

if TYPE_CHECKING:
    from ray.job_submission import JobDetails, JobSubmissionClient

_T = TypeVar("_T")
_RUN: Final = "reqflo_run"
_DIGEST: Final = "reqflo_digest"
_ATTEMPT: Final = re.compile(r"(?P<run>.+)-(?P<attempt>[1-9]\d*)", re.ASCII)
# How long a stopped job may drain before it is killed: longer than a request may take.
_DRAIN_SECONDS: Final = 90
READY_SECONDS: Final = 120.0
RETRY_SECONDS: Final = 2.0
_RETRIES: Final = 4
_SHOWN_MESSAGE: Final = 300
_LATEST: Final = "latest"
# Either would override the address that was passed.
_OVERRIDES: Final = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")


class JobState(StrEnum):
    """The state of a job, in Ray's words."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    STOPPED = "STOPPED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"

    @property
    def has_ended(self) -> bool:
        """Whether the state is final."""
        return self not in (JobState.PENDING, JobState.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One attempt at a run. `exit_code` is that of its process, None if Ray does not report it; instants are RFC 3339
    text. `message` is one line in which Ray says how it ended."""

    submission_id: str
    run_id: str
    attempt: int
    state: JobState
    digest: str
    exit_code: int | None
    message: str
    started_at: str | None
    ended_at: str | None


def submission_id(run_id: str, attempt: int) -> str:
    """Return the name of an attempt at a run on the cluster. Ray accepts each name once, so nothing starts twice."""
    return f"{run_id}-{attempt}"


class Jobs:
    """The jobs of one cluster.

    All methods raise `ClusterError` when the cluster cannot be reached (`cluster_unreachable`), does not accept our
    token (`cluster_authentication`), or refuses (`job_refused`).
    """

    def __init__(self, client: JobSubmissionClient, cluster: ClusterAddress) -> None:
        self._client = client
        self._cluster = cluster

    @classmethod
    def of(cls, cluster: ClusterAddress) -> Jobs:
        """Connect to the cluster. Raises as `check_cluster`."""
        check_cluster(cluster)
        with _environment_without(_OVERRIDES):
            from ray.job_submission import JobSubmissionClient

            mute_job_client()
            client = _guarded(cluster, lambda: JobSubmissionClient(cluster.url, headers=cluster.headers))
        return cls(client, cluster)

    @property
    def url(self) -> str:
        """The address of the cluster's dashboard."""
        return self._cluster.url

    def submit(self, run_id: str, attempt: int, *, entrypoint: str, folder: Path, digest: str) -> bool:
        """Start an attempt with the files of `folder`. Return False if that attempt already exists."""

        def start() -> str:
            return self._client.submit_job(
                entrypoint=entrypoint,
                submission_id=submission_id(run_id, attempt),
                # Ray shows all of this to every user of the cluster, so it holds IDs only.
                metadata={_RUN: run_id, _DIGEST: digest},
                runtime_env={
                    "working_dir": str(folder),
                    "env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": str(_DRAIN_SECONDS)},
                },
                entrypoint_num_cpus=0,
            )

        give_up_at = time.monotonic() + READY_SECONDS
        while True:
            try:
                self._call(start)
                return True
            except ClusterError as refusal:
                if refusal.code == "job_refused" and any(job.attempt == attempt for job in self.attempts(run_id)):
                    return False
                if not is_not_ready(refusal.cause) or time.monotonic() > give_up_at:
                    raise
            time.sleep(RETRY_SECONDS)

    def attempts(self, run_id: str) -> list[Job]:
        """Return the attempts at one run, in order."""
        return sorted((job for job in self._all() if job.run_id == run_id), key=lambda job: job.attempt)

    def find(self, run: str) -> Job:
        """Return the last attempt at a run, which is named by its ID, a unique beginning of one, or `latest`.

        Raises:
            UsageError: `unknown_job`, `ambiguous_run`.
        """
        jobs = self._all()
        if run == _LATEST:
            named = {max(jobs, key=lambda job: job.started_at or "").run_id} if jobs else set()
        else:
            named = set(meant_by(run, (job.run_id for job in jobs)))
        if not named:
            known = ", ".join(sorted({job.run_id for job in jobs})[-5:])
            raise UsageError(
                f"the cluster at `{self.url}` has no job for a run `{run}`",
                code="unknown_job",
                hint=f"known runs: {known}" if known else "start a run there with `reqflo-ray submit`",
            )
        if len(named) > 1:
            raise UsageError(
                f"{len(named)} runs begin with `{run}`: {', '.join(sorted(named)[:5])}",
                code="ambiguous_run",
                hint="type more of the ID",
            )
        [run_id] = named
        return max((job for job in jobs if job.run_id == run_id), key=lambda job: job.attempt)

    def look(self, job: Job) -> Job:
        """Return the current state of the job."""
        found = _job(self._call(lambda: self._client.get_job_info(job.submission_id)))
        return found or job

    def log(self, job: Job) -> str:
        """Return all that a job has printed. Raises `job_refused` if the log is lost with its node."""
        return self._call(lambda: self._client.get_job_logs(job.submission_id))

    async def follow_log(self, job: Job) -> AsyncGenerator[str]:
        """Yield the log from its start, in pieces, as it grows. It may end before the job does."""
        pieces = self._client.tail_job_logs(job.submission_id)
        while True:
            try:
                piece = await anext(pieces)
            except StopAsyncIteration:
                return
            except Exception as problem:
                raise _cluster_error(self._cluster, problem) from None
            yield piece

    def stop(self, job: Job) -> None:
        """Ask a job to stop, after which it drains. Does nothing to a job that has ended."""
        self._call(lambda: self._client.stop_job(job.submission_id))

    def _all(self) -> list[Job]:
        found = (_job(details) for details in self._call(self._client.list_jobs))
        return [job for job in found if job is not None]

    def _call(self, act: Callable[[], _T]) -> _T:
        """Return what `act` returns, and repeat it if the connection drops. Every `act` may be repeated safely."""
        for _ in range(_RETRIES):
            try:
                return _guarded(self._cluster, act)
            except ClusterError as problem:
                if problem.code != "cluster_unreachable":
                    raise
            time.sleep(RETRY_SECONDS)
        return _guarded(self._cluster, act)


def _guarded(cluster: ClusterAddress, act: Callable[[], _T]) -> _T:
    try:
        return act()
    except Exception as problem:
        raise _cluster_error(cluster, problem) from None


def _cluster_error(cluster: ClusterAddress, problem: Exception) -> ClusterError:
    from ray.exceptions import AuthenticationError

    if isinstance(problem, AuthenticationError):
        return refused_token(cluster)
    text = _one_line(str(problem)) or type(problem).__name__
    # Ray's client raises nothing more specific for an error response of the cluster.
    if isinstance(problem, RuntimeError) and "status code" in text:
        return ClusterError(f"the cluster at `{cluster.url}` refused the request", code="job_refused", cause=text)
    return ClusterError(
        f"the cluster at `{cluster.url}` does not answer",
        code="cluster_unreachable",
        cause=text,
        hint="check a run with `reqflo-ray status RUN`; runs on the cluster continue",
    )


def _job(details: JobDetails) -> Job | None:
    """Convert Ray's job to ours; None if `reqflo-ray submit` did not start it."""
    name, metadata = details.submission_id, details.metadata or {}
    found = _ATTEMPT.fullmatch(name or "")
    if name is None or found is None or metadata.get(_RUN) != found["run"]:
        return None
    return Job(
        submission_id=name,
        run_id=found["run"],
        attempt=int(found["attempt"]),
        state=JobState(details.status.value),
        digest=metadata.get(_DIGEST, ""),
        exit_code=details.driver_exit_code,
        message=_one_line(details.message or ""),
        started_at=_instant(details.start_time),
        ended_at=_instant(details.end_time),
    )


def _one_line(text: str) -> str:
    # After the first line come the job's log, or a traceback of the cluster.
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return line[:_SHOWN_MESSAGE]


def _instant(milliseconds: Any) -> str | None:
    if not milliseconds:
        return None
    return instants.written(datetime.fromtimestamp(milliseconds / 1000, UTC))


@contextmanager
def _environment_without(names: tuple[str, ...]) -> Iterator[None]:
    before = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(before)
