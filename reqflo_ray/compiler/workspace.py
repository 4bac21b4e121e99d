"""Loads a workspace: the folder with `reqflo.yaml` and all documents below it, each validated by itself.

A definition that is not valid is kept with its problems, so that a mistake in one journey does not stop another.
It knows what documents there are and what they are called, not what a journey means.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Generic, TypeVar

from pydantic import BaseModel

from reqflo_ray.compiler.authoring_journey import JourneyModel, OverlayModel, TemplateModel
from reqflo_ray.compiler.authoring_workspace import CaseModel, EnvironmentModel, PresetModel, WorkspaceModel
from reqflo_ray.compiler.problems import Problems, suggestion
from reqflo_ray.compiler.shorthands import expand_journey, expand_overlay, expand_template, expand_workspace
from reqflo_ray.compiler.validation import validate
from reqflo_ray.compiler.yaml_reader import MAX_FILE_BYTES, read_documents
from reqflo_ray.compiler.yaml_tree import YamlMapping, YamlNode, YamlScalar, child, elements, members
from reqflo_ray.errors import DefinitionError, Position, Problem, UsageError

MARKER: Final = "reqflo.yaml"

Model = TypeVar("Model", bound=BaseModel)
Held = TypeVar("Held", bound=BaseModel, covariant=True)


@dataclass(frozen=True, slots=True)
class Definition(Generic[Held]):
    """One named thing of the workspace. `model` is None if it is not valid; `problems` then says why."""

    name: str
    file: str
    node: YamlNode
    model: Held | None
    problems: tuple[Problem, ...] = ()


@dataclass(slots=True, kw_only=True)
class Workspace:
    """All definitions of a workspace folder. `problems` are those of the files themselves; each definition has its
    own besides."""

    root: Path
    settings: WorkspaceModel = field(default_factory=WorkspaceModel)
    journeys: list[Definition[JourneyModel]] = field(default_factory=list)
    templates: list[Definition[TemplateModel]] = field(default_factory=list)
    environments: list[Definition[EnvironmentModel]] = field(default_factory=list)
    cases: list[Definition[CaseModel]] = field(default_factory=list)
    presets: list[Definition[PresetModel]] = field(default_factory=list)
    overlays: list[Definition[OverlayModel]] = field(default_factory=list)
    problems: tuple[Problem, ...] = ()

    @property
    def name(self) -> str:
        """The workspace's name, that of its folder if it has no other."""
        return self.settings.name or self.root.name

    def definitions(self) -> Iterator[Definition[BaseModel]]:
        """All definitions, whatever they are."""
        yield from self.journeys
        yield from self.templates
        yield from self.environments
        yield from self.cases
        yield from self.presets
        yield from self.overlays


def load_workspace(path: Path, journey: str = "") -> Workspace:
    """Load the workspace at `path`: its folder, or a folder or file below it.

    Args:
        journey: what is wanted of it. If that is the path of a YAML file, and `path` only the current folder, the
            workspace is the one that holds this file.

    Raises:
        UsageError: `no_workspace` if neither `path` nor a folder above it holds `reqflo.yaml`.
    """
    names_file = is_file_name(journey) and Path(journey).is_file()
    root = _root_of(Path(journey) if names_file and path == Path(".") else path)
    workspace = Workspace(root=root)
    problems = Problems()
    for file in _yaml_files(root):
        name = file.relative_to(root).as_posix()
        if not file.resolve().is_relative_to(root):
            where = Position(file=name, line=1)
            problems.error("path_outside_workspace", f"`{name}` is a link that leads out of the workspace", where)
            continue
        try:
            documents = read_documents(_bounded(file), name)
        except DefinitionError as refused:
            problems.add(
                Problem(
                    code=refused.code,
                    message=refused.message,
                    position=refused.position,
                    cause=refused.cause,
                    hint=refused.hint,
                )
            )
            continue
        for document in documents:
            _enter(workspace, document, problems)
    workspace.problems = problems.all()
    return workspace


def lookup(
    definitions: Iterable[Definition[Model]], name: str, kind: str, problems: Problems, at: YamlNode | None = None
) -> Definition[Model] | None:
    """The definition of that exact name if it is valid; else `problems` says `unknown_<kind>` (with the known names),
    `ambiguous_<kind>` or what is wrong with it."""
    known = list(definitions)
    found = [definition for definition in known if definition.name == name]
    if not found:
        hint = suggestion(name, (definition.name for definition in known)) or f"the workspace has no {kind}"
        problems.error(f"unknown_{kind}", f"there is no {kind} `{name}`", at, hint=hint)
    elif len(found) > 1:
        places = ", ".join(str(definition.node.position) for definition in found)
        problems.error(
            f"ambiguous_{kind}",
            f"there is more than one {kind} `{name}`",
            at or found[1].node,
            cause=f"they are at {places}",
            hint="rename all but one",
        )
    elif found[0].model is None:
        problems.add(*found[0].problems)
    else:
        return found[0]
    return None


