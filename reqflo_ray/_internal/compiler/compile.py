"""Compiles a journey of a workspace to an artifact. This is the entry point of the compiler."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from reqflo_ray._internal.compiler.authoring.journey import JourneyModel
from reqflo_ray._internal.compiler.authoring.overlays import OverlayModel
from reqflo_ray._internal.compiler.journeys.expansion import ExpansionCounter
from reqflo_ray._internal.compiler.journeys.journey import JourneyAssembler, outline, with_ids
from reqflo_ray._internal.compiler.journeys.overlays import apply_overlay
from reqflo_ray._internal.compiler.journeys.steps import JourneyLowering
from reqflo_ray._internal.compiler.journeys.templates import TemplateIndex
from reqflo_ray._internal.compiler.values.dependencies import Dependencies
from reqflo_ray._internal.compiler.values.uses import Uses
from reqflo_ray._internal.compiler.workspace.bundled_files import BundledFiles
from reqflo_ray._internal.compiler.workspace.files import shown
from reqflo_ray._internal.compiler.workspace.load import Definition, Workspace, is_file_name, lookup
from reqflo_ray._internal.compiler.yaml.problems import Problems
from reqflo_ray._internal.compiler.yaml.tree import YamlNode, YamlScalar, child, elements, nearest
from reqflo_ray._internal.errors import DefinitionError, Position, Problem, Severity
from reqflo_ray._internal.model.artifact import Artifact, JourneyIdentity, canonical_bytes, digest
from reqflo_ray._internal.model.limits import MAX_PROBLEMS
from reqflo_ray._internal.outputs.file import whole_file

_NAMED_FILES: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Compilation:
    """An artifact, with warnings and the places of its parts.

    `problems` are warnings; after `examine_journey` also errors, and then `artifact` holds only the valid parts.
    `sources` maps a step's ID to `file:line`. `places` says where things are written, by `steps.<id>`,
    `urls.<step id>`, `inputs.<name>` and `variables.<name>`; `uses` says where values are read.
    """

    artifact: Artifact
    workspace: Workspace
    problems: tuple[Problem, ...] = ()
    sources: dict[str, str] = field(default_factory=dict)
    places: dict[str, Position] = field(default_factory=dict)
    uses: Uses = field(default_factory=Uses)

    @property
    def blocked(self) -> bool:
        """Whether any finding is an error: the artifact is then incomplete and must not run."""
        return any(problem.severity is Severity.ERROR for problem in self.problems)

    @property
    def digest(self) -> str:
        """The SHA-256 that identifies the artifact."""
        return digest(self.artifact)

    def whole(self) -> Self:
        """Return this compilation, or raise `DefinitionError` with all findings if one of them is an error."""
        if self.blocked:
            raise DefinitionError.of(self.problems)
        return self

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the artifact to a file, completely or not at all, for `Journey(artifact=…)`.

        Raises:
            UsageError: `output_not_writable`.
            ReqfloError: `output_not_written`.
        """
        with whole_file(Path(path)) as file:
            file.write(canonical_bytes(self.artifact))


def compile_journey(workspace: Workspace, journey: str, overlays: Sequence[str] = ()) -> Compilation:
    """Compile the journey of that exact name, or in that YAML file, with `overlays` applied in order.

    Raises:
        DefinitionError: with all findings, each at its place.
    """
    return examine_journey(workspace, journey, overlays).whole()


def examine_journey(workspace: Workspace, journey: str, overlays: Sequence[str] = ()) -> Compilation:
    """Do as `compile_journey`, but report errors in `problems`, so that a run check can examine the valid parts.

    Raises:
        DefinitionError: no part of the journey is valid enough to be examined.
    """
    problems = Problems(MAX_PROBLEMS)
    problems.add(*workspace.problems)
    definition = find_journey(workspace, journey, problems)
    chosen = _find_overlays(workspace, overlays, definition, problems)
    # What a missing overlay would have changed is unknown.
    if definition is None or definition.model is None or len(chosen) < len(overlays):
        problems.raise_errors()
        raise AssertionError("a missing definition was not reported as an error")
    _check_named_overlays(workspace, definition, overlays, problems)
    files = BundledFiles(workspace.root, problems)
    templates = TemplateIndex(workspace)
    unit = JourneyAssembler(workspace, ExpansionCounter(workspace, templates, problems), problems).assemble(
        definition, chosen
    )
    lowered = JourneyLowering(workspace, templates, files, problems).lower(unit)
    dependencies = Dependencies(lowered.steps, unit.scope.ledger, problems, lowered.broken)
    dependencies.check()
    dependencies.hide_credentials((*lowered.inputs, *lowered.variables), lowered.open_outputs)
    _warn_of_others(workspace, problems)
    model = definition.model
    artifact = Artifact(
        journey=JourneyIdentity(
            name=model.name,
            description=model.description,
            version=model.version,
            owner=model.owner,
            tags=tuple(model.tags),
            base_template=model.base_template,
            overlays=tuple(overlays),
        ),
        inputs=tuple(lowered.inputs),
        variables=tuple(lowered.variables),
        steps=dependencies.steps_with_captures(),
        requires=dependencies.requirements(),
        cookies=lowered.cookies,
        files=files.all(),
    )
    written = {step.id: lowered.places[f"steps.{step.id}"] for step in artifact.steps}
    return Compilation(
        artifact=artifact,
        workspace=workspace,
        problems=problems.all(),
        sources={step: f"{place.file}:{place.line}" for step, place in written.items()},
        places=lowered.places,
        uses=dependencies.uses(),
    )


