"""Answers as text or bytes: aligned text, CSV, JSON, Parquet. Knows nothing of stores or SQL.

Instants are written as RFC 3339 in UTC, bytes as base64, nested values as JSON, in every format that is text.
"""

from __future__ import annotations

import base64
import csv
import io
import math
import unicodedata
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

import msgspec

from reqflo_ray.analysis.session import QueryResult

# What a spreadsheet takes for a formula, and with it for a command.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_CELL_WIDTH: Final = 60
_json = msgspec.json.Encoder(decimal_format="number")


class Format(StrEnum):
    """How an answer is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


def export(result: QueryResult, kind: Format, *, raw: bool = False) -> bytes:
    """The answer in a format; text is UTF-8 and ends with a line feed.

    Args:
        raw: in CSV, do not put a `'` before texts that a spreadsheet would take for a formula; in a table, do not
            shorten long cells.
    """
    match kind:
        case Format.TABLE:
            return _table(result, whole=raw).encode()
        case Format.CSV:
            return _csv(result, raw).encode()
        case Format.JSON:
            return _json_lines(result)
        case Format.PARQUET:
            return _parquet(result)


def plain(value: Any, type_name: str = "") -> Any:
    """A value of an answer as JSON has it: numbers, texts, booleans, null, lists and objects."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case Decimal():
            return value if value.is_finite() else None
        case datetime():
            return _instant(value)
        case date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case bytes():
            return base64.b64encode(value).decode()
        case list() if type_name.startswith("MAP"):
            return {_text(key): plain(item) for key, item in value}
        case list():
            return [plain(item, type_name.removesuffix("[]")) for item in value]
        case dict():
            return {key: plain(item) for key, item in value.items()}
        case _:
            return str(value)


def _instant(value: datetime) -> str:
    aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return aware.isoformat().replace("+00:00", "Z")


def _text(value: Any, type_name: str = "") -> str:
    simple = plain(value, type_name)
    if isinstance(simple, str):
        return simple
    return "" if simple is None else _json.encode(simple).decode()


def _csv(result: QueryResult, raw: bool) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_harmless(name, raw) for name in result.columns)
    for row in result.rows():
        cells = zip(row, result.types, strict=True)
        writer.writerow(
            _harmless(_text(value, kind), raw) if isinstance(value, str | list | dict) else _text(value, kind)
            for value, kind in cells
        )
    return out.getvalue()


def _harmless(text: str, raw: bool) -> str:
    return f"'{text}" if not raw and text.startswith(_FORMULA) else text


def _json_lines(result: QueryResult) -> bytes:
    rows = (
        _json.encode({name: plain(value, kind) for name, value, kind in zip(names, row, result.types, strict=True)})
        for names in (_unique(result.columns),)
        for row in result.rows()
    )
    body = b",\n".join(rows)
    return b"[\n" + body + b"\n]\n" if body else b"[]\n"


def _parquet(result: QueryResult) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(result.table.rename_columns(_unique(result.columns)), sink, compression="zstd")
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _unique(names: Iterable[str]) -> list[str]:
    unique: dict[str, None] = {}
    for name in names:
        free = name
        while free in unique:
            free += "_"
        unique[free] = None
    return list(unique)


def _table(result: QueryResult, whole: bool) -> str:
    lines = [[_visible(name, whole) for name in result.columns]]
    lines += [
        [_visible(_text(cell, kind), whole) for cell, kind in zip(row, result.types, strict=True)]
        for row in result.rows()
    ]
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    numeric = [_is_numeric(kind) for kind in result.types]
    text = [_line(line, widths, numeric) for line in lines]
    text.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(text) + f"\n({len(result)} {'row' if len(result) == 1 else 'rows'})\n"


def _line(cells: list[str], widths: list[int], numeric: list[bool]) -> str:
    padded = []
    for cell, width, right in zip(cells, widths, numeric, strict=True):
        space = " " * (width - _width(cell))
        padded.append(space + cell if right else cell + space)
    return "  ".join(padded).rstrip()


def _visible(text: str, whole: bool) -> str:
    """`text` on one line, without what would command a terminal; a long one shortened."""
    if not whole and len(text) > _CELL_WIDTH:
        text = text[: _CELL_WIDTH - 1] + "…"
    return "".join(character if character.isprintable() else _escape(character) for character in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def _is_numeric(kind: str) -> bool:
    return kind.endswith(("INT", "INTEGER", "DOUBLE", "FLOAT")) or kind.startswith("DECIMAL")
