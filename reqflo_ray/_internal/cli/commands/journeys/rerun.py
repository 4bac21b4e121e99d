"""`reqflo-ray rerun`: starts a new run, with new idempotency keys, with the rows of an earlier one."""

from __future__ import annotations

from typing import Annotated, Final

import typer

import reqflo_ray
from reqflo_ray._internal.cli.display.deliver import deliver
from reqflo_ray._internal.cli.display.progress import RunReporter
from reqflo_ray._internal.cli.display.terminal import Terminal
from reqflo_ray._internal.cli.display.wording import store_option
from reqflo_ray._internal.cli.options.output import OutputOptions
from reqflo_ray._internal.cli.options.panels import WHAT
from reqflo_ray._internal.cli.options.run import RunArgument
from reqflo_ray._internal.cli.options.target import TargetOptions
from reqflo_ray._internal.errors import UsageError

EXAMPLES: Final = """\
reqflo-ray rerun latest --failed
reqflo-ray rerun nightly-0412 --failed --include-inconclusive
"""


def rerun(
    context: typer.Context,
    run: RunArgument,
    target: TargetOptions,
    output: OutputOptions,
    failed: Annotated[
        bool, typer.Option("--failed", rich_help_panel=WHAT, help="Run only the rows that failed or ended in an error.")
    ] = False,
    include_inconclusive: Annotated[
        bool,
        typer.Option(
            "--include-inconclusive",
            rich_help_panel=WHAT,
            help="With `--failed`: also run inconclusive rows. Their requests may take effect twice.",
        ),
    ] = False,
) -> int:
    """Start a new run with the rows of an earlier one: the same artifact, environment, and values, but new idempotency
    keys.

    Without `--failed`, all rows run again.
    """
    if include_inconclusive and not failed:
        raise UsageError(
            "`--include-inconclusive` needs `--failed`",
            code="inconclusive_without_failed",
            hint="add `--failed`, or remove both to run every row, including inconclusive ones",
        )
    terminal: Terminal = context.obj
    reports = output.reports()
    where = store_option(target.store, terminal)
    with RunReporter(terminal, quiet=output.quiet, detailed=not output.as_json, store_option=where) as reporter:
        outcome = reqflo_ray.rerun(
            run,
            failed=failed,
            include_inconclusive=include_inconclusive,
            target=target.read(),
            outputs=[path for _, path in reports],
            listener=reporter,
        )
    return deliver(outcome, terminal, reports=reports, as_json=output.as_json)
