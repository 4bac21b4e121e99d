"""Answers as text or bytes: aligned text, CSV, JSON, Parquet. Knows nothing of stores or SQL.

Instants are written as RFC 3339 in UTC, bytes as base64, nested values as JSON, in every format that is text.

An answer that leaves something out says so in itself, whatever reads it: in a last column `left_out` of every line, and
where there is no line in one that holds nothing else. As a table for people, in a line below it.
"""

from __future__ import annotations

import base64
import math
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import msgspec

from reqflo_ray._internal.analysis.session import QueryResult

if TYPE_CHECKING:
    import pyarrow as pa

# What a spreadsheet takes for a formula, and with it for a command.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_CELL_WIDTH: Final = 60
# The name of the column that says what is left out.
LEFT_OUT: Final = "left_out"
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
    if kind is Format.TABLE:
        return _table(result, whole=raw).encode()
    if result.left_out:
        result = _with_note(result)
    match kind:
        case Format.CSV:
            return _csv(result, raw).encode()
        case Format.JSON:
            return _json_lines(result)
        case Format.PARQUET:
            return _parquet(result)


def records(result: QueryResult) -> Iterator[tuple[Any, ...]]:
    """The lines of an answer as JSON has values: numbers, texts, booleans, null, lists and objects.

    Numbers keep all their digits (`Decimal` where a float cannot); NaN and the infinities become null.
    """
    converters = [_converter(kind) for kind in result.table.schema.types]
    for row in result.rows():
        yield tuple(convert(value) for convert, value in zip(converters, row, strict=True))


def _with_note(result: QueryResult) -> QueryResult:
    """The answer with what it leaves out as its last column. Without a line it gets one, since a program that counts
    lines would take none for good news."""
    import pyarrow as pa

    names = _unique([*result.columns, LEFT_OUT])
    columns: list[Any] = list(result.table.columns)
    if not len(result):
        columns = [pa.array([None], kind) for kind in result.table.schema.types]
    columns.append(pa.array([result.left_out] * max(len(result), 1), pa.string()))
    return QueryResult(pa.Table.from_arrays(columns, names=names), (*result.types, "VARCHAR"), result.problems)


def _converter(kind: pa.DataType) -> Callable[[Any], Any]:
    import pyarrow.types

    if pyarrow.types.is_map(kind):
        key, item = _converter(kind.key_type), _converter(kind.item_type)
        return lambda pairs: None if pairs is None else {_text(key(name)): item(value) for name, value in pairs}
    if pyarrow.types.is_list(kind) or pyarrow.types.is_large_list(kind) or pyarrow.types.is_fixed_size_list(kind):
        each = _converter(kind.value_type)
        return lambda values: None if values is None else [each(value) for value in values]
    if pyarrow.types.is_struct(kind):
        fields = {field.name: _converter(field.type) for field in kind}
        return lambda found: None if found is None else {name: fields[name](value) for name, value in found.items()}
    return _plain


def _plain(value: Any) -> Any:
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case Decimal():
            return value if value.is_finite() else None
        case datetime():
            aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
            return aware.isoformat().replace("+00:00", "Z")
        case date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case bytes():
            return base64.b64encode(value).decode()
        case _:
            return str(value)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else _json.encode(value).decode()


def _csv(result: QueryResult, raw: bool) -> str:
    lines = [",".join(_quoted(_harmless(name, raw)) for name in result.columns)]
    for row in records(result):
        cells = (
            _text(value) if isinstance(value, int | float | Decimal) else _harmless(_text(value), raw) for value in row
        )
        # A line of nothing would be taken for no line.
        lines.append(",".join(map(_quoted, cells)) or '""')
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    # Not the csv module: it leaves a lone carriage return bare, which most readers take for the end of a line.
    if any(mark in text for mark in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


def _harmless(text: str, raw: bool) -> str:
    return f"'{text}" if not raw and text.startswith(_FORMULA) else text


def _json_lines(result: QueryResult) -> bytes:
    names = _unique(result.columns)
    body = b",\n".join(_json.encode(dict(zip(names, row, strict=True))) for row in records(result))
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
    lines += [[_visible(_text(value), whole) for value in row] for row in records(result)]
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    numeric = [_is_numeric(kind) for kind in result.types]
    text = [_line(line, widths, numeric) for line in lines]
    text.insert(1, "  ".join("-" * width for width in widths))
    text.append(f"({len(result)} {'row' if len(result) == 1 else 'rows'})")
    if result.left_out:
        text.append(f"{LEFT_OUT}: {_visible(result.left_out, whole=True)}")
    return "\n".join(text) + "\n"


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
