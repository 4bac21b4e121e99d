"""What a job sends back in its log, however the log arrives."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqflo_ray._internal.model.results import Counts, Status, Verdict
from reqflo_ray._internal.ray_cluster.job_log import JobLog, JobOutcome, outcome_line, pack_report, report_lines

OUTCOME = JobOutcome(
    run_id="r",
    store="/runs",
    results_path="/runs/runs/r",
    verdict=Verdict(
        run_id="r",
        journey="j",
        artifact="a",
        environment="",
        status=Status.PASSED,
        exit_code=0,
        counts=Counts(rows=1, passed=1),
        started_at="",
        finished_at="",
        duration_ms=1.0,
    ),
    exit_code=0,
    complete=True,
)
REPORTS = {"json": bytes(range(256)) * 400, "junit": b""}


def full_log(tmp_path: Path) -> tuple[str, list[str]]:
    lines = ["Running entrypoint for job r-1: exec reqflo-ray run-submitted"]
    sent: list[str] = []
    for format_, report in REPORTS.items():
        path = tmp_path / format_
        path.write_bytes(report)
        sent += report_lines(format_, pack_report(path))
    shown = [f"10 s  rows {number}/90" for number in range(9)]
    return "\n".join([*lines, *shown, *sent, outcome_line(OUTCOME), ""]), shown


def test_people_see_their_lines_and_the_rest_is_understood(tmp_path: Path) -> None:
    text, shown = full_log(tmp_path)
    log = JobLog()
    assert log.take(text, offset=0) == shown
    assert log.outcome == OUTCOME
    assert log.reports() == REPORTS


@given(cuts=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=8))
def test_each_line_is_seen_once_whatever_is_read_again(
    cuts: list[tuple[float, float]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    text, shown = full_log(tmp_path_factory.getbasetemp())
    log, seen = JobLog(), []
    for again, until in cuts:
        # A connection reads from the start, or from any place that was read before, and drops anywhere.
        first = int(again * log.taken)
        seen += log.take(text[first : max(first, int(until * len(text)))], offset=first)
    seen += log.take(text, offset=0)
    assert seen == shown
    assert log.outcome == OUTCOME
    assert log.reports() == REPORTS


def test_every_line_of_a_report_is_shorter_than_ray_cuts(tmp_path: Path) -> None:
    assert max(map(len, full_log(tmp_path)[0].splitlines())) < 20_000


def test_a_report_with_a_missing_part_is_none(tmp_path: Path) -> None:
    text, _ = full_log(tmp_path)
    [first, *_] = [line for line in text.splitlines() if line.startswith("reqflo-ray:report json 1/")]
    log = JobLog()
    log.take(text.replace(first, "reqflo-ray:report json 1/2 AAAA"), offset=0)
    assert log.reports() == {"junit": b""}


def test_a_log_without_a_report_has_none() -> None:
    log = JobLog()
    log.take("hello\n", offset=0)
    assert log.reports() == {}


def test_an_outcome_that_was_cut_off_is_none() -> None:
    log = JobLog()
    log.take(outcome_line(OUTCOME)[:40] + "\n", offset=0)
    assert log.outcome is None


def test_what_looks_like_an_outcome_within_a_line_is_shown() -> None:
    log = JobLog()
    assert log.take("failed row 1: " + outcome_line(OUTCOME) + "\n", offset=0) != []
    assert log.outcome is None


def test_a_last_line_without_a_line_feed_is_shown_at_the_end() -> None:
    log = JobLog()
    assert log.take("one\ntw", offset=0) == ["one"]
    assert log.take("one\ntwo", offset=0) == []
    assert log.end() == ["two"]
    assert log.end() == []
