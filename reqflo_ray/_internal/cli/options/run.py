"""The options that name a run, or claim it."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from reqflo_ray._internal.cli.options.panels import STORE, WHERE

RunArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="RUN", help="Run id, a unique beginning of one, or `latest`.")
]
RunId: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--run-id", metavar="ID", rich_help_panel=STORE, help="Name the run; the same command again goes on with it."
    ),
]
TakeOver: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--take-over", rich_help_panel=WHERE, help="Take the run from another driver that still claims to be alive."
    ),
]
