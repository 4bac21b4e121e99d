"""Which values an HTTP header can hold, and how its bytes become text. It must not know what a header means.

A value is UTF-8 text. A byte that is not valid UTF-8 becomes half of a surrogate pair (Python's `surrogateescape`), so
that a received value can be sent back byte for byte.
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
    """Return the text of a received value."""
    return data.decode("utf-8", "surrogateescape")


def header_bytes(text: str) -> bytes:
    """Return the bytes of a value, or of several with their separators, as they are sent."""
    return text.encode("utf-8", "surrogateescape")


def readable(value: str) -> str:
    """Return a received value for display and assertions: read as Latin-1, the old encoding, if it is not UTF-8."""
    if value.isascii() or not _NO_UTF_8.search(value) or unsendable_in_header(value):
        return value
    return header_bytes(value).decode("latin-1")


def unsendable_in_header(text: str) -> str:
    """Return in words what in `text` cannot be sent in a header value; "" if all of it can."""
    found = _CONTROL.search(text)
    if found is not None:
        return {"\r": "a line end", "\n": "a line end", "\0": "a NUL"}.get(found[0], "a control character")
    return "half of a surrogate pair" if not text.isascii() and _HALF.search(text) else ""
