"""`reqflo-ray resume`: continues a run from its run record. The workspace is not read."""

from __future__ import annotations

from typing import Final

import typer

import reqflo_ray
from reqflo_ray._internal.cli.display.deliver import deliver
from reqflo_ray._internal.cli.display.progress import RunReporter
from reqflo_ray._internal.cli.display.terminal import Terminal
from reqflo_ray._internal.cli.display.wording import store_option
from reqflo_ray._internal.cli.options.output import OutputOptions
from reqflo_ray._internal.cli.options.run import RunArgument, TakeOver
from reqflo_ray._internal.cli.options.target import TargetOptions

EXAMPLES: Final = """\
reqflo-ray resume latest
reqflo-ray resume nightly-0412 --store /mnt/runs --take-over
"""


def resume(
    context: typer.Context,
    run: RunArgument,
    target: TargetOptions,
    output: OutputOptions,
    take_over: TakeOver = False,
) -> int:
    """Resume an unfinished run without sending its finished steps again.

    A finished run sends nothing; its outcome and reports are written again.
    """
    terminal: Terminal = context.obj
    reports = output.reports()
    where = store_option(target.store, terminal)
    with RunReporter(terminal, quiet=output.quiet, detailed=not output.as_json, store_option=where) as reporter:
        outcome = reqflo_ray.resume(
            run,
            target=target.read(),
            take_over=take_over,
            outputs=[path for _, path in reports],
            listener=reporter,
        )
    return deliver(outcome, terminal, reports=reports, as_json=output.as_json)
