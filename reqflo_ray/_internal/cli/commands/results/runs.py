"""`reqflo-ray runs`: lists the runs in a store, newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import typer

import reqflo_ray
from reqflo_ray import DEFAULT_STORE
from reqflo_ray._internal.cli.display.json_text import readable_json
from reqflo_ray._internal.cli.display.tables import write_table
from reqflo_ray._internal.cli.display.terminal import Terminal, escape
from reqflo_ray._internal.cli.display.wording import shown_name
from reqflo_ray._internal.cli.options.output import AsJson
from reqflo_ray._internal.cli.options.target import StoreOption

if TYPE_CHECKING:
    from reqflo_ray import RunSummary

EXAMPLES: Final = """\
reqflo-ray runs
reqflo-ray runs --store /mnt/runs --json
"""
_COLUMNS: Final = ("run_id", "journey", "environment", "state", "verdict", "rows", "created_at")


def facts_of(run: RunSummary) -> dict[str, Any]:
    """Return a summary of a run, by the keys of `--json`; `verdict` is None until the run is finished."""
    return {
        "run_id": run.run_id,
        "journey": run.journey,
        "environment": run.environment,
        "insecure": run.insecure,
        "state": run.state.value,
        "verdict": run.verdict.status.value if run.verdict else None,
        "rows": run.rows,
        "created_at": run.created_at,
        "problem": run.problem,
    }


def runs(
    context: typer.Context,
    store: StoreOption = None,
    as_json: AsJson = False,
) -> None:
    """List the runs in a store, newest first, with their state and status."""
    terminal: Terminal = context.obj
    opened = reqflo_ray.open_store(store)
    found = [facts_of(run) for run in opened.runs()]
    if as_json:
        terminal.data(readable_json(found))
    elif found:
        # A run without a status or an environment has an empty cell.
        rows = [["" if facts[name] is None else facts[name] for name in _COLUMNS] for facts in found]
        write_table([*map(shown_name, _COLUMNS)], rows, terminal, whole=1)  # people copy the ID
        for facts in found:
            if facts["problem"]:
                terminal.note(f"{escape(facts['run_id'])}: {escape(facts['problem'])}")
    else:
        terminal.note(f"no runs in {escape(store or f'./{DEFAULT_STORE}')}; start one with `reqflo-ray run JOURNEY`")
