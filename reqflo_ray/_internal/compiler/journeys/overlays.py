"""Applies an overlay to the steps of a journey by changing the tree: parts from the overlay keep their own places."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from reqflo_ray._internal.compiler.yaml.problems import Problems
from reqflo_ray._internal.compiler.yaml.tree import (
    YamlMapping,
    YamlNode,
    YamlScalar,
    YamlSequence,
    child,
    elements,
    members,
    plain,
    sequence_like,
)
from reqflo_ray._internal.model.names import suggestion

_MERGED: Final = ("values", "outputs", "assertions")


def apply_overlay(steps: YamlSequence, overlay: YamlNode, problems: Problems) -> YamlSequence:
    """Return the steps with the changes of the overlay. Each step must have an ID; an unknown ID is reported."""
    changes = child(overlay, "steps")
    ids = [step_id(step) for step in steps.items]
    known = frozenset(ids)
    for key, _ in members(changes):
        if key.value not in known:
            message = f"the journey has no step `{key.value}`"
            problems.error("unknown_step", message, key, hint=suggestion(key.value, ids))
    changed: list[YamlNode] = []
    for step in steps.items:
        change = child(changes, step_id(step))
        if isinstance(step, YamlMapping) and isinstance(change, YamlMapping):
            step = _changed_step(step, change, problems)
        changed.append(step)
    return sequence_like(steps, tuple(changed))


def step_id(step: YamlNode) -> str:
    """Return the ID written in a step, "" if it has none."""
    node = child(step, "id")
    return str(node.value) if isinstance(node, YamlScalar) else ""


def _changed_step(step: YamlMapping, change: YamlMapping, problems: Problems) -> YamlMapping:
    if "values" in change.entries:
        step = _set(step, change, "values", _merged(child(step, "values"), change.entries["values"]))
    for key, value in members(change):
        if key.value not in _MERGED:
            step = step.replaced({key.value: (key, value)})
    if "request" in change.entries and "template" not in change.entries:
        step = step.replaced({"template": None})
    if "template" in change.entries and "request" not in change.entries:
        step = step.replaced({"request": None})
    if "outputs" in change.entries:
        outputs = _changed_outputs(child(step, "outputs"), change.entries["outputs"], problems)
        step = _set(step, change, "outputs", outputs)
    if "assertions" in change.entries:
        assertions = _changed_assertions(child(step, "assertions"), change.entries["assertions"], problems)
        step = _set(step, change, "assertions", assertions)
    return step


def _set(step: YamlMapping, change: YamlMapping, name: str, value: YamlNode) -> YamlMapping:
    return step.replaced({name: (change.keys[name], value)})


def _merged(base: YamlNode | None, change: YamlNode) -> YamlNode:
    if not isinstance(base, YamlMapping) or not isinstance(change, YamlMapping):
        return change
    return base.replaced({key.value: (key, value) for key, value in members(change)})


def _changed_outputs(base: YamlNode | None, change: YamlNode, problems: Problems) -> YamlNode:
    outputs = {_named(item): item for item in elements(base)}
    for removed in elements(child(change, "remove")):
        name = str(plain(removed))
        if outputs.pop(name, None) is None:
            message = f"the step has no output `{name}` to remove"
            problems.error("unknown_output", message, removed, hint=suggestion(name, outputs))
    added = elements(child(change, "add"))
    outputs |= {_named(item): item for item in added}
    return sequence_like(base if base is not None else change, tuple(outputs.values()))


def _named(item: YamlNode) -> str:
    node = child(item, "name")
    return str(node.value) if isinstance(node, YamlScalar) else ""


def _changed_assertions(base: YamlNode | None, change: YamlNode, problems: Problems) -> YamlNode:
    replace = child(change, "replace")
    assertions = list(elements(base) if replace is None else elements(replace))
    assertions += elements(child(change, "add"))
    gone: set[int] = set()
    for removed in elements(child(change, "remove")):
        index = _assertion_index(assertions, plain(removed))
        if index is None:
            ids = _ids(assertions)
            hint = (
                suggestion(str(plain(removed)), ids)
                if ids
                else f"count assertions from 0: the step has {len(assertions)}"
            )
            message = f"the step has no assertion `{plain(removed)}` to remove"
            problems.error("unknown_assertion", message, removed, hint=hint)
        else:
            gone.add(index)
    kept = tuple(item for index, item in enumerate(assertions) if index not in gone)
    return sequence_like(base if base is not None else change, kept)


def _assertion_index(assertions: list[YamlNode], name: object) -> int | None:
    """Return the index of the assertion that an index or an ID names."""
    if isinstance(name, int) and not isinstance(name, bool):
        return name if 0 <= name < len(assertions) else None
    return next((index for index, item in enumerate(assertions) if name in _ids([item])), None)


def _ids(assertions: Iterable[YamlNode]) -> list[str]:
    nodes = (child(item, "id") for item in assertions)
    return [str(node.value) for node in nodes if isinstance(node, YamlScalar)]
