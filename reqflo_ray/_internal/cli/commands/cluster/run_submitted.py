"""`reqflo-ray run-submitted`: the other half of `submit`, on the cluster. Runs what lies in the job's folder, and ends
its output with what `submit` reads from the job's log."""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from reqflo_ray._internal.cli.display.progress import RunReporter
from reqflo_ray._internal.cli.display.render_errors import render_error
from reqflo_ray._internal.cli.display.terminal import Terminal
from reqflo_ray._internal.errors import ReqfloError

if TYPE_CHECKING:
    from reqflo_ray import RunOutcome

EXAMPLES: Final = """\
reqflo-ray run-submitted
"""


def run_submitted(context: typer.Context) -> int:
    """Carry out the run that lies in the folder of this job; the job that `submit` starts calls it."""
    from reqflo_ray._internal.api import submissions
    from reqflo_ray._internal.ray_cluster.job_log import JobOutcome, outcome_line

    order = submissions.read_order()
    terminal: Terminal = context.obj
    with RunReporter(terminal, quiet=order.quiet, store_option=f" --store {shlex.quote(order.store)}") as reporter:
        outcome = submissions.run_submitted(reporter)
    sent = _send_reports(order.reports, outcome, terminal)
    said = JobOutcome(
        run_id=outcome.run_id,
        store=outcome.store,
        results_path=outcome.results_path,
        verdict=outcome.verdict,
        exit_code=outcome.exit_code,
        complete=outcome.complete,
        omitted=tuple(name for name in order.reports if name not in sent),
    )
    _write_line(outcome_line(said), terminal)
    return outcome.exit_code


def _send_reports(formats: Sequence[str], outcome: RunOutcome, terminal: Terminal) -> set[str]:
    """Print reports in marked lines; returns the formats of those that could be made and are not too large for a log.
    How the run ended must come back whatever becomes of its reports."""
    import reqflo_ray
    from reqflo_ray._internal.ray_cluster.job_log import LARGEST_REPORT, pack_report, report_lines

    if not formats:
        return set()
    sent: set[str] = set()
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: Path(folder, name) for name in formats}
        try:
            reqflo_ray.write_reports(outcome.run_id, list(paths.items()), store=outcome.store, verdict=outcome.verdict)
        except ReqfloError as error:
            terminal.note(render_error(error, terminal))
        for name, path in paths.items():
            packed = pack_report(path) if path.exists() else b""
            if packed and len(packed) <= LARGEST_REPORT:
                sent.add(name)
                for line in report_lines(name, packed):
                    _write_line(line, terminal)
    return sent


def _write_line(line: str, terminal: Terminal) -> None:
    # One write a line: what Ray prints from its own threads must not come between.
    terminal.bytes(line.encode() + os.linesep.encode())
