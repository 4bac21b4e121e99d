"""Loads a workspace: the folder with `reqflo.yaml` and all documents below it, each validated by itself.

An invalid definition is kept with its findings, so that a mistake in one journey does not block another.
It knows the documents and their names, and must not know what a journey means.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Generic, TypeVar

from pydantic import BaseModel

from reqflo_ray._internal.compiler.authoring.environments import CaseModel, EnvironmentModel, PresetModel
from reqflo_ray._internal.compiler.authoring.journey import JourneyModel
from reqflo_ray._internal.compiler.authoring.overlays import OverlayModel
from reqflo_ray._internal.compiler.authoring.requests import TemplateModel
from reqflo_ray._internal.compiler.authoring.settings import WorkspaceModel
from reqflo_ray._internal.compiler.authoring.shorthands import (
    expand_environment,
    expand_journey,
    expand_overlay,
    expand_template,
    expand_workspace,
)
from reqflo_ray._internal.compiler.workspace.files import (
    MARKER,
    ROOT_KEYS,
    Selection,
    may_hold_ours,
    misspelt_key,
    read_regular,
    shown,
    was_meant,
    yaml_files,
)
from reqflo_ray._internal.compiler.yaml.problems import Problems
from reqflo_ray._internal.compiler.yaml.reader import MAX_FILE_BYTES, read_documents
from reqflo_ray._internal.compiler.yaml.tree import (
    YamlMapping,
    YamlNode,
    YamlScalar,
    YamlSequence,
    child,
    elements,
    members,
)
from reqflo_ray._internal.compiler.yaml.validation import Rest, validate_rest
from reqflo_ray._internal.errors import DefinitionError, Position, Problem, UsageError
from reqflo_ray._internal.model.names import suggestion

Model = TypeVar("Model", bound=BaseModel)
Held = TypeVar("Held", bound=BaseModel, covariant=True)


@dataclass(frozen=True, slots=True)
class Definition(Generic[Held]):
    """A named definition of the workspace.

    `model` is None if it is not valid; `problems` then says why, and `rest` is its valid part. `keys` are the keys as
    written, if `node` has others.
    """

    name: str
    file: str
    node: YamlNode
    model: Held | None
    problems: tuple[Problem, ...] = ()
    rest: Rest[Held] | None = None
    keys: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class Workspace:
    """All definitions of a workspace folder.

    `problems` are the findings about files; each definition has its own besides. `passed_over` are skipped files: they
    are not valid YAML, and no line begins with a root key. `files` are all files that were read. `is_incomplete` says
    that a file of the workspace could not be read, so that definitions may be missing; `settings_are_whole` says that
    the settings are free of errors.
    """

    root: Path
    settings: WorkspaceModel = field(default_factory=WorkspaceModel)
    settings_node: YamlNode | None = None
    journeys: list[Definition[JourneyModel]] = field(default_factory=list)
    templates: list[Definition[TemplateModel]] = field(default_factory=list)
    environments: list[Definition[EnvironmentModel]] = field(default_factory=list)
    cases: list[Definition[CaseModel]] = field(default_factory=list)
    presets: list[Definition[PresetModel]] = field(default_factory=list)
    overlays: list[Definition[OverlayModel]] = field(default_factory=list)
    problems: tuple[Problem, ...] = ()
    passed_over: tuple[str, ...] = ()
    is_incomplete: bool = False
    settings_are_whole: bool = True
    files: list[Path] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The name in the settings, or that of the folder."""
        return self.settings.name or shown(self.root.name)

    def definitions(self) -> Iterator[Definition[BaseModel]]:
        """Yield the definitions of all kinds."""
        yield from self.journeys
        yield from self.templates
        yield from self.environments
        yield from self.cases
        yield from self.presets
        yield from self.overlays


def load_workspace(path: Path, journey: str = "") -> Workspace:
    """Load the workspace at `path`: its folder, or a folder or file below it.

    A file belongs to it only if it has a root key. Files of other tools are skipped, whether they can be parsed or not;
    a file that cannot be parsed is a finding if one of its lines begins with a root key.

    Args:
        journey: the journey to find in it. If this is the path of a YAML file, and `path` is the current folder, the
            workspace is the one that contains this file.

    Raises:
        UsageError: `no_workspace` if `path` does not exist, or neither it nor a folder above it has `reqflo.yaml`.
    """
    if path != Path(".") and not os.path.exists(path):
        raise UsageError(
            f"`{path}` is not a workspace",
            code="no_workspace",
            cause="there is no such file or folder",
            hint="name the folder with `--workspace`, or create one with `reqflo-ray init`",
        )
    names_file = is_file_name(journey) and os.path.isfile(journey)
    return _Loading(_root_of(Path(journey) if names_file and path == Path(".") else path)).load()


