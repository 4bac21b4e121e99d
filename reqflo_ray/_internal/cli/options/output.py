"""The options that say what a command hands over, and how."""

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

# A format, and the file that the report goes to.
Report: TypeAlias = tuple[str, Path]

REPORT_FORMATS: Final = "junit, html, markdown, json, ctrf"

AsJson: TypeAlias = Annotated[bool, typer.Option("--json", rich_help_panel=OUTPUT, help="JSON on standard output.")]
DamagedFiles: TypeAlias = Annotated[
    Damaged,
    typer.Option(
        "--damaged",
        rich_help_panel=OUTPUT,
        help="Results that are not what was written: refuse (exit 3), or leave them out and say so.",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputOptions:
    """What a command that carries out a run hands over."""

    report: Annotated[
        list[str] | None,
        typer.Option(
            "--report",
            metavar="FORMAT=PATH",
            rich_help_panel=OUTPUT,
            help=f"Write a report when the run has ended: {REPORT_FORMATS}. May be repeated.",
        ),
    ] = None
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="FILE.json",
            rich_help_panel=OUTPUT,
            help="Write the verdict and every row's result there: `--report json=FILE.json`.",
        ),
    ] = None
    as_json: AsJson = False
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", rich_help_panel=OUTPUT, help="No progress: errors and the last lines only.")
    ] = False

    def reports(self) -> list[Report]:
        """The reports that are asked for, those of `--report` and that of `--output`. Raises as `read_reports`."""
        asked = read_reports(self.report or ())
        if self.output is not None:
            asked.insert(0, ("json", self.output))
        return checked(asked)


def read_reports(texts: Iterable[str]) -> list[Report]:
    """Reports as they are written on the command line, `FORMAT=PATH` each. Raises `UsageError` (`invalid_report`)."""
    reports = list[Report]()
    for text in texts:
        name, _, path = text.partition("=")
        if not name or not path:
            raise UsageError(
                f"`{text}` is no report",
                code="invalid_report",
                hint=f"write FORMAT=PATH, such as `junit=junit.xml`; formats are {REPORT_FORMATS}",
            )
        if path.endswith("/"):
            raise UsageError(
                f"`{path}` cannot be written: it is a folder", code="output_not_writable", hint="name a file in it"
            )
        reports.append((name, Path(path)))
    return reports


def checked(reports: list[Report]) -> list[Report]:
    """`reports`, if all can be written. Raises `UsageError`: see `check_reports` of the API."""
    if reports:
        reqflo_ray.check_reports(reports)
    return reports
