"""What a command that runs something hands over besides its last lines: reports, and the verdict on standard output.

A report that cannot be written afterwards never hides how the run ended: the exit code of the run stays, and only a run
that passed ends with 3 for it, since CI would take it for reported. One of an earlier run does not stay in its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from reqflo_ray._internal.cli.display.earlier_reports import EarlierReports, give_way
from reqflo_ray._internal.cli.display.json_text import readable_json
from reqflo_ray._internal.cli.display.render_errors import render_error
from reqflo_ray._internal.cli.display.terminal import OutputClosedError, Terminal, escape
from reqflo_ray._internal.errors import ReqfloError, UsageError
from reqflo_ray._internal.reports.output_file import NOT_WRITTEN

if TYPE_CHECKING:
    from reqflo_ray import RunOutcome
    from reqflo_ray._internal.model.results import Verdict
    from reqflo_ray._internal.reports.formats import Report

_NOT_REPORTED: Final = ReqfloError.default_exit_code


def asked_reports(given: Sequence[str] | None, output: Path | None = None) -> tuple[Report, ...]:
    """The reports of a command line: `FORMAT=PATH` each, and the file of `--output`, which is one of JSON.

    Raises:
        UsageError: `invalid_report`, or see `check_reports`.
    """
    if not given and output is None:
        return ()
    from reqflo_ray._internal.reports.formats import FORMATS, Report, check_reports

    reports = [Report("json", output)] if output is not None else []
    for text in given or ():
        name, _, path = text.partition("=")
        if not name or not path:
            raise UsageError(
                f"`{text}` is no report",
                code="invalid_report",
                hint=f"write FORMAT=PATH, such as `junit=junit.xml`; formats are {', '.join(FORMATS)}",
            )
        if path.endswith("/"):
            raise UsageError(
                f"`{path}` cannot be written: it is a folder", code="output_not_writable", hint="name a file in it"
            )
        reports.append(Report(name, Path(path)))
    return check_reports(reports)


def deliver(outcome: RunOutcome, terminal: Terminal, *, reports: Sequence[Report], as_json: bool) -> int:
    """Hand over what was asked for; returns the exit code of the command."""
    code = outcome.exit_code
    if reports:
        import reqflo_ray

        earlier = EarlierReports(reports)
        try:
            asked = [(each.format, each.path) for each in reports]
            reqflo_ray.write_reports(outcome.run_id, asked, store=outcome.store, verdict=outcome.verdict)
            tell_written(reports, terminal)
        except ReqfloError as error:
            code = tell_not_written(error, terminal, code)
            # What could not be written keeps what it holds. What could not be made has told its reason.
            if all(problem.code != NOT_WRITTEN for problem in error.all_problems()):
                give_way(earlier.still_there(), error, outcome.run_id, terminal)
    if as_json:
        show_verdict(outcome.verdict, terminal)
    return code


def tell_written(reports: Sequence[Report], terminal: Terminal) -> None:
    """Say where reports are."""
    for report in reports:
        terminal.note(f"written: {escape(str(report.path))}")


def tell_not_written(error: ReqfloError, terminal: Terminal, code: int) -> int:
    """Say what could not be reported; returns the exit code of a command whose run ended with `code`."""
    terminal.note(render_error(error, terminal))
    return code or _NOT_REPORTED


def show_verdict(verdict: Verdict, terminal: Terminal) -> None:
    """Write the verdict to standard output."""
    # The run's exit code must not be lost because nobody reads its verdict.
    with suppress(OutputClosedError):
        terminal.data(readable_json(verdict))
