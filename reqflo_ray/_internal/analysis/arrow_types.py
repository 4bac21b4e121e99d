"""Converts DuckDB's types to Arrow's: a value of a type that Arrow lacks becomes the text that DuckDB shows.

It must not know who queries, or how a result is written.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

from reqflo_ray._internal.analysis.python_values import is_beyond_python, text_of, values_of
from reqflo_ray._internal.model import intervals

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

# Types that Arrow would get in an unreadable or wrong form: a time without its zone, a large number without its digits.
_AS: Final = {
    **dict.fromkeys(("bit", "bignum", "uhugeint", "time with time zone", "geometry", "interval"), "VARCHAR"),
    "variant": "JSON",
}
_WHOLE_NUMBERS: Final = frozenset(["bignum", "uhugeint", "hugeint"])
_MONTH_DAY_NANO: Final = struct.Struct("=iiq")
_DAY_US: Final = 86_400_000_000
_LONGEST_US: Final = 2**63 - 1


def presentable(relation: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """Return the relation with columns that Arrow can hold. Names of columns may change."""
    casts = [_cast(kind) for kind in relation.types]
    if not any(casts):
        return relation
    chosen = [f"CAST(#{at} AS {cast})" if cast else f"#{at}" for at, cast in enumerate(casts, 1)]
    return relation.project(", ".join(chosen))


def settled(table: pa.Table, relation: duckdb.DuckDBPyRelation) -> pa.Table:
    """Return the table of a `presentable` relation with the column names of the original `relation`, intervals as
    durations, and whole numbers in the smallest type. A column with an interval of months, which has no fixed length,
    is text."""
    import pyarrow as pa

    kinds = [kind.id for kind in relation.types]
    if _WHOLE_NUMBERS.isdisjoint(kinds) and "interval" not in kinds and table.column_names == relation.columns:
        return table
    columns = [
        _whole_numbers(column) if kind in _WHOLE_NUMBERS else _durations(column) if kind == "interval" else column
        for kind, column in zip(kinds, table.columns, strict=True)
    ]
    return pa.Table.from_arrays(columns, names=list(relation.columns))


def portable(table: pa.Table) -> pa.Table:
    """Return the table for readers with fewer types than Arrow: columns with a union, or a number of more than 38
    digits, are text."""
    for at, column in enumerate(table.columns):
        if _is_rare(column.type):
            table = _with_text(table, at)
    return table


def for_frames(table: pa.Table) -> pa.Table:
    """Return a `portable` table for data frames: columns with dates, instants, or times that these lack are text."""
    table = portable(table)
    for at, column in enumerate(table.columns):
        if is_beyond_python(column):
            table = _with_text(table, at)
    return table


def _with_text(table: pa.Table, at: int) -> pa.Table:
    return table.set_column(at, table.column_names[at], _as_text(table.column(at)))


def _as_text(column: pa.ChunkedArray[Any]) -> pa.Array[Any]:
    """Return the column as text, as in CSV; null stays null."""
    import pyarrow as pa

    return pa.array([None if value is None else text_of(value) for value in values_of(column)], pa.string())


def _is_rare(kind: pa.DataType) -> bool:
    import pyarrow.types as of

    if of.is_union(kind) or of.is_decimal256(kind):
        return True
    return any(_is_rare(kind.field(at).type) for at in range(kind.num_fields))


def _cast(kind: Any) -> str:
    """Return the SQL type to cast a column to, or "". Intervals become durations, and digits numbers, later."""
    return "" if kind.id == "interval" else "VARCHAR" if kind.id in _WHOLE_NUMBERS else _target(kind)


def _target(kind: Any) -> str:
    if kind.id in _AS:
        return _AS[kind.id]
    if kind.id not in ("list", "array", "map", "struct", "union", "tuple"):
        return ""
    # Beside its members, a union has a tag without a name, and an array its size.
    left_out = {"array": "size", "union": ""}.get(kind.id)
    children = [(name, child) for name, child in kind.children if name != left_out]
    targets = [_target(child) for _, child in children]
    if not any(targets):
        return ""
    inner = [target or str(child) for target, (_, child) in zip(targets, children, strict=True)]
    match kind.id:
        case "list":
            return f"{inner[0]}[]"
        case "array":
            return f"{inner[0]}[{dict(kind.children)['size']}]"
        case "map":
            return f"MAP({', '.join(inner)})"
        case "tuple":
            return "VARCHAR"
    members = [f'"{name.replace(chr(34), chr(34) * 2)}" {of}' for (name, _), of in zip(children, inner, strict=True)]
    return f"{kind.id.upper()}({', '.join(members)})"


def _whole_numbers(column: pa.ChunkedArray[Any]) -> Any:
    """Return digits as numbers of the first type that holds them all, or as text if there is none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        return column.cast(pa.int64())
    except pa.ArrowInvalid:
        pass
    # Arrow itself does not detect a number that is slightly too long.
    digits = pc.max(pc.utf8_length(pc.utf8_ltrim(column, "-"))).as_py()
    return column.cast(pa.decimal128(38, 0) if digits <= 38 else pa.decimal256(76, 0)) if digits <= 76 else column


def _durations(column: pa.ChunkedArray[Any]) -> Any:
    import pyarrow as pa

    found = [interval for chunk in column.chunks for interval in _intervals(chunk)]
    lengths = [None if each is None else each[1] * _DAY_US + each[2] for each in found]
    has_length = all(each is None or not each[0] for each in found)
    if has_length and all(length is None or abs(length) <= _LONGEST_US for length in lengths):
        return pa.array(lengths, pa.duration("us"))
    return pa.array([None if each is None else intervals.interval(*each) for each in found], pa.string())


def _intervals(chunk: pa.Array[Any]) -> list[tuple[int, int, int] | None]:
    """Return the months, days, and microseconds of each interval."""
    data = chunk.buffers()[1]
    if not len(chunk) or data is None:
        return [None] * len(chunk)
    size, start = _MONTH_DAY_NANO.size, chunk.offset * _MONTH_DAY_NANO.size
    parts = _MONTH_DAY_NANO.iter_unpack(memoryview(data)[start : start + len(chunk) * size])
    return [
        (months, days, nanoseconds // 1000) if valid else None
        for valid, (months, days, nanoseconds) in zip(chunk.is_valid().to_pylist(), parts, strict=True)
    ]
