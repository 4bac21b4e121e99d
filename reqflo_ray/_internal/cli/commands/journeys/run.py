"""`reqflo-ray run`: command line in, `RunRequest` out, then whatever the run tells. What a run is, the API knows."""

from __future__ import annotations

from typing import Final

import typer

from reqflo_ray._internal.cli.display.deliver import asked_reports, deliver
from reqflo_ray._internal.cli.display.progress import RunReporter
from reqflo_ray._internal.cli.display.terminal import Terminal
from reqflo_ray._internal.cli.display.wording import store_option
from reqflo_ray._internal.cli.options import options
from reqflo_ray._internal.model.plan import Durability, Evidence

EXAMPLES: Final = """\
reqflo-ray run place-order --env local --set customer_id=cus-1
reqflo-ray run place-order --data data/orders.csv --key order_ref --env local
reqflo-ray run place-order --case "Gift order" --overlay no-token
reqflo-ray run place-order --data 'big/*.parquet' --address auto --rate 500
reqflo-ray run --artifact place-order.json --env local --report junit=junit.xml
"""


def run(
    context: typer.Context,
    journey: options.Journey = "",
    artifact: options.Artifact = None,
    workspace: options.Workspace = ".",
    overlay: options.Overlays = None,
    data: options.Data = None,
    key: options.Key = "",
    encoding: options.Encoding = "utf-8",
    env: options.EnvironmentName = None,
    case: options.Case = None,
    preset: options.Presets = None,
    set_: options.Sets = None,
    backend: options.BackendChoice = options.Backend.AUTO,
    address: options.Address = None,
    workers: options.Workers = None,
    take_over: options.TakeOver = False,
    concurrency: options.Concurrency = None,
    rate: options.Rate = None,
    evidence: options.EvidenceChoice = Evidence.FULL,
    durability: options.DurabilityChoice = Durability.HOST,
    strict: options.Strict = False,
    fail_fast: options.FailFast = False,
    max_failures: options.MaxFailures = None,
    store: options.StoreLocation = None,
    run_id: options.RunId = None,
    report: options.Reports = None,
    output: options.OutputFile = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> int:
    """Run a journey once for every row of a dataset, or once if there is no dataset."""
    options.need_one_journey(journey, artifact)
    options.need_one_place(backend, address)
    options.need_consistent(data=data, key=key, fail_fast=fail_fast, max_failures=max_failures)
    reports = asked_reports(report, output)
    import reqflo_ray

    terminal: Terminal = context.obj
    with RunReporter(terminal, quiet=quiet, store_option=store_option(store, terminal)) as reporter:
        outcome = reqflo_ray.run(
            reqflo_ray.Journey(
                journey,
                artifact=artifact,
                workspace=workspace,
                environment=env,
                case=case,
                presets=tuple(preset or ()),
                overlays=tuple(overlay or ()),
                overrides=options.parse_overrides(set_),
            ),
            reqflo_ray.Dataset(data or (), key=key, encoding=encoding, strict=strict),
            execution=reqflo_ray.Execution(
                concurrency=concurrency,
                rate=options.parse_rate(rate),
                evidence=evidence,
                durability=durability,
                max_failures=1 if fail_fast else max_failures,
            ),
            target=reqflo_ray.Target(
                store=store, backend=backend.value, address=address, workers=options.checked_workers(workers)
            ),
            run_id=run_id,
            take_over=take_over,
            outputs=[each.path for each in reports],
            listener=reporter,
        )
    return deliver(outcome, terminal, reports=reports, as_json=as_json)
