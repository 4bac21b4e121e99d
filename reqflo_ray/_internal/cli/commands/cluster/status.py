"""`reqflo-ray status`: the state of a submitted run according to the cluster's Job API. `show` reads the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import typer

import reqflo_ray
from reqflo_ray._internal.cli.display.json_text import readable_json
from reqflo_ray._internal.cli.display.terminal import Terminal, escape
from reqflo_ray._internal.cli.display.wording import shown_name
from reqflo_ray._internal.cli.options.output import AsJson
from reqflo_ray._internal.cli.options.run import RunArgument
from reqflo_ray._internal.cli.options.target import AllowUnauthenticated, DashboardOption

if TYPE_CHECKING:
    from reqflo_ray import SubmissionStatus

EXAMPLES: Final = """\
reqflo-ray status nightly-0412 --address http://head:8265
reqflo-ray status latest --json
"""


def status(
    context: typer.Context,
    run: RunArgument,
    address: DashboardOption = None,
    allow_unauthenticated: AllowUnauthenticated = False,
    as_json: AsJson = False,
) -> None:
    """Show the state of a submitted run: its last job, when it started and ended, and the status of the run."""
    terminal: Terminal = context.obj
    submission = reqflo_ray.find_submission(run, address=address, allow_unauthenticated=allow_unauthenticated)
    facts = _facts(submission.status())
    if as_json:
        terminal.data(readable_json(facts))
        return
    for name, value in facts.items():
        if value is not None and value != "":
            terminal.text(f"{shown_name(name)}: {escape(str(value))}")


def _facts(status: SubmissionStatus) -> dict[str, Any]:
    return {
        "run_id": status.run_id,
        "job": status.job,
        "state": status.state,
        "started_at": status.started_at,
        "ended_at": status.ended_at,
        "exit_code": status.exit_code,
        "verdict": status.verdict.status.value if status.verdict and status.is_complete else None,
        "rows": status.verdict.counts.rows if status.verdict else None,
        "results": status.results_path,
        "message": status.message,
    }
