"""`reqflo-ray report`: writes reports of a run that is in the store."""

from __future__ import annotations

from typing import Annotated, Final

import typer

import reqflo_ray
from reqflo_ray import Damaged
from reqflo_ray._internal.cli.display.deliver import tell_written
from reqflo_ray._internal.cli.display.terminal import Terminal
from reqflo_ray._internal.cli.options.output import REPORT_FORMATS, DamagedFiles, checked, read_reports
from reqflo_ray._internal.cli.options.run import RunArgument
from reqflo_ray._internal.cli.options.target import StoreOption

EXAMPLES: Final = """\
reqflo-ray report latest html=report.html
reqflo-ray report nightly-0412 junit=junit.xml markdown=summary.md --store /mnt/runs
"""


def report(
    context: typer.Context,
    run: RunArgument,
    reports: Annotated[
        list[str],
        typer.Argument(metavar="FORMAT=PATH", help=f"The reports to write. Formats: {REPORT_FORMATS}."),
    ],
    damaged: DamagedFiles = Damaged.REFUSE,
    store: StoreOption = None,
) -> None:
    """Write reports of a run that is in the store.

    A report of an unfinished run covers the rows that are committed so far. The exit code is 0 whatever the status of
    the run, and 3 if its results are damaged.
    """
    asked = checked(read_reports(reports))
    reqflo_ray.write_reports(run, asked, store=store, damaged=damaged)
    terminal: Terminal = context.obj
    tell_written(asked, terminal)
