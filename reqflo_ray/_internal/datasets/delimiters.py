"""Detects the delimiter of a CSV file from the beginning of the file. It must not know how rows are read.

The usual delimiter wins unless the header does not contain it, or the rows fit another one and do not fit it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain, islice
from typing import Final, NamedTuple

from reqflo_ray._internal.errors import Problem

COMMA: Final = ","
TAB: Final = "\t"
_NAMES: Final = {COMMA: "commas", ";": "semicolons", TAB: "tabs", "|": "bars"}
_SAMPLED_ROWS: Final = 100
SAMPLED_CHARACTERS: Final = 2**16
_QUOTED: Final = re.compile(r'"[^"]*+(?:""[^"]*+)*+"')
# The line that Excel obeys and LibreOffice writes: it names the delimiter and is not a row.
_SEPARATOR_LINE: Final = re.compile(r'"?sep=([^\w\r\n" ])"?[ \t]*\r?', re.IGNORECASE)


class Delimiter(NamedTuple):
    """The delimiter, "" if it cannot be determined; and the other candidates in the header."""

    mark: str
    others: tuple[str, ...] = ()


def name_of(delimiter: str) -> str:
    """Return what people call a delimiter, in the plural."""
    return _NAMES.get(delimiter, f"`{delimiter}`")


def separator_line(line: str) -> str:
    """Return the delimiter that a first line such as Excel's `sep=;` names, else ""."""
    found = _SEPARATOR_LINE.fullmatch(line)
    return found[1] if found else ""


def find_delimiter(text: str, usual: str) -> Delimiter:
    """Return the delimiter of a file that begins with `text`, which may end within a row. Quoted text is ignored."""
    bare = _QUOTED.sub("text", text[:SAMPLED_CHARACTERS])
    cut = len(text) > SAMPLED_CHARACTERS or '"' in bare
    lines = bare.partition('"')[0].split("\n")
    telling = filter(_says_something, lines[:-1] if cut and len(lines) > 1 else lines)
    header, *rows = islice(chain(telling, [""]), 1 + _SAMPLED_ROWS)
    there = [mark for mark in _NAMES if mark in header]
    if len(there) < 2:
        return Delimiter(there[0] if there else usual)
    fitting = [mark for mark in there if all(row.count(mark) == header.count(mark) for row in filter(None, rows))]
    if usual in there and (usual in fitting or not fitting):
        return Delimiter(usual, tuple(mark for mark in there if mark != usual))
    best = fitting[0] if len(fitting) == 1 else ""
    return Delimiter(best, tuple(mark for mark in there if mark != best))


def remark(files: Sequence[tuple[str, Delimiter]]) -> Problem | None:
    """Return the warning about files, by name, whose detected delimiter is unusual or not the only candidate."""
    if not files:
        return None
    name, (mark, others) = files[0]
    message = f"the cells of `{name}` are read as separated by {name_of(mark)}"
    if others:
        message += f"; its header has {' and '.join(map(name_of, others))} too"
    if len(files) > 1:
        message += f"; {len(files) - 1} more {'file has' if len(files) == 2 else 'files have'} unusual delimiters"
    shown = "tab" if mark == TAB else f"'{mark}'"
    hint = f"pass `--delimiter {shown}` to confirm this and to silence the warning"
    return Problem.warning("delimiter_found", message, hint=hint)


def _says_something(line: str) -> bool:
    return bool(line.strip(" \r" + "".join(_NAMES)))
