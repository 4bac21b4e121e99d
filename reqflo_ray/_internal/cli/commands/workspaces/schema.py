"""`reqflo-ray schema`: prints the JSON Schema of workspace files, for editors that complete and check YAML."""

from __future__ import annotations

from typing import Final

import typer

import reqflo_ray
from reqflo_ray._internal.cli.display.json_text import readable_json
from reqflo_ray._internal.cli.display.terminal import Terminal

EXAMPLES: Final = """\
reqflo-ray schema > reqflo.schema.json
"""


def schema(context: typer.Context) -> None:
    """Print the JSON Schema of workspace files (journeys, templates, environments, cases, presets, and overlays)."""
    terminal: Terminal = context.obj
    terminal.data(readable_json(reqflo_ray.schema()))
