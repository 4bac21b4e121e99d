"""`reqflo-ray run-submitted`: the cluster's half of `submit`. Carries out the run in the job's folder, and ends its
output with the lines that `submit` reads from the job's log."""

from __future__ import annotations

import os
import shlex
from typing import Final

import typer

import reqflo_ray
from reqflo_ray._internal.cli.display.progress import RunReporter
from reqflo_ray._internal.cli.display.render_errors import render_error
from reqflo_ray._internal.cli.display.terminal import Terminal

EXAMPLES: Final = """\
reqflo-ray run-submitted
"""


def run_submitted(context: typer.Context) -> int:
    """Carry out the run in the folder of this job.

    The job that `submit` starts calls this command. You do not need it.
    """
    terminal: Terminal = context.obj
    submitted = reqflo_ray.SubmittedRun()
    store_option = f" --store {shlex.quote(submitted.store)}"
    with RunReporter(terminal, quiet=submitted.quiet, detailed=True, store_option=store_option) as reporter:
        outcome = submitted.carry_out(reporter)
    for line in submitted.answer(outcome, notice=lambda error: terminal.note(render_error(error, terminal))):
        # One write per line: what the threads of Ray print must not get in between.
        terminal.bytes(line.encode() + os.linesep.encode())
    return outcome.exit_code
