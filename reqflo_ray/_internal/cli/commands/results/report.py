"""`reqflo-ray report`: reports of a run that is in the store, whenever they are wanted."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from reqflo_ray._internal.cli.display.deliver import asked_reports, tell_written
from reqflo_ray._internal.cli.display.terminal import Terminal
from reqflo_ray._internal.cli.options import options
from reqflo_ray._internal.model.plan import Damaged

EXAMPLES: Final = """\
reqflo-ray report latest html=report.html
reqflo-ray report nightly-0412 junit=junit.xml markdown=summary.md --store /mnt/runs
"""


def report(
    context: typer.Context,
    run: options.Run,
    reports: Annotated[
        list[str],
        typer.Argument(metavar="FORMAT=PATH", help=f"Reports to write; formats are {options.REPORT_FORMATS}."),
    ],
    damaged: options.DamagedFiles = Damaged.REFUSE,
    store: options.StoreLocation = None,
) -> None:
    """Write reports of a run that is in the store, whenever they are wanted.

    Of an unfinished run they tell what is committed so far. It ends with 0 however the run ended, and with 3 if results
    of it are not what was written.
    """
    asked = asked_reports(reports)
    import reqflo_ray

    reqflo_ray.write_reports(run, [(each.format, each.path) for each in asked], store=store, damaged=damaged)
    terminal: Terminal = context.obj
    tell_written(asked, terminal)