class _Loading:
    """Loads one workspace folder."""

    def __init__(self, root: Path) -> None:
        self._workspace = Workspace(root=root)
        self._problems = Problems()
        self._passed_over: list[str] = []

    def load(self) -> Workspace:
        """Read all files and return the workspace."""
        root = self._workspace.root
        self._read(root / MARKER)  # first, because it says which files to read
        settings = self._workspace.settings
        selection = Selection(settings.include, settings.exclude)
        for file in yaml_files(root, selection, self._refuse):
            self._read(file)
        self._workspace.problems = self._problems.all()
        self._workspace.passed_over = tuple(self._passed_over)
        return self._workspace

    def _read(self, file: Path) -> None:
        root = self._workspace.root
        self._workspace.files.append(file)
        name = shown(file.relative_to(root).as_posix())
        is_marker = name == MARKER
        try:
            inside = Path(os.path.realpath(file)).is_relative_to(root)
            data = read_regular(file, MAX_FILE_BYTES + 1) if inside else b""
        except OSError as problem:
            if not os.path.isdir(file):
                self._refuse(name, problem.strerror or str(problem))
            return
        if not inside:
            message = f"`{name}` is skipped: it is a link that leads out of the workspace"
            hint = "copy the file into the workspace, or `exclude` the link in `reqflo.yaml`"
            self._problems.warning("path_outside_workspace", message, Position(file=name, line=1), hint=hint)
        elif is_marker or may_hold_ours(data):
            self._take(data, name, is_marker)
        else:
            self._warn_if_misspelt(data, name)

    def _take(self, data: bytes, name: str, is_marker: bool) -> None:
        try:
            documents = read_documents(data, name)
        except DefinitionError as refused:
            if is_marker or was_meant(data):
                self._problems.add(*refused.all_problems())
                self._workspace.is_incomplete = True
                if is_marker:
                    self._workspace.settings_are_whole = False
            else:
                self._passed_over.append(name)
                self._warn_if_misspelt(data, name)
            return
        ours = [_is_ours(document) for document in documents]
        for document, is_ours in zip(documents, ours, strict=True):
            if is_marker or is_ours:
                _enter(self._workspace, document, self._problems)
            else:
                self._warn_if_mixed(document)
        if not any(ours):
            self._warn_if_misspelt(data, name)

    def _refuse(self, name: str, why: str) -> None:
        # A warning: if a journey needs what is in the file, that is an error where it is missing.
        hint = "remove it, make it readable, or `exclude` it in `reqflo.yaml`"
        message = f"`{name}` is skipped: {why}"
        self._problems.warning("unreadable_file", message, Position(file=name, line=1), hint=hint)

    def _warn_if_misspelt(self, data: bytes, name: str) -> None:
        found = misspelt_key(data)
        if found is not None:
            line, key, meant = found
            self._warn_of_document(key, Position(file=name, line=line), f"did you mean `{meant}`?")

    def _warn_if_mixed(self, document: YamlNode) -> None:
        keys = list(members(document)) if isinstance(document, YamlMapping) else []
        if any(key.value in ROOT_KEYS for key, _ in keys):
            other = next(key for key, _ in keys if key.value not in ROOT_KEYS)
            self._warn_of_document(str(other.value), other.position, "")

    def _warn_of_document(self, key: str, place: Position, hint: str) -> None:
        message = f"the document is ignored: `{key}` is not a root key of a workspace"
        hint = hint or "remove the key, or move it to another file."
        hint += " If the file belongs to another tool, `exclude` it in `reqflo.yaml`"
        self._problems.warning("unknown_document", message, place, hint=hint)


def _is_ours(document: YamlNode) -> bool:
    """Return whether a document belongs to the workspace: it has a root key.

    If it also has other keys, only a journey or a named definition counts, because `environment: {sdk: …}` occurs in
    files of other tools.
    """
    if not isinstance(document, YamlMapping):
        return False
    if _is_bundle(document):
        return True
    mine = document.entries.keys() & set(ROOT_KEYS)
    if not mine or "journey" in mine or len(mine) == len(document.entries):
        return bool(mine)
    return any(_has_name(document.entries[key]) for key in mine)


def _is_bundle(document: YamlMapping) -> bool:
    version = child(document, "apiVersion")
    return isinstance(version, YamlScalar) and str(version.value).startswith(_BUNDLE)


def _has_name(node: YamlNode) -> bool:
    if isinstance(node, YamlSequence):
        return any(map(_has_name, node.items))
    return isinstance(node, YamlMapping) and not {"name", "key"}.isdisjoint(node.entries)


