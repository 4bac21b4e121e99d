"""`reqflo-ray logs`: shows what a submitted run has printed, without the lines that are for `submit`."""

from __future__ import annotations

from typing import Annotated, Final

import typer

import reqflo_ray
from reqflo_ray._internal.cli.display.terminal import Terminal, escape
from reqflo_ray._internal.cli.options.panels import OUTPUT
from reqflo_ray._internal.cli.options.run import RunArgument
from reqflo_ray._internal.cli.options.target import AllowUnauthenticated, DashboardOption

EXAMPLES: Final = """\
reqflo-ray logs nightly-0412 --address http://head:8265
reqflo-ray logs latest --follow
"""

_Follow = Annotated[
    bool, typer.Option("--follow", "-f", rich_help_panel=OUTPUT, help="Keep printing until the job ends.")
]


def logs(
    context: typer.Context,
    run: RunArgument,
    follow: _Follow = False,
    address: DashboardOption = None,
    allow_unauthenticated: AllowUnauthenticated = False,
) -> None:
    """Show what the last job of a submitted run has printed."""
    terminal: Terminal = context.obj
    submission = reqflo_ray.find_submission(run, address=address, allow_unauthenticated=allow_unauthenticated)
    for line in submission.logs(follow=follow):
        terminal.text(escape(line))
        terminal.flush()
