"""Assembles a journey: applies overlays, assigns step IDs, finds sub-journeys, and collects all names.

The result can be lowered step by step. This module must not know what a request or an assertion means.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from reqflo_ray._internal.compiler.authoring.journey import InputModel, JourneyModel, VariableModel
from reqflo_ray._internal.compiler.authoring.kinds import COMMON_STEP_FIELDS, STEP_FIELDS
from reqflo_ray._internal.compiler.authoring.overlays import OverlayModel
from reqflo_ray._internal.compiler.authoring.steps import StepModel
from reqflo_ray._internal.compiler.journeys.expansion import ExpansionCounter
from reqflo_ray._internal.compiler.journeys.overlays import apply_overlay, step_id
from reqflo_ray._internal.compiler.values.scope import JourneyScope, Ledger, StepHead
from reqflo_ray._internal.compiler.workspace.load import Definition, Workspace, lookup
from reqflo_ray._internal.compiler.yaml.problems import Problems
from reqflo_ray._internal.compiler.yaml.tree import (
    YamlMapping,
    YamlNode,
    YamlScalar,
    YamlSequence,
    child,
    elements,
    mapping_like,
    nearest,
    scalar_like,
    sequence_like,
)
from reqflo_ray._internal.compiler.yaml.validation import validate_rest
from reqflo_ray._internal.model.names import closest, suggestion

_DECLARING = ("inputs", "variables")
_NOT_SUPPORTED = ("connector", "script", "manual_checkpoint")


@dataclass(slots=True, kw_only=True)
class StepUnit:
    """A step: its model, its tree, and the `head` that other steps may read.

    `inner` is the journey that it runs. `dropped` are invalid parts, which are reported; the rest can be examined, but
    what seems to be missing may be in them.
    """

    model: StepModel
    node: YamlNode
    head: StepHead
    inner: JourneyUnit | None = None
    dropped: tuple[YamlNode, ...] = ()


@dataclass(slots=True, kw_only=True)
class JourneyUnit:
    """A journey with its names and steps, ready to be lowered."""

    model: JourneyModel
    node: YamlNode
    scope: JourneyScope
    steps: list[StepUnit]


class JourneyAssembler:
    """Assembles a journey and all journeys that it runs."""

    def __init__(self, workspace: Workspace, expansion: ExpansionCounter, problems: Problems) -> None:
        self._named: dict[str, list[Definition[JourneyModel]]] = defaultdict(list)
        for definition in workspace.journeys:
            self._named[definition.name].append(definition)
        self._workspace = workspace
        self._expansion = expansion
        self._problems = problems
        self._ledger = Ledger()

    def assemble(
        self, definition: Definition[JourneyModel], overlays: Sequence[Definition[OverlayModel]]
    ) -> JourneyUnit:
        """Assemble the journey with `overlays` applied in order.

        Raises:
            DefinitionError: the journey runs itself, or exceeds a limit with its sub-journeys and templates.
        """
        written = nearest(definition.node, ("steps",))
        steps = with_ids(written, elements(written))
        for overlay in overlays:
            steps = apply_overlay(steps, overlay.node, self._problems)
        self._expansion.check(definition.name, definition.node, steps.items)
        return self._unit(definition, steps, "")

    def _unit(self, definition: Definition[JourneyModel], steps: YamlSequence, prefix: str) -> JourneyUnit:
        model = definition.model
        assert model is not None
        scope = JourneyScope(
            prefix=prefix,
            problems=self._problems,
            ledger=self._ledger,
            inputs=frozenset(declared.name for declared in model.inputs),
            variables=frozenset(declared.name for declared in model.variables),
            partial=_may_declare_more(definition),
        )
        self._check_declarations(definition.node)
        units: list[StepUnit] = []
        for step in steps.items:
            unit = self._step(step, prefix)
            if unit is None:  # it is reported; references to it are not errors too
                broken = StepHead(id=prefix + step_id(step), name="", type="", node=step, broken=True)
                scope.steps.setdefault(step_id(step), broken)
                continue
            first = scope.steps.setdefault(unit.model.id, unit.head)
            if first is not unit.head:
                message = f"two steps have the ID `{unit.model.id}`"
                cause = f"the other is at line {first.node.position.line}"
                self._problems.error("duplicate_step", message, nearest(step, ("id",)), cause=cause)
            units.append(unit)
        return JourneyUnit(model=model, node=definition.node, scope=scope, steps=units)

    def _step(self, node: YamlNode, prefix: str) -> StepUnit | None:
        rest = validate_rest(StepModel, node, self._problems)
        # Without a type, a step cannot be examined.
        if rest is None or (child(node, "type") is not None and child(rest.node, "type") is None):
            return None
        model = rest.model
        if not self._check_type(model, rest.node):
            return None
        head = StepHead(
            id=prefix + model.id,
            name=model.name,
            type=model.type,
            node=node,
            outputs=tuple(output.name for output in model.outputs),
            partial=bool(rest.dropped),
        )
        unit = StepUnit(model=model, node=rest.node, head=head, dropped=rest.dropped)
        if model.type == "sub_journey" and not model.skip:
            unit.inner = self._inner(model, node, head)
            head.inner = unit.inner.scope if unit.inner else None
            head.broken = unit.inner is None
        return unit

    def _check_type(self, model: StepModel, node: YamlNode) -> bool:
        place = nearest(node, ("type",))
        if model.type in _NOT_SUPPORTED:
            message = f"steps of type `{model.type}` are not supported"
            self._problems.error("invalid_step", message, place, hint=f"use one of {_listed(STEP_FIELDS)}")
            return False
        if model.type not in STEP_FIELDS:
            hint = suggestion(model.type, STEP_FIELDS)
            self._problems.error("invalid_step", f"there is no step type `{model.type}`", place, hint=hint)
            return False
        if isinstance(node, YamlMapping):
            for name in node.entries.keys() - STEP_FIELDS[model.type] - COMMON_STEP_FIELDS:
                message = f"`{name}` is not a key of `{model.type}` steps"
                hint = f"remove it, or use one of {_listed(sorted(STEP_FIELDS[model.type]))}"
                self._problems.error("invalid_step", message, node.keys[name], hint=hint)
        return True

    def _inner(self, model: StepModel, node: YamlNode, head: StepHead) -> JourneyUnit | None:
        place = nearest(node, ("journey",))
        if not model.journey and head.partial:
            return None
        if not model.journey:
            self._problems.error(
                "invalid_step", "a `sub_journey` step needs a `journey`", node, hint="add `journey: NAME`"
            )
            return None
        named = self._named.get(model.journey, [])
        known = named or self._workspace.journeys
        is_unread = self._workspace.is_incomplete
        found = lookup(known, model.journey, "journey", self._problems, place, may_be_unread=is_unread)
        if found is None and len(named) == 1:
            found = outline(named[0])
        if found is None:
            return None
        written = nearest(found.node, ("steps",))
        return self._unit(found, with_ids(written, elements(written)), f"{head.id}.")

    def _check_declarations(self, journey: YamlNode) -> None:
        """Report names that are declared more than once, as an input or as a variable."""
        seen: dict[str, YamlNode] = {}
        for group in ("inputs", "variables"):
            for item in elements(child(journey, group)):
                node = nearest(item, ("name",))
                if not isinstance(node, YamlScalar):
                    continue
                name = str(node.value)
                if name in seen:
                    cause = f"the other is at line {seen[name].position.line}"
                    hint = "rename one of them: inputs and variables must have different names"
                    message = f"`{name}` is declared twice"
                    self._problems.error("duplicate_name", message, node, cause=cause, hint=hint)
                seen[name] = node


def _may_declare_more(definition: Definition[JourneyModel]) -> bool:
    """Return whether the invalid part of a journey may be its declarations, perhaps under a misspelled key."""
    if definition.rest is None or not definition.rest.dropped:
        return False
    kept = definition.rest.node.entries if isinstance(definition.rest.node, YamlMapping) else {}
    return any(key not in kept and closest(key, _DECLARING) for key in definition.keys)


def outline(definition: Definition[JourneyModel]) -> Definition[JourneyModel] | None:
    """Return the part of an invalid journey that can be assembled, so that one check finds all errors; None if no part
    can.

    Steps are validated one by one. Of an invalid declaration the valid part is kept, at least its name.
    """
    node = definition.node
    if not isinstance(node, YamlMapping):
        return None
    written = nearest(node, ("steps",))
    steps = sequence_like(written, tuple(step for step in elements(written) if isinstance(step, YamlMapping)))
    note = mapping_like(node, {"type": scalar_like(node, "note")})
    changes = {"steps": (scalar_like(node, "steps"), sequence_like(node, (note,)))}
    for group, kind in (("inputs", InputModel), ("variables", VariableModel)):
        if isinstance(declared := child(node, group), YamlSequence):
            items = tuple(_declaration(kind, item) for item in elements(declared))
            changes[group] = (node.keys[group], sequence_like(declared, items))
    rest = validate_rest(JourneyModel, node.replaced({**changes}), Problems())
    if rest is None or not isinstance(rest.node, YamlMapping):
        return None
    whole = rest.node.replaced({"steps": (scalar_like(node, "steps"), steps)})
    return replace(definition, model=rest.model, node=whole, rest=rest, keys=tuple(node.entries))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _declaration(kind: type[InputModel | VariableModel], item: YamlNode) -> YamlNode:
    name = child(item, "name")
    if name is None:
        return item
    rest = validate_rest(kind, item, Problems())
    return rest.node if rest is not None else mapping_like(item, {"name": name})


def with_ids(written: YamlNode, steps: Sequence[YamlNode]) -> YamlSequence:
    """Return the steps, each with an ID: its own, or one made from its name or its number (from 1)."""
    items: list[YamlNode] = []
    for number, step in enumerate(steps, start=1):
        if isinstance(step, YamlMapping) and not step_id(step):
            name = child(step, "name")
            text = str(name.value) if isinstance(name, YamlScalar) and name.value is not None else ""
            slug = re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-").lower()[:100]
            key = scalar_like(step, "id")
            step = step.replaced({"id": (key, scalar_like(step, slug or f"step-{number}"))})
        items.append(step)
    return sequence_like(written, tuple(items))
