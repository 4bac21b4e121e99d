"""Writes results of queries as CSV, JSON, or Parquet. It must not know stores, SQL, or how a table is shown to people.

In text formats, instants are RFC 3339 in UTC, intervals are as DuckDB shows them, bytes are base64, and nested values
are JSON.

A result that leaves something out says so in a last column `left_out` of every line. If it has no lines, it gets one
that has nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, Final

from reqflo_ray._internal.analysis.arrow_types import portable
from reqflo_ray._internal.analysis.python_values import json_converter, text_of
from reqflo_ray._internal.analysis.session import QueryResult
from reqflo_ray._internal.model.json_text import encode_exactly

# A cell that begins so is a formula to a spreadsheet, which may run a command.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
# The texts of these types may begin with a sign, but are never formulas.
_NEVER_FORMULAS: Final = ("INTERVAL", "DATE", "TIME", "FLOAT", "DOUBLE")
# The name of the column that says what is left out.
LEFT_OUT: Final = "left_out"


def to_csv(result: QueryResult, *, raw: bool = False) -> bytes:
    """Return the result as CSV in UTF-8.

    Args:
        raw: put no `'` before texts that a spreadsheet would run as a formula.
    """
    result = _with_note(result)
    lines = [",".join(_quoted(_harmless(name, raw)) for name in result.columns)]
    as_they_are = [raw or kind.startswith(_NEVER_FORMULAS) for kind in result.types]
    for row in records(result):
        cells = (
            text_of(value) if isinstance(value, int | float | Decimal) else _harmless(text_of(value), keep)
            for value, keep in zip(row, as_they_are, strict=True)
        )
        # An empty line would be read as no line.
        lines.append(",".join(map(_quoted, cells)) or '""')
    return ("\n".join(lines) + "\n").encode()


def to_json(result: QueryResult) -> bytes:
    """Return the result as a JSON array with an object per line."""
    result = _with_note(result)
    names = _unique(result.columns)
    body = b",\n".join(encode_exactly(dict(zip(names, row, strict=True))) for row in records(result))
    return b"[\n" + body + b"\n]\n" if body else b"[]\n"


def to_parquet(result: QueryResult) -> bytes:
    """Return the result as a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = portable(_with_note(result).table)
    sink = pa.BufferOutputStream()
    pq.write_table(table.rename_columns(_unique(table.column_names)), sink, compression="zstd")
    data: bytes = sink.getvalue().to_pybytes()
    return data


def records(result: QueryResult) -> Iterator[tuple[Any, ...]]:
    """Yield the lines of a result as values of JSON: numbers, texts, booleans, null, lists, and objects.

    Numbers keep all their digits (`Decimal` where a float cannot); NaN and the infinities become text.
    """
    converters = [json_converter(kind) for kind in result.table.schema.types]
    for row in result.rows():
        yield tuple(convert(value) for convert, value in zip(converters, row, strict=True))


def _with_note(result: QueryResult) -> QueryResult:
    """Return the result with what it leaves out, if anything, as its last column. A result without lines gets one,
    because a program that counts lines would read zero as success."""
    if not result.left_out:
        return result
    import pyarrow as pa

    names = _unique([*result.columns, LEFT_OUT])
    columns: list[Any] = list(result.table.columns)
    if not len(result):
        columns = [pa.array([None], kind) for kind in result.table.schema.types]
    columns.append(pa.array([result.left_out] * max(len(result), 1), pa.string()))
    return QueryResult(
        pa.Table.from_arrays(columns, names=names), (*result.types, "VARCHAR"), result.problems, result.runs
    )


def _quoted(text: str) -> str:
    # Not the csv module: it does not quote a lone carriage return, which most readers treat as the end of a line.
    if any(mark in text for mark in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


def _harmless(text: str, raw: bool) -> str:
    return f"'{text}" if not raw and text.startswith(_FORMULA) else text


def _unique(names: Iterable[str]) -> list[str]:
    unique: dict[str, None] = {}
    for name in names:
        free = name
        while free in unique:
            free += "_"
        unique[free] = None
    return list(unique)
