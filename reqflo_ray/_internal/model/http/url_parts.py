"""Divides the URL of a request, as its author wrote it, into places, which decide how values in them are encoded.

Pure text and nodes: it encodes and renders nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from enum import Enum, auto
from typing import Final, NamedTuple, TypeAlias

from reqflo_ray._internal.model.values import Node

Piece: TypeAlias = str | Node
"""Literal text, or a value."""

ABSOLUTE: Final = re.compile(r"https?://", re.IGNORECASE)

_ENDS_AUTHORITY: Final = re.compile(r"[/?#]")
_ENDS_PATH: Final = re.compile(r"[?#]")
# Bytes of a header that are not UTF-8, as Python reads them (PEP 383).
_NO_UTF_8: Final = re.compile("[\udc80-\udcff]")


class Place(Enum):
    """A part of a URL."""

    AUTHORITY = auto()
    PATH = auto()
    QUERY = auto()


class Places(NamedTuple):
    """The pieces of a URL by place. `query` is without its `?`, None if the URL has none; a fragment is never sent."""

    authority: tuple[Piece, ...]
    path: tuple[Piece, ...]
    query: tuple[Piece, ...] | None
    has_fragment: bool


def divide(pieces: Sequence[Piece], place: Place) -> Places:
    """Divide `pieces`, the first of which is in `place`. Only literal text leads from one place to the next."""
    found: dict[Place, list[Piece]] = {each: [] for each in Place}
    has_query = place is Place.QUERY
    for piece in pieces:
        if not isinstance(piece, str):
            found[place].append(piece)
            continue
        text = piece
        if place is Place.AUTHORITY and (end := _ENDS_AUTHORITY.search(text)) is not None:
            _add(found[place], text[: end.start()])
            place, text = Place.PATH, text[end.start() :]
        if place is Place.PATH and (end := _ENDS_PATH.search(text)) is not None and end[0] == "?":
            _add(found[place], text[: end.start()])
            place, text, has_query = Place.QUERY, text[end.end() :], True
        before, fragment, _ = text.partition("#")
        _add(found[place], before)
        if fragment:
            return _places(found, has_query, has_fragment=True)
    return _places(found, has_query, has_fragment=False)


def parameters(query: Sequence[Piece]) -> Iterator[tuple[Piece, ...]]:
    """Yield the pieces of each parameter of a query, in order, without `&`; () for an empty one."""
    here: list[Piece] = []
    for piece in query:
        if not isinstance(piece, str):
            here.append(piece)
            continue
        first, *others = piece.split("&")
        _add(here, first)
        for other in others:
            yield tuple(here)
            here = [other] if other else []
    yield tuple(here)


def is_value_of(parameter: Sequence[Piece]) -> bool:
    """Return whether a parameter is a literal name and one value, so that the value may leave it out or repeat it."""
    match parameter:
        case (str() as name, value) if not isinstance(value, str):
            return name.find("=") == len(name) - 1
    return False


def may_be_unset(path: Sequence[Piece]) -> Iterator[Node]:
    """Yield the values of a URL that are left out if they are unset."""
    start = Place.AUTHORITY if path and isinstance(path[0], str) and ABSOLUTE.match(path[0]) else Place.PATH
    query = divide(_without_scheme(path) if start is Place.AUTHORITY else path, start).query or ()
    for parameter in parameters(query):
        if is_value_of(parameter) or len(query) == 1:
            yield from (piece for piece in parameter if not isinstance(piece, str))


def choosing_host(url: Sequence[Piece]) -> Iterator[Node]:
    """Yield the values that decide to which host a request is sent, apart from the base URL of a service."""
    match url:
        case (str() as text, *_) if not ABSOLUTE.match(text):
            return
        case (scheme, str() as text, *others) if not isinstance(scheme, str) and text.startswith("://"):
            pieces: Sequence[Piece] = (text.removeprefix("://"), *others)
        case _:
            pieces = _without_scheme(url) if url else ()
    yield from (piece for piece in divide(pieces, Place.AUTHORITY).authority if not isinstance(piece, str))


def _without_scheme(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    first, *others = pieces
    return (ABSOLUTE.sub("", first, count=1) if isinstance(first, str) else first, *others)


def _add(pieces: list[Piece], text: str) -> None:
    if text:
        pieces.append(text)


def _places(found: dict[Place, list[Piece]], has_query: bool, *, has_fragment: bool) -> Places:
    return Places(
        authority=tuple(found[Place.AUTHORITY]),
        path=tuple(found[Place.PATH]),
        query=tuple(found[Place.QUERY]) if has_query else None,
        has_fragment=has_fragment,
    )


def received_location(text: str) -> str:
    """Percent-encode the bytes of a `Location` that are not UTF-8, so that they are sent as they were received."""
    return _NO_UTF_8.sub(lambda byte: f"%{ord(byte[0]) - 0xDC00:02X}", text)
