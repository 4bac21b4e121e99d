"""`reqflo-ray run-submitted`: the other half of `submit`, on the cluster. Runs what lies in the job's folder, and ends
its output with what `submit` reads from the job's log."""

from __future__ import annotations

import os
import shlex
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from reqflo_ray.cli.progress import RunReporter
from reqflo_ray.cli.terminal import Terminal

if TYPE_CHECKING:
    from reqflo_ray.api import RunOutcome

EXAMPLES: Final = """\
reqflo-ray run-submitted
"""


def run_submitted(context: typer.Context) -> int:
    """Carry out the run that lies in the folder of this job; the job that `submit` starts calls it."""
    from reqflo_ray import api
    from reqflo_ray.distributed.job_log import JobOutcome, outcome_line
    from reqflo_ray.runner.submission import unpack

    order = unpack(Path(".")).order
    terminal: Terminal = context.obj
    with RunReporter(terminal, quiet=order.quiet, store_option=f" --store {shlex.quote(order.store)}") as reporter:
        outcome = api.run_submitted(reporter)
    sent = order.document and outcome.complete and _send_document(outcome, terminal)
    said = JobOutcome(
        run_id=outcome.run_id,
        store=outcome.store,
        results_path=outcome.results_path,
        verdict=outcome.verdict,
        exit_code=outcome.exit_code,
        complete=outcome.complete,
        document_omitted=order.document and outcome.complete and not sent,
    )
    _write_line(outcome_line(said), terminal)
    return outcome.exit_code


def _send_document(outcome: RunOutcome, terminal: Terminal) -> bool:
    """Print the document of `--output` in marked lines; False if it is too large for a log."""
    from reqflo_ray import api
    from reqflo_ray.cli.result_document import write_result_document
    from reqflo_ray.distributed.job_log import LARGEST_DOCUMENT, document_lines, pack_document

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "document.json")
        write_result_document(path, outcome, api.open_store(outcome.store))
        packed = pack_document(path)
    if len(packed) > LARGEST_DOCUMENT:
        return False
    for line in document_lines(packed):
        _write_line(line, terminal)
    return True


def _write_line(line: str, terminal: Terminal) -> None:
    # One write a line: what Ray prints from its own threads must not come between.
    terminal.bytes(line.encode() + os.linesep.encode())
