"""The options that say what a command writes, and where."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import typer

import reqflo_ray
from reqflo_ray import Damaged
from reqflo_ray._internal.cli.options.panels import OUTPUT
from reqflo_ray._internal.errors import UsageError

# A format, and the file that the report is written to.
Report: TypeAlias = tuple[str, Path]

REPORT_FORMATS: Final = "junit, html, markdown, json, ctrf"

AsJson: TypeAlias = Annotated[
    bool, typer.Option("--json", rich_help_panel=OUTPUT, help="Write JSON to standard output.")
]
DamagedFiles: TypeAlias = Annotated[
    Damaged,
    typer.Option(
        "--damaged",
        rich_help_panel=OUTPUT,
        help="What to do if stored results are damaged: refuse (exit code 3), or leave them out and say so.",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputOptions:
    """What a command that carries out a run writes."""

    report: Annotated[
        list[str] | None,
        typer.Option(
            "--report",
            metavar="FORMAT=PATH",
            rich_help_panel=OUTPUT,
            help=f"Write a report when the run has ended. Formats: {REPORT_FORMATS}. Repeatable.",
        ),
    ] = None
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="FILE.json",
            rich_help_panel=OUTPUT,
            help="Write the outcome and the result of every row; short for `--report json=FILE.json`.",
        ),
    ] = None
    as_json: AsJson = False
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", rich_help_panel=OUTPUT, help="Show only problems and the last lines.")
    ] = False

    def reports(self) -> list[Report]:
        """Return the reports of `--report` and `--output`. Raises as `read_reports` and `checked`."""
        asked = read_reports(self.report or ())
        if self.output is not None:
            asked.insert(0, ("json", self.output))
        return checked(asked)


def read_reports(texts: Iterable[str]) -> list[Report]:
    """Read reports from the command line, each `FORMAT=PATH`. Raises `UsageError` (`invalid_report`,
    `output_not_writable`)."""
    reports = list[Report]()
    for text in texts:
        name, _, path = text.partition("=")
        if not name or not path:
            raise UsageError(
                f"`{text}` is not a report: it must be FORMAT=PATH",
                code="invalid_report",
                hint=f"write a format and a file, such as `junit=junit.xml`; formats: {REPORT_FORMATS}",
            )
        if path.endswith("/"):
            raise UsageError(
                f"`{path}` cannot be written: it is a folder", code="output_not_writable", hint="name a file in it"
            )
        reports.append((name, Path(path)))
    return reports


def checked(reports: list[Report]) -> list[Report]:
    """Return `reports` if all of them can be written. Raises `UsageError` as `reqflo_ray.check_reports` does."""
    if reports:
        reqflo_ray.check_reports(reports)
    return reports
