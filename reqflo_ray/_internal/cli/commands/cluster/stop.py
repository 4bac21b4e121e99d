"""`reqflo-ray stop`: asks the job of a submitted run to stop, and waits until it has."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from reqflo_ray._internal.cli.display.terminal import Terminal
from reqflo_ray._internal.cli.options import options

EXAMPLES: Final = """\
reqflo-ray stop nightly-0412 --address http://head:8265
reqflo-ray stop latest --no-wait
"""

_NoWait = Annotated[
    bool, typer.Option("--no-wait", rich_help_panel=options.WHERE, help="Return at once, while requests in flight end.")
]


def stop(
    context: typer.Context,
    run: options.Run,
    no_wait: _NoWait = False,
    address: options.Cluster = None,
    allow_unauthenticated: options.AllowUnauthenticated = False,
) -> None:
    """Stop a submitted run: requests in flight end, what is finished is kept, and the run can be resumed."""
    from reqflo_ray._internal.ray_cluster.address import find_cluster
    from reqflo_ray._internal.ray_cluster.jobs import Jobs
    from reqflo_ray._internal.ray_cluster.submit import stop_and_wait

    terminal: Terminal = context.obj
    jobs = Jobs.of(find_cluster(address, allow_unauthenticated=allow_unauthenticated))
    job = jobs.find(run)
    if job.state.has_ended:
        terminal.note(f"run {job.run_id} has ended before: {job.state.value.lower()}")
        return
    if no_wait:
        jobs.stop(job)
        terminal.note(f"run {job.run_id} was asked to stop")
        return
    ended = stop_and_wait(jobs, job)
    terminal.note(f"run {job.run_id}: {ended.state.value.lower()}")
