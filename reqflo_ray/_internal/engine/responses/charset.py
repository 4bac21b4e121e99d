"""Finds the encoding of a body: by its BOM, else the charset that the response names, else UTF-8 (RFC 8259, 8.1).

It must not know what the text means, nor change the bytes: evidence contains what was received.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache
from typing import Final, NamedTuple

from reqflo_ray._internal.model.http.exchange import TransportResponse

UTF_8: Final = "utf-8"

_TYPE: Final = "content-type"
_CHARSET: Final = re.compile(r"""charset\s*=\s*["']?([A-Za-z0-9._:+-]+)""", re.IGNORECASE)
_LONGEST_SHOWN: Final = 40
# Longer ones first, because some begin like a shorter one.
_BOMS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, UTF_8),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_FIRST_OF_BOMS: Final = frozenset(bom[0] for bom, _ in _BOMS)
# The first character shows the byte order of text without a BOM, because it is seldom beyond U+00FF.
_WITHOUT_ORDER: Final = {"utf-16": ("utf-16-le", "utf-16-be"), "utf-32": ("utf-32-le", "utf-32-be")}
# Names of the Encoding standard that Python lacks, and what servers really send under some narrower names.
_MEANT: Final = {
    "unicode": "utf-16",
    "ucs-2": "utf-16",
    "iso-10646-ucs-2": "utf-16",
    "utf-8-sig": UTF_8,
    "ascii": UTF_8,
    "shift_jis": "cp932",
    "windows-31j": "cp932",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
    "windows-874": "cp874",
    "iso-8859-8-i": "iso8859-8",
    "mac-cyrillic": "mac_cyrillic",
}
# Codecs of Python that are not charsets: one of them takes hours for a megabyte, others decode escapes. The last two
# are charsets, but are sent only to hide something.
_NO_CHARSETS: Final = frozenset(
    {"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape", "utf-7", "hz"}
)
_PLAIN: Final = 'azAZ09 {}[]":,'


class Encoding(NamedTuple):
    """How a body is read. The first `skip` bytes are its BOM; `unknown` is an unknown charset that the response names
    ("" if none), in which case the body is read as UTF-8."""

    codec: str = UTF_8
    skip: int = 0
    unknown: str = ""


_UTF_8: Final = Encoding()


def encoding_of(response: TransportResponse) -> Encoding:
    """Return the encoding of a body. A BOM takes precedence over any name, as in browsers."""
    body = response.body
    if body and body[0] in _FIRST_OF_BOMS:
        for bom, codec in _BOMS:
            if body.startswith(bom):
                return Encoding(codec, len(bom))
    named = _UTF_8
    for name, value in response.headers:
        if len(name) == len(_TYPE) and name.lower() == _TYPE:
            named = _named(value)
            break
    if named.codec in _WITHOUT_ORDER:
        little, big = _WITHOUT_ORDER[named.codec]
        return Encoding(big if body[:1] == b"\0" else little)
    return named


def older_charset(response: TransportResponse) -> str:
    """Return the codec of a body that is in neither UTF-8 nor UTF-16 and may differ from both, "" for all others."""
    body = response.body
    if body.isascii() and b"\0" not in body:
        return ""
    codec = encoding_of(response).codec
    return "" if codec == UTF_8 or codec.startswith("utf-16") else codec


@lru_cache(maxsize=1024)
def _named(content_type: str) -> Encoding:
    found = _CHARSET.search(content_type)
    if found is None:
        return _UTF_8
    name = found[1].lower()
    codec = _codec(name)
    if codec:
        return Encoding(codec)
    return Encoding(unknown=f"`{name}`" if len(name) <= _LONGEST_SHOWN else "of a long name")


def _codec(name: str) -> str:
    """Return the codec for the charset `name`, "" if there is none. One that encodes plain ASCII differently, such as
    EBCDIC, is rejected, because values could not be masked in it."""
    for label in (name, name.removeprefix("x-")):
        try:
            found = codecs.lookup(_MEANT.get(label, label)).name
            codec = _MEANT.get(found, found)
            if codec == UTF_8 or codec.startswith(("utf-16", "utf-32")):
                return codec
            if found not in _NO_CHARSETS and _PLAIN.encode(codec) == _PLAIN.encode():
                return codec
        except (LookupError, ValueError):
            continue
    return ""
