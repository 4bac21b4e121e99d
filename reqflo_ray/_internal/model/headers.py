"""What an HTTP header can carry, and how its bytes are text. It must not know what a header means.

A value is text in UTF-8. A byte that is no part of it is half of a surrogate pair in the text (Python's
`surrogateescape`), so that whatever was received goes back byte for byte.
"""

from __future__ import annotations

import re
from typing import Final

HEADER_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")

# RFC 9110, 5.5. A line end would start a new header, and nothing after a NUL is safe with every server.
_NOT_IN_A_VALUE: Final = re.compile(r"([\r\n])|(\0)|([\x01-\x08\x0b\x0c\x0e-\x1f\x7f])|[\ud800-\udc7f\udd00-\udfff]")
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
    found = _NOT_IN_A_VALUE.search(text)
    if found is None:
        return ""
    line_end, nul, control = found.groups()
    if line_end:
        return "a line end"
    return "a NUL" if nul else "a control character" if control else "half of a surrogate pair"
