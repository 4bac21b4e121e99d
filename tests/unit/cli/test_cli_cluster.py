"""`submit`, `status`, `logs` and `stop`: what they ask of the cluster, what they show, how they exit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest
from fake_api import FakeApi
from screens import CommandLine, MakeOutcome

import reqflo_ray
from reqflo_ray import Dataset, Journey, Submission, Target
from reqflo_ray._internal.ray_cluster import submit
from reqflo_ray._internal.ray_cluster.job_log import JobOutcome, outcome_line
from reqflo_ray._internal.ray_cluster.jobs import Job, Jobs, JobState
from reqflo_ray._internal.ray_cluster.submit import Followed

URL = "http://127.0.0.1:8265"
JOB = Job(
    submission_id="nightly-1",
    run_id="nightly",
    attempt=1,
    state=JobState.RUNNING,
    digest="d",
    exit_code=None,
    message="Job is currently running.",
    started_at="2026-01-02T03:04:05.000Z",
    ended_at=None,
)


@dataclass
class FakeCluster:
    """The jobs of a cluster, as the commands see them."""

    job: Job = JOB
    text: str = ""
    url: str = URL
    submitted: list[tuple[Journey, dict[str, Any]]] = field(default_factory=list)
    stopped: int = 0
    attached: bool = False
    followed: Followed | None = None

    def submit(self, journey: Journey, data: Dataset, **facts: Any) -> Submission:
        self.submitted.append((journey, facts))
        return Submission(cast(Jobs, self), self.job, is_new=not self.attached)

    def find(self, run: str) -> Job:
        assert run == "nightly"
        return self.job

    def look(self, job: Job) -> Job:
        return self.job

    def log(self, job: Job) -> str:
        return self.text

    def stop(self, job: Job) -> None:
        self.stopped += 1
        self.job = replace(self.job, state=JobState.STOPPED)


@pytest.fixture
def cluster(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    fake = FakeCluster()
    monkeypatch.setattr(reqflo_ray, "submit", fake.submit)
    monkeypatch.setattr(Jobs, "of", lambda cluster: fake)
    monkeypatch.setattr(submit, "follow", lambda jobs, job, show, notice: show("a line \x1b[2J") or fake.followed)
    monkeypatch.setattr(submit, "POLL_SECONDS", 0.0)
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", URL)
    monkeypatch.delenv("REQFLO_STORE", raising=False)
    return fake


@pytest.fixture
def job_outcome(outcome: MakeOutcome) -> Callable[..., JobOutcome]:
    def make(*, complete: bool = True, **facts: Any) -> JobOutcome:
        ended = outcome(run_id="nightly", **facts)
        return JobOutcome(
            run_id="nightly",
            store="/mnt/runs",
            results_path="/mnt/runs/runs/nightly",
            verdict=ended.verdict,
            exit_code=ended.exit_code,
            complete=complete,
        )

    return make


def followed(outcome: JobOutcome | None, code: int, **facts: Any) -> Followed:
    return Followed(job=JOB, exit_code=code, outcome=outcome, reports=facts.pop("reports", {}), **facts)


def test_submit_exits_as_the_run_does_and_hands_over_verdict_and_reports(
    command_line: CommandLine, cluster: FakeCluster, job_outcome: Callable[..., JobOutcome], tmp_path: Path
) -> None:
    cluster.followed = followed(
        job_outcome(exit_code=1, rows=3, failed=1), 1, reports={"json": b'{"rows":[]}', "junit": b"<x/>"}
    )
    output = tmp_path / "result.json"
    asked = ("--output", str(output), "--report", f"junit={tmp_path / 'j.xml'}")
    answer = command_line("submit", "place-order", "--store", "/mnt/runs", *asked, "--json")
    assert answer.code == 1
    assert answer.json["counts"]["failed"] == 1
    assert output.read_bytes() == b'{"rows":[]}'
    assert (tmp_path / "j.xml").read_bytes() == b"<x/>"
    assert f"run nightly: job nightly-1 at {URL}" in answer.err
    assert "a line \\x1b[2J" in answer.err
    [(journey, facts)] = cluster.submitted
    assert journey == Journey("place-order")
    assert facts["target"] == Target(store="/mnt/runs", address=URL)
    assert facts["reports"] == ["json", "junit"]
    assert not facts["shared_data"]
    assert not facts["allow_unauthenticated"]


def test_submit_without_wait_returns_when_the_job_is_there(command_line: CommandLine, cluster: FakeCluster) -> None:
    answer = command_line("submit", "place-order", "--no-wait", "--shared-data", "--allow-unauthenticated-cluster")
    assert answer.code == 0
    assert "reqflo-ray status nightly" in answer.err
    [(_, facts)] = cluster.submitted
    assert facts["shared_data"]
    assert facts["allow_unauthenticated"]


@pytest.mark.parametrize(
    ("attached", "state", "said"),
    [(True, JobState.RUNNING, "is running"), (True, JobState.SUCCEEDED, "is finished, so nothing is sent")],
)
def test_submit_says_that_the_run_is_there_already(
    command_line: CommandLine, cluster: FakeCluster, attached: bool, state: JobState, said: str
) -> None:
    cluster.job, cluster.attached = replace(JOB, state=state), attached
    assert said in command_line("submit", "place-order", "--no-wait").err


def test_a_job_that_ended_without_a_result_says_why_and_how_to_resume(
    command_line: CommandLine, cluster: FakeCluster
) -> None:
    cluster.followed = followed(None, 3, reason="runtime_env setup failed\x1b[2J")
    answer = command_line("submit", "place-order", "--json")
    assert answer.code == 3
    assert answer.out == ""
    assert "without a result: runtime_env setup failed\\x1b[2J" in answer.err
    assert "--run-id nightly" in answer.err


def test_a_run_that_was_stopped_hands_over_the_reports_that_came(
    command_line: CommandLine, cluster: FakeCluster, job_outcome: Callable[..., JobOutcome], tmp_path: Path
) -> None:
    cluster.followed = followed(job_outcome(exit_code=143, complete=False), 143, reports={"junit": b"<x/>"})
    answer = command_line("submit", "place-order", "--report", f"junit={tmp_path / 'j.xml'}")
    assert answer.code == 143
    assert "--run-id nightly" in answer.err
    assert (tmp_path / "j.xml").read_bytes() == b"<x/>"


@pytest.mark.parametrize(("run_code", "code"), [(0, 3), (1, 1)])
def test_a_report_that_did_not_come_back_is_an_error_and_keeps_no_other_away(
    command_line: CommandLine,
    cluster: FakeCluster,
    job_outcome: Callable[..., JobOutcome],
    tmp_path: Path,
    run_code: int,
    code: int,
) -> None:
    cluster.followed = followed(job_outcome(exit_code=run_code), run_code, reports={"junit": b"<x/>"})
    asked = ("--output", str(tmp_path / "r.json"), "--report", f"junit={tmp_path / 'j.xml'}")
    answer = command_line("submit", "place-order", *asked)
    assert answer.code == code
    assert "error[report_not_sent]: the json report" in answer.err
    assert [path.name for path in tmp_path.iterdir()] == ["j.xml"]


def test_a_job_without_a_verdict_leaves_no_report_of_an_earlier_run(
    command_line: CommandLine, cluster: FakeCluster, tmp_path: Path
) -> None:
    (tmp_path / "j.xml").write_text("<testsuites tests='1'/>")
    cluster.followed = followed(None, 2, reason="runtime_env setup failed")
    answer = command_line("submit", "place-order", "--report", f"junit={tmp_path / 'j.xml'}", "--output", "new.json")
    assert answer.code == 2
    text = (tmp_path / "j.xml").read_text()
    assert 'type="no_verdict"' in text and "runtime_env setup failed" in text and 'value="2"' in text
    assert not Path("new.json").exists()


def test_a_report_that_did_not_come_back_leaves_none_of_an_earlier_run(
    command_line: CommandLine, cluster: FakeCluster, job_outcome: Callable[..., JobOutcome], tmp_path: Path
) -> None:
    for name in ("j.xml", "p.html"):
        (tmp_path / name).write_text("earlier")
    cluster.followed = followed(job_outcome(exit_code=0), 0, reports={"junit": b"<x/>"})
    asked = ("--report", f"html={tmp_path / 'p.html'}", "--report", f"junit={tmp_path / 'j.xml'}")
    assert command_line("submit", "place-order", *asked).code == 3
    assert (tmp_path / "j.xml").read_bytes() == b"<x/>"
    assert "no result: the html report did not come back" in (tmp_path / "p.html").read_text()


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--no-wait", "--json"), "result_without_wait"),
        (("--no-wait", "--output", "x.json"), "result_without_wait"),
        (("--no-wait", "--report", "junit=x.xml"), "result_without_wait"),
        (("--report", "junit"), "invalid_report"),
        (("--key", "id"), "key_without_data"),
        (("--fail-fast", "--max-failures", "2"), "two_limits"),
        (("--output", "/dev/null/x.json"), "output_not_writable"),
    ],
)
def test_submit_refuses_options_that_contradict_each_other(
    command_line: CommandLine, cluster: FakeCluster, options: tuple[str, ...], code: str
) -> None:
    answer = command_line("submit", "place-order", *options)
    assert answer.code == 2
    assert f"error[{code}]" in answer.err
    assert cluster.submitted == []


def test_status_tells_the_exit_code_of_the_run(
    command_line: CommandLine, cluster: FakeCluster, job_outcome: Callable[..., JobOutcome]
) -> None:
    cluster.job = replace(JOB, state=JobState.FAILED, exit_code=1, message="Job failed.")
    cluster.text = outcome_line(job_outcome(exit_code=1, rows=3, failed=1)) + "\n"
    facts = command_line("status", "nightly", "--json").json
    assert facts["state"] == "failed"
    assert facts["exit_code"] == 1
    assert facts["rows"] == 3
    assert facts["results"] == "/mnt/runs/runs/nightly"


def test_status_of_a_job_that_runs_has_no_exit_code(command_line: CommandLine, cluster: FakeCluster) -> None:
    shown = command_line("status", "nightly").out
    assert "state: running\n" in shown
    assert "exit_code" not in shown


def test_logs_shows_what_people_are_to_see(
    command_line: CommandLine, cluster: FakeCluster, job_outcome: Callable[..., JobOutcome]
) -> None:
    cluster.text = f"one\n\x1b[2Jtwo\n{outcome_line(job_outcome())}\n"
    assert command_line("logs", "nightly").out == "one\n\\x1b[2Jtwo\n"
    cluster.job = replace(JOB, state=JobState.SUCCEEDED)
    assert command_line("logs", "nightly", "--follow").out == "one\n\\x1b[2Jtwo\n"


def test_stop_waits_until_the_job_has_ended(command_line: CommandLine, cluster: FakeCluster) -> None:
    answer = command_line("stop", "nightly")
    assert (answer.code, cluster.stopped) == (0, 1)
    assert "run nightly: stopped" in answer.err


def test_stop_leaves_a_job_alone_that_has_ended(command_line: CommandLine, cluster: FakeCluster) -> None:
    cluster.job = replace(JOB, state=JobState.SUCCEEDED)
    assert "had already ended: succeeded" in command_line("stop", "nightly", "--no-wait").err
    assert cluster.stopped == 0


@pytest.mark.parametrize("command", ["status", "logs", "stop"])
def test_a_cluster_on_another_machine_needs_a_token(
    command_line: CommandLine, cluster: FakeCluster, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    answer = command_line(command, "nightly", "--address", "http://head:8265")
    assert answer.code == 2
    assert "error[unauthenticated_cluster]" in answer.err
    assert (
        command_line(command, "nightly", "--address", "http://head:8265", "--allow-unauthenticated-cluster").code == 0
    )
