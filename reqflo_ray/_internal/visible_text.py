"""Text that came from data, responses or YAML, made fit to be shown: what could steer a reader or hide text is visible.

Knows no format: what a format escapes on top of this, it escapes itself.
"""

from __future__ import annotations

import re
from typing import Final

# The inside of a character class: controls (tab and line feed are decided per call), bidirectional and invisible
# characters, tags, lone surrogates, and the two that XML forbids besides. What is left is legal in XML 1.0.
UNSAFE: Final = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ufffe\uffff\ud800-\udfff\U000e0000-\U000e007f"
)
_UNSAFE_IN_TEXT: Final = re.compile(f"[{UNSAFE}]")
_UNSAFE_IN_LINE: Final = re.compile(f"[{UNSAFE}\t\n]")
_SHORT_ESCAPES: Final = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}


def visible(text: str, *, multiline: bool = False) -> str:
    """Show every character that could steer a terminal or hide text as `\\x1b`, `\\u202e` and so on.

    Line feeds and tabs are shown as `\\n` and `\\t` too, unless `multiline`.
    """
    return (_UNSAFE_IN_TEXT if multiline else _UNSAFE_IN_LINE).sub(_escape, text)


def shorten(text: str, characters: int) -> str:
    """Cut `text` to at most so many characters; a cut ends with `…`."""
    return text if len(text) <= characters else text[: characters - 1] + "…"


def one_line(value: object, characters: int = 300) -> str:
    """A value from outside on one line, visible, and at most so many characters; "" for None."""
    # Cut before too: a body of megabytes need not be looked through.
    return "" if value is None else shorten(visible(str(value)[: characters + 1]), characters)


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    short = _SHORT_ESCAPES.get(character)
    if short is not None:
        return short
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
