"""The options that name a run or take it over."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from reqflo_ray._internal.cli.options.panels import STORE, WHERE

RunArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="RUN", help="The run's ID, a unique beginning of it, or `latest`.")
]
RunId: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--run-id", metavar="ID", rich_help_panel=STORE, help="Name the run. The same command with this ID resumes it."
    ),
]
TakeOver: TypeAlias = Annotated[
    bool,
    typer.Option("--take-over", rich_help_panel=WHERE, help="Take over the run even if its driver may still be alive."),
]
