"""The options that say what runs, and the `Journey` that they make."""

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
    typer.Argument(
        metavar="JOURNEY", show_default=False, help="The name of the journey, or the path of its YAML file."
    ),
]
WorkspaceOption: TypeAlias = Annotated[
    str,
    typer.Option("--workspace", metavar="DIR", rich_help_panel=WHAT, help="The folder that contains `reqflo.yaml`."),
]
OverlayOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--overlay", metavar="NAME", rich_help_panel=WHAT, help="Apply an overlay. Repeatable: applied in this order."
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class JourneyOptions:
    """The journey of a run, and its values."""

    journey: JourneyArgument = ""
    artifact: Annotated[
        Path | None,
        typer.Option(
            "--artifact", metavar="FILE", rich_help_panel=WHAT, help="Run a compiled journey instead of JOURNEY."
        ),
    ] = None
    workspace: WorkspaceOption = "."
    overlay: OverlayOption = None
    env: Annotated[
        str | None,
        typer.Option(
            "--env",
            metavar="NAME",
            rich_help_panel=VALUES,
            help="The environment to run against. Default: the one in `reqflo.yaml`.",
        ),
    ] = None
    case: Annotated[
        str | None,
        typer.Option(
            "--case", metavar="NAME", rich_help_panel=VALUES, help="Use the values of a case, by its exact name."
        ),
    ] = None
    preset: Annotated[
        list[str] | None,
        typer.Option(
            "--preset",
            metavar="NAME",
            rich_help_panel=VALUES,
            help="Use the values of a preset. Repeatable: a later one overrides an earlier one.",
        ),
    ] = None
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", rich_help_panel=VALUES, help="Set one input or variable. Repeatable."
        ),
    ] = None

    def read(self) -> Journey:
        """Return the journey.

        Raises:
            UsageError: `missing_journey`, `journey_and_artifact`, `invalid_set`, `repeated_set`.
        """
        if self.journey and self.artifact:
            raise UsageError(
                "JOURNEY and `--artifact` cannot be used together",
                code="journey_and_artifact",
                hint="remove one of them: an artifact is a compiled journey",
            )
        if not self.journey and not self.artifact:
            raise UsageError(
                "the journey to run is missing",
                code="missing_journey",
                hint="name one, as in `reqflo-ray run place-order`, or pass a compiled one with `--artifact FILE`",
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
    """Return `NAME=VALUE` pairs as a mapping. A value may contain `=` and may be empty."""
    values: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        name = name.strip()
        # Only the name is quoted: the value may be a secret.
        if not equals or not name:
            raise UsageError(
                "`--set` needs NAME=VALUE" if not name else f"`--set {name}` has no value",
                code="invalid_set",
                hint=f"write `--set {name or 'NAME'}=VALUE`; `--set {name or 'NAME'}=` sets an empty text",
            )
        if name in values:
            raise UsageError(f"`--set {name}` is repeated", code="repeated_set", hint="set each name once")
        values[name] = value
    return values
