"""Checks that an artifact from a file respects the limits that the compiler enforces, because another program may have
written the file. It must not know any workspace."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reqflo_ray._internal.errors import DefinitionError, Position
from reqflo_ray._internal.model.artifact import (
    Artifact,
    Assertion,
    AssertionType,
    HttpStep,
    Input,
    Operator,
    Step,
    Variable,
)
from reqflo_ray._internal.model.limits import MAX_NODE_DEPTH, MAX_STEPS, MAX_SUBSCHEMAS, pattern_excess, subschemas
from reqflo_ray._internal.model.values import ArrayNode, Literal, Node, ObjectNode
from reqflo_ray._internal.runner.prepare.checks.growth import nodes_of_step


def check_artifact(artifact: Artifact, file: str) -> None:
    """Raise `DefinitionError` (`journey_limit`) for the first limit that the artifact in `file` exceeds."""
    what = next(_excesses(artifact), None)
    if what is not None:
        raise DefinitionError(
            what,
            code="journey_limit",
            position=Position(file=file, line=1),
            hint="make the artifact with `reqflo-ray compile`, which says where the journey exceeds the limit",
        )


def _excesses(artifact: Artifact) -> Iterator[str]:
    if len(artifact.steps) > MAX_STEPS:
        yield f"the journey has more than {MAX_STEPS:,} steps"
    entries: list[Input | Variable] = [*artifact.inputs, *artifact.variables]
    nodes = [(f"`{entry.name}`", entry.default) for entry in entries if entry.default is not None]
    nodes += [(f"step `{step.id}`", node) for step in artifact.steps for node in nodes_of_step(step)]
    for what, node in nodes:
        if _is_too_deep(node):
            yield f"{what} has a value that is nested more than {MAX_NODE_DEPTH} levels deep"
    for step in artifact.steps:
        for text in _expressions(step):
            if excess := pattern_excess(text):
                yield f"a path or pattern in step `{step.id}` {excess}"
        for assertion in _assertions(step):
            schema = assertion.expected if assertion.type is AssertionType.JSON_SCHEMA else None
            if isinstance(schema, Literal) and subschemas(schema.value) > MAX_SUBSCHEMAS:
                yield f"a JSON Schema in step `{step.id}` applies more than {MAX_SUBSCHEMAS:,} subschemas to one value"


def _assertions(step: Step) -> tuple[Assertion, ...]:
    if not isinstance(step, HttpStep):
        return ()
    return (*step.assertions, *(step.poll.until if step.poll is not None else ()))


def _expressions(step: Step) -> Iterator[str]:
    for assertion in _assertions(step):
        yield assertion.target
        expected = assertion.expected
        if assertion.operator is Operator.MATCHES and isinstance(expected, Literal) and isinstance(expected.value, str):
            yield expected.value
    if isinstance(step, HttpStep):
        yield from (output.path for output in step.outputs)


def _is_too_deep(node: Node) -> bool:
    waiting: list[tuple[object, int]] = [(node, 0)]
    while waiting:
        here, depth = waiting.pop()
        if depth > MAX_NODE_DEPTH:
            return True
        below: Iterable[object] = ()
        match here:
            case Literal(value=value):
                below = (value,)
            case ObjectNode(fields=fields):
                below = [child for _, child in fields]
            case ArrayNode(items=items):
                below = items
            case dict():
                below = here.values()
            case list():
                below = here
        waiting += ((child, depth + 1) for child in below)
    return False
