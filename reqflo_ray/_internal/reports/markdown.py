"""Markdown for the summary of a CI job (`$GITHUB_STEP_SUMMARY`, a comment): verdict, counts, slowest steps, failures.

All that comes from outside stands in `<code>` with every punctuation mark as a character reference, so that it can
neither be Markdown or HTML, nor mention anybody, nor load anything. Far below the 1 MiB that GitHub takes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO, Final

from reqflo_ray._internal.reports import overview
from reqflo_ray._internal.reports.cases import failure_message
from reqflo_ray._internal.reports.refusal import Refusal
from reqflo_ray._internal.reports.source import ReportedRun
from reqflo_ray._internal.visible_text import one_line

_MOST_FAILURES: Final = 50
_MOST_KINDS: Final = 10
_MOST_STEPS: Final = 10
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
    """A value from outside on one line: shown as it is, whatever it is. "" for nothing."""
    text = one_line(value, _LONGEST)
    return f"<code>{_PUNCTUATION.sub(_reference, text)}</code>" if text else ""


def _reference(found: re.Match[str]) -> str:
    return f"&#{ord(found[0])};"


def _lines(run: ReportedRun) -> Iterator[str]:
    mark = _MARKS.get(run.verdict.status.value, "⚠️") if run.is_complete else "⚠️"
    yield f"## {mark} {code(run.record.journey)}: {overview.headline(run)}"
    yield ""
    yield from _table(overview.counts(run), [list(overview.counts(run).values())])
    for problem in run.problems:
        yield f"⚠️ Not all is here: {code(problem.message)}"
        yield ""
    if run.rows_not_passed:
        yield from _failures(run)
    yield "### Slowest steps"
    yield ""
    yield from _table(
        ("step", "attempts", "not passed", "mean", "about p95", "slowest"),
        [
            (
                code(step["step_id"]),
                *(step["attempts"], step["not_passed"]),
                *(_milliseconds(step[name]) for name in ("mean_ms", "p95_ms", "max_ms")),
            )
            for step in run.step_statistics(_MOST_STEPS)
        ],
    )
    yield "### Run"
    yield ""
    yield from _table(("fact", "value"), [(name, code(value)) for name, value in overview.facts(run).items()])


def _failures(run: ReportedRun) -> Iterator[str]:
    yield f"### {run.rows_not_passed} rows did not pass"
    yield ""
    yield from _table(
        ("rows", "status", "step", "error"),
        [
            (kind["rows"], kind["status"], code(kind["failed_step"]), code(kind["error_code"]))
            for kind in run.failure_kinds(_MOST_KINDS)
        ],
    )
    failures = run.failures(_MOST_FAILURES)
    yield from _table(
        ("row", "key", "status", "why"),
        [(row["row_index"], code(row["row_key"]), row["status"], code(failure_message(row))) for row in failures],
    )
    if len(failures) < run.rows_not_passed:
        yield f"… and {run.rows_not_passed - len(failures)} more. All of them:"
        yield ""
        yield code(run.query_command())
        yield ""
    yield "All of one row:"
    yield ""
    yield code(run.show_command(failures[0] if failures else None))
    yield ""


def _table(titles: Iterable[str], rows: Sequence[Iterable[Any]]) -> Iterator[str]:
    """A table and the empty line after it."""
    titles = list(titles)
    yield f"| {' | '.join(titles)} |"
    yield f"|{' --- |' * len(titles)}"
    for row in rows:
        yield f"| {' | '.join(map(str, row))} |"
    yield ""


def _milliseconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} ms"