def find_journey(workspace: Workspace, journey: str, problems: Problems) -> Definition[JourneyModel] | None:
    """Find the journey of that exact name, or the one in that file; None after reporting why there is none.

    Errors in the journey are reported too; the result then holds the parts that can be examined.
    """
    if any(definition.name == journey for definition in workspace.journeys) or not is_file_name(journey):
        return _look_up(workspace.journeys, journey, workspace, problems)
    places = {os.path.realpath(workspace.root / journey), os.path.realpath(journey)}
    # A definition holds the name of its file as it is displayed, with undecodable bytes escaped.
    shown_places = set(map(shown, places))
    held = [it for it in workspace.journeys if shown(os.path.realpath(workspace.root / it.file)) in shown_places]
    if len(held) == 1:
        return _look_up(held, held[0].name, workspace, problems)
    if held:
        names = ", ".join(f"`{definition.name}`" for definition in held)
        message = f"`{journey}` contains more than one journey"
        problems.error("ambiguous_journey", message, None, hint=f"name one of {names}")
    elif any(map(os.path.isfile, places)):
        hint = "name a YAML file of the workspace that has the root key `journey` and is not excluded"
        problems.error("unknown_journey", f"`{journey}` contains no journey of this workspace", None, hint=hint)
    else:
        return _look_up(workspace.journeys, journey, workspace, problems)
    return None


def _look_up(
    journeys: Sequence[Definition[JourneyModel]], name: str, workspace: Workspace, problems: Problems
) -> Definition[JourneyModel] | None:
    named = [definition for definition in journeys if definition.name == name]
    if not named and any(problem.severity is Severity.ERROR for problem in workspace.problems):
        return None  # it may be in a file that could not be read
    found = lookup(journeys, name, "journey", problems) or (outline(named[0]) if len(named) == 1 else None)
    if not named and workspace.passed_over:
        _warn_of_passed_over(workspace, problems)
    return found


def _warn_of_passed_over(workspace: Workspace, problems: Problems) -> None:
    """Warn that the missing journey may be in a file that was skipped."""
    names = ", ".join(f"`{name}`" for name in workspace.passed_over[:_NAMED_FILES])
    more = len(workspace.passed_over) - _NAMED_FILES
    message = f"files that are not valid YAML were skipped: {names}{f' and {more} more' if more > 0 else ''}"
    hint = "correct the file that defines it, and begin its document with a root key such as `journey:`"
    problems.warning("passed_over", message, None, hint=hint)


def _check_named_overlays(
    workspace: Workspace, journey: Definition[JourneyModel], chosen: Sequence[str], problems: Problems
) -> None:
    """Report overlays that the journey names and that do not exist or do not fit it, chosen or not."""
    written = nearest(journey.node, ("steps",))
    for node in elements(child(journey.node, "overlays")):
        if not isinstance(node, YamlScalar) or node.value in chosen:
            continue
        unfit = Problems()
        for overlay in _find_overlays(workspace, [str(node.value)], journey, problems, node):
            apply_overlay(with_ids(written, elements(written)), overlay.node, unfit)
        problems.add(*(problem.as_warning() for problem in unfit.all()))


def _find_overlays(
    workspace: Workspace,
    names: Sequence[str],
    journey: Definition[JourneyModel] | None,
    problems: Problems,
    at: YamlNode | None = None,
) -> list[Definition[OverlayModel]]:
    """Find the overlays of these names, written at `at` if given. Overlays of different journeys may share a name."""
    if journey is None:
        return []
    own = [definition for definition in workspace.overlays if _journey_of(definition) in (None, journey.name)]
    found: list[Definition[OverlayModel]] = []
    for name in names:
        others = [_journey_of(definition) for definition in workspace.overlays if definition.name == name]
        if others and name not in [definition.name for definition in own]:
            hint = f"use it with the journey `{others[0]}`"
            message = f"the overlay `{name}` is not for the journey `{journey.name}`"
            problems.error("unknown_overlay", message, at, hint=hint)
        elif (
            definition := lookup(own, name, "overlay", problems, at, may_be_unread=workspace.is_incomplete)
        ) is not None:
            found.append(definition)
    return found


def _journey_of(definition: Definition[OverlayModel]) -> str | None:
    return definition.model.journey if definition.model else None


def _warn_of_others(workspace: Workspace, problems: Problems) -> None:
    """Report errors in definitions that this journey does not use as warnings, so that they do not block it."""
    known = {(problem.code, problem.message, problem.position) for problem in problems.all()}
    for definition in workspace.definitions():
        for problem in definition.problems:
            if (problem.code, problem.message, problem.position) not in known and problem.severity is Severity.ERROR:
                problems.add(problem.as_warning())
