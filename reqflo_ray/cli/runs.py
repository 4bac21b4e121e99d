"""`reqflo-ray runs`: what runs a store holds, newest first."""

from __future__ import annotations

from typing import Final

import typer

from reqflo_ray.cli import options
from reqflo_ray.cli.output_file import readable_json
from reqflo_ray.cli.tables import write_table
from reqflo_ray.cli.terminal import Terminal, escape

EXAMPLES: Final = """\
reqflo-ray runs
reqflo-ray runs --store /mnt/runs --json
"""
_COLUMNS: Final = ("run_id", "journey", "environment", "state", "verdict", "rows", "created_at")


def runs(
    context: typer.Context,
    store: options.StoreLocation = None,
    as_json: options.AsJson = False,
) -> None:
    """List the runs of a store, newest first, with their state and verdict."""
    from reqflo_ray import api

    terminal: Terminal = context.obj
    opened = api.open_store(store)
    rows = [
        (run.run_id, run.journey, run.environment, run.state, run.verdict, run.rows, run.created_at)
        for run in sorted(opened.runs(), key=lambda run: (run.created_at, run.run_id), reverse=True)
    ]
    if as_json:
        terminal.data(readable_json([dict(zip(_COLUMNS, row, strict=True)) for row in rows]))
    elif rows:
        # A run without a verdict, or without an environment, has an empty cell: there is nothing to know.
        write_table(_COLUMNS, [["" if cell is None else cell for cell in row] for row in rows], terminal)
    else:
        terminal.note(f"no runs in {escape(store or './.reqflo')}; `reqflo-ray run JOURNEY` makes one")
