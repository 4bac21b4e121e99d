"""`run`, `resume` and `rerun`: what they ask of the API, what they show, how they exit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from fake_api import FakeApi
from screens import ClosedStream, CommandLine, MakeOutcome

from reqflo_ray import Dataset, Execution, FailureGroup, FailureGroups, Journey, RowView, StoreError, Target
from reqflo_ray._internal.model.plan import Durability, Evidence
from reqflo_ray._internal.model.results import Status


def test_run_passes_every_option_on(
    command_line: CommandLine, api: FakeApi, outcome: MakeOutcome, tmp_path: Path
) -> None:
    api.answer = outcome(rows=1, passed=1)
    answer = command_line(
        *("run", "place-order", "--workspace", str(tmp_path), "--overlay", "a", "--overlay", "b"),
        *("--data", "x.csv", "--data", "gs://b/*.parquet", "--key", "k", "--encoding", "latin-1"),
        *(
            "--env",
            "local",
            "--case",
            "Gift order",
            "--preset",
            "p1",
            "--preset",
            "p2",
            "--set",
            "a=1",
            "--set",
            "b=x=y",
        ),
        *(
            "--backend",
            "ray",
            "--address",
            "auto",
            "--workers",
            "4",
            "--take-over",
            "--concurrency",
            "8",
            "--rate",
            "0.5",
        ),
        *("--evidence", "failures", "--durability", "process", "--strict", "--max-failures", "3"),
        *("--store", "/s", "--run-id", "nightly", "--report", f"junit={tmp_path / 'j.xml'}"),
    )
    assert answer.code == 0
    asked = api.request()
    assert asked.journey == Journey(
        "place-order",
        workspace=str(tmp_path),
        overlays=("a", "b"),
        environment="local",
        case="Gift order",
        presets=("p1", "p2"),
        overrides={"a": "1", "b": "x=y"},
    )
    assert asked.data == Dataset(("x.csv", "gs://b/*.parquet"), key="k", encoding="latin-1", strict=True)
    assert asked.execution == Execution(
        concurrency=8, rate=0.5, evidence=Evidence.FAILURES, durability=Durability.PROCESS, max_failures=3
    )
    assert asked.target == Target(store="/s", backend="ray", address="auto", workers=4)
    assert (asked.run_id, asked.take_over, asked.outputs) == ("nightly", True, [tmp_path / "j.xml"])


def test_a_bare_run_leaves_the_defaults_to_the_api(
    command_line: CommandLine, api: FakeApi, outcome: MakeOutcome
) -> None:
    api.answer = outcome(rows=1, passed=1)
    command_line("run", "place-order")
    asked = api.request()
    assert (asked.journey, asked.execution, asked.target) == (Journey("place-order"), Execution(), Target())
    assert (asked.data.files, asked.data.is_in_memory, asked.run_id, asked.outputs) == ((), False, None, [])


def test_the_store_may_be_named_by_the_environment(
    command_line: CommandLine, api: FakeApi, outcome: MakeOutcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.answer = outcome(rows=1, passed=1)
    monkeypatch.setenv("REQFLO_STORE", "/from-env")
    answer = command_line("run", "place-order", environment={"REQFLO_STORE": "/from-env"})
    assert api.request().target.store == "/from-env"
    assert "--store" not in answer.err  # later commands find it the same way


def test_a_store_given_by_option_is_named_in_the_query_line(
    command_line: CommandLine, api: FakeApi, outcome: MakeOutcome
) -> None:
    api.answer = outcome(rows=1, passed=1)
    assert "--run r1 --store /s" in command_line("run", "place-order", "--store", "/s").err


@pytest.mark.parametrize("code", [0, 1, 3, 4, 5, 130, 143])
def test_run_exits_as_the_run_did(command_line: CommandLine, api: FakeApi, outcome: MakeOutcome, code: int) -> None:
    api.answer = outcome(exit_code=code)
    assert command_line("run", "place-order").code == code


def test_without_json_nothing_is_written_to_standard_output(
    command_line: CommandLine, api: FakeApi, outcome: MakeOutcome
) -> None:
    api.answer = outcome(rows=1, passed=1)
    answer = command_line("run", "place-order")
    assert answer.out == ""
    assert answer.err.startswith("status: passed  rows 1 ")


STEP = {"step_id": "create", "status": "passed", "attempt": 1, "duration_ms": 1.0, "http_response_status_code": 201}
WRONG = {"type": "status_code", "operator": "equals", "expected": "200", "actual": "500", "status": "failed"}
FAILED = {
    "step_id": "read",
    "status": "failed",
    "attempt": 1,
    "duration_ms": 2.0,
    "http_request_method": "GET",
    "url_full": "http://127.0.0.1/orders",
    "http_request_headers": [("Authorization", "[secret:TOKEN]")],
    "http_response_status_code": 500,
    "http_response_body": "no\n::error::x",
    "assertions": [{**WRONG, "message": "status is 500, expected 200"}],
}


def test_a_run_of_one_row_tells_its_steps_and_of_a_failure_the_exchange(
    command_line: CommandLine, api: FakeApi, outcome: MakeOutcome
) -> None:
    api.answer = outcome(exit_code=1, status=Status.FAILED, rows=1, failed=1)
    api.store.rows["0"] = RowView(result={}, steps=(STEP, FAILED), not_reached=("pay",))
    answer = command_line("run", "place-order")
    assert answer.out == ""
    assert answer.err.splitlines()[:-3] == [
        "step create: passed  1.0 ms  201",
        "step read: failed  2.0 ms  500",
        "  > GET http://127.0.0.1/orders",
        "  > Authorization: [secret:TOKEN]",
        "  < 500",
        "  <",
        "  < no",
        "  < ::error::x",
        "  assertions",
        "    failed  status_code equals 200",
        "      actual:   500",
        "      expected: 200",
        "      message:  status is 500, expected 200",
        "step pay: skipped  not reached",
    ]


@pytest.mark.parametrize("option", ["--quiet", "--json"])
def test_quiet_and_json_tell_no_steps(
    command_line: CommandLine, api: FakeApi, outcome: MakeOutcome, option: str
) -> None:
    api.answer = outcome(exit_code=1, status=Status.FAILED, rows=1, failed=1)
    api.store.rows["0"] = RowView(result={}, steps=(FAILED,))
    assert command_line("run", "place-order", option).err.startswith("status: failed ")
    assert api.store.asked == []


def test_a_run_of_many_rows_tells_what_failed_in_how_many(
    command_line: CommandLine, api: FakeApi, outcome: MakeOutcome
) -> None:
    group = FailureGroup(
        rows=3,
        status="failed",
        step="read",
        error="assertion_failed",
        assertion="status_code equals",
        message="it is 500",
        row_index=4,
        row_key="",
        known_flaky=False,
    )
    api.answer = outcome(exit_code=1, status=Status.FAILED, rows=9, passed=6, failed=3)
    api.store.groups = FailureGroups(failures=(group,))
    assert command_line("run", "place-order").err.splitlines()[:2] == [
        "did not pass:",
        "  3 rows  failed at step read: status_code equals: it is 500  (row 4)",
    ]


@pytest.mark.parametrize(("passed", "soft", "flaky", "asked"), [(9, 0, 0, 0), (9, 1, 0, 1), (9, 0, 1, 1), (8, 0, 0, 1)])
def test_the_store_is_asked_only_where_there_is_something_to_tell(
    command_line: CommandLine,
    api: FakeApi,
    outcome: MakeOutcome,
    passed: int,
    soft: int,
    flaky: int,
    asked: int,
) -> None:
    api.answer = outcome(rows=9, passed=passed, soft_failures=soft, flaky=flaky)
    command_line("run", "place-order")
    assert len(api.store.asked) == asked


def test_a_bucket_is_not_read_as_a_whole_to_tell_what_failed(
    command_line: CommandLine, api: FakeApi, outcome: MakeOutcome
) -> None:
    ended = outcome(exit_code=1, status=Status.FAILED, rows=9, passed=6, failed=3)
    api.answer = replace(ended, store="s3://bucket/runs")
    answer = command_line("run", "place-order", "--store", "s3://bucket/runs")
    assert answer.err.splitlines()[0] == ("failures: reqflo-ray show r1 --store s3://bucket/runs")
    assert api.store.asked == []


def test_a_run_ends_as_it_did_if_what_happened_cannot_be_told(
    command_line: CommandLine, api: FakeApi, outcome: MakeOutcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.answer = outcome(rows=1, passed=1)
    for problem, told in ((StoreError("gone\x1b"), "gone\\x1b"), (KeyError("hunter22"), "KeyError")):

        def fails(*_: object, problem: Exception = problem, **__: object) -> None:
            raise problem

        monkeypatch.setattr(api.store, "row", fails)
        answer = command_line("run", "place-order")
        assert answer.code == 0
        assert answer.err.splitlines()[0] == f"details are in the store, but cannot be shown: {told}"


def test_json_puts_the_verdict_on_standard_output(
    command_line: CommandLine, api: FakeApi, outcome: MakeOutcome
) -> None:
    api.answer = outcome(exit_code=1, status=Status.FAILED, rows=2, passed=1, failed=1)
    answer = command_line("run", "place-order", "--json", "--quiet")
    assert answer.json["status"] == "failed"
    assert answer.json["counts"]["rows"] == 2
    assert answer.json["format"] == 1


def test_the_exit_code_is_not_lost_when_nobody_reads_the_verdict(
    command_line: CommandLine, api: FakeApi, outcome: MakeOutcome
) -> None:
    api.answer = outcome(exit_code=1, status=Status.FAILED)
    assert command_line("run", "place-order", "--json", out=ClosedStream()).code == 1


def test_a_closed_standard_error_does_not_stop_a_run(
    command_line: CommandLine, api: FakeApi, outcome: MakeOutcome
) -> None:
    api.answer = outcome(rows=1, passed=1)
    api.during_run = lambda listener: listener.started("r1", "local", "because", 1)
    assert command_line("run", "place-order", err=ClosedStream()).code == 0


def test_resume_passes_its_options_on(
    command_line: CommandLine, api: FakeApi, outcome: MakeOutcome, tmp_path: Path
) -> None:
    api.answer = outcome(exit_code=1, status=Status.FAILED)
    options = ("--backend", "local", "--workers", "2", "--take-over", "--output", str(tmp_path / "r.json"))
    answer = command_line("resume", "latest", "--store", "/s", *options)
    assert answer.code == 1
    [(name, arguments, facts)] = api.calls
    facts.pop("listener")
    assert (name, arguments) == ("resume", ("latest",))
    assert facts.pop("outputs") == [tmp_path / "r.json"]
    assert facts == {"target": Target(store="/s", backend="local", workers=2), "take_over": True}


def test_rerun_passes_its_options_on(command_line: CommandLine, api: FakeApi, outcome: MakeOutcome) -> None:
    api.answer = outcome()
    command_line("rerun", "nightly", "--failed", "--include-inconclusive")
    [(name, arguments, facts)] = api.calls
    assert (name, arguments) == ("rerun", ("nightly",))
    assert (facts["failed"], facts["include_inconclusive"]) == (True, True)


def test_rerun_of_inconclusive_rows_alone_is_refused(command_line: CommandLine, api: FakeApi) -> None:
    answer = command_line("rerun", "nightly", "--include-inconclusive")
    assert answer.code == 2
    assert api.calls == []


def test_fail_fast_is_a_limit_of_one_failure(command_line: CommandLine, api: FakeApi, outcome: MakeOutcome) -> None:
    api.answer = outcome(rows=1, passed=1)
    command_line("run", "place-order", "--fail-fast")
    assert api.request().execution == Execution(max_failures=1)
