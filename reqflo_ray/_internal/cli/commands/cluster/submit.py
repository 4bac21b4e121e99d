"""`reqflo-ray submit`: the command line of `run`, carried out by a job on a remote cluster, with the same exit code.

It must not know how a job is started and followed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer

import reqflo_ray
from reqflo_ray._internal.cli.display.deliver import show_verdict, tell_not_written, tell_written
from reqflo_ray._internal.cli.display.earlier_reports import tell_gave_way
from reqflo_ray._internal.cli.display.progress import RunReporter
from reqflo_ray._internal.cli.display.terminal import Terminal, escape
from reqflo_ray._internal.cli.options.dataset import DatasetOptions
from reqflo_ray._internal.cli.options.execution import ExecutionOptions
from reqflo_ray._internal.cli.options.journey import JourneyOptions
from reqflo_ray._internal.cli.options.output import OutputOptions, Report
from reqflo_ray._internal.cli.options.panels import WHERE
from reqflo_ray._internal.cli.options.run import RunId, TakeOver
from reqflo_ray._internal.cli.options.target import AllowUnauthenticated, ClusterOptions
from reqflo_ray._internal.errors import ClusterError, ReqfloError, UsageError

if TYPE_CHECKING:
    from reqflo_ray import Followed, Submission

EXAMPLES: Final = """\
reqflo-ray submit place-order --address http://head:8265 --store /mnt/runs --env prod
reqflo-ray submit place-order --data data/orders.csv --env prod --report junit=junit.xml
reqflo-ray submit place-order --data '/mnt/data/*.parquet' --shared-data --run-id nightly-0412
"""

_NoWait = Annotated[
    bool, typer.Option("--no-wait", rich_help_panel=WHERE, help="Return with exit code 0 once the job is submitted.")
]
_SharedData = Annotated[
    bool,
    typer.Option(
        "--shared-data",
        rich_help_panel=WHERE,
        help="Do not upload data: the paths in `--data` lead to the same files on the cluster.",
    ),
]


def submit(
    context: typer.Context,
    journey: JourneyOptions,
    dataset: DatasetOptions,
    target: ClusterOptions,
    execution: ExecutionOptions,
    output: OutputOptions,
    shared_data: _SharedData = False,
    no_wait: _NoWait = False,
    allow_unauthenticated: AllowUnauthenticated = False,
    take_over: TakeOver = False,
    run_id: RunId = None,
) -> int:
    """Run a journey as a job on a remote Ray cluster, follow it, and exit with the exit code of the run."""
    if no_wait and (output.output is not None or output.report or output.as_json):
        raise UsageError(
            "`--no-wait` cannot be used with `--report`, `--output`, or `--json`: it returns before there is a result",
            code="result_without_wait",
            hint="repeat the command later without `--no-wait`: nothing runs twice under the same `--run-id`",
        )
    terminal: Terminal = context.obj
    reports = output.reports()
    submission = reqflo_ray.submit(
        journey.read(),
        dataset.read(),
        execution=execution.read(),
        target=target.read(),
        run_id=run_id,
        take_over=take_over,
        outputs=[path for _, path in reports],
        shared_data=shared_data,
        reports=[name for name, _ in reports],
        quiet=output.quiet,
        allow_unauthenticated=allow_unauthenticated,
        listener=RunReporter(terminal, quiet=output.quiet),
    )
    terminal.note(_greeting(submission))
    if no_wait:
        return 0
    followed = submission.wait(show=lambda line: terminal.note(escape(line)), notice=terminal.note)
    return _deliver(followed, terminal, reports=reports, as_json=output.as_json)


def _greeting(submission: Submission) -> str:
    run_id, url = submission.run_id, escape(submission.url)
    if submission.has_ended:
        done = f"run {run_id} is finished, so nothing is sent; the output of its job follows"
    elif not submission.is_new:
        done = f"run {run_id} is running: following it"
    else:
        done = f"run {run_id}: job {submission.job} at {url}"
    return f"{done}\nstate: reqflo-ray status {run_id} --address {url}"


def _deliver(followed: Followed, terminal: Terminal, *, reports: Sequence[Report], as_json: bool) -> int:
    run_id, code, reason = followed.run_id, followed.exit_code, followed.reason
    if followed.verdict is None:
        terminal.note(f"the job ended without a result: {escape(reason)}")
        error = ClusterError("the job ended without a result", code="no_verdict", cause=reason, exit_code=code)
        tell_gave_way(reqflo_ray.EarlierReports(reports).give_way(error, run_id), terminal)
    if not followed.is_complete:
        terminal.note(f"resume: repeat the `reqflo-ray submit` command with --run-id {run_id}")
    for report in reports if followed.verdict is not None else ():
        earlier = reqflo_ray.EarlierReports([report])
        try:
            followed.write_report(*report)
            tell_written([report], terminal)
        except ReqfloError as error:
            code = tell_not_written(error, terminal, code)
            tell_gave_way(earlier.give_way(error, run_id), terminal)
    if as_json and followed.verdict is not None:
        show_verdict(followed.verdict, terminal)
    return code
