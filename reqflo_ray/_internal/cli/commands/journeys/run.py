"""`reqflo-ray run`: passes options to the API and shows what the run reports. It must not know how a run works."""

from __future__ import annotations

from typing import Final

import typer

import reqflo_ray
from reqflo_ray._internal.cli.display.deliver import deliver
from reqflo_ray._internal.cli.display.progress import RunReporter
from reqflo_ray._internal.cli.display.terminal import Terminal
from reqflo_ray._internal.cli.display.wording import store_option
from reqflo_ray._internal.cli.options.dataset import DatasetOptions
from reqflo_ray._internal.cli.options.execution import ExecutionOptions
from reqflo_ray._internal.cli.options.journey import JourneyOptions
from reqflo_ray._internal.cli.options.output import OutputOptions
from reqflo_ray._internal.cli.options.run import RunId, TakeOver
from reqflo_ray._internal.cli.options.target import TargetOptions

EXAMPLES: Final = """\
reqflo-ray run place-order --env local --set customer_id=cus-1
reqflo-ray run place-order --data data/orders.csv --key order_ref --env local
reqflo-ray run place-order --case "Gift order" --overlay no-token
reqflo-ray run place-order --data 'big/*.parquet' --address auto --rate 500
reqflo-ray run --artifact place-order.json --env local --report junit=junit.xml
"""


def run(
    context: typer.Context,
    journey: JourneyOptions,
    dataset: DatasetOptions,
    target: TargetOptions,
    execution: ExecutionOptions,
    output: OutputOptions,
    take_over: TakeOver = False,
    run_id: RunId = None,
) -> int:
    """Run a journey once for every row of a dataset, or once without a dataset."""
    terminal: Terminal = context.obj
    reports = output.reports()
    where = store_option(target.store, terminal)
    with RunReporter(terminal, quiet=output.quiet, detailed=not output.as_json, store_option=where) as reporter:
        outcome = reqflo_ray.run(
            journey.read(),
            dataset.read(),
            execution=execution.read(),
            target=target.read(),
            run_id=run_id,
            take_over=take_over,
            outputs=[path for _, path in reports],
            listener=reporter,
        )
    return deliver(outcome, terminal, reports=reports, as_json=output.as_json)
