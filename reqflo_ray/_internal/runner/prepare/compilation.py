"""Compiles the journey that a person names, and makes the positions of findings relative to the current folder, where
terminals and editors find them. It must not know what the journey will be run with."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from reqflo_ray._internal.compiler.compile import Compilation, examine_journey
from reqflo_ray._internal.compiler.workspace.load import Workspace
from reqflo_ray._internal.errors import DefinitionError, Problem, UsageError
from reqflo_ray._internal.model import artifact as artifacts
from reqflo_ray._internal.model.artifact import Artifact
from reqflo_ray._internal.runner.prepare.checks.artifact import check_artifact
from reqflo_ray._internal.runner.prepare.request import Journey
from reqflo_ray._internal.runs.folder.artifacts import read_given


def find_source(journey: Journey, workspace: Workspace) -> Compilation | Artifact:
    """Return what `journey` names: a compilation, which may have errors, or an artifact that was compiled before.

    Raises:
        UsageError: `overlay_on_artifact`, `unreadable_artifact`.
        DefinitionError: the file is not an artifact, or the errors leave nothing to check further.
    """
    if journey.artifact is None:
        return examine_from_here(workspace, journey.name, journey.overlays)
    if journey.overlays:
        raise UsageError(
            "`--overlay` cannot change an artifact",
            code="overlay_on_artifact",
            hint="apply overlays when you compile the journey: `reqflo-ray compile JOURNEY --overlay NAME`",
        )
    try:
        data = read_given(Path(journey.artifact))
    except OSError as problem:
        raise UsageError(
            f"`{os.fspath(journey.artifact)}` cannot be read",
            code="unreadable_artifact",
            cause=problem.strerror or str(problem),
            hint="write an artifact with `reqflo-ray compile JOURNEY -o FILE`",
        ) from None
    artifact = artifacts.decode(data, file=os.fspath(journey.artifact))
    check_artifact(artifact, os.fspath(journey.artifact))
    return artifact


def examine_from_here(workspace: Workspace, journey: str, overlays: tuple[str, ...] = ()) -> Compilation:
    """Examine a journey, with positions relative to the current folder.

    Raises:
        DefinitionError: the errors leave nothing to check further.
    """
    try:
        compilation = examine_journey(workspace, journey, overlays)
    except DefinitionError as error:
        raise DefinitionError.of(places_from_here(error.problems, workspace)) from None
    return replace(compilation, problems=places_from_here(compilation.problems, workspace))


def compile_from_here(workspace: Workspace, journey: str, overlays: tuple[str, ...] = ()) -> Compilation:
    """Compile a journey, with positions relative to the current folder.

    Raises:
        DefinitionError: with all errors.
    """
    return examine_from_here(workspace, journey, overlays).whole()


def places_from_here(problems: tuple[Problem, ...], workspace: Workspace) -> tuple[Problem, ...]:
    """Return `problems` with the file of each position relative to the current folder."""
    return tuple(
        replace(problem, position=replace(place, file=os.path.relpath(workspace.root / place.file)))
        if (place := problem.position) is not None and (workspace.root / place.file).is_file()
        else problem
        for problem in problems
    )
