"""The shapes that a value takes in bytes on their way: base64, hex, text under escapes, base64 broken into lines.

Knows encodings only; which values are secret, and what stands in their place, is the redactor's.
"""

from __future__ import annotations

import binascii
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from html.entities import html5
from typing import Final, NamedTuple

import msgspec

_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")
_BASE64_BYTES: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_")
_DELIMITERS: Final = frozenset(b"\"'=:,;&?#/|<>()[]{} \t\r\n\0")
_URL: Final = re.compile(r"(https?)://([^/?#\s]+)([^#]*)", re.IGNORECASE)
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}
_PATH_LENGTH: Final = 12  # a shorter path of a URL is found in other URLs too: `/orders`
_HOST: Final = re.compile(r"[A-Za-z0-9.-]{1,253}")
_MAX_NESTING: Final = 2  # escapes in escapes that are seen through: JSON text inside JSON, a URL inside a query


class Form(msgspec.Struct, frozen=True, gc=False):
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

    Escaped text needs no form of its own: `unescaped` takes the escapes away before the search.
    """
    found: list[Form] = []
    for raw in _encodings(value):
        found.append(Form(raw, marker))
        if b" " in raw:
            found.append(Form(raw.replace(b" ", b"+"), marker))  # a form field, once its %XX are decoded
        _add_base64_forms(found, raw, marker)
        digits = binascii.b2a_hex(raw)
        found.append(Form(digits, marker))
        if not digits.isdigit():
            found.append(Form(digits.upper(), marker))
    return found


def sent_as(value: str, marker: bytes) -> list[Form]:
    """The forms of `value` as it stands in a request if it is a URL or a host name: their letters become small, a
    default port and a fragment are left out, and a server is told the path alone."""
    if _HOST.fullmatch(value):
        small = value.lower()
        return [Form(small.encode(), marker)] if small != value else []
    match = _URL.match(value)
    if match is None:
        return []
    scheme, place, path = match[1].lower(), match[2].lower(), match[3].rstrip()
    whole = f"{scheme}://{place.removesuffix(_DEFAULT_PORTS[scheme])}{path}"
    found = forms_of(whole, marker) if whole != value else []
    return found + (forms_of(path, marker) if len(path) >= _PATH_LENGTH else [])


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


def _add_base64_forms(found: list[Form], raw: bytes, marker: bytes) -> None:
    """The characters that `raw` alone decides when 0, 1 or 2 unknown bytes stand before it in a group of three."""
    size = len(raw)
    for shift, unknown in enumerate((b"", b"\0", b"\0\0")):
        encoded = binascii.b2a_base64(unknown + raw, newline=False)
        core = encoded[(8 * shift + 5) // 6 : 8 * (shift + size) // 6]
        before, after = shift != 0, (shift + size) % 3 != 0
        found.append(Form(core, marker, before, after))
        if b"+" in core or b"/" in core:
            found.append(Form(core.translate(_URL_SAFE), marker, before, after))


def _stands_alone(data: bytes, start: int, end: int) -> bool:
    return (start == 0 or data[start - 1] in _DELIMITERS) and (end == len(data) or data[end] in _DELIMITERS)


class _Escapes(NamedTuple):
    """A way to write bytes as ASCII: `sign` is in every escape, `pattern` finds one, `decode` gives its bytes.
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


_ENTITY: Final = re.compile(rb"&(?:#([0-9]{1,8})|#[xX]([0-9A-Fa-f]{1,8})|([A-Za-z][A-Za-z0-9]{1,31}));")
_LAST_CHARACTER: Final = 0x10FFFF


def _decode_entity(match: re.Match[bytes]) -> bytes:
    decimal, hexadecimal, name = match.groups()
    if name:
        meant = html5.get(f"{name.decode()};")
        return match[0] if meant is None else meant.encode()
    number = int(decimal) if decimal else int(hexadecimal, 16)
    return match[0] if number > _LAST_CHARACTER else chr(number).encode("utf-8", "surrogatepass")


# Base64 is broken into lines of 64 (PEM) or 76 (MIME) columns; other widths are seen. Only breaks after so many of its
# characters are taken away: lines of prose, of code and of indented JSON stay as they are, at little cost.
_BROKEN_CRLF: Final = re.compile(rb"\r\n(?<=[A-Za-z0-9+/_-]{32}\r\n)[ \t]*(?=[A-Za-z0-9+/_-])")
_BROKEN_LF: Final = re.compile(rb"\n(?<=[A-Za-z0-9+/_-]{32}\n)[ \t]*(?=[A-Za-z0-9+/_-])")


def _decode_break(_: re.Match[bytes]) -> bytes:
    return b""


_ESCAPES: Final = (
    _Escapes(b"%", _PERCENT, _decode_percent, lambda data: _PERCENT.sub(_decode_percent, data)),
    _Escapes(b"\\", _JSON, _decode_json, _decode_all_json),
    _Escapes(b"&", _ENTITY, _decode_entity, lambda data: _ENTITY.sub(_decode_entity, data)),
    _Escapes(b"\r\n", _BROKEN_CRLF, _decode_break, lambda data: _BROKEN_CRLF.sub(b"", data)),
    _Escapes(b"\n", _BROKEN_LF, _decode_break, lambda data: _BROKEN_LF.sub(b"", data)),
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


def unescaped(data: bytes) -> list[View]:
    """What `data` reads as when its escapes and the line breaks in its base64 are taken away, nested ones too."""
    found: list[View] = []
    level = [View(data)]
    for _ in range(_MAX_NESTING):
        level = [inner for view in level for inner in _without_one_kind(view)]
        if not level:
            break
        found += level
    return found


def _without_one_kind(view: View) -> Iterator[View]:
    for escapes in _ESCAPES:
        if escapes.sign in view.data:
            data = escapes.decode_all(view.data)
            if data != view.data:
                yield View(data, view, escapes)
