"""Fixtures of disturbed runs, and the table that `make chaos` ends with."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from bucket_fixtures import bucket, cloudless, gcs_server, gs_bucket, s3_bucket, s3_url
from damage_oracle import ENDS
from disturbed_fixtures import make_run, note_fault, undisturbed, unhurried_shop

__all__ = [
    "bucket",
    "cloudless",
    "gcs_server",
    "gs_bucket",
    "make_run",
    "note_fault",
    "s3_bucket",
    "s3_url",
    "undisturbed",
    "unhurried_shop",
]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what each kind of fault cost, and how commands ended over damaged files, as Markdown."""
    if terminalreporter.config.option.markexpr == "not chaos":
        return
    _write_table(terminalreporter, "faults", _noted(terminalreporter, "fault"))
    _write_table(terminalreporter, "damaged files", _ends_of_damage(_noted(terminalreporter, "damage")))


def _noted(terminalreporter: pytest.TerminalReporter, what: str) -> list[Any]:
    """What tests recorded under that name, failed ones too."""
    reports = [*terminalreporter.stats.get("passed", []), *terminalreporter.stats.get("failed", [])]
    return [value for report in reports for name, value in report.user_properties if name == what]


def _ends_of_damage(noted: list[tuple[str, str, str]]) -> list[dict[str, Any]]:
    """A line for each kind of file of each run: how often commands ended how."""
    counts = Counter(noted)
    kinds = dict.fromkeys((run, kind) for run, kind, _ in noted)
    ends = [*ENDS, *({end for *_, end in noted} - set(ENDS))]
    lines: list[dict[str, Any]] = [
        {"run": run, "file": kind, **{end: counts[run, kind, end] for end in ends}} for run, kind in kinds
    ]
    if lines:
        lines.append({"run": "", "file": "all", **{end: sum(line[end] for line in lines) for end in ends}})
    return lines


def _write_table(terminalreporter: pytest.TerminalReporter, title: str, lines: list[dict[str, Any]]) -> None:
    if lines:
        terminalreporter.section(title)
        terminalreporter.write_line(_row(lines[0]))
        terminalreporter.write_line(_row(dict.fromkeys(lines[0], "---").values()))
        for line in lines:
            terminalreporter.write_line(_row(line.values()))


def _row(cells: Any) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |"
