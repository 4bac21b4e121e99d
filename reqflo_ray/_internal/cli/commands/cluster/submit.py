"""`reqflo-ray submit`: the command line of `run`, carried out by a job of a remote cluster, with the same exit code.

How a job is started and followed, `distributed.submit` knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from reqflo_ray._internal.cli.display.deliver import asked_reports, show_verdict, tell_not_written, tell_written
from reqflo_ray._internal.cli.display.earlier_reports import EarlierReports, give_way
from reqflo_ray._internal.cli.display.progress import RunReporter
from reqflo_ray._internal.cli.display.terminal import Terminal, escape
from reqflo_ray._internal.cli.options import options
from reqflo_ray._internal.errors import ClusterError, ReqfloError, UsageError
from reqflo_ray._internal.model.plan import Durability, Evidence
from reqflo_ray._internal.reports.output_file import NOT_WRITTEN, whole_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reqflo_ray import Followed, Submission
    from reqflo_ray._internal.reports.formats import Report

EXAMPLES: Final = """\
reqflo-ray submit place-order --address http://head:8265 --store /mnt/runs --env prod
reqflo-ray submit place-order --data data/orders.csv --env prod --report junit=junit.xml
reqflo-ray submit place-order --data '/mnt/data/*.parquet' --shared-data --run-id nightly-0412
"""

_NoWait = Annotated[
    bool, typer.Option("--no-wait", rich_help_panel=options.WHERE, help="Return when the job is there; exit code 0.")
]
_SharedData = Annotated[
    bool,
    typer.Option(
        "--shared-data",
        rich_help_panel=options.WHERE,
        help="The paths of --data are the same files on the cluster: send none along.",
    ),
]


def submit(
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
    address: options.Cluster = None,
    workers: options.Workers = None,
    shared_data: _SharedData = False,
    no_wait: _NoWait = False,
    allow_unauthenticated: options.AllowUnauthenticated = False,
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
    """Run a journey as a job of a remote Ray cluster, follow it, and exit as the run does."""
    options.need_one_journey(journey, artifact)
    options.need_consistent(data=data, key=key, fail_fast=fail_fast, max_failures=max_failures)
    if no_wait and (output is not None or report or as_json):
        raise UsageError(
            "`--no-wait` leaves before there is a result",
            code="result_without_wait",
            hint="the same command without --no-wait fetches it later: nothing runs twice under one --run-id",
        )
    reports = asked_reports(report, output)
    import reqflo_ray

    terminal: Terminal = context.obj
    submission = reqflo_ray.submit(
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
        target=reqflo_ray.Target(store=store, address=address, workers=options.checked_workers(workers)),
        run_id=run_id,
        take_over=take_over,
        outputs=[each.path for each in reports],
        shared_data=shared_data,
        reports=[each.format for each in reports],
        quiet=quiet,
        allow_unauthenticated=allow_unauthenticated,
        listener=RunReporter(terminal, quiet=quiet),
    )
    terminal.note(_greeting(submission))
    if no_wait:
        return 0
    followed = submission.wait(show=lambda line: terminal.note(escape(line)), notice=terminal.note)
    return _deliver(followed, terminal, reports=reports, as_json=as_json)


def _greeting(submission: Submission) -> str:
    run_id, url = submission.run_id, escape(submission.url)
    if submission.has_ended:
        done = f"run {run_id} is finished: nothing is sent; what its job printed follows"
    elif not submission.is_new:
        done = f"run {run_id} is under way: following it"
    else:
        done = f"run {run_id}: job {submission.job} at {url}"
    return f"{done}\nstatus: reqflo-ray status {run_id} --address {url}"


def _deliver(followed: Followed, terminal: Terminal, *, reports: Sequence[Report], as_json: bool) -> int:
    outcome, run_id, code = followed.outcome, followed.job.run_id, followed.exit_code
    earlier = EarlierReports(reports)
    if outcome is None:
        reason = followed.reason or followed.job.state.value
        terminal.note(f"the job ended without a verdict: {escape(reason)}")
        give_way(earlier.still_there(), _without_verdict(reason, code), run_id, terminal)
    if outcome is None or not outcome.complete:
        terminal.note(f"go on: the same `reqflo-ray submit` command with --run-id {run_id}")
    for report in reports if outcome is not None else ():
        try:
            _write(report, followed)
            tell_written([report], terminal)
        except ReqfloError as error:
            code = tell_not_written(error, terminal, code)
            if error.code != NOT_WRITTEN:
                give_way([each for each in earlier.still_there() if each == report], error, run_id, terminal)
    if as_json and outcome is not None:
        show_verdict(outcome.verdict, terminal)
    return code


def _without_verdict(reason: str, code: int) -> ClusterError:
    return ClusterError("the job ended without a verdict", code="no_verdict", cause=reason, exit_code=code)


def _write(report: Report, followed: Followed) -> None:
    if report.format not in followed.reports:
        raise ClusterError(
            f"the {report.format} report did not come back through the job's log",
            code="report_not_sent",
            cause="it is too large for it, did not arrive whole, or could not be made there",
            hint=f"`reqflo-ray report {followed.job.run_id} …` makes it where the store is mounted; one that did not"
            " arrive whole comes with the same command again, and nothing runs twice",
        )
    with whole_file(report.path) as file:
        file.write(followed.reports[report.format])
