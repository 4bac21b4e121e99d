"""`reqflo-ray verify`: checks that a run is complete and undamaged. Exits with 3 if it is not."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import typer

import reqflo_ray
from reqflo_ray._internal.cli.display.json_text import readable_json
from reqflo_ray._internal.cli.display.render_errors import render_problems
from reqflo_ray._internal.cli.display.terminal import OutputClosedError, Terminal, escape
from reqflo_ray._internal.cli.display.wording import counted
from reqflo_ray._internal.cli.options.output import AsJson
from reqflo_ray._internal.cli.options.run import RunArgument
from reqflo_ray._internal.cli.options.target import StoreOption
from reqflo_ray._internal.errors import IntegrityError, Problem

EXAMPLES: Final = """\
reqflo-ray verify latest
reqflo-ray verify nightly-0412 --store /mnt/runs --json
"""


def verify(
    context: typer.Context,
    run: RunArgument,
    store: StoreOption = None,
    as_json: AsJson = False,
) -> int:
    """Check every file of a run against the digests in its manifest, and that each row has exactly one result.

    The exit code is 3 if a file is damaged or missing.

    Of an unfinished run, only what is committed is checked, and the exit code is 3: some rows have no result yet.
    """
    terminal: Terminal = context.obj
    report = reqflo_ray.open_store(store).verify(run)
    proven = report.ok and report.complete
    if not report.complete:
        why = "cannot be checked without its manifest" if report.lost_manifest else "is not finished"
        terminal.note(f"run {escape(report.run_id)} {why}: only the files that its commits list were checked")
    if report.findings:
        found = [Problem(code=each.kind, message=f"`{each.path}`: {each.message}") for each in report.findings]
        terminal.note(render_problems(found, terminal))
    if as_json:
        # The exit code must not be lost if nobody reads the document.
        with suppress(OutputClosedError):
            terminal.data(readable_json({"ok": proven, "report": report}))
    elif report.ok:
        checked = f"{counted(report.files, 'file')} and {counted(report.rows, 'row')}"
        terminal.text(f"{'ok' if proven else 'ok so far'}: {escape(report.run_id)}: {checked}")
    elif report.rows_lost:
        terminal.note(f"lost: {counted(report.rows_lost, 'row')} of {report.rows + report.rows_lost}")
    return 0 if proven else IntegrityError.default_exit_code
