"""Encodes rows in memory as a file that can be read like any other dataset. It must not know where the file is
stored."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from reqflo_ray._internal.errors import UsageError
from reqflo_ray._internal.model import json_text
from reqflo_ray._internal.model.values import without_exponent

_HINT: Final = "pass files, mappings by column, an Arrow table, or a pandas or polars data frame"


def encoded(rows: Any) -> tuple[str, bytes]:
    """Return the extension of the file and its contents. Raises `UsageError` (`invalid_rows`)."""
    if (table := _as_table(rows)) is not None:
        return "parquet", _parquet(table)
    if isinstance(rows, str | bytes | Mapping) or not isinstance(rows, Iterable):
        raise _invalid(f"a dataset cannot be of type `{type(rows).__name__}`", _HINT)
    return "jsonl", b"".join(_json_line(number, row) for number, row in enumerate(rows))


def _as_table(rows: Any) -> Any:
    """Return an Arrow table of an object with columns; None for anything else. Neither pandas nor polars is
    imported."""
    kind = type(rows).__module__.partition(".")[0]
    if kind == "pandas" and hasattr(rows, "columns"):
        import pyarrow as pa

        try:
            return pa.Table.from_pandas(rows, preserve_index=False)
        except (pa.ArrowException, ValueError, TypeError, OverflowError) as problem:
            raise _invalid("the data frame cannot be read as a table", _HINT, str(problem)) from None
    if kind == "polars" and hasattr(rows, "columns") and hasattr(rows, "to_arrow"):
        return rows.to_arrow()
    if hasattr(rows, "__arrow_c_stream__"):
        import pyarrow as pa

        try:
            return pa.table(rows)
        except pa.ArrowException as problem:
            raise _invalid(f"an object of type `{type(rows).__name__}` is not a table", _HINT, str(problem)) from None
    return None


def _parquet(table: Any) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    sink = pa.BufferOutputStream()
    try:
        parquet.write_table(table, sink)
    except (pa.ArrowException, ValueError) as problem:
        raise _invalid(
            "the table has a column that Parquet cannot represent", "convert the column", str(problem)
        ) from None
    return bytes(sink.getvalue())


def _json_line(number: int, row: object) -> bytes:
    if not isinstance(row, Mapping):
        raise _invalid(f"row {number} is of type `{type(row).__name__}`, not a mapping", _HINT)
    for name in row:
        if not isinstance(name, str):
            raise _invalid(f"row {number} has a column `{name}`, whose name is not text", "use text for column names")
    try:
        return json_text.encode(_plain(row)) + b"\n"
    except (TypeError, ValueError, RecursionError) as problem:
        raise _invalid(
            f"row {number} has a value that JSON cannot represent",
            "pass text, numbers, lists, and mappings",
            str(problem),
        ) from None


def _plain(value: Any) -> Any:
    """Return `value` in the form that the encoder accepts, which names the type of everything that it refuses."""
    if isinstance(value, Mapping):
        if stray := [name for name in value if not isinstance(name, str)]:
            raise TypeError(f"the name {stray[0]!r} is not text")
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, bytes | bytearray | memoryview | set | frozenset):
        raise TypeError(f"JSON has no value of type `{type(value).__name__}`")
    if isinstance(value, datetime | date | time):
        if value != value:  # pandas' NaT
            raise ValueError("a date or time is missing (NaT)")
        return value.isoformat()
    if type(value).__module__ == "numpy" and hasattr(value, "item"):
        return _plain(value.item())
    if isinstance(value, float | Decimal):
        if not math.isfinite(value):
            raise ValueError(f"{value} is not a JSON number")
        return without_exponent(value)
    return str(value) if isinstance(value, UUID) else value


def _invalid(message: str, hint: str, cause: str = "") -> UsageError:
    return UsageError(message, code="invalid_rows", cause=cause, hint=hint)
