"""`reqflo-ray rerun`: a new run, with new idempotency keys, of the rows of an earlier one."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from reqflo_ray._internal.cli.display.deliver import asked_reports, deliver
from reqflo_ray._internal.cli.display.progress import RunReporter
from reqflo_ray._internal.cli.display.terminal import Terminal
from reqflo_ray._internal.cli.display.wording import store_option
from reqflo_ray._internal.cli.options import options
from reqflo_ray._internal.errors import UsageError

EXAMPLES: Final = """\
reqflo-ray rerun latest --failed
reqflo-ray rerun nightly-0412 --failed --include-inconclusive
"""


def rerun(
    context: typer.Context,
    run: options.Run,
    failed: Annotated[
        bool, typer.Option("--failed", rich_help_panel=options.WHAT, help="Only the rows that failed or errored.")
    ] = False,
    include_inconclusive: Annotated[
        bool,
        typer.Option(
            "--include-inconclusive",
            rich_help_panel=options.WHAT,
            help="With `--failed`, rows too whose outcome is unknown: their requests may be sent twice.",
        ),
    ] = False,
    backend: options.BackendChoice = options.Backend.AUTO,
    address: options.Address = None,
    workers: options.Workers = None,
    store: options.StoreLocation = None,
    report: options.Reports = None,
    output: options.OutputFile = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> int:
    """Start a new run of an earlier run's rows: the same artifact, environment and values, and new idempotency keys."""
    if include_inconclusive and not failed:
        raise UsageError(
            "`--include-inconclusive` needs `--failed`",
            code="inconclusive_without_failed",
            hint="without `--failed` every row is run again, inconclusive ones too",
        )
    options.need_one_place(backend, address)
    reports = asked_reports(report, output)
    import reqflo_ray

    terminal: Terminal = context.obj
    with RunReporter(terminal, quiet=quiet, store_option=store_option(store, terminal)) as reporter:
        outcome = reqflo_ray.rerun(
            run,
            failed=failed,
            include_inconclusive=include_inconclusive,
            target=reqflo_ray.Target(
                store=store, backend=backend.value, address=address, workers=options.checked_workers(workers)
            ),
            outputs=[each.path for each in reports],
            listener=reporter,
        )
    return deliver(outcome, terminal, reports=reports, as_json=as_json)
