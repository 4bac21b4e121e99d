"""`reqflo-ray stop`: asks the job of a submitted run to stop, and waits until it has ended."""

from __future__ import annotations

from typing import Annotated, Final

import typer

import reqflo_ray
from reqflo_ray._internal.cli.display.terminal import Terminal
from reqflo_ray._internal.cli.options.panels import WHERE
from reqflo_ray._internal.cli.options.run import RunArgument
from reqflo_ray._internal.cli.options.target import AllowUnauthenticated, DashboardOption

EXAMPLES: Final = """\
reqflo-ray stop nightly-0412 --address http://head:8265
reqflo-ray stop latest --no-wait
"""

_NoWait = Annotated[
    bool, typer.Option("--no-wait", rich_help_panel=WHERE, help="Return immediately; do not wait until it has ended.")
]


def stop(
    context: typer.Context,
    run: RunArgument,
    no_wait: _NoWait = False,
    address: DashboardOption = None,
    allow_unauthenticated: AllowUnauthenticated = False,
) -> None:
    """Stop a submitted run; it can be resumed.

    No more rows start, requests in flight are completed, and everything that is finished is kept.
    """
    terminal: Terminal = context.obj
    submission = reqflo_ray.find_submission(run, address=address, allow_unauthenticated=allow_unauthenticated)
    if submission.has_ended:
        terminal.note(f"run {submission.run_id} had already ended: {submission.state}")
        return
    submission.stop(wait=not no_wait)
    terminal.note(f"run {submission.run_id}{' was asked to stop' if no_wait else f': {submission.state}'}")
