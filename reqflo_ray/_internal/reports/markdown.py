"""Markdown for the summary of a CI job (`$GITHUB_STEP_SUMMARY`, a comment): status, counts, what failed, the steps.

Everything from outside is in `<code>`, with every punctuation mark as a character reference, so that it is neither
Markdown nor HTML, mentions nobody, and loads nothing. The report is far below GitHub's limit of 1 MiB.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, Final

from reqflo_ray._internal.analysis.failure_groups import FailureGroup
from reqflo_ray._internal.reports import overview
from reqflo_ray._internal.reports.cases import (
    KNOWN_FLAKY,
    assertion_line,
    failure_message,
    not_reached_line,
    step_error,
    step_line,
)
from reqflo_ray._internal.reports.refusal import Refusal
from reqflo_ray._internal.reports.source import Line, ReportedRun
from reqflo_ray._internal.visible_text import one_line

_MOST_FAILURES: Final = 50
_MOST_GROUPS: Final = 20
_MOST_STEPS: Final = 100
_MOST_ATTEMPTS: Final = 100
_MOST_ASSERTIONS: Final = 20
_LONGEST: Final = 300
_PUNCTUATION: Final = re.compile(r"[!-/:-@\[-`{-~]")
_MARKS: Final = {"passed": "✅", "failed": "❌", "error": "❌", "inconclusive": "⚠️"}


def write(run: ReportedRun, file: BinaryIO) -> None:
    """Write the report of `run` to `file`."""
    file.writelines(f"{line}\n".encode() for line in _lines(run))


def write_refusal(refusal: Refusal, file: BinaryIO) -> None:
    """Write to `file` that there is no result, and why."""
    title = f"{code(refusal.subject)}: no result" if refusal.subject else "no result"
    lines = [f"## ❌ {title}", "", f"The command ended with exit code {refusal.exit_code}.", ""]
    for line in refusal.lines():
        lines += [code(line), ""]
    file.writelines(f"{line}\n".encode() for line in lines)


def code(value: object) -> str:
    """Return a value from outside on one line, shown literally; "" for an empty one."""
    text = one_line(value, _LONGEST)
    return f"<code>{_PUNCTUATION.sub(_reference, text)}</code>" if text else ""


def _reference(found: re.Match[str]) -> str:
    return f"&#{ord(found[0])};"


def _lines(run: ReportedRun) -> Iterator[str]:
    mark = _MARKS.get(run.verdict.status.value, "⚠️") if run.is_complete else "⚠️"
    yield f"## {mark} {code(run.record.journey)}: {overview.headline(run)}"
    yield ""
    yield from _column(overview.head(run))
    yield from _table(overview.counts(run), [list(overview.counts(run).values())])
    for problem in run.problems:
        yield f"⚠️ This report is incomplete: {code(problem.message)}"
        yield ""
    if run.only_row is not None:
        yield from _row(run, run.only_row)
    elif run.rows_not_passed:
        yield from _failures(run)
    if run.groups.soft:
        yield from _section("Soft assertions that failed")
        yield from _groups(run.groups.soft)
    if run.groups.retried:
        yield from _section("Rows that passed only after a retry")
        yield from _groups(run.groups.retried)
    yield from _steps(run)
    yield from _section("Run")
    yield from _column(overview.facts(run))


def _failures(run: ReportedRun) -> Iterator[str]:
    rows = "1 row" if run.rows_not_passed == 1 else f"{run.rows_not_passed} rows"
    yield from _section(f"{rows} did not pass")
    yield from _groups(run.groups.failures)
    if more := run.groups.more_failures + len(run.groups.failures[_MOST_GROUPS:]):
        yield f"… and {more} more groups"
        yield ""
    failures = run.failures(_MOST_FAILURES)
    yield from _table(
        ("row", "key", "status", "why"),
        [(row["row_index"], code(row["row_key"]), row["status"], code(failure_message(row))) for row in failures],
    )
    if len(failures) < run.rows_not_passed:
        yield f"… and {run.rows_not_passed - len(failures)} more. List them all:"
        yield ""
        yield code(run.query_command())
        yield ""
    yield "Show one row:"
    yield ""
    yield code(run.show_command(failures[0] if failures else None))
    yield ""


def _groups(groups: Sequence[FailureGroup]) -> Iterator[str]:
    yield from _table(
        ("rows", "status", "step", "what failed", "for example", "in row"),
        [
            (
                *(group.rows, group.status, _step(group.step, group.known_flaky)),
                *(code(group.assertion or group.error), code(group.message), group.row_index),
            )
            for group in groups[:_MOST_GROUPS]
        ],
    )


def _row(run: ReportedRun, row: Line) -> Iterator[str]:
    """Yield the only row: every attempt of its steps, with their assertions."""
    steps = run.steps_of([row])[row["row_index"]]
    if row["status"] != "passed":
        yield code(failure_message(row))
        yield ""
    for step in steps[:_MOST_ATTEMPTS]:
        yield f"- {code(step_line(step))}"
        if error := step_error(step):
            yield f"  - {code(error)}"
        yield from (f"  - {code(assertion_line(each))}" for each in (step["assertions"] or ())[:_MOST_ASSERTIONS])
    yield from (f"- {code(not_reached_line(step))}" for step in run.not_reached(steps)[:_MOST_ATTEMPTS])
    yield ""
    yield "Show everything:"
    yield ""
    yield code(run.show_command(row))
    yield ""


def _steps(run: ReportedRun) -> Iterator[str]:
    steps = run.step_statistics()
    yield from _section("Steps")
    yield from _table(
        ("step", "passed", "not passed", "skipped", "attempts", "mean", "approx. p95", "slowest"),
        [
            (
                _step(step["step_id"], step["known_flaky"]),
                *(step[name] for name in ("passed", "not_passed", "skipped", "attempts")),
                *(_milliseconds(step[name]) for name in ("mean_ms", "p95_ms", "max_ms")),
            )
            for step in steps[:_MOST_STEPS]
        ],
    )
    if more := len(steps[_MOST_STEPS:]):
        yield f"… and {more} more steps"
        yield ""


def _step(name: str, known_flaky: bool) -> str:
    return code(name) + (f" ({KNOWN_FLAKY})" if known_flaky else "")


def _section(title: str) -> Iterator[str]:
    yield f"### {title}"
    yield ""


def _column(facts: Mapping[str, str]) -> Iterator[str]:
    yield from _table(("fact", "value"), [(name, code(value)) for name, value in facts.items()])


def _table(titles: Iterable[str], rows: Sequence[Iterable[Any]]) -> Iterator[str]:
    """Yield a table and the empty line after it."""
    titles = list(titles)
    yield f"| {' | '.join(titles)} |"
    yield f"|{' --- |' * len(titles)}"
    for row in rows:
        yield f"| {' | '.join(map(str, row))} |"
    yield ""


def _milliseconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} ms"
