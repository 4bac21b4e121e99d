"""Reads from a command line which reports it asks for, so that those of earlier runs are replaced if the command ends
without a result. It must not know which files are replaced, and how: the API does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

import reqflo_ray
from reqflo_ray._internal.cli.display.terminal import OutputClosedError, Terminal, escape
from reqflo_ray._internal.cli.options.help import GroupedCommand
from reqflo_ray._internal.errors import ReqfloError, UsageError
from reqflo_ray._internal.process import is_unwinding

if TYPE_CHECKING:
    from reqflo_ray import EarlierReports


class ReportingCommand(GroupedCommand):
    """A command that carries out a run and can write reports of it."""

    def make_context(self, info_name: Any, args: Any, parent: Any = None, **extra: Any) -> Any:
        """Read the command line. If it is wrong, the part that can be read says which reports it asks for."""
        given = list(args)
        try:
            return super().make_context(info_name, args, parent, **extra)
        except typer.TyperException as error:
            lenient = {"resilient_parsing": True, "ignore_unknown_options": True, "allow_extra_args": True}
            with suppress(typer.TyperException):
                context = super().make_context(info_name, given, parent, **{**extra, **lenient})
                _give_way(context, _earlier(context.params), error)
            raise

    def invoke(self, ctx: Any) -> Any:
        """Carry out the command."""
        earlier, looked = None, False
        try:
            # This loads modules, which takes time: a signal may arrive in the meantime.
            earlier, looked = _earlier(ctx.params), True
            return super().invoke(ctx)
        except (typer.Exit, OutputClosedError):
            raise
        except BaseException as problem:
            _give_way(ctx, earlier if looked else _earlier(ctx.params), problem)
            raise


def tell_gave_way(files: Iterable[tuple[Path, ReqfloError | None]], terminal: Terminal) -> None:
    """Report which earlier reports were replaced by one that says there is no result, and which could not be."""
    for path, problem in files:
        if problem is not None:
            terminal.note(f"not replaced, still of an earlier run: {escape(str(path))} ({escape(problem.in_one_line)})")
        else:
            terminal.note(f"written: {escape(str(path))}: it states that there is no result")


def _earlier(given: Mapping[str, Any]) -> EarlierReports | None:
    """Return the files at the paths of the reports, as far as the command line can be read."""
    pairs = [text.partition("=") for text in given.get("report") or ()]
    asked = [(name, Path(path)) for name, _, path in pairs if path]
    if given.get("output"):
        asked.insert(0, ("json", Path(given["output"])))
    return reqflo_ray.EarlierReports(asked) if asked else None


def _give_way(context: Any, earlier: EarlierReports | None, problem: BaseException) -> None:
    if earlier is None:
        return
    given, terminal = context.params, context.obj
    subject = next((str(given[name]) for name in ("journey", "artifact", "run") if given.get(name)), "")
    try:
        files = earlier.give_way(
            _as_error(problem),
            subject,
            journey=_journey(given) if "journey" in given else None,
            data=reqflo_ray.Dataset(tuple(given.get("data") or ())),
            run=given.get("run") or given.get("run_id") or "",
            store=given.get("store"),
        )
        tell_gave_way(files, terminal)
    except Exception as broken:  # the problem that ended the command is the one to show
        terminal.note(f"reports of earlier runs are unchanged, because of an internal error: {type(broken).__name__}")


def _journey(given: Mapping[str, Any]) -> reqflo_ray.Journey:
    return reqflo_ray.Journey(
        str(given.get("journey") or ""),
        artifact=given.get("artifact") or None,
        workspace=given.get("workspace") or ".",
    )


def _as_error(problem: BaseException) -> ReqfloError:
    if isinstance(problem, ReqfloError):
        return problem
    if isinstance(problem, typer.TyperException):
        return UsageError(problem.format_message().rstrip("."))
    if isinstance(problem, KeyboardInterrupt | typer.Abort | SystemExit) or is_unwinding():
        code = problem.code if isinstance(problem, SystemExit) and isinstance(problem.code, int) else 130
        return ReqfloError("the command was interrupted", code="interrupted", exit_code=code)
    # Its text may quote anything, even a secret.
    return ReqfloError(f"internal error: {type(problem).__name__}", hint="report this bug in reqflo-ray")