def is_file_name(journey: str) -> bool:
    """Whether this means a file, unless a journey is called so."""
    return journey.endswith((".yaml", ".yml"))


def _root_of(path: Path) -> Path:
    start = path.resolve()
    for folder in (start, *start.parents):
        if (folder / MARKER).is_file():
            return folder
    raise UsageError(
        f"`{path}` is in no workspace" if path.is_file() else f"`{path}` is no workspace",
        code="no_workspace",
        cause=f"neither it nor a folder above it holds `{MARKER}`",
        hint="name the folder with `--workspace`, or make one with `reqflo-ray init`",
    )


def _yaml_files(root: Path) -> Iterator[Path]:
    """In an order that is the same on every machine. A folder with a `reqflo.yaml` of its own is another workspace."""
    for folder, folders, files in os.walk(root):
        here = Path(folder)
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and not (here / name / MARKER).is_file()
        )
        for name in sorted(files):
            if name.endswith((".yaml", ".yml")) and not name.startswith("."):
                yield here / name


def _bounded(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(MAX_FILE_BYTES + 1)


def _enter(workspace: Workspace, document: YamlNode, problems: Problems) -> None:
    """Sort the contents of a document into the workspace."""
    if not isinstance(document, YamlMapping):
        problems.error("wrong_type", "a document must be a mapping", document, hint=f"begin it with one of {_KINDS}")
        return
    version = child(document, "apiVersion")
    if isinstance(version, YamlScalar) and str(version.value).startswith("reqflo.dev/"):
        message = "a portable bundle is not part of a workspace"
        problems.error("bundle_not_supported", message, document, hint="write it as journey and templates")
        return
    known = {
        "workspace": lambda node: _enter_settings(workspace, node, problems),
        "journey": lambda node: _define(workspace.journeys, JourneyModel, expand_journey(node), problems),
        "template": lambda node: _define(workspace.templates, TemplateModel, expand_template(node), problems),
        "templates": lambda node: _enter_templates(workspace, node, problems),
        "environment": lambda node: _define(workspace.environments, EnvironmentModel, node, problems),
        "case": lambda node: _define(workspace.cases, CaseModel, node, problems),
        "preset": lambda node: _define(workspace.presets, PresetModel, node, problems),
        "overlay": lambda node: _define(workspace.overlays, OverlayModel, expand_overlay(node), problems),
    }
    for key, node in members(document):
        if key.value in known:
            known[key.value](node)
            continue
        hint = suggestion(key.value, known)
        if hint.startswith("did you mean") or known.keys() & document.entries.keys():
            problems.error("unknown_key", f"`{key.value}` is nothing that a workspace holds", key, hint=hint)
        else:
            message = f"the document is ignored: `{key.value}` is nothing that a workspace holds"
            problems.warning("unknown_document", message, key, hint=hint)
            return


def _enter_settings(workspace: Workspace, node: YamlNode, problems: Problems) -> None:
    if node.source.name != MARKER:
        problems.error("wrong_value", f"the settings of a workspace are in `{MARKER}` only", node)
        return
    workspace.settings = validate(WorkspaceModel, expand_workspace(node), problems) or workspace.settings


def _enter_templates(workspace: Workspace, node: YamlNode, problems: Problems) -> None:
    """`templates` is a list, or a mapping by key."""
    if isinstance(node, YamlMapping):
        for key, value in members(node):
            if isinstance(value, YamlMapping) and "key" not in value.entries:
                value = value.replaced({"key": (key, key)})
            _define(workspace.templates, TemplateModel, expand_template(value), problems)
        return
    if not elements(node):
        problems.error("wrong_type", "`templates` must be a list of templates", node)
    for item in elements(node):
        _define(workspace.templates, TemplateModel, expand_template(item), problems)


def _define(group: list[Definition[Model]], kind: type[Model], node: YamlNode, problems: Problems) -> None:
    own = Problems()
    model = validate(kind, node, own)
    names = (child(node, key) for key in ("key", "name"))
    name = next((scalar.value for scalar in names if isinstance(scalar, YamlScalar) and scalar.value), "")
    if not isinstance(name, str) or not name:
        if model is None:
            problems.add(*own.all())  # nothing can refer to it, so nobody else would report it
        name = str(name)
    group.append(Definition(name, node.source.name, node, model, own.all()))


_KINDS: Final = "`workspace`, `journey`, `templates`, `environment`, `case`, `preset`, `overlay`"
