"""`reqflo-ray prune`: the only command that deletes runs."""

from __future__ import annotations

import re
from typing import Annotated, Final

import typer

import reqflo_ray
from reqflo_ray._internal.cli.display.terminal import Terminal, escape
from reqflo_ray._internal.cli.display.wording import counted
from reqflo_ray._internal.cli.options.target import StoreOption
from reqflo_ray._internal.errors import StoreError, UsageError

EXAMPLES: Final = """\
reqflo-ray prune --keep 20
reqflo-ray prune --older-than 30d --store /mnt/runs
reqflo-ray prune --older-than 90d --unfinished
"""
_AGE: Final = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def prune(
    context: typer.Context,
    keep: Annotated[
        int | None,
        typer.Option("--keep", metavar="N", min=0, rich_help_panel="What to delete", help="Keep the N newest runs."),
    ] = None,
    older_than: Annotated[
        str | None,
        typer.Option(
            "--older-than",
            metavar="AGE",
            rich_help_panel="What to delete",
            help="Delete only runs older than AGE, such as 12h, 30d, or 2w.",
        ),
    ] = None,
    unfinished: Annotated[
        bool,
        typer.Option(
            "--unfinished",
            rich_help_panel="What to delete",
            help="Also delete damaged runs and runs that can be resumed. Default: keep them.",
        ),
    ] = False,
    store: StoreOption = None,
) -> int:
    """Delete old runs and their results from a store.

    Needs `--keep`, `--older-than`, or both: then only runs that match both are deleted.

    A run that may be running is never deleted. One that can be resumed, or is damaged, is deleted only with
    `--unfinished`.
    """
    if keep is None and older_than is None:
        raise UsageError(
            "`prune` needs `--keep`, `--older-than`, or both",
            code="nothing_to_prune_by",
            hint="add `--keep N`, `--older-than AGE`, or both to delete only runs that match both",
        )
    terminal: Terminal = context.obj
    age = None if older_than is None else _seconds(older_than)
    deleted = reqflo_ray.open_store(store).prune(keep=keep, older_than_s=age, unfinished=unfinished)
    for run_id in deleted.runs:
        terminal.text(escape(run_id))
    for kept in deleted.kept:
        terminal.note(f"kept: {escape(kept.run_id)}: {escape(kept.reason)}")
    kept_too = f"; kept nevertheless: {counted(len(deleted.kept), 'run')}" if deleted.kept else ""
    terminal.note(
        f"deleted: {counted(len(deleted.runs), 'run')}, {counted(len(deleted.artifacts), 'artifact')}{kept_too}"
    )
    failed = any(kept.failed for kept in deleted.kept)
    if any(kept.spared for kept in deleted.kept):
        terminal.note("hint: add `--unfinished` to delete damaged runs and runs that can be resumed as well")
    return StoreError.default_exit_code if failed else 0


def _seconds(age: str) -> float:
    """Return the seconds of an age such as `30d`, `12h`, or `90m`."""
    found = _AGE.fullmatch(age.strip())
    if found is None:
        raise UsageError(
            f"`{age}` is not an age", code="invalid_duration", hint="write a number and s, m, h, d, or w, such as `30d`"
        )
    return float(found[1]) * _SECONDS[found[2]]
