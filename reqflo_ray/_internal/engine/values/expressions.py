"""Compiles the nodes of written values into functions of a row's values.

Where it matters, a node is compiled twice: as the real value, and *masked*, with names in the places of secret and
sensitive values. It must not know where values come from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Protocol, TypeAlias

from reqflo_ray._internal.engine.values.faults import RowFault
from reqflo_ray._internal.model import json_text
from reqflo_ray._internal.model.values import (
    UNSET,
    AnyReference,
    ArrayNode,
    JsonValue,
    Literal,
    Node,
    ObjectNode,
    Reference,
    StepReference,
    Text,
)


class Resolved:
    """A value that a reference stands for.

    `masked` is what may be shown in its place (the value itself if it is not secret or sensitive); `secrets` are the
    names of the secrets in it.
    """

    __slots__ = ("masked", "secrets", "value")

    def __init__(self, value: JsonValue, masked: JsonValue, secrets: tuple[str, ...] = ()) -> None:
        self.value = value
        self.masked = masked
        self.secrets = secrets

    def __repr__(self) -> str:
        return "<Resolved>"  # never the value: it may be a secret


class Values(Protocol):
    """The values that a compiled node is evaluated against. `resolved` is a cache by the text of a reference."""

    @property
    def resolved(self) -> Mapping[str, Resolved]: ...

    def resolve(self, reference: AnyReference, label: str = "") -> Resolved:
        """Return what `reference` stands for; its value is `UNSET` if there is none. `label` is its text, if known.

        Raises:
            RowFault: it is not available.
        """
        ...


Renderer: TypeAlias = Callable[[Values], JsonValue]


def compile_node(node: Node, *, masked: bool = False) -> Renderer:
    """Return the function that evaluates `node`. A reference without a value is `UNSET`; raises `RowFault`."""
    match node:
        case Literal(value=value):
            return lambda _: value
        case Reference() | StepReference():
            return _masked_reference(node) if masked else _reference(node)
        case Text(parts=parts):
            return _text(parts, masked)
        case ObjectNode(fields=fields):
            return _object(tuple((name, compile_node(child, masked=masked)) for name, child in fields))
        case ArrayNode(items=items):
            return _array(tuple(compile_node(child, masked=masked) for child in items))


def to_text(value: JsonValue) -> str:
    """Return `value` as a part of a text: text as it is, everything else as JSON, numbers exactly.

    Raises:
        RowFault: `invalid_value`, if it is nested too deeply, or contains NaN.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, Decimal):
        return str(value)
    try:
        return json_text.encode_text(value)
    except ValueError as problem:
        raise RowFault("invalid_value", f"a value cannot be written as text: {problem}") from None


def _reference(reference: AnyReference) -> Renderer:
    label = str(reference)

    def evaluate(values: Values) -> JsonValue:
        found = values.resolved.get(label)
        return (values.resolve(reference, label) if found is None else found).value

    return evaluate


def _masked_reference(reference: AnyReference) -> Renderer:
    label = str(reference)

    def evaluate(values: Values) -> JsonValue:
        found = values.resolved.get(label)
        return (values.resolve(reference, label) if found is None else found).masked

    return evaluate


def _text(parts: tuple[str | Reference | StepReference, ...], masked: bool) -> Renderer:
    pieces = tuple(part if isinstance(part, str) else _text_part(part, masked) for part in parts)
    if len(pieces) == 2 and isinstance(pieces[0], str) and not isinstance(pieces[1], str):
        prefix, tail = pieces[0], pieces[1]
        return lambda values: prefix + tail(values)
    return lambda values: "".join([piece if isinstance(piece, str) else piece(values) for piece in pieces])


def _text_part(reference: AnyReference, masked: bool) -> Callable[[Values], str]:
    evaluate = compile_node(reference, masked=masked)

    def text(values: Values) -> str:
        value = evaluate(values)
        if value is UNSET:
            raise RowFault("missing_value", f"`{reference}` has no value, but is part of a text")
        return to_text(value)

    return text


def _object(fields: tuple[tuple[str, Renderer], ...]) -> Renderer:
    def evaluate(values: Values) -> JsonValue:
        result = {}
        for name, child in fields:
            value = child(values)
            if value is not UNSET:
                result[name] = value
        return result

    return evaluate


def _array(items: tuple[Renderer, ...]) -> Renderer:
    def evaluate(values: Values) -> JsonValue:
        return [value for child in items if (value := child(values)) is not UNSET]

    return evaluate
