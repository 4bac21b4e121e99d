"""`reqflo-ray status`: how a submitted run is, as the cluster's Job API knows it. The store knows more: `show`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import typer

from reqflo_ray._internal.cli.display.json_text import readable_json
from reqflo_ray._internal.cli.display.terminal import Terminal, escape
from reqflo_ray._internal.cli.options import options

if TYPE_CHECKING:
    from reqflo_ray._internal.ray_cluster.job_log import JobOutcome
    from reqflo_ray._internal.ray_cluster.jobs import Job

EXAMPLES: Final = """\
reqflo-ray status nightly-0412 --address http://head:8265
reqflo-ray status latest --json
"""


def status(
    context: typer.Context,
    run: options.Run,
    address: options.Cluster = None,
    allow_unauthenticated: options.AllowUnauthenticated = False,
    as_json: options.AsJson = False,
) -> None:
    """Show the state of a submitted run: its last job, when it began and ended, and how."""
    from reqflo_ray._internal.ray_cluster.address import find_cluster
    from reqflo_ray._internal.ray_cluster.jobs import Jobs
    from reqflo_ray._internal.ray_cluster.submit import exit_code_of, outcome_of

    terminal: Terminal = context.obj
    jobs = Jobs.of(find_cluster(address, allow_unauthenticated=allow_unauthenticated))
    job = jobs.find(run)
    outcome = outcome_of(jobs, job) if job.state.has_ended else None
    facts = _facts(job, outcome, exit_code_of(job, outcome) if job.state.has_ended else None)
    if as_json:
        terminal.data(readable_json(facts))
        return
    for name, value in facts.items():
        if value is not None and value != "":
            terminal.text(f"{name}: {escape(str(value))}")


def _facts(job: Job, outcome: JobOutcome | None, exit_code: int | None) -> dict[str, Any]:
    return {
        "run_id": job.run_id,
        "job": job.submission_id,
        "state": job.state.value.lower(),
        "started_at": job.started_at,
        "ended_at": job.ended_at,
        "exit_code": exit_code,
        "verdict": outcome.verdict.status.value if outcome and outcome.complete else None,
        "rows": outcome.verdict.counts.rows if outcome else None,
        "results": outcome.results_path if outcome else None,
        "message": job.message,
    }
