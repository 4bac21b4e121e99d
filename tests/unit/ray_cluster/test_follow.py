"""Following a job over connections that drop, and starting one only if that is needed: against a made-up cluster."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import pytest

from reqflo_ray._internal.errors import ClusterError, InterruptedRunError, RunConflictError
from reqflo_ray._internal.model.artifact import Artifact, JourneyIdentity
from reqflo_ray._internal.model.plan import RunRecord
from reqflo_ray._internal.model.results import Counts, Status, Verdict
from reqflo_ray._internal.ray_cluster import submit
from reqflo_ray._internal.ray_cluster.job_log import JobOutcome, outcome_line, pack_report, report_lines
from reqflo_ray._internal.ray_cluster.jobs import Job, JobState
from reqflo_ray._internal.runner.prepare.job_bundle import JobBundle, Order

LINES = "".join(f"line {number}\n" for number in range(6))


def a_job(state: JobState = JobState.RUNNING, *, exit_code: int | None = None, message: str = "") -> Job:
    return Job(
        submission_id="r-1",
        run_id="r",
        attempt=1,
        state=state,
        digest="d",
        exit_code=exit_code,
        message=message,
        started_at=None,
        ended_at=None,
    )


def an_outcome(exit_code: int = 0, *, complete: bool = True) -> JobOutcome:
    verdict = Verdict(
        run_id="r",
        journey="j",
        artifact="a",
        environment="",
        status=Status.PASSED,
        exit_code=exit_code,
        counts=Counts(),
        started_at="",
        finished_at="",
        duration_ms=0.0,
    )
    return JobOutcome(
        run_id="r", store="/s", results_path="/s/r", verdict=verdict, exit_code=exit_code, complete=complete
    )


@dataclass
class MadeUpCluster:
    """One job. `connections` are the pieces that each connection brings before it drops or ends; `looks` what asking
    for the job brings, an error for one that gets no answer."""

    connections: list[list[str | Exception]]
    looks: list[Job | Exception]
    whole_log: str = ""
    stops: int = 0
    pids_signalled: list[int] = field(default_factory=list)

    async def follow_log(self, job: Job) -> AsyncGenerator[str]:
        for piece in self.connections.pop(0) if self.connections else []:
            if isinstance(piece, Exception):
                raise piece
            yield piece

    def look(self, job: Job) -> Job:
        found = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if isinstance(found, Exception):
            raise found
        return found

    def log(self, job: Job) -> str:
        return self.whole_log

    def stop(self, job: Job) -> None:
        self.stops += 1


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(submit, "POLL_SECONDS", 0.0)
    yield


def follow(cluster: MadeUpCluster) -> tuple[submit.Followed, list[str], list[str]]:
    shown: list[str] = []
    notices: list[str] = []
    followed = submit.follow(cluster, a_job(), shown.append, notices.append)  # type: ignore[arg-type]
    return followed, shown, notices


def test_no_line_is_lost_or_repeated_when_connections_drop_and_streams_end_early() -> None:
    lost = ClusterError("gone", code="cluster_unreachable")
    cluster = MadeUpCluster(
        connections=[[LINES[:10]], [LINES[:9], LINES[9:20], lost], [lost], [LINES[:30]]],
        looks=[a_job(), lost, lost, a_job(), a_job(JobState.SUCCEEDED, exit_code=0)],
        whole_log=LINES + outcome_line(an_outcome()) + "\n",
    )
    followed, shown, notices = follow(cluster)
    assert shown == LINES.splitlines()
    assert followed.exit_code == 0
    assert notices == [
        "the connection to the cluster is lost; the run continues there; trying to reconnect",
        "the cluster answers again",
    ]


def test_a_cluster_that_never_answers_again_is_given_up() -> None:
    gone: list[Job | Exception] = [ClusterError(f"gone {minute}", code="cluster_unreachable") for minute in range(1, 9)]
    cluster = MadeUpCluster(connections=[], looks=gone)
    minutes = itertools.count()
    with pytest.raises(ClusterError, match="gone 6"):
        submit.follow(cluster, a_job(), print, print, lambda: 60.0 * next(minutes))  # type: ignore[arg-type]


def test_a_token_that_is_no_longer_accepted_ends_the_following_at_once() -> None:
    cluster = MadeUpCluster(connections=[], looks=[ClusterError("no", code="cluster_authentication")])
    with pytest.raises(ClusterError, match="no"):
        follow(cluster)


class InterruptedCluster(MadeUpCluster):
    """Somebody presses Ctrl-C while the log is read, `presses` times."""

    presses = 1

    async def follow_log(self, job: Job) -> AsyncGenerator[str]:
        import asyncio

        for _ in range(self.presses):
            os.kill(os.getpid(), signal.SIGINT)
            self.presses -= 1
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                if not self.presses:
                    raise
        if not self.stops:
            await asyncio.sleep(30)
        yield LINES


def test_one_interrupt_stops_the_job_and_waits_for_it() -> None:
    stopped = an_outcome(143, complete=False)
    cluster = InterruptedCluster([], [a_job(JobState.STOPPED)], LINES + outcome_line(stopped) + "\n")
    followed, shown, notices = follow(cluster)
    assert cluster.stops == 1
    assert followed.exit_code == 130
    assert shown == LINES.splitlines()
    assert notices == ["stopping the run on the cluster; interrupt again to leave without waiting for it"]


def test_an_interrupt_before_the_following_has_begun_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    real = asyncio.new_event_loop

    def interrupted() -> asyncio.AbstractEventLoop:
        os.kill(os.getpid(), signal.SIGINT)
        return real()

    monkeypatch.setattr(asyncio.events, "new_event_loop", interrupted)
    cluster = MadeUpCluster([[LINES]], [a_job(JobState.STOPPED)], outcome_line(an_outcome(143, complete=False)) + "\n")
    followed, _, notices = follow(cluster)
    assert cluster.stops == 1
    assert followed.exit_code == 130
    assert notices == ["stopping the run on the cluster; interrupt again to leave without waiting for it"]


def test_a_hang_up_stops_the_job_however_often_it_is_told() -> None:
    stopped = an_outcome(143, complete=False)

    class HungUp(MadeUpCluster):
        async def follow_log(self, job: Job) -> AsyncGenerator[str]:
            import asyncio

            for number in (signal.SIGHUP, signal.SIGHUP, signal.SIGTERM) if not self.stops else ():
                os.kill(os.getpid(), number)
            await asyncio.sleep(0 if self.stops else 30)
            yield LINES

    cluster = HungUp([], [a_job(JobState.STOPPED)], LINES + outcome_line(stopped) + "\n")
    assert follow(cluster)[0].exit_code == 129
    assert cluster.stops == 1


def test_an_interrupt_that_comes_too_late_leaves_the_verdict_as_it_is() -> None:
    cluster = InterruptedCluster([], [a_job(JobState.STOPPED)], outcome_line(an_outcome(1)) + "\n")
    assert follow(cluster)[0].exit_code == 1


def test_a_second_interrupt_leaves_the_job() -> None:
    cluster = InterruptedCluster([], [a_job()])
    cluster.presses = 2
    with pytest.raises(InterruptedRunError) as left:
        follow(cluster)
    assert left.value.exit_code == 130
    assert "status r" in left.value.hint


@pytest.mark.parametrize(
    ("state", "process", "outcome", "code"),
    [
        (JobState.SUCCEEDED, 0, an_outcome(0), 0),
        (JobState.FAILED, 1, an_outcome(1), 1),
        (JobState.FAILED, 3, an_outcome(3), 3),
        (JobState.FAILED, 2, None, 2),  # a run check on the cluster
        (JobState.FAILED, 5, None, 5),
        (JobState.FAILED, 137, None, 3),  # killed
        (JobState.FAILED, 127, None, 3),  # no reqflo-ray on the cluster
        (JobState.FAILED, 1, None, 3),  # a process that died is not a row that failed
        (JobState.FAILED, None, None, 3),  # the node is gone
        (JobState.SUCCEEDED, 0, None, 3),  # nothing was said: do not claim success
        (JobState.STOPPED, None, None, 143),
        (JobState.STOPPED, None, an_outcome(143, complete=False), 143),
        (JobState.STOPPED, None, an_outcome(0), 0),  # it was done before the stop came
        (JobState.FAILED, 137, an_outcome(0), 0),  # killed after it was done
        (JobState.FAILED, 1, an_outcome(1, complete=False), 1),  # stopped by --max-failures
        (JobState.FAILED, 137, an_outcome(143, complete=False), 3),
    ],
)
def test_the_exit_code_is_that_of_the_run(
    state: JobState, process: int | None, outcome: JobOutcome | None, code: int
) -> None:
    assert submit.exit_code_of(a_job(state, exit_code=process), outcome) == code


@dataclass
class MadeUpJobs:
    """The jobs of a run, and who else submits attempts at the same time."""

    jobs: list[Job] = field(default_factory=list)
    log_text: str = ""
    rivals: int = 0
    submitted: list[int] = field(default_factory=list)

    def attempts(self, run_id: str) -> list[Job]:
        return sorted(self.jobs, key=lambda job: job.attempt)

    def log(self, job: Job) -> str:
        return self.log_text

    def submit(self, run_id: str, attempt: int, *, entrypoint: str, folder: Path, digest: str) -> bool:
        won = self.rivals == 0
        self.rivals -= not won
        self.submitted.append(attempt)
        self.jobs.append(replace(a_job(), attempt=attempt, digest=digest))
        return won


def begin(jobs: MadeUpJobs, submission: JobBundle) -> submit.Started:
    return submit.start(jobs, submission, ship_data=False)  # type: ignore[arg-type]


@pytest.fixture
def submission() -> JobBundle:
    record = RunRecord(run_id="r", nonce="00", created_at="2026-01-01T00:00:00Z", artifact="a", journey="j")
    artifact = Artifact(journey=JourneyIdentity(name="j"))
    return JobBundle(order=Order(store="/s", version="1"), record=record, artifact=artifact)


def test_a_new_run_is_attempt_one(submission: JobBundle) -> None:
    jobs = MadeUpJobs()
    assert not begin(jobs, submission).attached
    assert jobs.submitted == [1]


def test_a_job_that_is_under_way_is_not_started_again(submission: JobBundle) -> None:
    jobs = MadeUpJobs([replace(a_job(), digest=submission.digest)])
    assert begin(jobs, submission).attached
    assert jobs.submitted == []


def test_a_run_that_is_complete_is_not_started_again(submission: JobBundle) -> None:
    done = replace(a_job(JobState.FAILED, exit_code=1), digest=submission.digest)
    jobs = MadeUpJobs([done], outcome_line(an_outcome(1)) + "\n")
    assert begin(jobs, submission).job == done


@pytest.mark.parametrize(
    ("sent", "omitted", "attached"),
    [((), (), False), (("junit",), (), False), (("junit", "html"), (), True), (("junit",), ("html",), True)],
)
def test_a_complete_run_whose_job_did_not_send_every_report_is_asked_again_for_them(
    submission: JobBundle, tmp_path: Path, sent: tuple[str, ...], omitted: tuple[str, ...], attached: bool
) -> None:
    (tmp_path / "report").write_bytes(b"all of it")
    lines = [line for name in sent for line in report_lines(name, pack_report(tmp_path / "report"))]
    lines.append(outcome_line(msgspec.structs.replace(an_outcome(1), omitted=omitted)))
    done = replace(a_job(JobState.FAILED, exit_code=1), digest=submission.digest)
    order = msgspec.structs.replace(submission.order, reports=("junit", "html"))
    jobs = MadeUpJobs([done], "\n".join([*lines, ""]))
    assert begin(jobs, replace(submission, order=order)).attached is attached


def test_a_report_that_did_not_arrive_whole_is_asked_for_again(submission: JobBundle) -> None:
    done = replace(a_job(JobState.SUCCEEDED, exit_code=0), digest=submission.digest)
    order = msgspec.structs.replace(submission.order, reports=("junit",))
    jobs = MadeUpJobs([done], f"reqflo-ray:report junit 1/2 AAAA\n{outcome_line(an_outcome())}\n")
    assert not begin(jobs, replace(submission, order=order)).attached


@pytest.mark.parametrize("text", ["", outcome_line(an_outcome(143, complete=False)) + "\n"])
def test_an_attempt_that_ended_unfinished_is_followed_by_the_next(submission: JobBundle, text: str) -> None:
    jobs = MadeUpJobs([a_job(JobState.STOPPED)], text)
    assert begin(jobs, submission).job.attempt == 2


def test_of_two_that_submit_at_once_the_slower_follows_the_other(submission: JobBundle) -> None:
    jobs = MadeUpJobs(rivals=1)
    assert begin(jobs, submission).attached
    assert jobs.submitted == [1]


def test_other_inputs_under_the_same_id_are_refused(submission: JobBundle) -> None:
    with pytest.raises(RunConflictError, match="other inputs"):
        begin(MadeUpJobs([a_job()]), submission)
