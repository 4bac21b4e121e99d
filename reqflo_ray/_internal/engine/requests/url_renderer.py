"""Compiles the URL of a request template into a function of a row's values. One rule holds for the URL of a service and
for a full URL: a value is encoded for its place, and what its author wrote is sent as written.

An expression that is the whole URL, path, or query is used as such, with everything in it. This module must not know
what the URL is for. A masked URL, which has names in the places of values, is never sent and is not checked.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final
from urllib.parse import urljoin

from reqflo_ray._internal.engine.requests.url_places import (
    Item,
    Render,
    concatenated,
    names_of,
    parameter_items,
    path_items,
    query_items,
)
from reqflo_ray._internal.engine.requests.urls import absolute_url, exact_authority
from reqflo_ray._internal.engine.values.expressions import Values, compile_node, to_text
from reqflo_ray._internal.engine.values.faults import RowFault
from reqflo_ray._internal.model.http.url_parts import ABSOLUTE, Piece, Place, Places, divide, received_location
from reqflo_ray._internal.model.values import UNSET, JsonValue, Node

_OTHER_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_ENDS_AUTHORITY: Final = re.compile(r"[/?#]")
_SCHEMES: Final = ("http", "https")


def compile_url(pieces: Sequence[Piece], base: Item, located: Render | None, *, masked: bool) -> Render:
    """Return the function for the URL that `pieces` make, without what `query:` adds.

    Args:
        base: the base URL of the request's service, without a slash at its end; it raises if the service has none.
        located: if the first piece is the `Location` of an earlier answer, the URL that this answer came from.
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
    return concatenated([base, slash, *path_items(places.path, masked), *query_items(places.query, masked)])


def _absolute(scheme: str, pieces: Sequence[Piece], masked: bool) -> Render:
    """Return the function for a full URL: `pieces` follow `scheme`, which includes its slashes."""
    places = divide(pieces, Place.AUTHORITY)
    if not all(isinstance(piece, str) for piece in places.authority):
        behind = _Authority(places, masked)
        return lambda values: scheme + behind("", values)
    text = "".join(piece for piece in places.authority if isinstance(piece, str))
    try:
        origin = scheme + (text if masked else exact_authority(text))
    except RowFault as fault:
        return _raising(fault.code, fault.message)
    return concatenated([origin, *path_items(places.path, masked), *query_items(places.query, masked)])


def _with_any_scheme(first: Node, pieces: Sequence[Piece], masked: bool) -> Render:
    """Return the function for a URL whose scheme is an expression."""
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
    """A URL that begins with an expression, so that it depends on the row whether it is absolute or a path. A second
    expression directly after it is the path: `{{ env.base }}{{ inputs.path }}`."""

    def __init__(self, first: Node, others: Sequence[Piece], base: Item, located: Render | None, masked: bool) -> None:
        self._masked = masked
        self._base = base
        self._located = located
        self._begins = compile_node(first, masked=masked)
        self._name = names_of(first)
        self._is_whole = not others
        self._path: Render | None = None
        brings_path = others[0] if others and not isinstance(others[0], str) else None
        others = others[1:] if brings_path is not None else others
        next_sign = others[0][:1] if others and isinstance(others[0], str) else ""
        self._follows = "path" if next_sign == "/" else "query" if next_sign == "?" else ""
        if brings_path is not None:
            self._path = _whole_path(brings_path, self._follows if others else None, masked)
            self._follows = "path"
        places = divide(others, Place.AUTHORITY)
        self._behind_host = _Authority(places, masked) if places.authority else None
        # A base URL is usually the same for all rows.
        self._exact = lru_cache(maxsize=64)(absolute_url)
        path = divide(others, Place.PATH)
        self._behind_path = concatenated([*path_items(path.path, masked), *query_items(path.query, masked)])
        query = divide(others, Place.QUERY)
        self._behind_query = concatenated(parameter_items(query.query or (), masked))

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
            text = absolute_url(text)
            path = self._path(values)
            text = (text.rstrip("/") if path.startswith("/") else text) + path
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
        """Return a path as an absolute URL."""
        if self._located is not None:
            try:
                return urljoin(self._located(values), text)
            except ValueError:
                raise RowFault("invalid_request", f"{self._name} is not a valid URL") from None
        if not text:
            raise RowFault("invalid_request", f"the URL is empty: {self._name}")
        if _OTHER_SCHEME.match(text):
            raise RowFault("invalid_request", "the URL has a scheme other than http and https")
        base = self._base if isinstance(self._base, str) else self._base(values)
        return base + text if text[0] in "/?" else f"{base}/{text}"


class _Authority:
    """Host and port with values in them, and what follows. The last of these values may contain the path."""

    def __init__(self, places: Places, masked: bool) -> None:
        self._masked = masked
        self._parts = [
            piece if isinstance(piece, str) else (compile_node(piece, masked=masked), names_of(piece))
            for piece in places.authority
        ]
        self._follows = "path" if places.path else "query" if places.query is not None else ""
        self._behind = concatenated([*path_items(places.path, masked), *query_items(places.query, masked)])

    def __call__(self, begun: str, values: Values) -> str:
        """Return host, port, path, and query; `begun` is their known beginning."""
        texts, path, name = [begun], "", ""
        for part in self._parts:
            if path:
                raise RowFault("invalid_request", f"{name} contains a path, but more of the host follows it")
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
    """Refuse a value after which the rest of the URL would not be where its author wrote it."""
    if "#" in text:
        raise RowFault("invalid_request", f"{name} contains a fragment (`#`), but more of the URL follows it")
    if "?" in text and follows:
        raise RowFault("invalid_request", f"{name} contains a query (`?`), but a {follows} follows it")


def _host_text(value: JsonValue, name: str) -> str:
    if value is UNSET or value is None:
        raise RowFault("missing_value", f"a part of the URL's host has no value: {name}")
    text = to_text(value)
    if not text or text.isspace():
        raise RowFault("invalid_request", f"a part of the URL's host is empty: {name}")
    return text


def _whole_path(node: Node, follows: str | None, masked: bool) -> Render:
    """Return the function for a path, perhaps with a query, that an expression adds to a base URL. `follows` is what
    comes after it, None if nothing does."""
    value, name = compile_node(node, masked=masked), names_of(node)

    def render(values: Values) -> str:
        found = value(values)
        if found is UNSET or found is None:
            raise RowFault("missing_value", f"the path has no value: {name}")
        text = to_text(found).strip()
        if masked:
            return text
        if not text.startswith(("/", "?")):
            raise RowFault("invalid_request", f"{name} is not a path that begins with `/`")
        if follows is None:
            return text.partition("#")[0]
        _need_room(text, name, follows)
        return text

    return render


def _raising(code: str, message: str) -> Render:
    def render(_: Values) -> str:
        raise RowFault(code, message)

    return render
