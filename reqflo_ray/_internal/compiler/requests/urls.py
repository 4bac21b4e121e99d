"""Compiles the URL of a request to the pieces in the artifact: text as written, and values in their places."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import Final, TypeAlias
from urllib.parse import unquote_plus

from reqflo_ray._internal.compiler.values.expressions import Expression
from reqflo_ray._internal.compiler.values.nodes import NULL, Unresolved, ValueCompiler
from reqflo_ray._internal.compiler.yaml.problems import Problems
from reqflo_ray._internal.compiler.yaml.tree import YamlScalar
from reqflo_ray._internal.errors import Position
from reqflo_ray._internal.model.http.url_parts import ABSOLUTE, Piece, is_value_of, parameters
from reqflo_ray._internal.model.names import suggestion
from reqflo_ray._internal.model.values import Literal, Node, Text

_OTHER_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_METHOD: Final = re.compile(r"(GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS|TRACE)\s", re.IGNORECASE)
_HOST: Final = re.compile(
    r"((?:localhost|(?:[0-9]{1,3}\.){3}[0-9]{1,3}|(?:[a-z0-9-]+\.)+[a-z]{2,})(?::[0-9]{1,5})?)(?:[/?]|$)", re.IGNORECASE
)
_PARAMETER: Final = re.compile(r":([A-Za-z_][A-Za-z0-9_]*)")
# As in OpenAPI and RFC 6570, and with the dollar sign of other tools.
_BRACES: Final = re.compile(r"\$?\{[+#./;?&]?([A-Za-z_][\w.-]*)[^{}/?#&]{0,20}\}")

_Written: TypeAlias = str | tuple[Position, Node | None]


class UrlCompiler:
    """Compiles the URL of one request.

    `path_values` are the template values that may be written as `:name` in the path. None in an inline request, where a
    colon has no meaning and text that looks like a parameter causes a warning.
    """

    def __init__(self, values: ValueCompiler, problems: Problems, path_values: Collection[str] | None) -> None:
        self._values = values
        self._problems = problems
        self._path_values = path_values

    def compile(self, scalar: YamlScalar) -> tuple[Piece, ...]:
        """Return the pieces of the URL in `scalar`."""
        text = str(scalar.value).strip()
        try:
            written = _opened(self._values.parts(text, scalar))
        except Unresolved:
            # It has been reported. All that is known is whether it is the path of a service.
            return ("/",) if text.startswith("/") else (NULL,)
        self._warn_of_braces(written, scalar)
        first = written[0] if written else ""
        if isinstance(first, str) and not ABSOLUTE.match(first):
            self._check_path(first, text, scalar)
            written = self._with_parameters(written, scalar)
        else:
            self._check_absolute(written, scalar)
        return self._complete(written)

    def _check_absolute(self, written: Sequence[_Written], scalar: YamlScalar) -> None:
        """Check a URL with scheme and host, which are written or come from the value with which the URL begins."""
        behind = ABSOLUTE.sub("", "".join(piece for piece in written if isinstance(piece, str)), count=1)
        path = behind.partition("/")[2].partition("?")[0]
        declared = self._path_values or ()
        if any(found[1] in declared for found in _PARAMETER.finditer(path)):
            message = "`:name` works only in a URL that begins with `/`"
            self._problems.error(
                "invalid_template", message, scalar, hint="set `service`, or write `{{ values.name }}`"
            )
        if self._path_values is None:
            self._warn_of_parameters(f"/{path}", scalar)
        if "#" in behind:
            message = "the fragment of a URL is not sent: `#` and the text after it are removed"
            hint = "remove it, or write `%23` for a `#` that belongs to a value"
            self._problems.warning("literal_parameter", message, scalar.position_of("#"), hint=hint)

    def _check_path(self, first: str, text: str, scalar: YamlScalar) -> None:
        if (method := _METHOD.match(first)) is not None:
            hint = f"move it to `method: {method[1].upper()}`"
            self._problems.error("wrong_value", "a URL must not begin with a method", scalar, hint=hint)
        if (host := _HOST.match(first)) is not None:
            message = f"`{host[1]}` looks like a host, but is sent as the beginning of a path"
            hint = f"write `https://{host[1]}` or `http://{host[1]}` to call that host, `/{host[1]}` for a path"
            self._problems.warning("wrong_value", message, scalar, hint=hint)
        if _OTHER_SCHEME.match(first):
            self._problems.error("wrong_value", "a URL must begin with `http://`, `https://`, or `/`", scalar)
        if "#" in text:
            hint = "remove the `#` and the text after it, or write `%23` for a `#` that belongs to a value"
            self._problems.error("wrong_value", "the URL of a request must not have a fragment", scalar, hint=hint)

    def _warn_of_parameters(self, path: str, scalar: YamlScalar) -> None:
        for found in _PARAMETER.finditer(path):
            if path[: found.start()].endswith("/"):
                self._warn_of_literal(found[0], found[1], scalar, "only the path of a template has parameters")

    def _warn_of_braces(self, written: Sequence[_Written], scalar: YamlScalar) -> None:
        for piece in written:
            for found in _BRACES.finditer(piece) if isinstance(piece, str) else ():
                self._warn_of_literal(found[0], found[1], scalar, "an expression is written in two braces")

    def _warn_of_literal(self, text: str, name: str, scalar: YamlScalar, why: str) -> None:
        source = "inputs" if self._path_values is None else "values"
        hint = f"write `{{{{ {source}.{name} }}}}` to insert a value"
        message = f"`{text}` is sent as written: {why}"
        self._problems.warning("literal_parameter", message, scalar.position_of(text), hint=hint)

    def _with_parameters(self, written: Sequence[_Written], scalar: YamlScalar) -> list[_Written]:
        """Replace the `:name` parameters in the path of a service's URL."""
        found: list[_Written] = []
        in_path = True
        for piece in written:
            if not isinstance(piece, str) or not in_path:
                found.append(piece)
                continue
            path, mark, query = piece.partition("?")
            found += self._parameters(path, scalar)
            in_path = not mark
            if mark:
                found.append(mark + query)
        return found

    def _parameters(self, text: str, scalar: YamlScalar) -> list[_Written]:
        """Split text of a path at its `:name` parameters. One that begins a segment must be declared."""
        if self._path_values is None:
            self._warn_of_parameters(text, scalar)
            return [text] if text else []
        parts: list[_Written] = []
        done = 0
        for found in _PARAMETER.finditer(text):
            name, position = found[1], scalar.position_of(found[0])
            begins_segment = text[: found.start()].endswith("/")
            if name not in self._path_values:
                if begins_segment:
                    hint = suggestion(name, self._path_values) or "declare it under `values` with `in: path`"
                    message = f"the path parameter `:{name}` is not declared"
                    self._problems.error("invalid_reference", message, position, hint=hint)
                continue
            parts.append(text[done : found.start()])
            parts.append((position, self._parameter(name, position)))
            done = found.end()
        parts.append(text[done:])
        # If the URL begins with a parameter, the slash shows that it is not a complete path.
        return [part for part in ("/", *parts) if part] if parts[0] == "" and done else [part for part in parts if part]

    def _parameter(self, name: str, position: Position) -> Node | None:
        try:
            return self._values.resolve(Expression(("values", name), f":{name}", 0), position)
        except Unresolved:
            return NULL

    def _complete(self, written: Sequence[_Written]) -> tuple[Piece, ...]:
        """Return the pieces. A value that is not set is left out of the query, and is an error elsewhere."""
        pieces: list[Piece] = []
        missing: dict[int, Position] = {}
        for one in written:
            if isinstance(one, str):
                _append(pieces, one)
                continue
            position, node = one
            if node is None:
                node = Literal(None)
                missing[id(node)] = position
            pieces.append(node)
        if not missing:
            return tuple(pieces)

        def is_given(parameter: Sequence[Piece]) -> bool:
            places = [missing[id(piece)] for piece in parameter if id(piece) in missing]
            if places and not is_value_of(parameter):
                self._miss(places[0], "is used inside text")
            return not places

        path, query = _split(pieces)
        for piece in path:
            if id(piece) in missing:
                self._miss(missing[id(piece)], "is used in the path")
        return _with_query(path, query, is_given)

    def _miss(self, position: Position, where: str) -> None:
        hint = "set the value in the step, or make it required in the template"
        self._problems.error("missing_required_value", f"a value that is not set {where}", position, hint=hint)


