"""Rows as test cases, for the formats that CI systems read: which are listed, their names, and why one failed.

The list is bounded, because CI systems refuse or drop large files. It must not know any format.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from reqflo_ray._internal.analysis.failure_groups import FailureGroup
from reqflo_ray._internal.reports.source import UNREMARKABLE, Line, ReportedRun
from reqflo_ray._internal.visible_text import one_line, shorten, visible

# Up to this number, every row is a test case. Of a larger run, only rows that did not pass, or passed only after a
# retry, are listed, up to this number.
MOST_CASES: Final = 5_000
_CASES_AT_A_TIME: Final = 500
_LONGEST_NAME: Final = 200
_LONGEST_REASON: Final = 3_000
_MOST_RETRIED: Final = 10
_DID_NOT_PASS: Final = ("failed", "error", "inconclusive")
KNOWN_FLAKY: Final = "known flaky"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A row as a test case. `name` is unique within the run, and the same in every run of the row. `message` is one
    line and `reason` the whole text about why the row did not pass; both are "" if it passed. `place` is file and line.

    `soft_failures` counts failed soft assertions, `retries` the attempts of steps after their first. `retried` are the
    attempts that did not pass of a row that passed only after a retry. `known_flaky`: the step that did not pass is
    labeled `flaky: true`.
    """

    name: str
    status: str
    kind: str
    message: str
    reason: str
    duration_ms: float
    place: tuple[str, int] | None
    soft_failures: int
    retries: int
    retried: tuple[Attempt, ...]
    known_flaky: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """An attempt of a step that did not pass. `message` is one line, `reason` the whole text."""

    status: str
    kind: str
    message: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Remainder:
    """Something important that is not listed, reported as one more test case. `status` is that of a row."""

    name: str
    status: str
    message: str


def suite_name(run: ReportedRun) -> str:
    """Return the name of the suite of a run's test cases: `workspace.journey`."""
    return one_line(".".join(filter(None, (run.record.workspace, run.record.journey))), _LONGEST_NAME)


def cases(run: ReportedRun) -> Iterator[Case]:
    """Yield the rows that are listed, in order."""
    small = run.rows_readable <= MOST_CASES
    rows = iter(run.rows(MOST_CASES) if small else run.remarkable(MOST_CASES))
    while some := list(islice(rows, _CASES_AT_A_TIME)):
        steps = run.steps_of([row for row in some if row["status"] != "passed" or row["retries"]])
        for row in some:
            yield _case(run, row, steps.get(row["row_index"], []))


def remainders(run: ReportedRun, listed: int, listed_not_passed: int) -> Iterator[Remainder]:
    """Yield what the `listed` cases leave out."""
    not_passed = run.rows_not_passed - listed_not_passed
    passed = run.rows_readable - listed - not_passed
    if passed:
        yield Remainder(name="(passed rows, not listed)", status="passed", message=f"{passed} more rows passed")
    if not_passed:
        yield Remainder(
            name="(rows that did not pass, not listed)",
            status="failed",
            message=f"{not_passed} more rows did not pass; {run.query_command()}",
        )
    for problem in run.problems:
        yield Remainder(name="(results that are left out)", status="error", message=one_line(problem.message, 1000))
    if not run.is_finished:
        yield from _journaled(run)
        planned = "an unknown number of" if run.rows_planned is None else str(run.rows_planned)
        done = run.rows_readable
        yield Remainder(
            name="(unfinished run)",
            status="error",
            message=f"{done} of {planned} rows have a result; resume it with `reqflo-ray resume {run.run_id}`",
        )


def _journaled(run: ReportedRun) -> Iterator[Remainder]:
    """Yield rows that did not pass and have no result yet: those that the verdict names, and the number of others."""
    for failure in run.journaled_failures:
        name = one_line(failure.row_key, _LONGEST_NAME) or f"row {failure.row_index}"
        told = ": ".join(filter(None, (failure.step, failure.code, failure.message)))
        yield Remainder(name=f"{name} (not committed)", status=failure.status.value, message=one_line(told))
    counts = run.verdict.counts
    # It is unknown whether rows that are left out passed; they are reported separately.
    more = counts.rows - counts.passed - run.rows_not_passed - len(run.journaled_failures) - run.rows_unreadable
    if more > 0:
        yield Remainder(
            name="(rows that did not pass, not committed)",
            status="failed",
            message=f"{more} more rows did not pass; to list them, run `reqflo-ray resume {run.run_id}`",
        )


