"""A self-contained HTML file: summary, what failed, statistics of steps, and the first failures with their evidence. Of
a run of one row, it shows that row, whatever its status.

It has no script, and a content security policy that allows only its own style. Every value that the template shows is
made visible and then escaped here, not in the template, so that no value can be missed.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

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
from reqflo_ray._internal.reports.source import UNREMARKABLE, Exchanges, Line, ReportedRun
from reqflo_ray._internal.visible_text import shorten, visible

_TEMPLATES: Final = Path(__file__).with_name("templates")
_MOST_FAILURES: Final = 200
_ROWS_AT_A_TIME: Final = 20
_MOST_STEPS: Final = 200
_MOST_HEADERS: Final = 50
_LONGEST_HEADER: Final = 300
_LONGEST: Final = 2_100
# The evidence of a page at most: browsers are slow with more, and failures of the same kind look alike.
MOST_CHARACTERS: Final = 4_000_000


def write(run: ReportedRun, file: BinaryIO) -> None:
    """Write the report of `run` to `file`."""
    _write_page(
        file,
        "report.html",
        run=run,
        headline=overview.headline(run),
        status=run.verdict.status.value if run.is_complete else "incomplete",
        head=overview.head(run),
        counts=overview.counts(run),
        facts=overview.facts(run),
        problems=run.problems,
        groups=[
            ("Rows that did not pass", run.groups.failures),
            ("Soft assertions that failed", run.groups.soft),
            ("Rows that passed only after a retry", run.groups.retried),
        ],
        known_flaky=KNOWN_FLAKY,
        steps=(steps := run.step_statistics())[:_MOST_STEPS],
        more_steps=len(steps[_MOST_STEPS:]),
        only_row=run.only_row,
        rows=_rows(run),
    )


def write_refusal(refusal: Refusal, file: BinaryIO) -> None:
    """Write to `file` a page that says there is no result, and why."""
    _write_page(
        file,
        "refusal.html",
        subject=refusal.subject or "reqflo-ray",
        headline=refusal.headline,
        exit_code=refusal.exit_code,
        instant=refusal.instant,
        reasons=list(refusal.lines()),
    )


def _write_page(file: BinaryIO, template: str, **values: Any) -> None:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = (_TEMPLATES / "report.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    page = environment.get_template(template).generate(
        style=_OwnText(style),
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
        **values,
    )
    file.writelines(piece.encode() for piece in page)


class _OwnText(str):
    """Text of this package, such as its style, that is HTML already."""

    def __html__(self) -> str:
        return str(self)


def _shown(value: Any) -> Any:
    """Return what the template shows of a value, before it is escaped."""
    if isinstance(value, _OwnText):
        return value
    if value is None:
        return ""
    return shorten(visible(value[: _LONGEST + 1], multiline=True), _LONGEST) if isinstance(value, str) else value


def _rows(run: ReportedRun) -> Iterator[dict[str, Any]]:
    """Yield the only row, or the first rows that did not pass, with their steps, up to `MOST_CHARACTERS`."""
    exchanges = Exchanges.NOT_PASSED if run.only_row is None else Exchanges.ALL
    rows = run.failures(_MOST_FAILURES) if run.only_row is None else [run.only_row]
    room = MOST_CHARACTERS
    for first in range(0, len(rows), _ROWS_AT_A_TIME):
        some = rows[first : first + _ROWS_AT_A_TIME]
        steps = run.steps_of(some, exchanges)
        for row in some:
            attempts = steps[row["row_index"]]
            shown = [_step(step, exchanges) for step in attempts]
            room -= len(row["inputs"] or "") + sum(_size(step) for step in shown)
            if room < 0:
                return
            yield {
                "row": row,
                "why": "" if row["status"] == "passed" else failure_message(row),
                "command": run.show_command(row),
                "steps": shown,
                "not_reached": [not_reached_line(step) for step in run.not_reached(attempts)],
            }


def _step(step: Line, exchanges: Exchanges) -> dict[str, Any]:
    told = exchanges is Exchanges.ALL or step["status"] not in UNREMARKABLE
    soft = any(each["status"] == "failed" for each in step["assertions"] or ())
    return {
        "status": step["status"],
        "line": step_line(step),
        "error": step_error(step) if told else "",
        "assertions": [(each["status"], assertion_line(each)) for each in step["assertions"] or () if told or soft],
        "events": [f"{event['kind']}: {event['text']}" for event in step["events"] or ()],
        "sides": [side for name in ("request", "response") if (side := _side(step, name))],
    }


def _side(step: Line, name: str) -> dict[str, Any] | None:
    headers, body, size = step[f"{name}_headers"], step[f"{name}_body"], step[f"{name}_body_bytes"]
    if not headers and not size:
        return None
    lines = [shorten(f"{key}: {value}", _LONGEST_HEADER) for key, value in (headers or ())[:_MOST_HEADERS]]
    return {"name": name, "headers": "\n".join(lines), "body": body, "bytes": size}


def _size(step: dict[str, Any]) -> int:
    return (
        len(step["line"] + step["error"])
        + sum(len(line) for _, line in step["assertions"])
        + sum(map(len, step["events"]))
        + sum(len(side["headers"]) + len(side["body"] or "") for side in step["sides"])
    )
