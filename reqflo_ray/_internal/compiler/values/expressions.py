"""The grammar of `{{ … }}` and `${{ … }}`: a dotted path, nothing else. It must not know what a path means.

expression = ["$"] "{{" path "}}"
path       = name { "." name | "[" index "]" | "[" quoted "]" }
name       = letter or "_", then letters, digits, "_" and "-"
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from reqflo_ray._internal.model.limits import MAX_EXPRESSION

_OPENING: Final = re.compile(r"\$?\{\{")
_BLANKS: Final = re.compile(r"\s*")
_NAME: Final = re.compile(r"[^\W\d][\w-]*")
_INDEX: Final = re.compile(r"\[\s*(0|[1-9][0-9]{0,8})\s*\]", re.ASCII)
_QUOTED: Final = re.compile(r"""\[\s*(?:'([^'\\]*)'|"([^"\\]*)")\s*\]""")

_PATHS_ONLY: Final = "write a path such as `inputs.name` or `steps.create.body.items[0]`; expressions hold no code"


class ExpressionError(ValueError):
    """Text that is not a valid expression, with the `offset` of the error in characters from the start of the text."""

    def __init__(self, message: str, offset: int, hint: str = "") -> None:
        super().__init__(message)
        self.offset = offset
        self.hint = hint


class LengthError(ExpressionError):
    """The expression is longer than the limit."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A path, its text as `written` with braces, the `offset` of that in the whole text, and whether it is the whole
    text."""

    segments: tuple[str | int, ...]
    written: str
    offset: int
    is_whole: bool = False


Part: TypeAlias = str | Expression


def parse_text(text: str) -> tuple[Part, ...]:
    """Split text into literal parts and expressions. Raises `ExpressionError` or its subclass `LengthError`."""
    parts: list[Part] = []
    position = 0
    while (opening := _OPENING.search(text, position)) is not None:
        if opening.start() > position:
            parts.append(text[position : opening.start()])
        segments, position = _path(text, opening.end(), opening.start())
        if position - opening.start() > MAX_EXPRESSION:
            message = f"the expression has more than {MAX_EXPRESSION:,} characters"
            raise LengthError(message, opening.start(), "shorten it")
        written = text[opening.start() : position]
        parts.append(Expression(segments, written, opening.start(), is_whole=len(written) == len(text)))
    if position < len(text):
        parts.append(text[position:])
    return tuple(parts)


def _path(text: str, position: int, start: int) -> tuple[tuple[str | int, ...], int]:
    """Return the path that begins at `position`, and the position after its closing braces."""
    segments: list[str | int] = []
    position = _skip(text, position)
    if text.startswith("}}", position):
        raise ExpressionError("the expression is empty", start, _PATHS_ONLY)
    name = _NAME.match(text, position)
    if name is None:
        raise _unexpected(text, position, start)
    segments.append(name[0])
    position = name.end()
    while True:
        if text.startswith(".", position):
            name = _NAME.match(text, position + 1)
            if name is None:
                raise _bad_name(text, position + 1, start)
            segments.append(name[0])
            position = name.end()
        elif index := _INDEX.match(text, position):
            segments.append(int(index[1]))
            position = index.end()
        elif quoted := _QUOTED.match(text, position):
            segments.append(quoted[1] if quoted[1] is not None else quoted[2])
            position = quoted.end()
        else:
            break
    position = _skip(text, position)
    if not text.startswith("}}", position):
        raise _unexpected(text, position, start)
    return tuple(segments), position + 2


def _skip(text: str, position: int) -> int:
    blanks = _BLANKS.match(text, position)
    return blanks.end() if blanks else position


def _bad_name(text: str, position: int, start: int) -> ExpressionError:
    digits = re.compile(r"[\w-]+").match(text, position)
    if digits is None:
        return _unexpected(text, position, start)
    found = digits[0]
    hint = f"write `['{found}']` for a key"
    if found.isdecimal():
        hint = f"write `[{found}]` for an index of a list, `['{found}']` for a key"
    return ExpressionError(f"`.{found}` is not a name", position, hint)


def _unexpected(text: str, position: int, start: int) -> ExpressionError:
    if position >= len(text):
        return ExpressionError("`{{` is never closed", start, "end the expression with `}}`")
    found = re.compile(r"[\w-]+|.", re.DOTALL).match(text, position)
    shown = found[0] if found else text[position]
    return ExpressionError(f"`{shown[:40]}` does not belong in an expression", position, _PATHS_ONLY)


def path_text(segments: tuple[str | int, ...]) -> str:
    """Return the normal form of a path below its root: `order.items[0]["odd key"]`."""
    text = ""
    for segment in segments:
        if isinstance(segment, int):
            text += f"[{segment}]"
        elif _NAME.fullmatch(segment):
            text += f".{segment}" if text else segment
        else:
            escaped = segment.replace("\\", "\\\\").replace('"', '\\"')
            text += f'["{escaped}"]'
    return text
