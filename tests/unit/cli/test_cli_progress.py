"""What a person is told during a run, and its last lines."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import pytest
from screens import MakeOutcome, Screen

from reqflo_ray._internal.cli.display.progress import RunReporter, last_lines
from reqflo_ray._internal.cli.display.wording import describe, readable_seconds
from reqflo_ray._internal.errors import Problem
from reqflo_ray._internal.model.results import Counts, Failure, Status
from reqflo_ray._internal.runner.progress.listener import Progress


def progress(
    elapsed_s: float, *, rows: int = 10, total: int = 100, left: float | None = 35.0, **counts: int
) -> Progress:
    return Progress(
        rows_total=total,
        counts=Counts(rows=rows, **counts),
        rows_per_second=416.8,
        steps_per_second=1250.4,
        elapsed_s=elapsed_s,
        remaining_s=left,
    )


def failure(**facts: Any) -> Failure:
    common = {"row_index": 17, "row_key": "ref-0017", "status": Status.FAILED, "step": "create"}
    return Failure(**{**common, "code": "assertion_failed", "message": "status is 500, expected 201", **facts})


def test_journal_records_that_could_not_be_read_are_explained(outcome: MakeOutcome) -> None:
    lines = last_lines(outcome(rows=9, passed=9, quarantined=1), Screen())
    assert lines[1].startswith("quarantined: 1 record of earlier journals could not be read")


def test_the_last_lines_of_a_passed_run_are_stable(outcome: MakeOutcome) -> None:
    assert last_lines(outcome(rows=1000, passed=1000), Screen()) == [
        "status: passed  rows 1000  passed 1000  failed 0  error 0  inconclusive 0  in 12.3 s",
        "results: .reqflo/runs/r1/results",
        'query: reqflo-ray sql "select row_key, status, failed_step, error_message from results'
        " where status <> 'passed'\" --run r1",
    ]


def test_rare_counts_are_named_after_those_that_are_always_there(outcome: MakeOutcome) -> None:
    ended = outcome(
        status=Status.CANCELLED,
        exit_code=3,
        rows=10,
        passed=4,
        failed=1,
        cancelled=5,
        soft_failures=8,
        flaky=9,
        resumed=2,
        resent=3,
        resent_sensitive=1,
        quarantined=7,
        poisoned=6,
    )
    assert last_lines(ended, Screen())[0] == (
        "status: cancelled  rows 10  passed 4  failed 1  error 0  inconclusive 0  cancelled 5  soft_failures 8"
        "  flaky 9  resumed 2"
        "  resent 3  resent_sensitive 1  quarantined 7  poisoned 6  in 12.3 s"
    )


def test_an_error_of_ours_is_called_that_with_all_that_its_report_needs(outcome: MakeOutcome) -> None:
    message = "reqflo-ray failed with KeyError in take (captures.py:77)"
    named = failure(status=Status.ERROR, code="internal_error", message=message, row_key="it's 17")
    ended = outcome(status=Status.ERROR, exit_code=3, rows=3, passed=2, error=1, internal=1, failures=(named,))
    lines = last_lines(ended, Screen(), store_option=" --store s")
    assert lines[0].endswith("error 1  inconclusive 0  internal 1  in 12.3 s")
    at = next(place for place, line in enumerate(lines) if line.startswith("internal: 1 row ended in an error of"))
    assert lines[at + 1 : at + 3] == [
        f"  this message: {message}",
        "  the row: reqflo-ray show r1 --row='it'\"'\"'s 17' --store s  (remove private data from it)",
    ]
    assert lines[at + 3].startswith(f"  these versions: reqflo-ray {version('reqflo-ray')}, Python 3.")


def test_an_error_of_ours_that_is_not_among_the_first_failures_is_found_by_a_query(outcome: MakeOutcome) -> None:
    ended = outcome(status=Status.ERROR, exit_code=3, rows=30, error=30, internal=2, failures=(failure(),))
    lines = last_lines(ended, Screen())
    assert any(
        "sql" in line and "error_code = 'internal_error'" in line and line.endswith("--run r1") for line in lines
    )


def test_an_unfinished_run_says_how_to_go_on_and_where_its_store_is(outcome: MakeOutcome) -> None:
    lines = last_lines(outcome(rows=3, complete=False), Screen(), store_option=" --store '/my runs'")
    assert lines[-2].endswith("--run r1 --store '/my runs'")
    assert lines[-1] == "resume: reqflo-ray resume r1 --store '/my runs'"


def test_the_first_line_says_which_backend_and_why() -> None:
    terminal = Screen()
    RunReporter(terminal).started("r1", "local", "1000 rows do not repay the start of Ray", 1000)
    assert terminal.shown_err == "run r1: 1000 rows, backend local (1000 rows do not repay the start of Ray)\n"


def test_a_log_gets_one_line_every_ten_seconds_by_the_runs_own_clock() -> None:
    terminal = Screen()
    reporter = RunReporter(terminal)
    for second in range(36):
        reporter.progress(progress(second + 0.1, rows=second))
    assert terminal.shown_err.splitlines() == [
        "10 s  rows 10/100  failed 0  1250 steps/s  left 35 s",
        "20 s  rows 20/100  failed 0  1250 steps/s  left 35 s",
        "30 s  rows 30/100  failed 0  1250 steps/s  left 35 s",
    ]


def test_progress_names_errors_and_inconclusive_rows_only_when_there_are_any() -> None:
    assert describe(progress(1, failed=3, error=2, left=None)) == "rows 10/100  failed 3  error 2  1250 steps/s"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.2, "0 s"), (-1, "0 s"), (59.4, "59 s"), (95, "1 min 35 s"), (3600, "1 h 0 min"), (7512, "2 h 5 min")],
)
def test_time_left_is_readable(seconds: float, shown: str) -> None:
    assert readable_seconds(seconds) == shown


def test_a_failing_row_is_told_with_its_key_step_and_reason() -> None:
    terminal = Screen()
    RunReporter(terminal).failure(failure())
    assert terminal.shown_err == (
        "failed row 17 (ref-0017) at step create: assertion_failed: status is 500, expected 201\n"
    )


def test_a_failure_cannot_steer_the_terminal_or_flood_it() -> None:
    terminal = Screen()
    RunReporter(terminal).failure(failure(row_key="\x1b[2J", message="x\n::error::" + "y" * 5000))
    assert "\x1b" not in terminal.shown_err
    assert terminal.shown_err.count("\n") == 1
    assert len(terminal.shown_err) < 500


def test_quiet_shows_warnings_and_the_last_lines_only(outcome: MakeOutcome) -> None:
    terminal = Screen(is_terminal=True)
    with RunReporter(terminal, quiet=True) as reporter:
        reporter.started("r1", "local", "because", 10)
        reporter.progress(progress(60))
        reporter.failure(failure())
        reporter.warning(Problem(code="w", message="mind this").as_warning())
        reporter.finished(outcome(rows=10, passed=10))
    lines = terminal.shown_err.splitlines()
    assert "mind this" in lines[0]
    assert [line.split(":")[0] for line in lines[1:]] == ["status", "results", "query"]


@pytest.mark.parametrize(
    ("rows", "exit_code", "complete"), [(10, 0, True), (10, 3, True), (4, 3, False), (10, 130, False), (4, 143, False)]
)
def test_a_run_that_is_not_finished_can_be_resumed(
    outcome: MakeOutcome, rows: int, exit_code: int, complete: bool
) -> None:
    terminal = Screen()
    reporter = RunReporter(terminal)
    reporter.started("r1", "local", "", 10)
    reporter.finished(outcome(rows=rows, exit_code=exit_code, complete=complete))
    assert ("resume: reqflo-ray resume r1" in terminal.shown_err) is not complete


def test_rows_that_are_only_journaled_are_said_to_be_so(outcome: MakeOutcome) -> None:
    lines = last_lines(outcome(rows=9, complete=False, journaled=4), Screen())
    assert lines[-2:] == [
        "journaled: 4 rows of these are in shards that are not committed yet:"
        " resume the run to see them in queries and reports",
        "resume: reqflo-ray resume r1",
    ]


@pytest.mark.parametrize(
    ("failed", "complete", "said"),
    [
        (1, True, ""),
        (2, True, "and 1 more row did not pass: the query below lists them all"),
        (38, True, "and 37 more rows did not pass: the query below lists them all"),
        (38, False, "and 37 more rows did not pass: resume the run to query them all"),
    ],
)
def test_after_the_failures_that_are_told_the_others_are_counted(
    outcome: MakeOutcome, failed: int, complete: bool, said: str
) -> None:
    terminal = Screen()
    reporter = RunReporter(terminal)
    reporter.failure(failure())
    reporter.finished(outcome(rows=100, passed=100 - failed, failed=failed, complete=complete))
    line = terminal.shown_err.splitlines()[1]
    assert line == said if said else line.startswith("status: ")


def test_a_terminal_gets_a_bar_that_leaves_only_the_lines_that_stay(outcome: MakeOutcome) -> None:
    terminal = Screen(is_terminal=True, columns=100)
    with RunReporter(terminal) as reporter:
        reporter.started("r1", "local", "because", 100)
        reporter.progress(progress(0.5))
        reporter.progress(progress(0.55, rows=11))
        reporter.failure(failure(message="\x1b[2J gone"))
        reporter.progress(progress(1.0, rows=12, failed=1))
        reporter.finished(outcome(rows=100, passed=100))
    shown = terminal.shown_err
    assert "rows 10/100  failed 0  1250 steps/s  left 35 s" in shown
    assert "rows 11/100" not in shown  # not more often than ten times a second
    assert "rows 12/100  failed 1" in shown
    assert "\\x1b[2J gone" in shown
    assert "\x1b[2J" not in shown
    assert shown.splitlines()[-1].startswith("query: ")


def test_a_bar_does_not_outlive_an_error() -> None:
    terminal = Screen(is_terminal=True, columns=100)
    with pytest.raises(RuntimeError), RunReporter(terminal) as reporter:
        reporter.started("r1", "local", "because", 100)
        raise RuntimeError
    # The cursor, hidden while the bar is drawn, is shown again.
    assert terminal.shown_err.rindex("\x1b[?25h") > terminal.shown_err.rindex("\x1b[?25l")


def test_a_bar_without_colours_when_no_color_is_set() -> None:
    terminal = Screen(is_terminal=True, columns=100, environment={"NO_COLOR": "1"})
    with RunReporter(terminal) as reporter:
        reporter.started("r1", "local", "because", 100)
        reporter.progress(progress(0.5))
    assert "\x1b[3" not in terminal.shown_err
    assert "\x1b[38" not in terminal.shown_err
