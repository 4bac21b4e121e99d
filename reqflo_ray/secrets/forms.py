"""The shapes that a value takes in bytes on their way: base64, hex, and text under percent or JSON escapes.

Knows encodings only; which values are secret, and what stands in their place, is the redactor's.
"""

from __future__ import annotations

import binascii
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")
_BASE64_BYTES: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_")
_DELIMITERS: Final = frozenset(b"\"'=:,;&?#/|<>()[]{} \t\r\n\0")
_MAX_NESTING: Final = 2  # escapes in escapes that are seen through: JSON text inside JSON, a URL inside a query


class Form(NamedTuple):
    """One exact byte string that gives a value away, and how much around it belongs to it.

    `before`/`after`: a neighbouring base64 character holds bits of the value too. `whole`: the value is so short that
    it counts only where it stands alone between delimiters.
    """

    needle: bytes
    marker: bytes
    before: bool = False
    after: bool = False
    whole: bool = False

    def spans(self, data: bytes) -> list[tuple[int, int]]:
        """Every place of this form in `data`, as (start, end); places that overlap are one."""
        found: list[tuple[int, int]] = []
        start = data.find(self.needle)
        while start >= 0:
            end = start + len(self.needle)
            if not self.whole or _stands_alone(data, start, end):
                first = start - (self.before and start > 0 and data[start - 1] in _BASE64_BYTES)
                last = end + (self.after and end < len(data) and data[end] in _BASE64_BYTES)
                if found and first < found[-1][1]:
                    found[-1] = (found[-1][0], last)
                else:
                    found.append((first, last))
            start = data.find(self.needle, start + 1)
        return found


def forms_of(value: str, marker: bytes) -> list[Form]:
    """All forms of `value`: itself, base64 and base64url in each alignment, hex in both cases.

    Escaped text needs no form of its own: `views` takes the escapes away before the search.
    """
    found: list[Form] = []
    for raw in _encodings(value):
        found.append(Form(raw, marker))
        if b" " in raw:
            found.append(Form(raw.replace(b" ", b"+"), marker))  # a form field, once its %XX are decoded
        found.extend(_base64_forms(raw, marker))
        digits = binascii.b2a_hex(raw)
        found.append(Form(digits, marker))
        if not digits.isdigit():
            found.append(Form(digits.upper(), marker))
    return found


def short_forms_of(value: str, marker: bytes) -> list[Form]:
    """The form of a value too short to be told from chance: masked only as a whole value."""
    return [Form(raw, marker, whole=True) for raw in _encodings(value)]


def _encodings(value: str) -> Iterator[bytes]:
    utf8 = value.encode("utf-8", "surrogatepass")
    yield utf8
    if value.isascii():
        return
    yield utf8.decode("latin-1").encode()  # UTF-8 bytes of a header, read as Latin-1 as headers are
    try:
        yield value.encode("latin-1")
    except UnicodeEncodeError:
        return


