"""The command line: finds the command, runs it, and turns its result or error into text and an exit code.

A command's module is imported only when that command is called. This module must not know what commands do.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any, Final

import typer

from reqflo_ray._internal.cli.display.earlier_reports import ReportingCommand
from reqflo_ray._internal.cli.display.json_text import readable_json
from reqflo_ray._internal.cli.display.render_errors import render_error
from reqflo_ray._internal.cli.display.terminal import OutputClosedError, Terminal, escape
from reqflo_ray._internal.cli.options.groups import flat
from reqflo_ray._internal.cli.options.help import GroupedCommand, GroupedCommands
from reqflo_ray._internal.errors import ReqfloError, UsageError
from reqflo_ray._internal.process import is_unwinding

PROGRAM: Final = "reqflo-ray"
EXIT_CODES: Final = """\
Exit codes:
  0  all rows passed
  1  a row failed or ended in an error
  2  the command, the workspace, or the data has an error; nothing was sent
  3  the run could not be finished, a row is inconclusive, stored data is damaged, or reqflo-ray has a bug
  5  there was nothing to run
  129, 130, 143  hung up, interrupted, terminated; the run can be resumed"""


@dataclass(frozen=True, slots=True)
class Group:
    """A folder of commands, and its heading in the help."""

    folder: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A command. Its module is in the folder of its group, and has a function of the same name (`demo-api` →
    `demo_api`) and `EXAMPLES`."""

    name: str
    group: Group
    summary: str

    @property
    def function(self) -> str:
        """The name of the function and of its module."""
        return self.name.replace("-", "_")

    @property
    def module(self) -> str:
        """The full name of the module."""
        return f"reqflo_ray._internal.cli.commands.{self.group.folder}.{self.function}"


_RUN: Final = Group("journeys", "Run journeys")
_CLUSTER: Final = Group("cluster", "Run on a remote cluster")
_LOOK: Final = Group("results", "Look at results")
_KEEP: Final = Group("workspaces", "Workspaces and stores")

COMMANDS: Final = (
    Entry(name="run", group=_RUN, summary="Run a journey once for every row of a dataset."),
    Entry(name="check", group=_RUN, summary="Find every problem before anything is sent."),
    Entry(name="compile", group=_RUN, summary="Compile a journey to the artifact that a run executes."),
    Entry(name="resume", group=_RUN, summary="Resume an unfinished run; finished steps are not sent again."),
    Entry(name="rerun", group=_RUN, summary="Start a new run with the rows of an earlier one."),
    Entry(name="submit", group=_CLUSTER, summary="Run a journey as a job on a remote Ray cluster."),
    Entry(name="status", group=_CLUSTER, summary="Show the state of a submitted run."),
    Entry(name="logs", group=_CLUSTER, summary="Show what a submitted run has printed."),
    Entry(name="stop", group=_CLUSTER, summary="Stop a submitted run; it can be resumed."),
    Entry(name="run-submitted", group=_CLUSTER, summary="Carry out a submitted run (the job calls this)."),
    Entry(name="runs", group=_LOOK, summary="List the runs in a store."),
    Entry(name="show", group=_LOOK, summary="Show a run or one of its rows."),
    Entry(name="sql", group=_LOOK, summary="Query the results of runs with SQL."),
    Entry(name="report", group=_LOOK, summary="Write reports of a run: JUnit, HTML, Markdown, JSON, CTRF."),
    Entry(name="verify", group=_LOOK, summary="Check that the files of a run are complete and undamaged."),
    Entry(name="prune", group=_KEEP, summary="Delete old runs from a store."),
    Entry(name="doctor", group=_KEEP, summary="Check this machine, the store, the secrets, and a cluster."),
    Entry(name="init", group=_KEEP, summary="Create a small workspace that runs against the demo API."),
    Entry(name="schema", group=_KEEP, summary="Print the JSON Schema of workspace files, for editors."),
    Entry(name="demo-api", group=_KEEP, summary="Serve the small shop API that the examples use."),
)

# With this option, every command that has it writes a JSON document to standard output.
_JSON: Final = "--json"

# The commands that carry out a run and can write reports of it.
_REPORTING: Final = ("run", "resume", "rerun", "submit")


def main() -> int:
    """Run the command line of this process and return its exit code."""
    return run_command_line(sys.argv[1:], Terminal.of_process())


