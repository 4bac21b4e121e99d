"""What a command that runs something hands over besides its last lines: reports, and the verdict on standard output.

A report that cannot be written afterwards never hides how the run ended: the exit code of the run stays, and only a run
that passed ends with 3 for it, since CI would take it for reported. One of an earlier run does not stay in its place.
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
    """Hand over what was asked for; returns the exit code of the command."""
    code = outcome.exit_code
    if reports:
        earlier = reqflo_ray.EarlierReports(reports)
        try:
            reqflo_ray.write_reports(outcome.run_id, reports, store=outcome.store, verdict=outcome.verdict)
            tell_written(reports, terminal)
        except ReqfloError as error:
            code = tell_not_written(error, terminal, code)
            # What could not be written keeps what it holds. What could not be made has told its reason.
            tell_gave_way(earlier.give_way(error, outcome.run_id), terminal)
    if as_json:
        show_verdict(outcome.verdict, terminal)
    return code


def tell_written(reports: Iterable[Report], terminal: Terminal) -> None:
    """Say where reports are."""
    for _, path in reports:
        terminal.note(f"written: {escape(str(path))}")


def tell_not_written(error: ReqfloError, terminal: Terminal, code: int) -> int:
    """Say what could not be reported; returns the exit code of a command whose run ended with `code`."""
    terminal.note(render_error(error, terminal))
    return code or _NOT_REPORTED


def show_verdict(verdict: Verdict, terminal: Terminal) -> None:
    """Write the verdict to standard output."""
    # The run's exit code must not be lost because nobody reads its verdict.
    with suppress(OutputClosedError):
        terminal.data(readable_json(verdict))
