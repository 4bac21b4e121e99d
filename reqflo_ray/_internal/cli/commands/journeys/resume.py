"""`reqflo-ray resume`: the same run goes on, from what its run record froze. The workspace is not read."""

from __future__ import annotations

from typing import Final

import typer

from reqflo_ray._internal.cli.display.deliver import asked_reports, deliver
from reqflo_ray._internal.cli.display.progress import RunReporter
from reqflo_ray._internal.cli.display.terminal import Terminal
from reqflo_ray._internal.cli.display.wording import store_option
from reqflo_ray._internal.cli.options import options

EXAMPLES: Final = """\
reqflo-ray resume latest
reqflo-ray resume nightly-0412 --store /mnt/runs --take-over
"""


def resume(
    context: typer.Context,
    run: options.Run,
    backend: options.BackendChoice = options.Backend.AUTO,
    address: options.Address = None,
    workers: options.Workers = None,
    take_over: options.TakeOver = False,
    store: options.StoreLocation = None,
    report: options.Reports = None,
    output: options.OutputFile = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> int:
    """Resume an unfinished run; finished steps are not sent again, and a finished run sends nothing."""
    options.need_one_place(backend, address)
    reports = asked_reports(report, output)
    import reqflo_ray

    terminal: Terminal = context.obj
    with RunReporter(terminal, quiet=quiet, store_option=store_option(store, terminal)) as reporter:
        outcome = reqflo_ray.resume(
            run,
            target=reqflo_ray.Target(
                store=store, backend=backend.value, address=address, workers=options.checked_workers(workers)
            ),
            take_over=take_over,
            outputs=[each.path for each in reports],
            listener=reporter,
        )
    return deliver(outcome, terminal, reports=reports, as_json=as_json)