def _base64_forms(raw: bytes, marker: bytes) -> Iterator[Form]:
    """The characters that `raw` alone decides when 0, 1 or 2 unknown bytes stand before it in a group of three."""
    size = len(raw)
    for shift in range(3):
        encoded = binascii.b2a_base64(b"\0" * shift + raw, newline=False)
        core = encoded[(8 * shift + 5) // 6 : 8 * (shift + size) // 6]
        before, after = shift != 0, (shift + size) % 3 != 0
        yield Form(core, marker, before, after)
        if b"+" in core or b"/" in core:
            yield Form(core.translate(_URL_SAFE), marker, before, after)


def _stands_alone(data: bytes, start: int, end: int) -> bool:
    return (start == 0 or data[start - 1] in _DELIMITERS) and (end == len(data) or data[end] in _DELIMITERS)


class _Escapes(NamedTuple):
    """A way to write bytes as ASCII: `sign` begins every escape, `pattern` finds one, `decode` gives its bytes.
    `decode_all` takes all escapes away at once."""

    sign: bytes
    pattern: re.Pattern[bytes]
    decode: Callable[[re.Match[bytes]], bytes]
    decode_all: Callable[[bytes], bytes]


_PERCENT: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
_JSON: Final = re.compile(
    rb"\\(?:u([dD][89abAB][0-9A-Fa-f]{2})\\u([dD][c-fC-F][0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|([\"\\/bfnrt]))"
)
_JSON_LETTERS: Final = {
    letter.encode(): meant.encode()
    for letter, meant in {"n": "\n", '"': '"', "/": "/", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}.items()
}
_NO_TEXT: Final = b"\xff"  # a byte that UTF-8 never has


def _decode_percent(match: re.Match[bytes]) -> bytes:
    return binascii.a2b_hex(match[1])


def _decode_json(match: re.Match[bytes]) -> bytes:
    high, low, unit, letter = match.groups()
    if letter:
        return _JSON_LETTERS.get(letter, letter)
    if unit:
        return chr(int(unit, 16)).encode("utf-8", "surrogatepass")
    return binascii.a2b_hex(high + low).decode("utf-16-be").encode()


def _decode_all_json(data: bytes) -> bytes:
    """As the pattern does it, but in a few passes over all of `data` instead of one call for each escape."""
    if _NO_TEXT in data:
        return _JSON.sub(_decode_json, data)
    data = data.replace(b"\\\\", _NO_TEXT)
    for letter, meant in _JSON_LETTERS.items():
        data = data.replace(b"\\" + letter, meant)
    if b"\\u" in data:
        data = _JSON.sub(_decode_json, data)
    return data.replace(_NO_TEXT, b"\\")


_ESCAPES: Final = (
    _Escapes(b"%", _PERCENT, _decode_percent, lambda data: _PERCENT.sub(_decode_percent, data)),
    _Escapes(b"\\", _JSON, _decode_json, _decode_all_json),
)


class View:
    """Bytes with escapes taken away, which knows where each byte came from."""

    __slots__ = ("_escapes", "_origin", "_parent", "data")

    def __init__(self, data: bytes, parent: View | None = None, escapes: _Escapes | None = None) -> None:
        self.data = data
        self._parent = parent
        self._escapes = escapes
        self._origin: tuple[list[int], list[int], list[tuple[int, int]]] | None = None

    def original(self, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """The places in the bytes that were first given which `spans` of this view came from."""
        if self._parent is None or self._escapes is None or not spans:
            return spans
        if self._origin is None:
            self._origin = _origin(self._parent.data, self._escapes)
        begins, ends, sources = self._origin

        def source(offset: int) -> tuple[int, int]:
            at = bisect_right(begins, offset) - 1
            if offset < ends[at]:
                return sources[at]
            literal = sources[at][1] + offset - ends[at]
            return literal, literal + 1

        return self._parent.original([(source(start)[0], source(end - 1)[1]) for start, end in spans])


def _origin(data: bytes, escapes: _Escapes) -> tuple[list[int], list[int], list[tuple[int, int]]]:
    """Of each escape of `data`: where its bytes begin and end once it is taken away, and where it stood."""
    begins, ends, sources = [0], [0], [(0, 0)]
    for match in escapes.pattern.finditer(data):
        begins.append(ends[-1] + match.start() - sources[-1][1])
        ends.append(begins[-1] + len(escapes.decode(match)))
        sources.append(match.span())
    return begins, ends, sources


def views(data: bytes) -> list[View]:
    """`data` itself, then what it reads as when its percent and JSON escapes are taken away, nested ones too."""
    found = [View(data)]
    if b"%" in data or b"\\" in data:
        level = found
        for _ in range(_MAX_NESTING):
            level = [unescaped for view in level for unescaped in _unescaped(view)]
            found = found + level
    return found


def _unescaped(view: View) -> Iterator[View]:
    for escapes in _ESCAPES:
        if escapes.sign in view.data:
            data = escapes.decode_all(view.data)
            if data != view.data:
                yield View(data, view, escapes)
