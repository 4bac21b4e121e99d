"""Makes the byte strings that reveal a value: the value, its encodings, and all of these as a request holds them.

It knows encodings only; which values are secret, and what replaces them, is up to the redactor. Escaped text needs no
form of its own, because `escapes` removes the escapes before the search.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import quote

import msgspec

from reqflo_ray._internal.errors import SecretError
from reqflo_ray._internal.model.http.hosts import ascii_host
from reqflo_ray._internal.model.json_text import encode_text
from reqflo_ray._internal.secrets.escapes import readings

MINIMUM_LENGTH: Final = 6  # characters; a shorter value would match by chance everywhere

# Longer values are searched only as they are, in base64, and in hex: the rarer encodings are for keys and tokens.
_LONGEST_IN_RARE_ENCODINGS: Final = 4096  # bytes

_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")
_BASE64_BYTES: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_")
_DELIMITERS: Final = frozenset(b"\"'=:,;&?#/|<>()[]{} \t\r\n\0\x1e")
_URL: Final = re.compile(r"(https?)://([^/?#\s]+)([^#]*)", re.IGNORECASE)
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}
_PATH_LENGTH: Final = 12  # a shorter path, such as `/orders`, is in other URLs too
_NEVER_ESCAPED: Final = re.compile(r"[A-Za-z0-9._~-]*")
_WORD: Final = re.compile(r"[A-Za-z]?[a-z]{1,9}|[A-Z]{2,10}")
_SMALL_NUMBER: Final = re.compile(r"-?[0-9]{1,8}(?:\.[0-9]{1,2})?")
_NO_UTF_8: Final = re.compile("[\udc80-\udcff]")
_HOST: Final = re.compile(r"[\w.~-]{1,253}")


def need_maskable(name: str, value: str) -> None:
    """Refuse a secret that cannot be masked. Raises SecretError `secret_too_short`."""
    if len(value) < MINIMUM_LENGTH:
        raise SecretError(
            f"the value of `{name}` is too short to be masked",
            code="secret_too_short",
            cause=f"a value of fewer than {MINIMUM_LENGTH} characters would also match other text by chance",
            hint="use a longer secret, or an input if it is not secret",
        )


def likeness(value: str) -> str:
    """Return what `value` in a response may be instead: "an ordinary word", "a small number", or "".

    It judges by form: a word has at most ten letters, a small number at most eight digits.
    """
    if _WORD.fullmatch(value):
        return "an ordinary word"
    return "a small number" if _SMALL_NUMBER.fullmatch(value) else ""


class Form(msgspec.Struct, frozen=True, gc=False):
    """One exact byte string that reveals a value, and how much around it belongs to the value.

    `before`, `after`: the neighboring base64 character also holds bits of the value. `caseless`: the needle is in lower
    case, and is searched in lower case. `whole`: the value is so short that it counts only between delimiters.
    """

    needle: bytes
    marker: bytes
    before: bool = False
    after: bool = False
    caseless: bool = False
    whole: bool = False

    def spans(self, data: bytes) -> list[tuple[int, int]]:
        """Return every place of this form in `data` (in lower case, if it is caseless), as (start, end); places that
        overlap are joined. The time grows only with the length of `data`."""
        found: list[tuple[int, int]] = []
        needle, size = self.needle, len(self.needle)
        start = data.find(needle)
        while start >= 0:
            end = start + size
            if self.whole:
                if _stands_alone(data, start, end):
                    found.append((start, end))
                start = data.find(needle, start + 1)
                continue
            first = start - (self.before and start > 0 and data[start - 1] in _BASE64_BYTES)
            last = end + (self.after and end < len(data) and data[end] in _BASE64_BYTES)
            if found and first < found[-1][1]:
                found[-1] = (found[-1][0], last)
            else:
                found.append((first, last))
            # Matches that begin within this one are joined with it, up to the last of them.
            further = data.rfind(needle, start + 1, end + size - 1)
            start = further if further >= 0 else data.find(needle, end)
        return found


def forms_of(value: str, marker: bytes, *, thorough: bool) -> list[Form]:
    """Return the forms of `value`: the value, in base64 and base64url in each alignment, in hex, also with separators.

    `thorough`: also in base32, and in base64 of its base64 and of its escaped text. These take 90 µs for a token:
    negligible for a secret, but a tenth of the time of a row for a value that only one row has.
    """
    found: list[Form] = []
    for raw in _encodings(value):
        found += _plain_forms(raw, marker)
        found += _base64_forms(raw, marker)
        found.append(Form(binascii.b2a_hex(raw), marker, caseless=True))
        if len(raw) <= _LONGEST_IN_RARE_ENCODINGS:
            found += [Form(raw.hex(separator).encode(), marker, caseless=True) for separator in ":- "]
            found += _rare_forms(raw, marker) if thorough else ()
    if not value.isascii():
        for code in ("utf-16-le", "utf-16-be"):
            units = value.encode(code, "surrogatepass")
            found.append(Form(units, marker))
            found += _plain_forms(units.decode("utf-8", "replace").encode(), marker)  # as a reader of UTF-8 shows it
    if thorough and len(value) <= _LONGEST_IN_RARE_ENCODINGS and not _NEVER_ESCAPED.fullmatch(value):
        for escaped in _escaped(value):
            found += _base64_forms(escaped, marker)
    return found


def lines_of(value: str) -> list[str]:
    """Return the lines of a value with several, each of which reveals it: line ends and blanks around them often
    change. Lines so short that they match by chance are left out."""
    if "\n" not in value and "\r" not in value:
        return []
    return [line for line in map(str.strip, value.splitlines()) if len(line) >= MINIMUM_LENGTH]


def sent_as(value: str, marker: bytes, *, thorough: bool) -> list[Form]:
    """Return the forms of `value` in a request if it is a URL or a part of a host name: letters become lower-case
    ASCII, a default port and a fragment are left out, and a server receives only the path."""
    # A name beyond ASCII takes 50 µs: negligible for a secret, but much for a row's value that is hardly a host.
    if _HOST.fullmatch(value) and (value.isascii() or thorough or "." in value):
        small = _in_ascii(value.lower())
        return [Form(small.encode(), marker)] if small != value else []
    match = _URL.match(value)
    if match is None:
        return []
    scheme, place, path = match[1].lower(), _in_ascii(match[2].lower()), match[3].rstrip()
    whole = f"{scheme}://{place.removesuffix(_DEFAULT_PORTS[scheme])}{path}"
    found = forms_of(whole, marker, thorough=thorough) if whole != value else []
    if len(path) >= _PATH_LENGTH:
        found += forms_of(path, marker, thorough=thorough)
    return found


def _in_ascii(place: str) -> str:
    """Return a host, with or without a port, as a request names it; unchanged if it is not a host."""
    try:
        return ascii_host(place)
    except ValueError:
        return place


def short_forms_of(value: str, marker: bytes) -> list[Form]:
    """Return the form of a value that is so short that it matches by chance: it is masked only as a whole value."""
    return [Form(raw, marker, whole=True) for raw in _encodings(value)]


def form_in(codec: str, value: str, marker: bytes) -> list[Form]:
    """Return the form of `value` in a body encoded by `codec`, if it differs from the form in UTF-8."""
    try:
        raw = value.encode(codec, "surrogatepass" if codec.startswith("utf-") else "strict")
    except UnicodeEncodeError:
        return []
    whole = len(value) < MINIMUM_LENGTH
    return [Form(raw, marker, whole=whole)] if raw != value.encode("utf-8", "surrogatepass") else []


def _encodings(value: str) -> Iterator[bytes]:
    utf8 = value.encode("utf-8", "surrogatepass")
    yield utf8
    if value.isascii():
        return
    yield utf8.decode("latin-1").encode()  # read as Latin-1, as some programs read headers
    try:
        if _NO_UTF_8.search(value):  # it came in a header: its bytes, and the text that an assertion reads
            raw = value.encode("utf-8", "surrogateescape")
            yield from (raw, raw.decode("latin-1").encode())
        else:  # its bytes, and their form in the text of a header
            raw = value.encode("latin-1")
            yield from (raw, raw.decode("utf-8", "surrogateescape").encode("utf-8", "surrogatepass"))
    except UnicodeEncodeError:
        return


def _plain_forms(raw: bytes, marker: bytes) -> list[Form]:
    # A value that looks escaped may have a short reading, though the value is long.
    found = [Form(read, marker, whole=len(read) < MINIMUM_LENGTH) for read in readings(raw) if read]
    if b" " in raw:
        found.append(Form(raw.replace(b" ", b"+"), marker))  # a form field, once its %XX are decoded
    for sign in (b'"', b"'"):
        if sign in raw:
            found.append(Form(raw.replace(sign, 2 * sign), marker))  # as in CSV and SQL
    return found


def _base64_forms(raw: bytes, marker: bytes) -> list[Form]:
    """Return the characters that `raw` alone determines after 0, 1, or 2 unknown bytes in its first group of three."""
    found: list[Form] = []
    size = len(raw)
    for shift, unknown in enumerate((b"", b"\0", b"\0\0")):
        encoded = binascii.b2a_base64(unknown + raw, newline=False)
        core = encoded[(8 * shift + 5) // 6 : 8 * (shift + size) // 6]
        before, after = shift != 0, (shift + size) % 3 != 0
        found.append(Form(core, marker, before, after))
        if b"+" in core or b"/" in core:
            found.append(Form(core.translate(_URL_SAFE), marker, before, after))
    return found


def _rare_forms(raw: bytes, marker: bytes) -> Iterator[Form]:
    for form in tuple(_base64_forms(raw, marker)):
        yield from _base64_forms(form.needle, marker)
    size = len(raw)
    for shift in range(5):  # groups of five bytes, eight characters
        encoded = base64.b32encode(b"\0" * shift + raw)
        core = encoded[(8 * shift + 4) // 5 : 8 * (shift + size) // 5]
        yield Form(core.lower(), marker, shift != 0, (shift + size) % 5 != 0, caseless=True)


def _escaped(value: str) -> Iterable[bytes]:
    """Return `value` as written in JSON text, in a URL, and in a page, where that differs from the value."""
    text = value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    written = {encode_text(text)[1:-1], json.dumps(text)[1:-1], quote(text, safe=""), html.escape(text)}
    return [one.encode() for one in sorted(written - {text})]


def _stands_alone(data: bytes, start: int, end: int) -> bool:
    return (start == 0 or data[start - 1] in _DELIMITERS) and (end == len(data) or data[end] in _DELIMITERS)
