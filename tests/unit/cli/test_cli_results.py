"""`runs` and `show`: what they tell of runs and rows, also where something is left out."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
from fake_api import FakeApi, summary, table
from screens import CommandLine

from reqflo_ray import FailureGroup, FailureGroups, RowView
from reqflo_ray._internal.errors import Problem, Severity
from reqflo_ray._internal.model.results import Counts, Status
from reqflo_ray._internal.runs.upkeep.history import RunState


def test_runs_are_listed_with_state_and_status(command_line: CommandLine, api: FakeApi) -> None:
    api.store.summaries = [
        summary("new", state=RunState.RUNNING, verdict=None, environment="", created_at="2026-01-03T00:00:00Z"),
        summary("old", created_at="2026-01-01T00:00:00Z"),
    ]
    answer = command_line("runs")
    assert answer.out.splitlines() == [
        "run_id  journey      environment  state     status  rows  created_at",
        "new     place-order               running             10  2026-01-03T00:00:00Z",
        "old     place-order  local        finished  passed    10  2026-01-01T00:00:00Z",
    ]


def test_runs_as_json(command_line: CommandLine, api: FakeApi) -> None:
    api.store.summaries = [summary("r2", verdict=None), summary("r1")]
    answer = command_line("runs", "--json", "--store", "/s")
    assert [(run["run_id"], run["verdict"]) for run in answer.json] == [("r2", None), ("r1", "passed")]
    assert api.calls == [("open_store", ("/s",), {})]


def test_a_damaged_run_says_what_is_wrong_with_it(command_line: CommandLine, api: FakeApi) -> None:
    api.store.summaries = [summary("r1", state=RunState.DAMAGED, verdict=None, problem="`run.json` is no run record")]
    answer = command_line("runs")
    assert "damaged" in answer.out
    assert answer.err == "r1: `run.json` is no run record\n"


def test_an_empty_store_is_said_to_be_empty_on_standard_error(command_line: CommandLine, api: FakeApi) -> None:
    answer = command_line("runs")
    assert (answer.code, answer.out) == (0, "")
    assert "no runs in ./.reqflo" in answer.err
    assert command_line("runs", "--json").json == []


def test_show_tells_a_run_at_a_glance(command_line: CommandLine, api: FakeApi) -> None:
    counts = Counts(rows=3, passed=2, failed=1, requests=9, resumed=2, resent=1, resent_sensitive=3, quarantined=4)
    api.store.summaries = [summary("r1", verdict=Status.FAILED, rows=3, counts=counts)]
    columns = "row_index row_key status failed_step error_code error_message"
    api.store.answers = [
        ("failed_step", table(columns, (2, "k\x1b2", "failed", "create", "assertion_failed", "expected 201"))),
    ]
    answer = command_line("show", "r")
    assert answer.out.splitlines() == [
        "run_id       r1",
        "journey      place-order",
        "environment  local",
        "state        finished",
        "status       failed",
        "rows         3",
        "created_at   2026-01-02T03:04:05Z",
        "counts       passed 2  failed 1  requests 9  resumed 2  resent 1  resent_sensitive 3  quarantined 4",
        "",
        "row_index  row_key  status  failed_step  error_code        error_message",
        "        2  k\\x1b2   failed  create       assertion_failed  expected 201",
    ]
    assert [arguments[1] for name, arguments, _ in api.store.asked if name == "query"] == [("r1",)]


GROUP = FailureGroup(
    rows=2,
    status="failed",
    step="create",
    error="assertion_failed",
    assertion="json_path $.id\x1b equals",
    message='status is "a", expected "b"\n::error::x',
    row_index=7,
    row_key="k7",
    known_flaky=True,
)


def test_show_groups_what_failed_by_what_it_was(command_line: CommandLine, api: FakeApi) -> None:
    api.store.summaries, api.store.answers = [summary("r1")], [("failed_step", table("row_index"))]
    other = replace(GROUP, rows=1, assertion="", error="timeout", message="", known_flaky=False, step="")
    api.store.groups = FailureGroups(failures=(GROUP, other), soft=(GROUP,), retried=(GROUP,), more_failures=3)
    line = (
        "  2 rows  failed at step create (known flaky): json_path $.id\\x1b equals:"
        ' status is "a", expected "b"\\n::error::x  (row 7)'
    )
    assert command_line("show", "r1").out.splitlines()[8:] == [
        *("did not pass:", line, "   1 row  failed: timeout  (row 7)", "  … and 3 more groups"),
        *("soft assertions failed:", line, "passed only after a retry:", line),
    ]
    groups = command_line("show", "r1", "--json").json["groups"]
    assert groups["failures"][0]["assertion"] == "json_path $.id\x1b equals" and groups["more_failures"] == 3


def test_of_very_many_groups_the_first_are_shown(command_line: CommandLine, api: FakeApi) -> None:
    api.store.summaries, api.store.answers = [summary("r1")], [("failed_step", table("row_index"))]
    api.store.groups = FailureGroups(soft=(replace(GROUP, message="x" * 10_000),) * 50)
    shown = command_line("show", "r1").out.splitlines()[8:]
    assert (len(shown), shown[-1]) == (12, "  … and 40 more groups")
    assert max(map(len, shown)) < 500


def test_show_of_a_row_lists_steps_that_it_never_reached(command_line: CommandLine, api: FakeApi) -> None:
    result = {"row_index": 0, "row_key": None, "status": "error"}
    api.store.rows = {"0": RowView(result=result, steps=(), not_reached=("pay\x1b",))}
    assert command_line("show", "r1", "--row", "0").out.splitlines()[1:] == [
        "",
        "step pay\\x1b: skipped  not reached",
    ]
    assert command_line("show", "r1", "--row", "0", "--json").json["not_reached"] == ["pay\x1b"]


def test_show_tells_that_a_run_verified_no_certificate(command_line: CommandLine, api: FakeApi) -> None:
    api.store.summaries = [summary("r1", insecure=True)]
    api.store.answers = [("failed_step", table("row_index"))]
    assert "insecure     True" in command_line("show", "r").out.splitlines()


def test_the_hint_of_show_can_be_pasted_into_a_shell(command_line: CommandLine, api: FakeApi) -> None:
    api.store.summaries = [summary("r1", verdict=Status.FAILED)]
    columns = "row_index row_key status failed_step error_code error_message"
    api.store.answers = [("failed_step", table(columns, (2, "it's; rm", "failed", "a", "b", "c")))]
    answer = command_line("show", "r1", "--store", "/my runs")
    assert answer.err == "show one row: reqflo-ray show r1 --row 'it'\"'\"'s; rm' --store '/my runs'\n"


def test_show_of_a_row_as_json_holds_result_and_steps(command_line: CommandLine, api: FakeApi) -> None:
    api.store.rows = {
        "k1": RowView(
            result={"row_index": 0, "started_at": datetime(2026, 1, 2, 3, 4, 5)},
            steps=({"step_id": "token", "http_response_body_binary": b"\x00\xff"},),
        )
    }
    answer = command_line("show", "r1", "--row", "k1", "--step", "token", "--json")
    assert answer.json == {
        "result": {"row_index": 0, "started_at": "2026-01-02T03:04:05Z"},
        "steps": [{"step_id": "token", "http_response_body_binary": "AP8="}],
    }
    assert api.store.asked == [("row", ("r1", "k1"), {"step": "token"})]


@pytest.mark.parametrize("option", [("--step", "x"), ("--full",)])
def test_a_step_without_its_row_is_refused(command_line: CommandLine, api: FakeApi, option: tuple[str, ...]) -> None:
    answer = command_line("show", "r1", *option)
    assert answer.code == 2
    assert "error[step_without_row]" in answer.err


LEFT_OUT = Problem(code="damaged_file", message="run `r1`: 1 file\x1b is left out", severity=Severity.WARNING)


@pytest.mark.parametrize("arguments", [("sql", "select 1"), ("show", "r1"), ("show", "r1", "--row", "k1")])
def test_what_an_answer_leaves_out_stands_in_it(
    command_line: CommandLine, api: FakeApi, arguments: tuple[str, ...]
) -> None:
    answer = table("row_index row_key", (1, "k1"))
    answer.problems = (LEFT_OUT,)
    api.store.summaries, api.store.answers = [summary("r1")], [("select", answer)]
    result = {"row_index": 0, "status": "passed"}
    api.store.rows = {"k1": RowView(result=result, steps=(), problems=(LEFT_OUT,))}
    shown = command_line(*arguments, "--damaged=skip")
    assert "left out     run `r1`: 1 file\\x1b is left out" in shown.out.splitlines()
    assert api.store.asked[-1][2]["damaged"] == "skip"
    if arguments[0] == "show":
        assert command_line(*arguments, "--damaged=skip", "--json").json["left_out"] == [LEFT_OUT.message]
