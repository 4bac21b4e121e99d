"""`reqflo-ray compile`: compiles a journey to an artifact and prints the digest of the artifact."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

import reqflo_ray
from reqflo_ray._internal.cli.display.render_errors import render_problems
from reqflo_ray._internal.cli.display.terminal import Terminal, escape
from reqflo_ray._internal.cli.options.journey import JourneyArgument, OverlayOption, WorkspaceOption
from reqflo_ray._internal.cli.options.panels import OUTPUT

EXAMPLES: Final = """\
reqflo-ray compile place-order -o place-order.json
reqflo-ray run --artifact place-order.json --env local
"""


def compile(
    context: typer.Context,
    journey: JourneyArgument,
    workspace: WorkspaceOption = ".",
    overlay: OverlayOption = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", rich_help_panel=OUTPUT, help="Write the artifact to a file."),
    ] = None,
) -> None:
    """Compile a journey to its artifact and print the artifact's SHA-256.

    The same source always has the same digest.
    """
    terminal: Terminal = context.obj
    asked = reqflo_ray.Journey(journey, workspace=workspace, overlays=tuple(overlay or ()))
    compilation = reqflo_ray.compile(asked, outputs=[] if output is None else [output])
    if compilation.problems:
        terminal.note(render_problems(compilation.problems, terminal))
    if output is not None:
        compilation.write(output)
        terminal.note(f"written: {escape(str(output))}")
    terminal.data(compilation.digest + "\n")
