"""Jobs as we see them through Ray's client: which are ours, and what its refusals mean."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reqflo_ray._internal.errors import ClusterError, UsageError
from reqflo_ray._internal.ray_cluster import jobs as module
from reqflo_ray._internal.ray_cluster.address import ClusterAddress
from reqflo_ray._internal.ray_cluster.jobs import Jobs, JobState


def details(name: str, run_id: str | None, start: int = 0, **facts: Any) -> SimpleNamespace:
    metadata = {"reqflo_run": run_id, "reqflo_digest": "d"} if run_id else {}
    given = {"status": SimpleNamespace(value="RUNNING"), "driver_exit_code": None, "message": "", "end_time": None}
    return SimpleNamespace(submission_id=name, metadata=metadata, start_time=start, **{**given, **facts})


@dataclass
class RaysClient:
    """Answers with what a test put in; an exception is raised."""

    listed: list[Any] = field(default_factory=list)
    answers: list[str | Exception] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)

    def list_jobs(self) -> list[Any]:
        return self.listed

    def submit_job(self, **facts: Any) -> str:
        self.asked.append(facts)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def jobs_of(client: RaysClient) -> Jobs:
    return Jobs(client, ClusterAddress("http://127.0.0.1:8265", "made-up-token"))  # type: ignore[arg-type]


def start(client: RaysClient) -> bool:
    return jobs_of(client).submit("nightly", 2, entrypoint="exec x", folder=Path("/f"), digest="d")


def refusal(status: int, text: str) -> RuntimeError:
    return RuntimeError(f"Request failed with status code {status}: {text}.")


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.0)


def test_a_job_carries_ids_and_the_time_to_drain_and_nothing_else() -> None:
    client = RaysClient(answers=["nightly-2"])
    assert start(client)
    [asked] = client.asked
    assert asked["submission_id"] == "nightly-2"
    assert asked["metadata"] == {"reqflo_run": "nightly", "reqflo_digest": "d"}
    assert asked["runtime_env"] == {"working_dir": "/f", "env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": "90"}}
    assert asked["entrypoint_num_cpus"] == 0


def test_an_attempt_that_exists_is_not_started() -> None:
    taken = refusal(500, "Job with submission_id nightly-2 already exists")
    assert not start(RaysClient(listed=[details("nightly-2", "nightly")], answers=[taken]))


def test_a_name_that_somebody_elses_job_has_is_a_refusal() -> None:
    taken = refusal(500, "Job with submission_id nightly-2 already exists")
    with pytest.raises(ClusterError, match="refused"):
        start(RaysClient(listed=[details("nightly-2", "other")], answers=[taken]))


def test_a_head_that_has_just_started_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    busy = refusal(500, "No available agent to submit job, please try again later.")
    client = RaysClient(answers=[busy, busy, "nightly-2"])
    assert start(client)
    assert len(client.asked) == 3
    monkeypatch.setattr(module, "READY_SECONDS", -1.0)
    with pytest.raises(ClusterError, match="refused"):
        start(RaysClient(answers=[busy]))


def test_a_connection_that_drops_is_tried_again() -> None:
    lost = ConnectionError("Remote end closed connection without response")
    client = RaysClient(answers=[lost, lost, "nightly-2"])
    assert start(client)
    # The first one may have arrived: then the name is taken, and whoever asked looks who has it.
    taken = refusal(500, "Job with submission_id nightly-2 already exists")
    assert not start(RaysClient(listed=[details("nightly-2", "nightly")], answers=[lost, taken]))


@pytest.mark.parametrize(
    ("problem", "code"),
    [
        (refusal(413, "Maximum request body size 104857600 exceeded"), "job_refused"),
        (RuntimeError("WebSocket connection closed unexpectedly"), "cluster_unreachable"),
        (ConnectionError("Failed to connect to Ray at address: http://127.0.0.1:8265."), "cluster_unreachable"),
    ],
)
def test_what_rays_client_raises_has_a_code_of_ours(problem: Exception, code: str) -> None:
    with pytest.raises(ClusterError) as refused:
        start(RaysClient(answers=[problem] * 5))
    assert refused.value.code == code
    assert "made-up-token" not in f"{refused.value.message}{refused.value.cause}"


MANY = [
    details("nightly-1", "nightly", 1000),
    details("nightly-10", "nightly", 3000),
    details("nightly-2", "nightly", 2000, end_time=2500, message="\n  Job was stopped.\nand its log"),
    details("nightly-1-1", "nightly-1", 1500),
    details("raysubmit_x", None, 9000),
    details("nightly-3", "other", 9000),  # somebody else's metadata
    details("weekly-1", "weekly", 4000),
]


def test_the_attempts_of_a_run_are_its_own_in_order() -> None:
    attempts = jobs_of(RaysClient(listed=MANY)).attempts("nightly")
    assert [job.attempt for job in attempts] == [1, 2, 10]
    assert attempts[1].message == "Job was stopped."
    assert (attempts[1].started_at, attempts[1].ended_at) == ("1970-01-01T00:00:02.000Z", "1970-01-01T00:00:02.500Z")
    assert attempts[1].state is JobState.RUNNING


@pytest.mark.parametrize(
    ("run", "found"),
    [("nightly", "nightly-10"), ("nightly-1", "nightly-1-1"), ("week", "weekly-1"), ("latest", "weekly-1")],
)
def test_a_run_is_found_by_id_beginning_or_latest(run: str, found: str) -> None:
    assert jobs_of(RaysClient(listed=MANY)).find(run).submission_id == found


@pytest.mark.parametrize(
    ("run", "listed", "code"),
    [("n", MANY, "ambiguous_run"), ("none", MANY, "unknown_job"), ("latest", MANY[4:5], "unknown_job")],
)
def test_a_run_that_is_not_there_is_told(run: str, listed: list[Any], code: str) -> None:
    with pytest.raises(UsageError) as refused:
        jobs_of(RaysClient(listed=listed)).find(run)
    assert refused.value.code == code