def step_line(step: Line) -> str:
    """Return one attempt of a step on one line: `create: failed  201  12.3 ms  POST http://…`."""
    words = [f"{one_line(step['step_id'], 100)}: {step['status']}"]
    if step["attempt"] and step["attempt"] > 1:
        words.append(f"attempt {step['attempt']}")
    if step["known_flaky"] and step["status"] not in UNREMARKABLE:
        words.append(KNOWN_FLAKY)
    if step["http_response_status_code"] is not None:
        words.append(str(step["http_response_status_code"]))
    if step["duration_ms"] is not None:
        words.append(f"{step['duration_ms']:.1f} ms")
    if step["http_request_method"]:
        words.append(f"{one_line(step['http_request_method'], 20)} {one_line(step['url_full'])}")
    return "  ".join(words)


def not_reached_line(step: str) -> str:
    """Return the line of a step of which a row has no attempt."""
    return f"{one_line(step, 100)}: skipped  not reached"


def step_error(step: Line) -> str:
    """Return the error of an attempt, unescaped; "" if a failed assertion says it."""
    if any(each["status"] == "failed" for each in step["assertions"] or ()):
        return ""
    return ": ".join(filter(None, (step["error_code"], step["error_message"])))


def assertion_line(assertion: Line) -> str:
    """One assertion on one line: `passed: json_path $.id exists`, `failed: status is 500, expected 201`."""
    words = [one_line(assertion[name]) for name in ("type", "path", "operator", "expected") if assertion[name]]
    soft = " (soft)" if assertion["soft"] else ""
    return f"{assertion['status']}{soft}: {one_line(assertion['message']) or ' '.join(words)}"


def group_line(group: FailureGroup) -> str:
    """Return a group on one line: `3 rows: failed at step create: status_code equals: … (first: row 17)`."""
    what = one_line(group.assertion) or one_line(group.error, 100)
    known = f" ({KNOWN_FLAKY})" if group.known_flaky else ""
    rows = "1 row" if group.rows == 1 else f"{group.rows} rows"
    at = f" at step {one_line(group.step, 100)}{known}" if group.step else ""
    why = f": {one_line(group.message)}" if group.message else ""
    return f"{rows}: {group.status}{at}: {what}{why} (first: row {group.row_index})"


def failure_message(row: Line) -> str:
    """Return why a row did not pass, on one line."""
    at = f" at step {one_line(row['failed_step'], 100)}" if row["failed_step"] else ""
    known = f" ({KNOWN_FLAKY})" if row["failed_step"] and row["known_flaky"] else ""
    why = f": {one_line(row['error_message'])}" if row["error_message"] else ""
    return f"{one_line(row['error_code'], 100) or row['status']}{at}{known}{why}"


def _case(run: ReportedRun, row: Line, steps: list[Line]) -> Case:
    passed = row["status"] == "passed"
    retried = [step for step in steps if step["status"] in _DID_NOT_PASS] if passed else []
    return Case(
        name=_name(run, row),
        status=row["status"],
        kind=one_line(row["error_code"], 100) or row["status"],
        message="" if passed else failure_message(row),
        reason="" if passed else shorten("\n".join(_reason(run, row, steps)), _LONGEST_REASON),
        duration_ms=row["duration_ms"] or 0.0,
        place=run.source_of(row["failed_step"]),
        soft_failures=row["soft_failures"] or 0,
        retries=row["retries"] or 0,
        retried=tuple(map(_attempt, retried[:_MOST_RETRIED])),
        known_flaky=bool(row["known_flaky"]) or any(step["known_flaky"] for step in retried),
    )


def _attempt(step: Line) -> Attempt:
    lines = list(_attempt_lines(step))
    return Attempt(
        status=step["status"],
        kind=one_line(step["error_code"], 100) or step["status"],
        message=one_line(step["error_message"]) or lines[0],
        reason=shorten("\n".join(lines), _LONGEST_REASON),
    )


def _reason(run: ReportedRun, row: Line, steps: list[Line]) -> Iterator[str]:
    # The parts of bounded length come first, so that they are never cut off.
    yield failure_message(row)
    if place := run.source_of(row["failed_step"]):
        yield f"at {one_line(place[0])}:{place[1]}"
    yield run.show_command(row)
    yield ""
    for step in steps:
        yield from _attempt_lines(step)
    yield from map(not_reached_line, run.not_reached(steps))


def _attempt_lines(step: Line) -> Iterator[str]:
    yield step_line(step)
    if error := step_error(step):
        yield f"  {one_line(error)}"
    yield from (f"  {assertion_line(each)}" for each in step["assertions"] or () if each["status"] != "passed")


def _name(run: ReportedRun, row: Line) -> str:
    journey = one_line(run.record.journey, 80)
    key = row["row_key"]
    if not key:
        return f"{journey} [row {row['row_index']}]" if run.record.dataset else journey
    shown = shorten(visible(key[:_LONGEST_NAME]), _LONGEST_NAME - len(journey) - 30)
    # Two keys may look the same when they are shown, but their row numbers differ.
    number = "" if shown == key else f" #{row['row_index']}"
    return f"{journey} [{shown}]{number}"
