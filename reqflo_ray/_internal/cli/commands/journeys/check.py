"""`reqflo-ray check`: finds what would stop a run, and what to know before it. Sends nothing."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import typer

import reqflo_ray
from reqflo_ray._internal.cli.display.json_text import readable_json
from reqflo_ray._internal.cli.display.render_errors import count_problems, render_problems
from reqflo_ray._internal.cli.display.terminal import OutputClosedError, Terminal, escape
from reqflo_ray._internal.cli.options.dataset import DatasetOptions
from reqflo_ray._internal.cli.options.journey import JourneyOptions
from reqflo_ray._internal.cli.options.output import AsJson
from reqflo_ray._internal.errors import DefinitionError, Severity

EXAMPLES: Final = """\
reqflo-ray check place-order --env local
reqflo-ray check place-order --data data/orders.csv --key order_ref --strict
"""


def check(context: typer.Context, journey: JourneyOptions, dataset: DatasetOptions, as_json: AsJson = False) -> int:
    """Check a journey, its values, and every row of its data, without sending anything.

    The exit code is 2 if there is an error; warnings alone do not fail the check.
    """
    terminal: Terminal = context.obj
    problems = reqflo_ray.check(journey.read(), dataset.read())
    blocked = any(problem.severity is Severity.ERROR for problem in problems)
    exit_code = DefinitionError.default_exit_code if blocked else 0
    if problems:
        terminal.note(render_problems(problems, terminal))
    if as_json:
        # The exit code must not be lost if nobody reads the document.
        with suppress(OutputClosedError):
            terminal.data(readable_json({"ok": not blocked, "exit_code": exit_code, "problems": problems}))
    elif not blocked:
        found = count_problems(problems)
        terminal.text(f"ok: {escape(journey.journey or str(journey.artifact))} can run{f' ({found})' if found else ''}")
    return exit_code
