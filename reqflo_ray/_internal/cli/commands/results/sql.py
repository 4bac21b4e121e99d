"""`reqflo-ray sql`: runs a query and writes a table or a file. It must not know which queries are allowed."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

import reqflo_ray
from reqflo_ray import Damaged, QueryResult
from reqflo_ray._internal.cli.display.render_errors import render_problems
from reqflo_ray._internal.cli.display.tables import write_table
from reqflo_ray._internal.cli.display.terminal import Terminal, escape, escape_json, neutralize_ci_commands
from reqflo_ray._internal.cli.display.wording import counted, left_out
from reqflo_ray._internal.cli.options.output import DamagedFiles
from reqflo_ray._internal.cli.options.panels import OUTPUT
from reqflo_ray._internal.cli.options.target import StoreOption
from reqflo_ray._internal.errors import UsageError

EXAMPLES: Final = """\
reqflo-ray sql "select status, count(*) from results group by status"
reqflo-ray sql "select step_id, quantile_cont(duration_ms, 0.95) from steps group by 1" --run all
reqflo-ray sql "from assertions where status = 'failed' and last_attempt" --format csv
reqflo-ray sql "select * from steps" --run nightly-0412 --output steps.parquet
"""


class Format(StrEnum):
    """The format of a query's result."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


def sql(
    context: typer.Context,
    query: Annotated[
        str, typer.Argument(metavar="QUERY", help="One SELECT statement; `-` reads it from standard input.")
    ],
    run: Annotated[
        list[str] | None,
        typer.Option(
            "--run",
            metavar="RUN",
            rich_help_panel="Which runs",
            show_default="latest",
            help="A run's ID, a unique beginning of it, `latest`, or `all`. Repeatable.",
        ),
    ] = None,
    format_: Annotated[
        Format | None,
        typer.Option(
            "--format",
            rich_help_panel=OUTPUT,
            show_default="by the extension of --output, else table",
            help="The format of the result.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", rich_help_panel=OUTPUT, help="Write the result to a file."),
    ] = None,
    raw: Annotated[
        bool,
        typer.Option(
            "--raw",
            rich_help_panel=OUTPUT,
            help="Write CSV cells unchanged, even spreadsheet formulas and CI commands.",
        ),
    ] = False,
    damaged: DamagedFiles = Damaged.REFUSE,
    store: StoreOption = None,
) -> None:
    """Query the results of runs with SQL (DuckDB).

    The views are runs, results, steps, assertions, and logs. `describe results` lists the columns of a view.
    """
    terminal: Terminal = context.obj
    chosen = _choose(format_, output)
    if chosen is Format.PARQUET and output is None and terminal.out_is_terminal:
        raise UsageError(
            "Parquet cannot be shown on a terminal", code="binary_to_terminal", hint="add `--output FILE.parquet`"
        )
    if chosen is Format.TABLE and output is not None:
        raise UsageError(
            f"the format of `{output}` is unknown",
            code="missing_format",
            hint="use the extension .csv, .json, or .parquet, or add `--format csv|json|parquet`",
        )
    if raw and chosen is not Format.CSV:
        raise UsageError(
            "`--raw` works only with CSV", code="raw_without_csv", hint="add `--format csv`, or remove `--raw`"
        )
    question = sys.stdin.read() if query == "-" else query
    outputs = [] if output is None else [output]
    answer = reqflo_ray.open_store(store).query(question, runs=tuple(run or ()), damaged=damaged, outputs=outputs)
    if not run:
        terminal.note(_asked(answer))
    if answer.problems:
        terminal.note(render_problems(answer.problems, terminal))
    if chosen is Format.TABLE:
        rows = list(answer.rows())
        write_table(answer.columns, rows, terminal)
        for line in left_out(answer.problems):
            terminal.text(line)
        if terminal.out_is_terminal:
            terminal.note(f"({counted(len(rows), 'row')})")
        return
    if output is not None:
        answer.write(output, chosen, raw=raw)
        terminal.note(f"written: {escape(str(output))}")
        return
    written = answer.encode(chosen, raw=raw)
    if chosen is Format.PARQUET:
        terminal.bytes(written)
    elif chosen is Format.JSON:
        terminal.data(escape_json(written.decode()))
    else:
        # A cell may contain a line that a CI system would execute as a command, like any other line of its log.
        text = written.decode()
        terminal.data(text if raw else neutralize_ci_commands(text))


def _asked(answer: QueryResult) -> str:
    if not answer.runs:
        return "the store has no runs: all views are empty"
    run = answer.runs[0]
    made = f", created {run.created_at:%Y-%m-%d %H:%M:%S} UTC" if run.created_at else ""
    return f"from the latest run, {escape(run.run_id)} of {escape(run.journey)}{made}; for all runs, add `--run all`"


def _choose(format_: Format | None, output: Path | None) -> Format:
    if format_ is not None:
        return format_
    ending = output.suffix.removeprefix(".").lower() if output is not None else ""
    return Format(ending) if ending in list(Format) else Format.TABLE
