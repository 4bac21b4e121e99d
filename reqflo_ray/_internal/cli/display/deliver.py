"""What a command that carries out a run writes besides its last lines: reports, and JSON on standard output.

A report that cannot be written never hides how the run ended: the exit code of the run stays, except that a run which
passed exits with 3, because CI would otherwise assume that it is reported. A report of an earlier run does not stay in
its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import reqflo_ray
from reqflo_ray._internal.cli.display.earlier_reports import tell_gave_way
from reqflo_ray._internal.cli.display.json_text import readable_json
from reqflo_ray._internal.cli.display.render_errors import render_error
from reqflo_ray._internal.cli.display.terminal import OutputClosedError, Terminal, escape
from reqflo_ray._internal.errors import ReqfloError

if TYPE_CHECKING:
    from reqflo_ray import RunOutcome, Verdict
    from reqflo_ray._internal.cli.options.output import Report

_NOT_REPORTED: Final = ReqfloError.default_exit_code


def deliver(outcome: RunOutcome, terminal: Terminal, *, reports: Sequence[Report], as_json: bool) -> int:
    """Write what was asked for and return the exit code of the command."""
    code = outcome.exit_code
    if reports:
        earlier = reqflo_ray.EarlierReports(reports)
        try:
            reqflo_ray.write_reports(outcome.run_id, reports, store=outcome.store, verdict=outcome.verdict)
            tell_written(reports, terminal)
        except ReqfloError as error:
            code = tell_not_written(error, terminal, code)
            # A file that cannot be written keeps its content. A report that cannot be made is replaced by its reason.
            tell_gave_way(earlier.give_way(error, outcome.run_id), terminal)
    if as_json:
        show_verdict(outcome.verdict, terminal)
    return code


def tell_written(reports: Iterable[Report], terminal: Terminal) -> None:
    """Report which files were written."""
    for _, path in reports:
        terminal.note(f"written: {escape(str(path))}")


def tell_not_written(error: ReqfloError, terminal: Terminal, code: int) -> int:
    """Report what could not be written and return the exit code of a command whose run ended with `code`."""
    terminal.note(render_error(error, terminal))
    return code or _NOT_REPORTED


def show_verdict(verdict: Verdict, terminal: Terminal) -> None:
    """Write the verdict to standard output as JSON."""
    # The exit code of the run must not be lost if nobody reads its verdict.
    with suppress(OutputClosedError):
        terminal.data(readable_json(verdict))
