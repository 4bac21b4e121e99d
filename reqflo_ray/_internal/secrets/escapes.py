"""Removes escapes: what bytes read as once percent signs, backslashes, entities, and the like are decoded.

It knows notations only, and no values. Its work is bounded by the size of its input: it makes one text after another,
each shorter than the one before, and never a tree of them.
"""

from __future__ import annotations

import binascii
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from html.entities import html5
from typing import Final, NamedTuple

# Three levels of nesting are promised. The evidence adds up to two of its own: it holds a response as JSON text, which
# may be embedded in JSON again.
MAX_LEVELS: Final = 5

_LAST_CHARACTER: Final = 0x10FFFF
_NO_TEXT: Final = b"\xff"  # a byte that UTF-8 never contains


class _Escapes(NamedTuple):
    """A notation for bytes: `sign` is in every escape, `pattern` finds one, `decode` returns its bytes. `decode_all`
    removes all escapes in one call."""

    sign: bytes
    pattern: re.Pattern[bytes]
    decode: Callable[[re.Match[bytes]], bytes]
    decode_all: Callable[[bytes], bytes]


def _kind(sign: bytes, pattern: bytes, decode: Callable[[re.Match[bytes]], bytes]) -> _Escapes:
    compiled = re.compile(pattern)
    return _Escapes(sign, compiled, decode, lambda data: compiled.sub(decode, data))


def _character(number: int) -> bytes:
    return chr(number).encode("utf-8", "surrogatepass")


# Percent signs, as in URLs, and as the `escape` function of old scripts writes characters beyond Latin-1.


def _decode_percent(match: re.Match[bytes]) -> bytes:
    byte, unit = match.groups()
    return binascii.a2b_hex(byte) if byte else _character(int(unit, 16))


_PERCENT: Final = _kind(b"%", rb"%(?:([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4}))", _decode_percent)

# Backslashes, as in JSON and in scripts.

BACKSLASH_PATTERN: Final = re.compile(
    rb"\\(?:u([dD][89abAB][0-9A-Fa-f]{2})\\u([dD][c-fC-F][0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})"
    rb"|u\{0{0,4}([0-9A-Fa-f]{1,6})\}|x([0-9A-Fa-f]{2})|([\"'\\/bfnrt]))"
)
_LETTERS: Final = {
    letter.encode(): meant.encode()
    for letter, meant in {
        "n": "\n",
        '"': '"',
        "'": "'",
        "/": "/",
        "r": "\r",
        "t": "\t",
        "b": "\b",
        "f": "\f",
    }.items()
}


def decode_backslash(match: re.Match[bytes]) -> bytes:
    high, low, unit, number, byte, letter = match.groups()
    if letter:
        return _LETTERS.get(letter, letter)
    if unit:
        return _character(int(unit, 16))
    if byte:
        return binascii.a2b_hex(byte)
    if number:
        code = int(number, 16)
        return match[0] if code > _LAST_CHARACTER else _character(code)
    return binascii.a2b_hex(high + low).decode("utf-16-be").encode()


def decode_all_backslashes(data: bytes) -> bytes:
    """Decode as the pattern does, but in a few passes over all of `data` instead of one call for each escape."""
    if _NO_TEXT in data:
        return BACKSLASH_PATTERN.sub(decode_backslash, data)
    data = data.replace(b"\\\\", _NO_TEXT)
    for letter, meant in _LETTERS.items():
        data = data.replace(b"\\" + letter, meant)
    if b"\\u" in data or b"\\x" in data:
        data = BACKSLASH_PATTERN.sub(decode_backslash, data)
    return data.replace(_NO_TEXT, b"\\")


_BACKSLASH: Final = _Escapes(b"\\", BACKSLASH_PATTERN, decode_backslash, decode_all_backslashes)

# Entities. Browsers also read numeric and older named ones without a semicolon.

_LONGEST_OLD_NAME: Final = max(len(name) for name in html5 if not name.endswith(";"))


def _decode_entity(match: re.Match[bytes]) -> bytes:
    decimal, hexadecimal, name, end = match.groups()
    if name:
        return _named(name.decode(), match[0]) if end else _named_of_old(name.decode(), match[0])
    number = int(decimal) if decimal else int(hexadecimal, 16)
    return match[0] if number > _LAST_CHARACTER else _character(number)


def _named(name: str, written: bytes) -> bytes:
    meant = html5.get(f"{name};")
    return written if meant is None else meant.encode()


def _named_of_old(name: str, written: bytes) -> bytes:
    """Decode an older entity whose `name` may include the text after it: `&ampx`."""
    for length in range(min(len(name), _LONGEST_OLD_NAME), 1, -1):
        meant = html5.get(name[:length])
        if meant is not None:
            return (meant + name[length:]).encode()
    return written


_ENTITY: Final = _kind(
    b"&", rb"&(?:#(?:([0-9]{1,8})|[xX]([0-9A-Fa-f]{1,8}))|([A-Za-z][A-Za-z0-9]{1,31}))(;?)", _decode_entity
)


def _nothing(_: re.Match[bytes]) -> bytes:
    return b""


# Base64 is broken into lines of 64 (PEM) or 76 (MIME) columns; other widths occur. Only breaks after this many of its
# characters are removed: lines of prose, code, and indented JSON stay as they are, at little cost.
_BREAK_CRLF: Final = _kind(b"\r\n", rb"\r\n(?<=[A-Za-z0-9+/_-]{32}\r\n)[ \t]*(?=[A-Za-z0-9+/_-])", _nothing)
_BREAK_LF: Final = _kind(b"\n", rb"\n(?<=[A-Za-z0-9+/_-]{32}\n)[ \t]*(?=[A-Za-z0-9+/_-])", _nothing)

