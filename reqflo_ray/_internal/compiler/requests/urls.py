"""Splits a request's URL into what the artifact holds: a path of literal text and parameters, a query, or one
absolute URL."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import unquote_plus

from reqflo_ray._internal.compiler.values.expressions import Expression
from reqflo_ray._internal.compiler.values.nodes import NULL, Unresolved, ValueCompiler
from reqflo_ray._internal.compiler.yaml.problems import Problems
from reqflo_ray._internal.compiler.yaml.tree import YamlScalar
from reqflo_ray._internal.errors import Position
from reqflo_ray._internal.model.names import suggestion
from reqflo_ray._internal.model.values import Literal, Node

_ABSOLUTE: Final = re.compile(r"https?://", re.IGNORECASE)
_OTHER_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_PARAMETER: Final = re.compile(r":([A-Za-z_][A-Za-z0-9_]*)")

_Piece: TypeAlias = str | tuple[Position, Node | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a request goes: `url` when it is absolute, else `path` of a service; and the query written in it."""

    path: tuple[str | Node, ...] = ()
    url: Node | None = None
    query: tuple[tuple[str, Node], ...] = ()


class UrlCompiler:
    """Compiles the URL of one request. `path_values` are the template values that may stand as `:name` in the path;
    None in a request that is no template: a colon then means nothing, and what looks like a parameter is warned of."""

    def __init__(self, values: ValueCompiler, problems: Problems, path_values: Collection[str] | None) -> None:
        self._values = values
        self._problems = problems
        self._path_values = path_values

    def compile(self, scalar: YamlScalar) -> Target:
        """The target that `scalar` names."""
        text = str(scalar.value)
        try:
            pieces = self._values.parts(text, scalar)
        except Unresolved:
            return Target(url=NULL)  # it has been reported: nothing more can be said of it
        first = pieces[0] if pieces else ""
        if not isinstance(first, str) or _ABSOLUTE.match(first):
            return self._absolute(pieces, scalar)
        if _OTHER_SCHEME.match(first):
            self._problems.error("wrong_value", "a URL begins with `http://`, `https://` or `/`", scalar)
        if "#" in text:
            self._problems.error("wrong_value", "a request's URL has no fragment", scalar, hint="remove the `#` part")
        path, query = _split_query(pieces)
        compiled: list[str | Node] = []
        for piece in path:
            if isinstance(piece, str):
                compiled.extend(self._parameters(piece, scalar))
            else:
                compiled.append(self._present(piece))
        return Target(path=tuple(compiled), query=self._query(query))

    def _absolute(self, pieces: tuple[_Piece, ...], scalar: YamlScalar) -> Target:
        path = "".join(piece for piece in pieces if isinstance(piece, str)).partition("://")[2].partition("/")[2]
        declared = self._path_values or ()
        if any(found[1] in declared for found in _PARAMETER.finditer(path)):
            message = "`:name` works in a path of a service only"
            self._problems.error(
                "invalid_template", message, scalar, hint="set `service`, or write `{{ values.name }}`"
            )
        if self._path_values is None:
            self._warn_of_parameters(f"/{path.partition('?')[0]}", scalar)
        if len(pieces) == 1 and not isinstance(pieces[0], str):
            return Target(url=self._present(pieces[0]))
        return Target(url=self._values.join(pieces))

    def _warn_of_parameters(self, path: str, scalar: YamlScalar) -> None:
        for found in _PARAMETER.finditer(path):
            if path[: found.start()].endswith("/"):
                message = f"`{found[0]}` is sent as it is: only the path of a template has parameters"
                hint = f"if it stands for a value, write it as in `{{{{ inputs.{found[1]} }}}}`"
                self._problems.warning("literal_parameter", message, scalar.position_of(found[0]), hint=hint)

    def _parameters(self, text: str, scalar: YamlScalar) -> list[str | Node]:
        """Literal text of a path with its `:name` parameters. One that begins a segment must be declared."""
        if self._path_values is None:
            self._warn_of_parameters(text, scalar)
            return [text]
        parts: list[str | Node] = []
        done = 0
        for found in _PARAMETER.finditer(text):
            name = found[1]
            begins_segment = text[: found.start()].endswith("/")
            if name not in self._path_values:
                if begins_segment:
                    hint = suggestion(name, self._path_values) or "declare it under `values` with `in: path`"
                    message = f"the path's `:{name}` is not declared"
                    self._problems.error("invalid_reference", message, scalar.position_of(found[0]), hint=hint)
                continue
            if found.start() > done:
                parts.append(text[done : found.start()])
            parts.append(self._parameter(name, scalar, scalar.position_of(found[0])))
            done = found.end()
        if done < len(text):
            parts.append(text[done:])
        return parts

    def _parameter(self, name: str, scalar: YamlScalar, position: Position) -> Node:
        try:
            return self._present(
                (position, self._values.resolve(Expression(("values", name), f":{name}", 0), position))
            )
        except Unresolved:
            return NULL

    def _present(self, piece: tuple[Position, Node | None]) -> Node:
        position, node = piece
        if node is None:
            message = "a value that is not given stands in the path"
            self._problems.error("missing_required_value", message, position, hint="make it required in the template")
            return NULL
        return node

    def _query(self, pieces: list[_Piece]) -> tuple[tuple[str, Node], ...]:
        """`a=1&b={{ … }}` as parameters: decoded here, encoded again when it is sent."""
        parameters: list[tuple[str, list[_Piece]]] = []
        for piece in pieces:
            if not isinstance(piece, str):
                if parameters:
                    parameters[-1][1].append(piece)
                else:
                    self._problems.error("wrong_value", "a query parameter's name cannot be an expression", piece[0])
                continue
            head, *fields = piece.split("&")
            if head and parameters:
                parameters[-1][1].append(unquote_plus(head))
            for field in fields if parameters or not head else (head, *fields):
                if field:
                    name, _, value = field.partition("=")
                    parameters.append((unquote_plus(name), [unquote_plus(value)] if value else []))
        return tuple((name, node) for name, value in parameters if (node := self._query_value(value)) is not None)

    def _query_value(self, pieces: list[_Piece]) -> Node | None:
        if not pieces:
            return Literal("")
        if len(pieces) == 1 and not isinstance(pieces[0], str):
            return pieces[0][1]
        return self._values.join(pieces)


def _split_query(pieces: tuple[_Piece, ...]) -> tuple[list[_Piece], list[_Piece]]:
    path: list[_Piece] = []
    for index, piece in enumerate(pieces):
        if isinstance(piece, str) and "?" in piece:
            before, _, after = piece.partition("?")
            return [*path, before] if before else path, [after, *pieces[index + 1 :]]
        path.append(piece)
    return path, []
