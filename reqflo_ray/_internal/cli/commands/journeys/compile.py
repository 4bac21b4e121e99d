"""`reqflo-ray compile`: a journey becomes an artifact; its digest is what the command prints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from reqflo_ray._internal.cli.display.render_errors import render_problems
from reqflo_ray._internal.cli.display.terminal import Terminal, escape
from reqflo_ray._internal.cli.options import options
from reqflo_ray._internal.reports.output_file import whole_file

EXAMPLES: Final = """\
reqflo-ray compile place-order -o place-order.json
reqflo-ray run --artifact place-order.json --env local
"""


def compile(
    context: typer.Context,
    journey: options.Journey,
    workspace: options.Workspace = ".",
    overlay: options.Overlays = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FILE", rich_help_panel=options.OUTPUT, help="Write the artifact there."
        ),
    ] = None,
) -> None:
    """Compile a journey to its artifact and print the artifact's SHA-256; the same source gives the same digest."""
    import reqflo_ray
    from reqflo_ray._internal.model.artifact import canonical_bytes

    terminal: Terminal = context.obj
    if output is not None:
        _need_free(output, workspace, journey)
    compilation = reqflo_ray.compile(reqflo_ray.Journey(journey, workspace=workspace, overlays=tuple(overlay or ())))
    if compilation.problems:
        terminal.note(render_problems(compilation.problems, terminal))
    if output is not None:
        with whole_file(output) as file:
            file.write(canonical_bytes(compilation.artifact))
        terminal.note(f"written: {escape(str(output))}")
    terminal.data(compilation.digest + "\n")


def _need_free(output: Path, workspace: str, journey: str) -> None:
    """Refuse a file that could not be written, or that belongs to the workspace, before anything is compiled."""
    from reqflo_ray._internal.runner.prepare.files_read import files_of_workspace, need_free

    need_free([output], files_of_workspace(Path(workspace), journey))
