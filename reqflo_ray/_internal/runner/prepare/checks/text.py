"""Finds the inputs and variables that a step needs: those inside text and in a path. It must not judge what assertions
expect."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reqflo_ray._internal.model.artifact import HttpStep, NoteStep, SetVariableStep, Step
from reqflo_ray._internal.model.http.url_parts import may_be_unset
from reqflo_ray._internal.model.values import (
    AnyReference,
    ArrayNode,
    Namespace,
    Node,
    ObjectNode,
    Reference,
    Text,
    references,
)


def references_in_text(step: Step) -> Iterator[Reference]:
    """Yield the references to inputs and variables without whose values the row ends with an error."""
    nodes: list[Node] = []
    match step:
        case HttpStep(request=request):
            optional = set(map(id, may_be_unset(request.path)))
            for part in request.path:
                yield from _declared(() if isinstance(part, str) or id(part) in optional else references(part))
            nodes += [node for _, node in (*request.headers, *request.query)]
            nodes += [request.url] if request.url is not None else []
            if request.body is not None:
                values = (request.body.value, *(part.value for part in request.body.parts))
                nodes += [value for value in values if value is not None]
        case SetVariableStep(values=assigned):
            nodes += [node for _, node in assigned]
        case NoteStep(text=text):
            nodes.append(text)
    for node in nodes:
        for text_node in _texts(node):
            yield from _declared(references(text_node))


def _declared(found: Iterable[AnyReference]) -> Iterator[Reference]:
    for reference in found:
        if isinstance(reference, Reference) and reference.namespace in (Namespace.INPUTS, Namespace.VARIABLES):
            yield reference


def _texts(node: Node) -> Iterator[Text]:
    match node:
        case Text():
            yield node
        case ObjectNode(fields=fields):
            for _, value in fields:
                yield from _texts(value)
        case ArrayNode(items=items):
            for item in items:
                yield from _texts(item)