def run_command_line(arguments: Sequence[str], terminal: Terminal) -> int:
    """Run one command line against `terminal` and return its exit code. Raises only `SystemExit`."""
    result: object = None
    try:
        # Shell completion needs every command, and passes its words in the environment.
        completing = bool(terminal.environment.get("_REQFLO_RAY_COMPLETE"))
        named = {entry.name for entry in COMMANDS if completing or entry.name in arguments}
        program = typer.main.get_command(build_application(named))
        result = program.main(list(arguments) or ["--help"], prog_name=PROGRAM, standalone_mode=False, obj=terminal)
        terminal.flush()
    except OutputClosedError as closed:
        terminal.close_quietly()
        # The exit code of the command stays, even if its output is not read.
        found = result if isinstance(result, int) else 0
        return (found or _explain_unwritten(closed.reason, terminal)) if closed.reason else found
    except ReqfloError as error:
        return _refuse(error, arguments, terminal)
    except typer.TyperException as error:
        return _refuse(_usage_error(error), arguments, terminal)
    except (KeyboardInterrupt, typer.Abort):
        return _tell_interrupted(arguments, terminal)
    except Exception as error:
        if is_unwinding():
            return _tell_interrupted(arguments, terminal)
        return _refuse(_internal_error(error, terminal), arguments, terminal)
    if not arguments:
        return UsageError.default_exit_code
    return result if isinstance(result, int) else 0


def build_application(named: Collection[str]) -> typer.Typer:
    """Build the program. Only the modules of the `named` commands are loaded; the others have a name and a summary."""
    application = typer.Typer(
        cls=GroupedCommands,
        help="Run API journeys over large datasets: durable steps, evidence in Parquet, results in SQL.",
        epilog=EXIT_CODES,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    application.callback()(_program_options)
    for entry in COMMANDS:
        function: Callable[..., Any] = _not_loaded
        examples = ""
        if entry.name in named:
            module = import_module(entry.module)
            function = getattr(module, entry.function)
            examples = module.EXAMPLES
        application.command(
            entry.name,
            cls=ReportingCommand if entry.name in _REPORTING else GroupedCommand,
            short_help=entry.summary,
            epilog=examples,
            rich_help_panel=entry.group.title,
        )(flat(function))
    return application


def _not_loaded() -> None:
    """Stand in for a command that is not on this command line."""


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"{PROGRAM} {version(PROGRAM)}")
        raise typer.Exit


def _program_options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Declare the options of the program itself."""


def _refuse(error: ReqfloError, arguments: Sequence[str], terminal: Terminal) -> int:
    terminal.note(render_error(error, terminal))
    _show_refusal(error, arguments, terminal)
    return error.exit_code


def _tell_interrupted(arguments: Sequence[str], terminal: Terminal) -> int:
    terminal.note("interrupted")
    _show_refusal(ReqfloError("the command was interrupted", code="interrupted", exit_code=130), arguments, terminal)
    return 130


def _show_refusal(error: ReqfloError, arguments: Sequence[str], terminal: Terminal) -> None:
    """Write the error as JSON to standard output if `--json` was passed and nothing has been written there."""
    if _JSON not in arguments or terminal.has_written:
        return
    try:
        refusal = {"ok": False, "exit_code": error.exit_code, "problems": error.all_problems()}
        terminal.data(readable_json(refusal))
        terminal.flush()
    except OutputClosedError:  # the exit code must not be lost if nobody reads the document
        terminal.close_quietly()


def _usage_error(error: typer.TyperException) -> UsageError:
    context = getattr(error, "ctx", None)
    path = getattr(context, "command_path", PROGRAM)
    # pydantic, which checks the values of options, puts the kind of error before the message.
    message = error.format_message().replace(": Value error, ", ": ").rstrip(".")
    return UsageError(message, hint=f"run `{path} --help` to list its arguments and options")


def _explain_unwritten(reason: str, terminal: Terminal) -> int:
    error = ReqfloError("cannot write to standard output", code="output_not_writable", cause=reason)
    terminal.note(render_error(error, terminal))
    return error.exit_code


def _internal_error(error: Exception, terminal: Terminal) -> ReqfloError:
    import traceback

    if terminal.environment.get("REQFLO_DEBUG") == "1":
        terminal.note(escape("".join(traceback.format_exception(error)), multiline=True).rstrip())
    frames = traceback.extract_tb(error.__traceback__)
    place = f" in {frames[-1].name} ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    # The text of an unexpected exception may quote anything, even a secret: only its type is shown.
    return ReqfloError(
        f"internal error: {type(error).__name__}{place}",
        hint="report this bug in reqflo-ray; set REQFLO_DEBUG=1 to see the traceback, which may quote your data",
    )