def without_parameters(pieces: tuple[Piece, ...], names: Collection[str]) -> tuple[Piece, ...]:
    """Return the pieces of a URL without the query parameters of these names, ignoring case."""
    if not names:
        return pieces
    lowered = {name.lower() for name in names}

    def stays(parameter: Sequence[Piece]) -> bool:
        first = parameter[0] if parameter else ""
        return not isinstance(first, str) or unquote_plus(first.partition("=")[0]).lower() not in lowered

    return _with_query(*_split(pieces), stays)


def _split(pieces: Sequence[Piece]) -> tuple[list[Piece], list[Piece] | None]:
    """Return the pieces before the query, and those of the query, None if there is no query."""
    for index, piece in enumerate(pieces):
        if isinstance(piece, str) and "?" in piece:
            before, _, after = piece.partition("?")
            return [*pieces[:index], *([before] if before else [])], [after, *pieces[index + 1 :]]
    return list(pieces), None


def _with_query(
    path: Sequence[Piece], query: Sequence[Piece] | None, keep: Callable[[Sequence[Piece]], bool]
) -> tuple[Piece, ...]:
    if query is None:
        return tuple(path)
    pieces, mark = list(path), "?"
    for parameter in filter(keep, parameters(query)):
        for piece in (mark, *parameter):
            _append(pieces, piece)
        mark = "&"
    return tuple(pieces)


def _append(pieces: list[Piece], piece: Piece) -> None:
    """Add a piece; join text that follows text."""
    if isinstance(piece, str) and pieces and isinstance(last := pieces[-1], str):
        pieces[-1] = last + piece
    elif piece != "":
        pieces.append(piece)


def _opened(written: Sequence[_Written]) -> list[_Written]:
    """Replace a template value at the beginning of a URL with its contents, as if they were written there."""
    if not written or isinstance(written[0], str):
        return list(written)
    (position, node), others = written[0], written[1:]
    match node:
        case Literal(value=str() as text) if text.strip():
            begun: list[_Written] = [text.strip()]
        case Text(parts=parts):
            begun = [part if isinstance(part, str) else (position, part) for part in parts]
        case _:
            return list(written)
    if others and isinstance(begun[-1], str) and isinstance(others[0], str) and others[0].startswith("/"):
        begun[-1] = begun[-1].rstrip("/")
    if others and isinstance(last := begun[-1], str) and isinstance(others[0], str):
        begun, others = [*begun[:-1], last + others[0]], others[1:]
    return [*begun, *others]
