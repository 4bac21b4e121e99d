"""Fixtures of disturbed runs, and the table that `make chaos` ends with."""

from __future__ import annotations

from typing import Any

import pytest
from bucket_fixtures import bucket, cloudless, gcs_server, gs_bucket, s3_bucket, s3_url
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
    """Print what each kind of fault cost, as Markdown."""
    if terminalreporter.config.option.markexpr == "not chaos":
        return
    lines: list[dict[str, Any]] = [
        value
        for report in terminalreporter.stats.get("passed", [])
        for name, value in report.user_properties
        if name == "fault"
    ]
    if lines:
        terminalreporter.section("faults")
        terminalreporter.write_line(_row(lines[0]))
        terminalreporter.write_line(_row(dict.fromkeys(lines[0], "---").values()))
        for line in lines:
            terminalreporter.write_line(_row(line.values()))


def _row(cells: Any) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |"
