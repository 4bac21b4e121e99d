"""Finds what assertions expect of data: which values must be statuses, and which must exist. It looks at definitions
and judges single values; it must not know where these come from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from reqflo_ray._internal.engine.values.supply import Supply, is_declared
from reqflo_ray._internal.model.artifact import Artifact, Assertion, AssertionType, HttpStep, Operator
from reqflo_ray._internal.model.values import (
    ArrayNode,
    JsonValue,
    Namespace,
    Node,
    ObjectNode,
    Reference,
    StepReference,
    references,
)

STATUSES: Final = 'a status is an integer, "2xx", "200-299", or a list of these'
_LOWEST: Final = 100
_HIGHEST: Final = 599


@dataclass(frozen=True, slots=True)
class NeededValue:
    """A value that an assertion of `step` expects, by its reference; it exists if a row supplies one of `names`."""

    step: str
    label: str
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class RowExpectations:
    """What assertions expect of each row: `statuses` are inputs and variables whose values are compared with statuses,
    `needed` are values that every row should supply."""

    statuses: tuple[str, ...] = ()
    needed: tuple[NeededValue, ...] = ()


def row_expectations(artifact: Artifact, supply: Supply) -> RowExpectations:
    """Return what the assertions of `artifact` expect of the rows of a run."""
    statuses: dict[str, None] = {}
    needed: dict[frozenset[str], NeededValue] = {}
    for step, assertion in assertions_of(artifact):
        for reference in expected_whole(assertion):
            if assertion.type is AssertionType.STATUS_CODE:
                statuses |= {one.name: None for one in sources_of(reference, supply) if is_declared(one)}
        for reference in expected_to_be_there(assertion):
            names = supply.only_rows(reference)
            if names and not any(supply.declared[name].required for name in names):
                needed.setdefault(names, NeededValue(step.id, str(reference), names))
    return RowExpectations(tuple(statuses), tuple(needed.values()))


def assertions_of(artifact: Artifact) -> Iterator[tuple[HttpStep, Assertion]]:
    """Yield every assertion that is judged, including the conditions of polls, with its step."""
    for step in artifact.steps:
        if isinstance(step, HttpStep):
            for assertion in (*step.assertions, *(step.poll.until if step.poll is not None else ())):
                yield step, assertion


def expected_whole(assertion: Assertion) -> Iterator[Reference]:
    """Yield the inputs, variables, and environment values whose whole value is expected, alone or in a list."""
    node = assertion.expected
    for part in node.items if isinstance(node, ArrayNode) else (node,):
        if isinstance(part, Reference) and (part.namespace is Namespace.ENV or (is_declared(part) and not part.path)):
            yield part


def expected_to_be_there(assertion: Assertion) -> Iterator[Reference]:
    """Yield the inputs and variables without which an assertion cannot hold."""
    node = assertion.expected
    if node is None:
        return
    parts = _parts(assertion)
    if isinstance(node, ArrayNode) and len(parts) < len(node.items):
        # One of the alternatives is enough.
        parts = parts or node.items
    for found in (found for part in parts for found in references(part)):
        if isinstance(found, Reference) and is_declared(found):
            yield found


def parts_needed(assertion: Assertion) -> Iterator[Reference | StepReference]:
    """Yield the values within an expected list or object that must exist; text raises by itself if one is missing."""
    if isinstance(assertion.expected, ArrayNode | ObjectNode):
        for part in _parts(assertion):
            yield from _whole_in(part)


def _parts(assertion: Assertion) -> tuple[Node, ...]:
    """Return the parts that must all exist; of a list of alternatives, a reference may be unset."""
    node = assertion.expected
    if not isinstance(node, ArrayNode):
        return () if node is None else (node,)
    if assertion.operator is Operator.IN or assertion.type is AssertionType.STATUS_CODE:
        return tuple(item for item in node.items if not isinstance(item, Reference | StepReference))
    return node.items


def sources_of(reference: Reference, supply: Supply) -> Iterator[Reference]:
    """Yield what `reference` takes its whole value from, itself first, without what steps assign."""
    seen: set[Reference] = set()
    waiting: list[Node] = [reference]
    while waiting:
        node = waiting.pop()
        if not isinstance(node, Reference) or node in seen:
            continue
        if node.namespace is not Namespace.ENV and (not is_declared(node) or node.path or node.name in supply.assigned):
            continue
        seen.add(node)
        yield node
        waiting.extend(supply.definitions(node))


def is_status(value: JsonValue) -> bool:
    """Return whether `value` names statuses; a row may write numbers as text."""
    match value:
        case list():
            return bool(value) and all(map(is_status, value))
        case str() if len(value) == 3 and value[1:].lower() == "xx":
            return value[0] in "12345"
        case str() if "-" in value:
            low, _, high = (part.strip() for part in value.partition("-"))
            return low.isdecimal() and high.isdecimal() and int(low) <= int(high)
        case str() if value.isascii() and value.isdecimal():
            return _LOWEST <= int(value) <= _HIGHEST
        case int() | float() | Decimal() if not isinstance(value, bool):
            return _LOWEST <= value <= _HIGHEST
    return False


def _whole_in(node: Node) -> Iterator[Reference | StepReference]:
    match node:
        case Reference() | StepReference():
            yield node
        case ArrayNode(items=items):
            for item in items:
                yield from _whole_in(item)
        case ObjectNode(fields=fields):
            for _, item in fields:
                yield from _whole_in(item)