# Joins the halves of a surrogate pair that were escaped one by one.
_PAIR: Final = _kind(
    b"\xed",
    rb"\xed[\xa0-\xaf][\x80-\xbf]\xed[\xb0-\xbf][\x80-\xbf]",
    lambda match: match[0].decode("utf-8", "surrogatepass").encode("utf-16", "surrogatepass").decode("utf-16").encode(),
)

# UTF-16 and UTF-32 text of ASCII characters is that text between NULs, in either byte order.
_NUL: Final = _kind(b"\0", rb"\0+", _nothing)


# Quoted-printable, in mails. Many values follow an equals sign (`token=...`), so it is not taken for an escape until
# something shows that it is one: an escaped equals sign, a broken line, a character beyond ASCII.


def _decode_quoted(match: re.Match[bytes]) -> bytes:
    return binascii.a2b_hex(match[1]) if match[1] else b""


_QUOTED: Final = _kind(b"=", rb"=(?:([0-9A-F]{2})|[ \t]*\r?\n)", _decode_quoted)
_IS_QUOTED: Final = re.compile(rb"=(?:3D|\r?\n|[C-F][0-9A-F]=[89AB][0-9A-F])")

# Text in UTF-16 with a byte order mark; each unit is treated as an escape.
_BYTE_ORDER_MARKS: Final = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}


def _units_of(code: str) -> _Escapes:
    def decode(match: re.Match[bytes]) -> bytes:
        return match[0].decode(code, "surrogatepass").encode("utf-8", "surrogatepass")

    return _kind(b"", rb"(?s:..)", decode)


_UTF_16: Final = {mark: _units_of(code) for mark, code in _BYTE_ORDER_MARKS.items()}

_KINDS: Final = (_NUL, _PERCENT, _BACKSLASH, _ENTITY, _PAIR, _BREAK_CRLF, _BREAK_LF)
_KINDS_OF_MAIL: Final = (*_KINDS, _QUOTED)


class View:
    """Bytes without escapes, and where each byte came from."""

    __slots__ = ("_escapes", "_origin", "_parent", "data")

    def __init__(self, data: bytes, parent: View | None = None, escapes: _Escapes | None = None) -> None:
        self.data = data
        self._parent = parent
        self._escapes = escapes
        self._origin: tuple[list[int], list[int], list[tuple[int, int]]] | None = None

    def original(self, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Return the places in the original bytes from which `spans` of this view came."""
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
    """Return for each escape of `data` where its bytes begin and end once it is removed, and where it was."""
    begins, ends, sources = [0], [0], [(0, 0)]
    for match in escapes.pattern.finditer(data):
        begins.append(ends[-1] + match.start() - sources[-1][1])
        ends.append(begins[-1] + len(escapes.decode(match)))
        sources.append(match.span())
    return begins, ends, sources


def may_be_escaped(data: bytes) -> bool:
    """Return whether `unescaped` may yield anything for `data`: a quick check, and usually False."""
    # Written out, because it is called for everything that is kept.
    return (
        b"\\" in data
        or b"%" in data
        or b"&" in data
        or b"\n" in data
        or b"\0" in data
        or b"\xed" in data
        or data[:2] in _UTF_16
        or _is_quoted(data)
    )


def count_signs(data: bytes) -> int:
    """Return the greatest number of escapes that `data` may have before any is removed, without its line ends."""
    return sum(data.count(kind.sign) for kind in _KINDS_OF_MAIL if kind not in (_BREAK_CRLF, _BREAK_LF))


def unescaped(data: bytes) -> Iterator[View]:
    """Yield views of `data` with fewer and fewer escapes: one kind is removed at a time, all kinds in turn, while there
    are any, at most `MAX_LEVELS` times.

    However a value is escaped, what it reads as after the same treatment (`readings`) is in `data` or in one of the
    views.
    """
    whole = View(data)
    yield from _less_escaped(whole)
    units = _UTF_16.get(data[:2])
    if units is not None and len(data) % 2 == 0:
        text = View(units.decode_all(data), whole, units)
        yield text
        yield from _less_escaped(text)


def _less_escaped(whole: View) -> Iterator[View]:
    mail = _is_quoted(whole.data)
    for view in _chain(whole, _KINDS):
        yield view
        mail = mail or _is_quoted(view.data)
    if mail:
        # Separately, because it takes the first characters of a value after an equals sign for an escape.
        yield from _chain(whole, _KINDS_OF_MAIL)


def _chain(view: View, kinds: tuple[_Escapes, ...]) -> Iterator[View]:
    for _ in range(MAX_LEVELS):
        before = view
        for escapes in kinds:
            if escapes.sign in view.data and (escapes is not _QUOTED or _is_quoted(view.data)):
                plain = escapes.decode_all(view.data)
                if plain != view.data:
                    view = View(plain, view, escapes)
                    yield view
        if view is before:
            return


def _is_quoted(data: bytes) -> bool:
    return _QUOTED.sign in data and _IS_QUOTED.search(data) is not None


def readings(value: bytes) -> list[bytes]:
    """Return `value`, and what it reads as where something in it is taken for an escape."""
    if not may_be_escaped(value):
        return [value]
    return list(dict.fromkeys((value, *(view.data for view in unescaped(value)))))
