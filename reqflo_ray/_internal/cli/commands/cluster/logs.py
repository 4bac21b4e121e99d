"""`reqflo-ray logs`: what a submitted run has printed, without the lines that are for `submit`."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from reqflo_ray._internal.cli.display.terminal import Terminal, escape
from reqflo_ray._internal.cli.options import options

EXAMPLES: Final = """\
reqflo-ray logs nightly-0412 --address http://head:8265
reqflo-ray logs latest --follow
"""

_Follow = Annotated[
    bool, typer.Option("--follow", "-f", rich_help_panel=options.OUTPUT, help="Go on until the job ends.")
]


def logs(
    context: typer.Context,
    run: options.Run,
    follow: _Follow = False,
    address: options.Cluster = None,
    allow_unauthenticated: options.AllowUnauthenticated = False,
) -> None:
    """Show what the last job of a submitted run has printed."""
    from reqflo_ray._internal.ray_cluster.address import find_cluster
    from reqflo_ray._internal.ray_cluster.jobs import Jobs
    from reqflo_ray._internal.ray_cluster.submit import printed

    terminal: Terminal = context.obj
    jobs = Jobs.of(find_cluster(address, allow_unauthenticated=allow_unauthenticated))
    for line in printed(jobs, jobs.find(run), until_it_ends=follow):
        terminal.text(escape(line))
        terminal.flush()
