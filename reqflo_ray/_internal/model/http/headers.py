"""What an HTTP header can carry, and how its bytes are text. It must not know what a header means.

A value is text in UTF-8. A byte that is no part of it is half of a surrogate pair in the text (Python's
`surrogateescape`), so that whatever was received goes back byte for byte.
"""

from __future__ import annotations

import re
from typing import Final

HEADER_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")

# RFC 9110, 5.5. A line end would start a new header, and nothing after a NUL is safe with every server.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_HALF: Final = re.compile("[\ud800-\udc7f\udd00-\udfff]")
_NO_UTF_8: Final = re.compile(r"[\udc80-\udcff]")


def header_text(data: bytes) -> str:
    """The text of a value as it was received."""
    return data.decode("utf-8", "surrogateescape")


def header_bytes(text: str) -> bytes:
    """The bytes of a value, or of several with what stands between them, as they are sent."""
    return text.encode("utf-8", "surrogateescape")


def readable(value: str) -> str:
    """A received value as people and assertions read it: as Latin-1, its old encoding, if it is not UTF-8."""
    if value.isascii() or not _NO_UTF_8.search(value) or unsendable_in_header(value):
        return value
    return header_bytes(value).decode("latin-1")


def unsendable_in_header(text: str) -> str:
    """What in `text` no value of a header can carry, in words; "" if it can be sent."""
    found = _CONTROL.search(text)
    if found is not None:
        return {"\r": "a line end", "\n": "a line end", "\0": "a NUL"}.get(found[0], "a control character")
    return "half of a surrogate pair" if not text.isascii() and _HALF.search(text) else ""
