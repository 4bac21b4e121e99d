"""Compiles the URL of a request template into a function of a row's values. One rule for the URL of a service and for a
URL of its own: a value is encoded for the place in which it stands, and what its author wrote is sent as written.

An expression that is the whole URL, path or query is one, with all that it holds. It must not know what the URL is for.
In a masked URL, which is never sent, names stand for values: it is not checked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final, TypeAlias
from urllib.parse import urljoin

from reqflo_ray._internal.engine.requests.urls import (
    absolute_url,
    encode_parameter,
    encode_path,
    encode_query,
    encode_value,
    exact_authority,
    need_no_step,
    query_pairs,
)
from reqflo_ray._internal.engine.values.expressions import Values, compile_node, to_text
from reqflo_ray._internal.engine.values.faults import RowFault
from reqflo_ray._internal.model.url_parts import (
    ABSOLUTE,
    Piece,
    Place,
    Places,
    divide,
    is_value_of,
    parameters,
    received_location,
)
from reqflo_ray._internal.model.values import UNSET, JsonValue, Node, references

Render: TypeAlias = Callable[[Values], str]
_Item: TypeAlias = str | Render

_OTHER_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_ENDS_AUTHORITY: Final = re.compile(r"[/?#]")
_SCHEMES: Final = ("http", "https")


def compile_url(pieces: Sequence[Piece], base: _Item, located: Render | None, *, masked: bool) -> Render:
    """The URL that `pieces` make, without what `query:` adds.

    Args:
        base: the base URL of the request's service, without a slash at its end; it raises if there is none.
        located: if the first piece is the `Location` of an earlier answer, the URL that this answered.
    """
    first = pieces[0] if pieces else ""
    if not isinstance(first, str):
        if len(pieces) > 1 and isinstance(pieces[1], str) and pieces[1].startswith("://"):
            return _with_any_scheme(first, (pieces[1][3:], *pieces[2:]), masked)
        return _Open(first, pieces[1:], base, located, masked)
    scheme = ABSOLUTE.match(first)
    if scheme is not None:
        return _absolute(scheme[0].lower(), (first[scheme.end() :], *pieces[1:]), masked)
    places = divide(pieces, Place.PATH)
    slash = "/" if places.path and not first.startswith("/") else ""
    return _concatenated([base, slash, *_path(places.path, masked), *_query(places.query, masked)])


def _absolute(scheme: str, pieces: Sequence[Piece], masked: bool) -> Render:
    """The URL of its own of which `pieces` are what follows `scheme`, its slashes included."""
    places = divide(pieces, Place.AUTHORITY)
    if not all(isinstance(piece, str) for piece in places.authority):
        behind = _Authority(places, masked)
        return lambda values: scheme + behind("", values)
    text = "".join(piece for piece in places.authority if isinstance(piece, str))
    try:
        origin = scheme + (text if masked else exact_authority(text))
    except RowFault as fault:
        return _raising(fault.code, fault.message)
    return _concatenated([origin, *_path(places.path, masked), *_query(places.query, masked)])


def _with_any_scheme(first: Node, pieces: Sequence[Piece], masked: bool) -> Render:
    """The URL whose scheme is an expression."""
    value = compile_node(first, masked=masked)
    by_scheme = {scheme: _absolute(f"{scheme}://", pieces, masked) for scheme in _SCHEMES}

    def render(values: Values) -> str:
        scheme = str(value(values)).lower()
        found = by_scheme.get("http" if masked else scheme)
        if found is None:
            raise RowFault("invalid_request", "the URL has a scheme other than http and https")
        return found(values) + (scheme if masked else "")

    return render


class _Open:
    """A URL that begins with an expression, so that only the row says whether it is absolute or a path. A second one
    directly behind it is the path: `{{ env.base }}{{ inputs.path }}`."""

    def __init__(self, first: Node, others: Sequence[Piece], base: _Item, located: Render | None, masked: bool) -> None:
        self._masked = masked
        self._base = base
        self._located = located
        self._begins = compile_node(first, masked=masked)
        self._name = _names(first)
        self._is_whole = not others
        self._path: Render | None = None
        if others and not isinstance(others[0], str):
            self._path, others = _whole_path(others[0], masked), others[1:]
        places = divide(others, Place.AUTHORITY)
        self._behind_host = _Authority(places, masked) if places.authority else None
        # A base URL is the same for all rows, as a rule.
        self._exact = lru_cache(maxsize=64)(absolute_url)
        path = divide(others, Place.PATH)
        next_sign = others[0][:1] if others and isinstance(others[0], str) else ""
        self._follows = "path" if next_sign == "/" or self._path else "query" if next_sign == "?" else ""
        self._behind_path = _concatenated([*_path(path.path, masked), *_query(path.query, masked)])
        query = divide(others, Place.QUERY)
        self._behind_query = _concatenated(_parameters(query.query or (), masked))

    def __call__(self, values: Values) -> str:
        text = self._begin(self._begins(values))
        if self._masked:
            return text + (self._path(values) if self._path is not None else "") + self._behind_path(values)
        if self._is_whole:
            text = text.partition("#")[0]
        else:
            _need_room(text, self._name, self._follows)
        is_absolute = ABSOLUTE.match(text) is not None
        if not is_absolute:
            text = self._of_service(text, values)
        if self._path is not None:
            text = absolute_url(text).rstrip("/") + self._path(values)
        if "?" in text:
            return absolute_url(text) + self._behind_query(values)
        scheme, _, rest = text.partition("://")
        if self._behind_host is not None and "/" not in rest:
            return f"{scheme.lower()}://{self._behind_host(rest, values)}"
        behind = self._behind_path(values)
        return self._exact(text.rstrip("/") if behind.startswith("/") else text) + behind

    def _begin(self, value: JsonValue) -> str:
        if value is UNSET or value is None:
            raise RowFault("missing_value", f"the URL has no value: {self._name}")
        text = to_text(value).strip()
        if not text:
            raise RowFault("invalid_request", f"the URL is empty: {self._name}")
        return received_location(text) if self._located is not None else text

    def _of_service(self, text: str, values: Values) -> str:
        """A path as an absolute URL."""
        if self._located is not None:
            try:
                return urljoin(self._located(values), text)
            except ValueError:
                raise RowFault("invalid_request", f"{self._name} is no valid URL") from None
        if not text:
            raise RowFault("invalid_request", f"the URL is empty: {self._name}")
        if _OTHER_SCHEME.match(text):
            raise RowFault("invalid_request", "the URL has a scheme other than http and https")
        base = self._base if isinstance(self._base, str) else self._base(values)
        return base + text if text[0] in "/?" else f"{base}/{text}"


class _Authority:
    """Host and port with values in them, and what follows. The last of these values may bring the path."""

    def __init__(self, places: Places, masked: bool) -> None:
        self._masked = masked
        self._parts = [
            piece if isinstance(piece, str) else (compile_node(piece, masked=masked), _names(piece))
            for piece in places.authority
        ]
        self._follows = "path" if places.path else "query" if places.query is not None else ""
        self._behind = _concatenated([*_path(places.path, masked), *_query(places.query, masked)])

    def __call__(self, begun: str, values: Values) -> str:
        """Host, port, path and query, of which `begun` is known."""
        texts, path, name = [begun], "", ""
        for part in self._parts:
            if path:
                raise RowFault("invalid_request", f"{name} brings a path, behind which more of the host follows")
            if isinstance(part, str):
                texts.append(part)
                continue
            name = part[1]
            text = _host_text(part[0](values), name)
            end = _ENDS_AUTHORITY.search(text)
            if end is not None and not self._masked:
                path = text[end.start() :]
                if end.start() and any(texts):
                    raise RowFault(
                        "invalid_request", f"{name} is neither a part of a host nor a path that begins with `/`"
                    )
                text = text[: end.start()]
            texts.append(text)
        host = "".join(texts)
        if self._masked:
            return host + self._behind(values)
        if self._follows:
            _need_room(path, name, self._follows)
            path = path.rstrip("/") if self._follows == "path" else path
        return absolute_url(f"http://{host}{path}")[len("http://") :] + self._behind(values)


def _need_room(text: str, name: str, follows: str) -> None:
    """What follows a value that brings a part of the URL must come to stand where its author sees it."""
    if "#" in text:
        raise RowFault("invalid_request", f"{name} has a fragment, behind which more of the URL follows")
    if "?" in text and follows:
        raise RowFault("invalid_request", f"{name} has a query, behind which a {follows} follows")


def _host_text(value: JsonValue, name: str) -> str:
    if value is UNSET or value is None:
        raise RowFault("missing_value", f"a part of the URL's host has no value: {name}")
    text = to_text(value)
    if not text or text.isspace():
        raise RowFault("invalid_request", f"a part of the URL's host is empty: {name}")
    return text


def _whole_path(node: Node, masked: bool) -> Render:
    """A path, perhaps with a query, that an expression brings behind a base URL."""
    value, name = compile_node(node, masked=masked), _names(node)

    def render(values: Values) -> str:
        found = value(values)
        if found is UNSET or found is None:
            raise RowFault("missing_value", f"the path has no value: {name}")
        text = to_text(found).strip()
        if masked:
            return text
        if not text.startswith(("/", "?")):
            raise RowFault("invalid_request", f"{name} is no path that begins with `/`")
        return text.partition("#")[0]

    return render


def _path(pieces: Sequence[Piece], masked: bool) -> list[_Item]:
    """The items of a path, segment by segment: what a value makes of its segment must not lead to another."""
    items: list[_Item] = []
    segment: list[Piece] = []
    for piece in pieces:
        if not isinstance(piece, str):
            segment.append(piece)
            continue
        first, *others = piece.split("/")
        segment += [first] if first else []
        for other in others:
            items += [*_segment(segment, masked), "/"]
            segment = [other] if other else []
    return items + _segment(segment, masked)


def _segment(pieces: Sequence[Piece], masked: bool) -> list[_Item]:
    if all(isinstance(piece, str) for piece in pieces):
        return [encode_path(piece) for piece in pieces if isinstance(piece, str)]
    name = ", ".join(_names(piece) for piece in pieces if not isinstance(piece, str))
    items = [encode_path(piece) if isinstance(piece, str) else _path_value(piece, masked) for piece in pieces]
    if masked:
        return list(items)
    if len(items) == 1:
        (value,) = items
        assert not isinstance(value, str)
        return [lambda values: need_no_step(value(values), name)]
    whole = _concatenated(items)
    return [lambda values: need_no_step(whole(values), name)]


def _path_value(node: Node, masked: bool) -> Render:
    render, name = compile_node(node, masked=masked), _names(node)
    return lambda values: encode_parameter(render(values), name)


def _query(pieces: Sequence[Piece] | None, masked: bool) -> list[_Item]:
    """The items of a query, `?` included where there is one."""
    if pieces is None:
        return []
    if all(isinstance(piece, str) for piece in pieces):
        return ["?", *_parameters(pieces, masked)]
    render = _pairs(pieces, masked)

    def with_mark(values: Values) -> str:
        found = render(values)
        return "?" + "&".join(found) if found else ""

    return [with_mark]


def _parameters(pieces: Sequence[Piece], masked: bool) -> list[_Item]:
    """The items of a query, or of the rest of one."""
    if all(isinstance(piece, str) for piece in pieces):
        return [encode_query(piece) for piece in pieces if isinstance(piece, str)]
    render = _pairs(pieces, masked)
    return [lambda values: "&".join(render(values))]


def _pairs(pieces: Sequence[Piece], masked: bool) -> Callable[[Values], list[str]]:
    """The parameters of a query, those left out that have no value."""
    if len(pieces) == 1 and not isinstance(pieces[0], str):
        return _whole_query(pieces[0], masked)
    rendered = [_pair(parameter, masked) for parameter in parameters(pieces)]
    return lambda values: [pair for render in rendered for pair in render(values)]


def _pair(parameter: tuple[Piece, ...], masked: bool) -> Callable[[Values], list[str]]:
    if is_value_of(parameter):
        name, node = parameter
        assert isinstance(name, str) and not isinstance(node, str)
        key, value = encode_query(name[:-1]), compile_node(node, masked=masked)
        return lambda values: query_pairs(key, value(values))
    whole = _concatenated(
        [encode_query(piece) if isinstance(piece, str) else _value_in_query(piece, masked) for piece in parameter]
    )
    return lambda values: [whole(values)]


def _value_in_query(node: Node, masked: bool) -> Render:
    render, name = compile_node(node, masked=masked), _names(node)

    def text(values: Values) -> str:
        value = render(values)
        if value is UNSET:
            raise RowFault("missing_value", f"{name} has no value, and is needed inside of text")
        return encode_value(value)

    return text


def _whole_query(node: Node, masked: bool) -> Callable[[Values], list[str]]:
    render = compile_node(node, masked=masked)

    def pairs(values: Values) -> list[str]:
        value = render(values)
        text = "" if value is UNSET or value is None else to_text(value).removeprefix("?")
        return [encode_query(text).replace("#", "%23")] if text else []

    return pairs


def _concatenated(items: Sequence[_Item]) -> Render:
    """The texts of `items`, one after another."""
    merged: list[_Item] = []
    for item in items:
        if isinstance(item, str) and merged and isinstance(last := merged[-1], str):
            merged[-1] = last + item
        elif item != "":
            merged.append(item)
    match merged:
        case []:
            return lambda _: ""
        case [str() as text]:
            return lambda _: text
        case [item] if not isinstance(item, str):
            return item
        case [str() as text, item] if not isinstance(item, str):
            return lambda values: text + item(values)
    return lambda values: "".join([item if isinstance(item, str) else item(values) for item in merged])


def _raising(code: str, message: str) -> Render:
    def render(_: Values) -> str:
        raise RowFault(code, message)

    return render


def _names(node: Node) -> str:
    return ", ".join(f"`{reference}`" for reference in references(node))
