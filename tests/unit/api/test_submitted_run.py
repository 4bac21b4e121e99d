"""The job's side of `submit`: what it reads from its folder, and what it says at its end."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from reqflo_ray import Counts, ReqfloError, RunOutcome, Status, SubmittedRun, UsageError, Verdict
from reqflo_ray._internal.model.artifact import Artifact, JourneyIdentity
from reqflo_ray._internal.model.plan import RunRecord
from reqflo_ray._internal.ray_cluster.job_log import JobLog
from reqflo_ray._internal.runner.prepare.job_bundle import JobBundle, Order, own_version, pack

RECORD = RunRecord(run_id="r1", nonce="00", created_at="2026-01-01T00:00:00Z", artifact="a", journey="j")
VERDICT = Verdict(
    run_id="r1",
    journey="j",
    artifact="a",
    environment="",
    status=Status.PASSED,
    exit_code=0,
    counts=Counts(rows=1, passed=1),
    started_at="2026-01-01T00:00:00Z",
    finished_at="2026-01-01T00:00:01Z",
    duration_ms=1000.0,
)


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a job, as `submit` packs it."""
    monkeypatch.chdir(tmp_path)
    order = Order(store=str(tmp_path / "store"), version=own_version(), reports=("junit", "json"), quiet=True)
    pack(
        tmp_path,
        JobBundle(order=order, record=RECORD, artifact=Artifact(journey=JourneyIdentity(name="j"))),
        ship_data=False,
    )
    return tmp_path


def test_a_job_reads_what_was_ordered(job: Path) -> None:
    submitted = SubmittedRun()
    assert (submitted.store, submitted.quiet) == (str(job / "store"), True)


def test_a_folder_of_something_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as refused:
        SubmittedRun()
    assert refused.value.code == "no_submission"


def test_what_another_version_submitted_is_refused(job: Path) -> None:
    order = msgspec.json.decode((job / "submission.json").read_bytes())
    (job / "submission.json").write_bytes(msgspec.json.encode({**order, "version": "0.0.1"}))
    with pytest.raises(UsageError) as refused:
        SubmittedRun()
    assert refused.value.code == "version_skew"


def test_how_the_run_ended_comes_back_whatever_becomes_of_its_reports(job: Path) -> None:
    outcome = RunOutcome(
        run_id="r1",
        store=str(job / "store"),
        results_path=str(job / "store/runs/r1"),
        verdict=VERDICT,
        exit_code=0,
        complete=True,
        resumed=False,
    )
    problems, log = list[ReqfloError](), JobLog()
    for line in SubmittedRun().answer(outcome, problems.append):
        assert log.take(line + "\n", offset=log.taken) == [], "no line of it is for people"
    assert [problem.code for problem in problems] == ["unknown_run"], "the store has no such run"
    assert log.outcome is not None and log.outcome.verdict == VERDICT
    assert log.outcome.omitted == ("junit", "json") and log.reports() == {}
