"""Tables for people: aligned columns and escaped cells, cut to the width of the terminal only on a terminal.

It must not know any query or run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from reqflo_ray._internal.cli.display.json_text import as_json_value, encode_json
from reqflo_ray._internal.cli.display.terminal import Terminal, display_width, escape, shorten
from reqflo_ray._internal.model import intervals

_GAP: Final = "  "
_NARROWEST: Final = 6
# A longer cell moves the rest of its own line: otherwise one long cell would make every line of the table as long.
_WIDEST_PADDING: Final = 500
_NUMBERS: Final = (int, float, Decimal)


def write_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], terminal: Terminal, *, whole: int = 0) -> None:
    """Write a heading and a line for each of `rows` to standard output. When piped, no cell is cut. On a terminal,
    cells of the first `whole` columns are not cut if there is room for them.

    Raises:
        OutputClosedError: the reader has closed standard output.
    """
    cells = [[show_cell(value) for value in row] for row in rows]
    titles = [escape(column) for column in columns]
    widths = [
        max([display_width(title), *(display_width(row[index]) for row in cells)]) for index, title in enumerate(titles)
    ]
    if terminal.out_is_terminal:
        widths = _fitting(widths, terminal.columns, whole)
        cells = [[shorten(text, width) for text, width in zip(row, widths, strict=True)] for row in cells]
        titles = [shorten(title, width) for title, width in zip(titles, widths, strict=True)]
    else:
        widths = [min(width, _WIDEST_PADDING) for width in widths]
    right = [_is_number_column(rows, index) for index in range(len(columns))]
    # Each cell is padded before it is painted: color codes occupy no room on the screen.
    heading = _GAP.join(_cell(title, width, right=False) for title, width in zip(titles, widths, strict=True))
    terminal.text(terminal.paint_out(heading.rstrip(), "bold"))
    for line in _lines(cells, widths, right):
        terminal.text(line)


def show_cell(value: Any) -> str:
    """Return a value on one line, escaped. Null is `NULL`; structured values are JSON."""
    match value:
        case None:
            return "NULL"
        case bool():
            return "true" if value else "false"
        case str():
            return escape(value)
        case bytes():
            return escape(value.decode(errors="backslashreplace"))
        case datetime():
            return value.isoformat(sep=" ", timespec="milliseconds").replace("+00:00", "Z")
        case timedelta():
            return intervals.written(value)
        case dict() | list() | tuple():
            return escape(encode_json(as_json_value(value)).decode())
        case _:
            return escape(str(value))


def _lines(cells: list[list[str]], widths: list[int], right: list[bool]) -> Iterator[str]:
    for row in cells:
        shown = (_cell(text, width, right=to_right) for text, width, to_right in zip(row, widths, right, strict=True))
        yield _GAP.join(shown).rstrip()


def _cell(text: str, width: int, *, right: bool) -> str:
    padding = " " * (width - display_width(text))
    return padding + text if right else text + padding


def _is_number_column(rows: Sequence[Sequence[Any]], index: int) -> bool:
    found = [row[index] for row in rows if row[index] is not None]
    return bool(found) and all(isinstance(value, _NUMBERS) and not isinstance(value, bool) for value in found)


def _fitting(widths: list[int], columns: int, whole: int) -> list[int]:
    """Narrow the widest columns until the line fits or every column has its minimum width."""
    room = columns - len(_GAP) * (len(widths) - 1)
    kept, widths = widths[:whole], widths[whole:]
    if sum(kept) + _NARROWEST * len(widths) > room:
        kept, widths = [], [*kept, *widths]
    room -= sum(kept)
    limit = max(widths, default=0)
    while limit > _NARROWEST and sum(min(width, limit) for width in widths) > room:
        limit -= 1
    return [*kept, *(min(width, limit) for width in widths)]
