"""Finds the template that a step names, by its key, its name, or `METHOD /path`."""

from __future__ import annotations

import re
from collections import defaultdict

from reqflo_ray._internal.compiler.authoring.requests import TemplateModel
from reqflo_ray._internal.compiler.authoring.steps import TemplateReferenceModel
from reqflo_ray._internal.compiler.workspace.load import Definition, Workspace
from reqflo_ray._internal.compiler.yaml.problems import Problems
from reqflo_ray._internal.compiler.yaml.tree import YamlNode
from reqflo_ray._internal.compiler.yaml.validation import Rest
from reqflo_ray._internal.model.names import suggestion


class TemplateIndex:
    """An index of a workspace's templates by key, name, and `METHOD /path`."""

    def __init__(self, workspace: Workspace) -> None:
        self._all = workspace.templates
        self._may_be_unread = workspace.is_incomplete
        self._by_name: list[dict[str, list[Definition[TemplateModel]]]] = []
        for name_of in (_key, _name, _line):
            named: dict[str, list[Definition[TemplateModel]]] = defaultdict(list)
            for definition in workspace.templates:
                named[name_of(definition)].append(definition)
            self._by_name.append(named)

    def nodes(self, name: str) -> list[YamlNode]:
        """Return the trees of all templates that the name can mean."""
        wanted = _normal(name)
        return next(([one.node for one in named[wanted]] for named in self._by_name if wanted in named), [])

    def find(self, reference: TemplateReferenceModel, at: YamlNode, problems: Problems) -> Rest[TemplateModel] | None:
        """Return the template, or its valid part after reporting the rest.

        None after reporting `unknown_template` or `ambiguous_template`, or if no part is valid.
        """
        wanted = _normal(reference.key)
        for named in self._by_name:
            found = [one for one in named.get(wanted, ()) if _is_of(one, reference.service)]
            if len(found) > 1:
                candidates = "; ".join(f"{_shown(definition)} at {definition.node.position}" for definition in found)
                hint = "use its key, or write `{service: …, key: …}`"
                message = f"`{reference.key}` names more than one template"
                problems.error("ambiguous_template", message, at, cause=candidates, hint=hint)
                return None
            if found:
                problems.add(*found[0].problems)
                return found[0].rest
        if self._may_be_unread:
            return None
        in_service = [definition for definition in self._all if _is_of(definition, reference.service)]
        known = [name for definition in in_service for name in (_key(definition), _name(definition), _line(definition))]
        hint = suggestion(wanted, filter(None, known)) or "add one: the workspace has no such templates"
        where = f" of the service `{reference.service}`" if reference.service else ""
        problems.error("unknown_template", f"there is no template `{reference.key}`{where}", at, hint=hint)
        return None


def only_service(workspace: Workspace) -> str:
    """Return the name of the only service of all environments; "" if there are several, or none."""
    names = {name for definition in workspace.environments if definition.model for name in definition.model.services}
    return names.pop() if len(names) == 1 else ""


def _is_of(definition: Definition[TemplateModel], service: str) -> bool:
    return not service or definition.model is None or definition.model.service == service


def _normal(text: str) -> str:
    """Normalize `post  /orders` to `POST /orders`; return other names unchanged."""
    line = re.fullmatch(r"\s*([A-Za-z]+)\s+(/\S*)\s*", text)
    return f"{line[1].upper()} {line[2]}" if line else text


def _key(definition: Definition[TemplateModel]) -> str:
    return definition.model.key if definition.model else definition.name


def _name(definition: Definition[TemplateModel]) -> str:
    return definition.model.name if definition.model else ""


def _line(definition: Definition[TemplateModel]) -> str:
    return f"{definition.model.method} {definition.model.url}" if definition.model else ""


def _shown(definition: Definition[TemplateModel]) -> str:
    service = definition.model.service if definition.model else ""
    name = _key(definition) or _name(definition) or _line(definition)
    return f"`{name}` ({service})" if service else f"`{name}`"
