"""What becomes of the report of an earlier run when a command that was asked for a new one ends without it: it says so
itself. Else CI, which publishes reports whatever happens, would show the last run that passed.

Only a file that is there gives way, and only one that a successful run would have replaced.
"""

from __future__ import annotations

import difflib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import typer

from reqflo_ray._internal.cli.display.terminal import OutputClosedError, Terminal, escape
from reqflo_ray._internal.cli.options.help import GroupedCommand
from reqflo_ray._internal.errors import ReqfloError, UsageError
from reqflo_ray._internal.process import is_unwinding

if TYPE_CHECKING:
    from reqflo_ray._internal.reports.formats import Report
    from reqflo_ray._internal.runner.prepare.files_read import FileRead

# How the file that lies somewhere is told from what is written there later.
_Version: TypeAlias = tuple[int, int, int, int]


class EarlierReports:
    """The regular files that lie where reports are to be, as they are now."""

    def __init__(self, reports: Iterable[Report]) -> None:
        found = ((report, _version(report.path)) for report in reports)
        self._found = [(report, version) for report, version in found if version is not None]

    def still_there(self) -> list[Report]:
        """The reports in whose place nothing has been written since."""
        return [report for report, version in self._found if _version(report.path) == version]


def give_way(reports: Iterable[Report], error: ReqfloError, subject: str, terminal: Terminal) -> None:
    """Let what lies where `reports` were to be say that there is no result, and why."""
    from reqflo_ray._internal.reports.formats import write_refusal
    from reqflo_ray._internal.reports.refusal import Refusal

    refusal = Refusal.of(error, subject)
    for report in reports:
        try:
            write_refusal(report, refusal)
        except ReqfloError as problem:
            terminal.note(f"still of an earlier run: {escape(str(report.path))} ({escape(problem.in_one_line)})")
        else:
            terminal.note(f"written: {escape(str(report.path))}, which says that there is no result")


class ReportingCommand(GroupedCommand):
    """A command that carries out a run and may be asked for reports of it."""

    def make_context(self, info_name: Any, args: Any, parent: Any = None, **extra: Any) -> Any:
        """Read the command line; of one that is wrong, as much as can be read tells which reports were asked for."""
        given = list(args)
        try:
            return super().make_context(info_name, args, parent, **extra)
        except typer.TyperException as error:
            lenient = {"resilient_parsing": True, "ignore_unknown_options": True, "allow_extra_args": True}
            with suppress(typer.TyperException):
                context = super().make_context(info_name, given, parent, **{**extra, **lenient})
                _give_way(context, EarlierReports(_asked(context.params)), error)
            raise

    def invoke(self, ctx: Any) -> Any:
        """Carry out the command."""
        earlier: EarlierReports | None = None
        try:
            earlier = EarlierReports(_asked(ctx.params))  # what this loads takes time, in which a signal may come
            return super().invoke(ctx)
        except (typer.Exit, OutputClosedError):
            raise
        except BaseException as problem:
            _give_way(ctx, EarlierReports(_asked(ctx.params)) if earlier is None else earlier, problem)
            raise


def _give_way(context: Any, earlier: EarlierReports, problem: BaseException) -> None:
    reports = earlier.still_there()
    if not reports:
        return
    given, terminal = context.params, context.obj
    subject = next((str(given[name]) for name in ("journey", "artifact", "run") if given.get(name)), "")
    try:
        reads, store = _read_by(given)
        give_way((each for each in reports if _is_free(each, reads, store)), _as_error(problem), subject, terminal)
    except Exception as broken:  # what ended the command is what a person must hear of
        terminal.note(f"reports of earlier runs are left as they are: {type(broken).__name__}")


def _asked(given: Mapping[str, Any]) -> Iterator[Report]:
    """The reports that a command line asks for, as far as it can be understood: each file once, and only those that
    can be written."""
    texts = list(given.get("report") or ())
    if given.get("output"):
        texts.insert(0, f"json={given['output']}")
    if not texts:
        return
    from reqflo_ray._internal.reports.formats import FORMATS, Report
    from reqflo_ray._internal.reports.output_place import Identity, find_place

    seen = set[Identity]()
    for text in texts:
        name, _, path = text.partition("=")
        meant = difflib.get_close_matches(name, FORMATS, n=1)
        with suppress(UsageError):
            place = find_place(Path(path)) if path and meant else None
            if place is not None and place.is_regular and place.identity not in seen:
                seen.add(place.identity)
                yield Report(meant[0], place.path)


def _read_by(given: Mapping[str, Any]) -> tuple[list[FileRead], str | None]:
    """What the command reads, and its store; as far as that can be told of one that has failed."""
    from reqflo_ray._internal.api.config import find_store, open_found
    from reqflo_ray._internal.compiler.workspace.load import load_workspace
    from reqflo_ray._internal.runner.prepare.files_read import files_of_request, files_of_runs
    from reqflo_ray._internal.runner.prepare.request import Dataset, Journey

    journey, artifact = str(given.get("journey") or ""), given.get("artifact")
    reads: list[FileRead] = []
    workspace, store = None, given.get("store")
    with suppress(ReqfloError):
        if "journey" in given:
            workspace = load_workspace(Path(given.get("workspace") or "."), journey)
    with suppress(ReqfloError):
        own = workspace.settings.runner.store if workspace is not None else None
        store = find_store(store, own or "")
    asked = Journey(journey, artifact=artifact or None)
    reads += files_of_request(asked, Dataset(given.get("data") or ()), workspace)
    with suppress(ReqfloError):
        run = given.get("run") or given.get("run_id")
        reads += files_of_runs(open_found(store), [run]) if run and store else ()
    return reads, store


def _is_free(report: Report, reads: list[FileRead], store: str | None) -> bool:
    from reqflo_ray._internal.runner.prepare.files_read import need_free

    try:
        need_free([report.path], reads, store)
    except UsageError:
        return False
    return True


def _version(path: Path) -> _Version | None:
    try:
        status = os.stat(os.path.expanduser(path))
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _as_error(problem: BaseException) -> ReqfloError:
    if isinstance(problem, ReqfloError):
        return problem
    if isinstance(problem, typer.TyperException):
        return UsageError(problem.format_message().rstrip("."))
    if isinstance(problem, KeyboardInterrupt | typer.Abort | SystemExit) or is_unwinding():
        code = problem.code if isinstance(problem, SystemExit) and isinstance(problem.code, int) else 130
        return ReqfloError("the command was interrupted", code="interrupted", exit_code=code)
    # Its text may quote anything, a secret too.
    return ReqfloError(f"internal error: {type(problem).__name__}", hint="this is a bug in reqflo-ray")
