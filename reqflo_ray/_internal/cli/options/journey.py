"""The options that say what runs, and the `Journey` that they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from reqflo_ray import Journey
from reqflo_ray._internal.cli.options.panels import VALUES, WHAT
from reqflo_ray._internal.errors import UsageError

JourneyArgument: TypeAlias = Annotated[
    str,
    typer.Argument(metavar="JOURNEY", show_default=False, help="Name of the journey, or the path of its YAML file."),
]
WorkspaceOption: TypeAlias = Annotated[
    str,
    typer.Option("--workspace", metavar="DIR", rich_help_panel=WHAT, help="The folder that holds `reqflo.yaml`."),
]
OverlayOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--overlay", metavar="NAME", rich_help_panel=WHAT, help="Apply an overlay; several in this order."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class JourneyOptions:
    """What runs."""

    journey: JourneyArgument = ""
    artifact: Annotated[
        Path | None,
        typer.Option("--artifact", metavar="FILE", rich_help_panel=WHAT, help="A compiled journey instead of JOURNEY."),
    ] = None
    workspace: WorkspaceOption = "."
    overlay: OverlayOption = None
    env: Annotated[
        str | None,
        typer.Option("--env", metavar="NAME", rich_help_panel=VALUES, help="The environment to run against."),
    ] = None
    case: Annotated[
        str | None,
        typer.Option("--case", metavar="NAME", rich_help_panel=VALUES, help="A saved case, by its exact name."),
    ] = None
    preset: Annotated[
        list[str] | None,
        typer.Option("--preset", metavar="NAME", rich_help_panel=VALUES, help="A preset; of several the later wins."),
    ] = None
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", rich_help_panel=VALUES, help="Give one input or variable its value."
        ),
    ] = None

    def read(self) -> Journey:
        """The journey that is asked for.

        Raises:
            UsageError: `missing_journey`, `journey_and_artifact`, `invalid_set`, `repeated_set`.
        """
        if self.journey and self.artifact:
            raise UsageError(
                "both a journey and `--artifact` are given",
                code="journey_and_artifact",
                hint="an artifact is a compiled journey: leave one of the two out",
            )
        if not self.journey and not self.artifact:
            raise UsageError(
                "no journey is given",
                code="missing_journey",
                hint="name one, as in `reqflo-ray run place-order`, or give a compiled one with `--artifact FILE`",
            )
        return Journey(
            self.journey,
            artifact=self.artifact,
            workspace=self.workspace,
            environment=self.env,
            case=self.case,
            presets=tuple(self.preset or ()),
            overlays=tuple(self.overlay or ()),
            overrides=_overrides(self.set_ or ()),
        )


def _overrides(given: Sequence[str]) -> dict[str, str]:
    """`NAME=VALUE` pairs as a mapping; a value may hold `=` and may be empty."""
    values: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        name = name.strip()
        # The text itself is not quoted beyond its name: the value may be one that nobody should see.
        if not equals or not name:
            raise UsageError(
                "`--set` needs NAME=VALUE" if not name else f"`--set {name}` has no value",
                code="invalid_set",
                hint=f"write `--set {name or 'NAME'}=VALUE`; `--set {name or 'NAME'}=` gives the empty text",
            )
        if name in values:
            raise UsageError(f"`--set {name}` is given twice", code="repeated_set", hint="give each name once")
        values[name] = value
    return values
