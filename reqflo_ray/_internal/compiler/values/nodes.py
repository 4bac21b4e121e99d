"""Compiles a written value to a `Node` of the artifact.

A resolver says what each expression refers to; this module must not know it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias, TypeGuard

from reqflo_ray._internal.compiler.values.expressions import Expression, ExpressionError, LengthError, parse_text
from reqflo_ray._internal.compiler.yaml.problems import Problems
from reqflo_ray._internal.compiler.yaml.tree import YamlMapping, YamlNode, YamlScalar, YamlSequence
from reqflo_ray._internal.errors import Position
from reqflo_ray._internal.model.json_text import encode_exactly
from reqflo_ray._internal.model.values import (
    ArrayNode,
    JsonValue,
    Literal,
    Node,
    ObjectNode,
    Reference,
    StepReference,
    Text,
)

Resolver: TypeAlias = Callable[[Expression, Position], Node | None]
"""Returns what an expression refers to; None for an optional template value that the step does not set."""

NULL: Final = Literal(None)
"""Replaces a value that could not be compiled, after the error is reported."""


class Unresolved(Exception):
    """An expression could not be resolved; the resolver has reported why."""


class ValueCompiler:
    """Compiles values with one resolver."""

    def __init__(self, resolve: Resolver, problems: Problems) -> None:
        self.resolve = resolve
        self._problems = problems

    def compile(self, node: YamlNode) -> Node | None:
        """Compile a value; return None if it is an expression alone for an optional template value that is not set."""
        match node:
            case YamlScalar(value=str() as text):
                return self.text(text, node)
            case YamlScalar(value=value):
                if node.rewritten:
                    message = f"`{node.rewritten}` is read as the number {value!s}"
                    hint = "put it in quotes to send it as written"
                    self._problems.warning("rewritten_number", message, node, hint=hint)
                return Literal(value)
            case YamlMapping():
                return self._object(node)
            case YamlSequence(items=items):
                compiled = tuple(item for item in map(self.compile, items) if item is not None)
                if all(isinstance(item, Literal) for item in compiled):
                    return Literal([item.value for item in compiled if isinstance(item, Literal)])
                return ArrayNode(compiled)
        raise TypeError(type(node))

    def value(self, node: YamlNode) -> Node:
        """Compile a value that cannot be left out: null instead of None."""
        compiled = self.compile(node)
        return NULL if compiled is None else compiled

    def text(self, text: str, scalar: YamlScalar) -> Node | None:
        """Compile `text`, which is in `scalar`."""
        try:
            parts = self.parts(text, scalar)
        except Unresolved:
            return NULL
        if len(parts) == 1 and not isinstance(parts[0], str):
            return parts[0][1]
        return self.join(parts)

    def parts(self, text: str, scalar: YamlScalar) -> tuple[str | tuple[Position, Node | None], ...]:
        """Split `text` into literal parts and what its expressions refer to. Raises `Unresolved` after reporting."""
        try:
            parsed = parse_text(text)
        except ExpressionError as problem:
            position = _within(scalar, text, problem.offset)
            code = "journey_limit" if isinstance(problem, LengthError) else "invalid_expression"
            self._problems.error(code, str(problem), position, hint=problem.hint)
            raise Unresolved from None
        found: list[str | tuple[Position, Node | None]] = []
        failed = False
        places = scalar.positions_of(part.written for part in parsed if isinstance(part, Expression))
        for part in parsed:
            if isinstance(part, str):
                found.append(part)
                continue
            position = next(places)
            try:
                found.append((position, self.resolve(part, position)))
            except Unresolved:
                failed = True
        if failed:
            raise Unresolved
        return tuple(found)

    def join(self, parts: Sequence[str | tuple[Position, Node | None]]) -> Node:
        """Join text and values; literal values become part of the text."""
        joined: list[str | Reference | StepReference] = []
        for part in parts:
            pieces = (part,) if isinstance(part, str) else self._inside_text(*part)
            for piece in pieces:
                if isinstance(piece, str) and joined and isinstance(joined[-1], str):
                    joined[-1] += piece
                elif piece != "":
                    joined.append(piece)
        if not joined:
            return Literal("")
        if len(joined) == 1 and isinstance(joined[0], str):
            return Literal(joined[0])
        return Text(tuple(joined))

    def _inside_text(self, position: Position, node: Node | None) -> Sequence[str | Reference | StepReference]:
        match node:
            case None:
                hint = "set the value in the step, or make it required in the template"
                message = "a value that is not set is used inside text"
                self._problems.error("missing_required_value", message, position, hint=hint)
            case Reference() | StepReference():
                return (node,)
            case Text(parts=parts):
                return parts
            case Literal(value=value) if value is not None and not isinstance(value, (dict, list)):
                return (literal_text(value),)
            case _:
                shown = "`null`" if isinstance(node, Literal) and node.value is None else "an object or a list"
                self._problems.error("wrong_type", f"{shown} cannot be inserted into text", position)
        return ()

    def _object(self, mapping: YamlMapping) -> Node:
        fields: list[tuple[str, Node]] = []
        for name, value in mapping.entries.items():
            if "{{" in name:
                message = "an expression cannot be a key"
                self._problems.error("invalid_expression", message, mapping.keys[name].position)
            compiled = self.compile(value)
            if compiled is not None:
                fields.append((name, compiled))
        if all(isinstance(value, Literal) for _, value in fields):
            return Literal({name: value.value for name, value in fields if isinstance(value, Literal)})
        return ObjectNode(tuple(fields))


def literal_text(value: JsonValue) -> str:
    """Write a literal scalar as it appears inside text: numbers with all digits, booleans as `true` and `false`."""
    return value if isinstance(value, str) else encode_exactly(value).decode()


def is_known(node: Node | None) -> TypeGuard[Literal]:
    """Return whether the value is known at compile time: a literal other than the replacement of an invalid value."""
    return isinstance(node, Literal) and node is not NULL


def _within(scalar: YamlScalar, text: str, offset: int) -> Position:
    """Return the place of a character of the scalar's text: exact if the line is written without escapes or folding."""
    line_start = text.rfind("\n", 0, offset) + 1
    line_end = text.find("\n", offset)
    line = text[line_start : line_end if line_end >= 0 else len(text)]
    found = scalar.position_of(line)
    if line and found != scalar.position:
        return scalar.source.position(found.line - 1, found.column - 1 + offset - line_start)
    if line and scalar.source.lines[scalar.line].startswith(line, scalar.column):
        return scalar.source.position(scalar.line, scalar.column + offset - line_start)
    return found