def lookup(
    definitions: Iterable[Definition[Model]],
    name: str,
    kind: str,
    problems: Problems,
    at: YamlNode | None = None,
    *,
    may_be_unread: bool = False,
) -> Definition[Model] | None:
    """Return the definition of that exact name if it is valid. Otherwise report `unknown_<kind>` with the known names,
    `ambiguous_<kind>`, or the errors of the definition, and return None.

    Args:
        may_be_unread: the definition may be in a file that could not be read, which is reported; do not report it as
            unknown.
    """
    known = list(definitions)
    found = [definition for definition in known if definition.name == name]
    if not found and may_be_unread:
        return None
    if not found:
        hint = suggestion(name, (definition.name for definition in known)) or f"add one: the workspace has no {kind}"
        problems.error(_UNKNOWN[kind], f"there is no {kind} `{name}`", at, hint=hint)
    elif len(found) > 1:
        places = ", ".join(str(definition.node.position) for definition in found)
        problems.error(
            _AMBIGUOUS[kind],
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
    """Return whether `journey` means a file, unless a journey has this name."""
    return journey.endswith((".yaml", ".yml"))


def _root_of(path: Path) -> Path:
    try:
        start = Path(os.path.realpath(path))
    except (OSError, ValueError):  # the current folder has been deleted; a NUL in the name
        start = path
    for folder in (start, *start.parents):
        if os.path.isfile(folder / MARKER):
            return folder
    unusable = next((folder for folder in (start, *start.parents) if os.path.lexists(folder / MARKER)), None)
    raise UsageError(
        f"`{path}` is not in a workspace" if os.path.isfile(path) else f"`{path}` is not a workspace",
        code="no_workspace",
        cause=f"neither it nor a folder above it contains `{MARKER}`"
        if unusable is None
        else f"`{unusable / MARKER}` is not a file that can be read",
        hint="name the folder with `--workspace`, or create one with `reqflo-ray init`",
    )


def _enter(workspace: Workspace, document: YamlNode, problems: Problems) -> None:
    """Add the contents of a document to the workspace."""
    if not isinstance(document, YamlMapping):
        problems.error("wrong_type", "a document must be a mapping", document, hint=f"begin it with one of {_KINDS}")
        workspace.is_incomplete = True
        return
    if _is_bundle(document):
        message = "portable bundles are not supported"
        problems.error("bundle_not_supported", message, document, hint="write its contents as a journey and templates")
        return
    known = {
        "workspace": lambda node: _enter_settings(workspace, node, problems),
        "journey": lambda node: _define(workspace.journeys, JourneyModel, expand_journey(node), problems),
        "template": lambda node: _define(workspace.templates, TemplateModel, expand_template(node), problems),
        "templates": lambda node: _enter_templates(workspace, node, problems),
        "environment": lambda node: _define(
            workspace.environments, EnvironmentModel, expand_environment(node), problems
        ),
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
            problems.error("unknown_key", f"`{key.value}` is not a root key of a workspace", key, hint=hint)
            workspace.is_incomplete = True
        else:
            message = f"the document is ignored: `{key.value}` is not a root key of a workspace"
            problems.warning("unknown_document", message, key, hint=hint)
            return


def _enter_settings(workspace: Workspace, node: YamlNode, problems: Problems) -> None:
    if node.source.name != MARKER:
        problems.error("wrong_value", f"`workspace` belongs in `{MARKER}`", node, hint="move it there")
        return
    expanded = expand_workspace(node)
    rest = validate_rest(WorkspaceModel, expanded, problems)
    workspace.settings_are_whole = rest is not None and not rest.dropped
    if rest is not None:
        workspace.settings, workspace.settings_node = rest.model, rest.node


def _enter_templates(workspace: Workspace, node: YamlNode, problems: Problems) -> None:
    """Add the templates of `templates`: a list, or a mapping by key."""
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
    rest = validate_rest(kind, node, own)
    model = rest.model if rest is not None and not rest.dropped else None
    names = (child(node, key) for key in ("key", "name"))
    name = next((scalar.value for scalar in names if isinstance(scalar, YamlScalar) and scalar.value), "")
    if not isinstance(name, str) or not name:
        if model is None:
            problems.add(*own.all())  # no reference leads to it, so that nothing else would report it
        name = str(name)
    group.append(Definition(name, node.source.name, node, model, own.all(), rest))


# The codes for a definition that is not found, and for one that is found twice, by kind.
_UNKNOWN: Final = {
    "journey": "unknown_journey",
    "environment": "unknown_environment",
    "case": "unknown_case",
    "preset": "unknown_preset",
    "overlay": "unknown_overlay",
}
_AMBIGUOUS: Final = {
    "journey": "ambiguous_journey",
    "environment": "ambiguous_environment",
    "case": "ambiguous_case",
    "preset": "ambiguous_preset",
    "overlay": "ambiguous_overlay",
}
_BUNDLE: Final = "reqflo.dev/"
_KINDS: Final = "`workspace`, `journey`, `templates`, `environment`, `case`, `preset`, `overlay`"
