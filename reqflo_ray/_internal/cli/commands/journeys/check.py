"""`reqflo-ray check`: everything that would stop a run, or should be known before it, without sending anything."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import typer

from reqflo_ray._internal.cli.display.json_text import readable_json
from reqflo_ray._internal.cli.display.render_errors import count_problems, render_problems
from reqflo_ray._internal.cli.display.terminal import OutputClosedError, Terminal, escape
from reqflo_ray._internal.cli.options import options
from reqflo_ray._internal.errors import DefinitionError, Severity

EXAMPLES: Final = """\
reqflo-ray check place-order --env local
reqflo-ray check place-order --data data/orders.csv --key order_ref --strict
"""


def check(
    context: typer.Context,
    journey: options.Journey = "",
    artifact: options.Artifact = None,
    workspace: options.Workspace = ".",
    overlay: options.Overlays = None,
    data: options.Data = None,
    key: options.Key = "",
    encoding: options.Encoding = "utf-8",
    env: options.EnvironmentName = None,
    case: options.Case = None,
    preset: options.Presets = None,
    set_: options.Sets = None,
    strict: options.Strict = False,
    as_json: options.AsJson = False,
) -> int:
    """Check a journey, and all that it would run with, every row of its data too, before anything is sent; warnings
    do not fail the check."""
    options.need_one_journey(journey, artifact)
    import reqflo_ray

    terminal: Terminal = context.obj
    problems = reqflo_ray.check(
        reqflo_ray.Journey(
            journey,
            artifact=artifact,
            workspace=workspace,
            environment=env,
            case=case,
            presets=tuple(preset or ()),
            overlays=tuple(overlay or ()),
            overrides=options.parse_overrides(set_),
        ),
        reqflo_ray.Dataset(data or (), key=key, encoding=encoding, strict=strict),
    )
    blocked = any(problem.severity is Severity.ERROR for problem in problems)
    if problems:
        terminal.note(render_problems(problems, terminal))
    if as_json:
        # The exit code must not be lost because nobody reads the document.
        with suppress(OutputClosedError):
            terminal.data(readable_json({"ok": not blocked, "problems": problems}))
    elif not blocked:
        found = count_problems(problems)
        terminal.text(f"ok: {escape(journey or str(artifact))} can run{f' ({found})' if found else ''}")
    return DefinitionError.default_exit_code if blocked else 0
