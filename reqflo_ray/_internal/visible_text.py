"""Makes text from data, responses, or YAML safe for display: characters that control a terminal or hide text are shown.

It must not know any output format; each format escapes its own special characters.
"""

from __future__ import annotations

import re
from typing import Final

# The contents of a character class: controls (each call decides about tab and line feed), bidirectional and invisible
# characters, tags, lone surrogates, and two more that XML forbids. All other characters are valid in XML 1.0.
UNSAFE: Final = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ufffe\uffff\ud800-\udfff\U000e0000-\U000e007f"
)
_UNSAFE_IN_TEXT: Final = re.compile(f"[{UNSAFE}]")
_UNSAFE_IN_LINE: Final = re.compile(f"[{UNSAFE}\t\n]")
_SHORT_ESCAPES: Final = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}


def visible(text: str, *, multiline: bool = False) -> str:
    """Replace every character that could control a terminal or hide text with an escape such as `\\x1b` or `\\u202e`.

    Line feeds and tabs become `\\n` and `\\t` too, unless `multiline`.
    """
    return (_UNSAFE_IN_TEXT if multiline else _UNSAFE_IN_LINE).sub(_escape, text)


def shorten(text: str, characters: int) -> str:
    """Shorten `text` to at most `characters`; shortened text ends with `…`."""
    return text if len(text) <= characters else text[: characters - 1] + "…"


def one_line(value: object, characters: int = 300) -> str:
    """Return an external value on one line, visible, with at most `characters`; "" for None."""
    # Cut before escaping too: a body of megabytes need not be searched.
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
