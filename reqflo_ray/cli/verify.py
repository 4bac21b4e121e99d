"""`reqflo-ray verify`: are the files of a run what was written? Exit code 3 if not."""

from __future__ import annotations

from typing import Final

import typer

from reqflo_ray.cli import options
from reqflo_ray.cli.output_file import readable_json
from reqflo_ray.cli.progress import counted
from reqflo_ray.cli.render_errors import render_problems
from reqflo_ray.cli.terminal import Terminal, escape
from reqflo_ray.errors import IntegrityError

EXAMPLES: Final = """\
reqflo-ray verify latest
reqflo-ray verify nightly-0412 --store /mnt/runs --json
"""


def verify(
    context: typer.Context,
    run: options.Run,
    store: options.StoreLocation = None,
    as_json: options.AsJson = False,
) -> int:
    """Check every file of a finished run against the digests in its manifest, and that each row has one verdict."""
    from reqflo_ray import api

    terminal: Terminal = context.obj
    report = api.open_store(store).verify(run)
    if report.problems:
        terminal.note(render_problems(report.problems, terminal))
    if as_json:
        terminal.data(readable_json(report))
    elif report.ok:
        terminal.text(f"ok: {escape(report.run_id)}: {counted(report.files, 'file')} and {counted(report.rows, 'row')}")
    return 0 if report.ok else IntegrityError.default_exit_code
