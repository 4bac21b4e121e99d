"""`reqflo-ray show`: shows the summary of a run, or everything that happened in one of its rows."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec
import typer

import reqflo_ray
from reqflo_ray import Damaged
from reqflo_ray._internal.cli.commands.results.runs import facts_of
from reqflo_ray._internal.cli.display.json_text import as_json_value, readable_json
from reqflo_ray._internal.cli.display.outcome_details import group_lines
from reqflo_ray._internal.cli.display.render_row import render_row
from reqflo_ray._internal.cli.display.tables import write_table
from reqflo_ray._internal.cli.display.terminal import Terminal, escape
from reqflo_ray._internal.cli.display.wording import left_out, shown_name, store_option
from reqflo_ray._internal.cli.options.output import AsJson, DamagedFiles
from reqflo_ray._internal.cli.options.panels import OUTPUT
from reqflo_ray._internal.cli.options.run import RunArgument
from reqflo_ray._internal.cli.options.target import StoreOption
from reqflo_ray._internal.errors import Problem, UsageError

EXAMPLES: Final = """\
reqflo-ray show latest
reqflo-ray show latest --row ref-0017
reqflo-ray show latest --row 17 --step create --full
"""
_SHOWN_FAILURES: Final = 20
_COUNTED: Final = (
    *("passed", "failed", "error", "inconclusive", "skipped", "cancelled", "requests", "retries"),
    *("soft_failures", "flaky", "resumed", "resent", "resent_sensitive", "quarantined", "poisoned", "internal"),
)
_FAILURES: Final = (
    "select row_index, row_key, status, failed_step, error_code, error_message from results"
    f" where status <> 'passed' order by row_index limit {_SHOWN_FAILURES}"
)


def show(
    context: typer.Context,
    run: RunArgument,
    row: Annotated[
        str | None,
        typer.Option(
            "--row", metavar="KEY", rich_help_panel="What to show", help="Show one row, by its key or its number."
        ),
    ] = None,
    step: Annotated[
        str | None,
        typer.Option("--step", metavar="ID", rich_help_panel="What to show", help="Show only this step of the row."),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", rich_help_panel=OUTPUT, help="Show long lines and stored bodies in full.")
    ] = False,
    damaged: DamagedFiles = Damaged.REFUSE,
    store: StoreOption = None,
    as_json: AsJson = False,
) -> None:
    """Show a run, or one of its rows: requests, responses, assertions, outputs, and events of every attempt."""
    terminal: Terminal = context.obj
    if row is None:
        if step is not None or full:
            raise UsageError(
                f"`{'--step' if step is not None else '--full'}` needs `--row`",
                code="step_without_row",
                hint="add `--row KEY`",
            )
        _show_run(run, store, damaged, as_json, terminal)
    else:
        _show_row(run, row, step, store, damaged, terminal, as_json=as_json, full=full)


def _show_run(run: str, store: str | None, damaged: Damaged, as_json: bool, terminal: Terminal) -> None:
    opened = reqflo_ray.open_store(store)
    found = opened.find(run)
    facts = facts_of(found)
    counts = {name: getattr(found.counts, name) for name in _COUNTED}
    failures = opened.query(_FAILURES, runs=(found.run_id,), damaged=damaged)
    failing = list(failures.rows())
    groups = opened.failure_groups(found.run_id, damaged=damaged)
    if as_json:
        rows = [dict(zip(failures.columns, map(as_json_value, line), strict=True)) for line in failing]
        document = {**facts, "counts": counts, "failures": rows, "groups": groups}
        terminal.data(readable_json(_with_left_out(document, failures.problems)))
        return
    for name, value in facts.items():
        if value not in (None, "") and value is not False:
            terminal.text(f"{shown_name(name):<12} {escape(str(value))}")
    shown = "  ".join(f"{name} {number}" for name, number in counts.items() if number)
    terminal.text(f"{'counts':<12} {shown or 'none yet'}")
    for line in left_out(failures.problems):
        terminal.text(line)
    for line in group_lines(groups, terminal.paint_out):
        terminal.text(line)
    if failing:
        terminal.text("")
        write_table(failures.columns, failing, terminal)
        key = shlex.quote(str(failing[0][1] or failing[0][0]))
        where = store_option(store, terminal)
        terminal.note(f"show one row: reqflo-ray show {found.run_id} --row {escape(key)}{where}")


def _show_row(
    run: str,
    row: str,
    step: str | None,
    store: str | None,
    damaged: Damaged,
    terminal: Terminal,
    *,
    as_json: bool,
    full: bool,
) -> None:
    found = reqflo_ray.open_store(store).row(run, row, step=step, damaged=damaged)
    if as_json:
        document = {"result": _opened(found.result, "inputs"), "steps": [_opened(it, "outputs") for it in found.steps]}
        document |= {"not_reached": found.not_reached} if found.not_reached else {}
        terminal.data(readable_json(as_json_value(_with_left_out(document, found.problems))))
        return
    lines = render_row(found.result, found.steps, terminal.paint_out, not_reached=found.not_reached, full=full)
    for line in (*left_out(found.problems), *lines):
        terminal.text(line)


def _with_left_out(document: dict[str, Any], problems: Sequence[Problem]) -> dict[str, Any]:
    """Return `document` with what it leaves out, if anything."""
    return {**document, "left_out": [problem.message for problem in problems]} if problems else document


def _opened(line: Mapping[str, Any], column: str) -> dict[str, Any]:
    """Return a line whose `column`, an object as JSON text, is embedded raw, so that no number loses a digit."""
    text = line.get(column)
    return {**line, column: msgspec.Raw(text.encode())} if text else dict(line)
