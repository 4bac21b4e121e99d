"""Reads Parquet as JSON values. It must not know types or inputs.

A null is not supplied. Decimals keep their digits; dates, times and timestamps become RFC 3339 text (a timestamp
without a zone gets none); lists, structs and maps with text keys become JSON. Bytes, durations and other types have no
JSON form and are refused by column. Rows are placed by their number in the file, from 1.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple

from reqflo_ray._internal.datasets.faults import DataFile, Faults
from reqflo_ray._internal.model.values import JsonValue

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import parquet

_BATCH_ROWS: Final = 4096
_PER_SECOND: Final = {"s": 1, "ms": 1000, "us": 1_000_000, "ns": 1_000_000_000}
_SECONDS_OF_A_DAY: Final = 86_400


class ParquetReader:
    """The rows of one Parquet file, or of some of its row groups. `stream` must be seekable."""

    header_line = 0

    def __init__(
        self,
        file: DataFile,
        stream: BinaryIO,
        faults: Faults,
        groups: range | None = None,
        used: frozenset[str] | None = None,
    ) -> None:
        self.file = file
        self._used = used
        self._stream = stream
        self._faults = faults
        self._groups = groups
        self._table: parquet.ParquetFile | None = None

    def header(self) -> tuple[str, ...]:
        """The names in the schema; () if it cannot be used (a finding)."""
        self._table = self._open()
        return tuple(self._table.schema_arrow.names) if self._table else ()

    @property
    def row_count(self) -> int:
        """How many rows the file says it has; known after `header`."""
        return int(self._table.metadata.num_rows) if self._table else 0

    def row_groups(self) -> list[tuple[int, int]]:
        """Of every row group of the file: how many rows it has, and its bytes unpacked; known after `header`."""
        if self._table is None:
            return []
        metadata = self._table.metadata
        groups = map(metadata.row_group, range(metadata.num_row_groups))
        return [(int(group.num_rows), int(group.total_byte_size)) for group in groups]

    def records(self) -> Iterator[tuple[int, dict[str, JsonValue], str]]:
        """Of every row: its number in the file from 1, the values that are not null, and "" (it has no text)."""
        if self._table is None:
            return
        names = self._table.schema_arrow.names
        converters = [_converter(kind) for kind in self._table.schema_arrow.types]
        starts = list(accumulate((rows for rows, _ in self.row_groups()), initial=0))
        # Group by group, so that a row has the same number and a damage the same finding in whatever parts it is read.
        for group in range(len(starts) - 1) if self._groups is None else self._groups:
            number = starts[group]
            try:
                for batch in self._table.iter_batches(batch_size=_BATCH_ROWS, row_groups=[group], use_threads=False):
                    columns, converting = _values(batch, converters)
                    for cells in zip(*columns, strict=True):
                        number += 1
                        row = self._row(number, names, converting, cells)
                        if row is not None:
                            yield number, row, ""
            except (ValueError, OSError) as problem:  # Arrow's errors are of these kinds
                self._report_damage(problem, number)

    def locate(self, line: int, text: str, name: str) -> tuple[int, int, str]:
        """The number of the row."""
        return line, 1, ""

    def _row(
        self, number: int, names: list[str], converters: list[_Converter | None], cells: tuple[Any, ...]
    ) -> dict[str, JsonValue] | None:
        row: dict[str, JsonValue] = {}
        for name, converter, cell in zip(names, converters, cells, strict=True):
            if cell is None:
                continue
            try:
                row[name] = converter(cell) if converter else cell
            except ValueError as problem:
                self._faults.add(
                    "no_json_value",
                    f"row {number}: the value of column `{name}` has no JSON form",
                    file=self.file,
                    line=number,
                    cause=str(problem),
                )
                return None
        return row

    def _open(self) -> parquet.ParquetFile | None:
        from pyarrow import parquet

        before = self._faults.count
        try:
            opened = parquet.ParquetFile(self._stream)
        except (ValueError, OSError) as problem:
            self._report_damage(problem, 0)
            return None
        if not opened.schema_arrow.names:
            self._report_column("no_header", f"`{self.file.name}` has no columns")
        seen: set[str] = set()
        for field in opened.schema_arrow:
            if field.name in seen:
                self._report_column("duplicate_column", f"column `{field.name}` is there twice")
            elif not field.name.strip():
                self._report_column("unnamed_column", "a column has no name")
            if reason := _refusal(field.type):
                self._report_column("unsupported_column", f"column `{field.name}` holds {reason}")
            seen.add(field.name)
        return opened if self._faults.count == before else None

    def _report_column(self, code: str, message: str) -> None:
        self._faults.add(code, message, file=self.file, hint="leave the column out, or give it another form")

    def _report_damage(self, problem: Exception, row: int) -> None:
        self._faults.add(
            "damaged_parquet",
            f"`{self.file.name}` cannot be read as Parquet" + (f" after row {row}" if row else ""),
            file=self.file,
            cause=str(problem).partition("\n")[0],
        )


_Converter = Callable[[Any], JsonValue]


class _Odd(NamedTuple):
    """Stands for a cell that Arrow can hold and Python cannot."""

    reason: str


def _values(batch: pa.RecordBatch, converters: list[_Converter | None]) -> tuple[list[Any], list[_Converter | None]]:
    """The values of a batch by column, and how they become JSON. A cell that has no value does not cost the others
    theirs: its converter says what is wrong with it."""
    cells = [_countable(column) for column in batch.columns]
    try:
        return [column.to_pylist() for column in cells], converters
    except (ValueError, ArithmeticError):
        columns = [[_value(column, at) for at in range(len(column))] for column in cells]
        return columns, [_refusing(converter) for converter in converters]


def _countable(column: pa.Array[Any]) -> pa.Array[Any]:
    """`column` with numbers for times: Python's own end at microseconds, and wrap around at midnight."""
    counted = _counted(column.type)
    return column if counted == column.type else column.cast(counted)


def _counted(kind: pa.DataType) -> Any:
    """The type that `kind` is then."""
    import pyarrow as pa
    from pyarrow import types

    if types.is_time(kind):
        return pa.int32() if types.is_time32(kind) else pa.int64()
    if types.is_map(kind):
        return pa.map_(kind.key_type, _counted(kind.item_type))
    if types.is_fixed_size_list(kind):
        return pa.list_(_counted(kind.value_type), kind.list_size)
    if types.is_list(kind) or types.is_large_list(kind):
        item = kind.value_field.with_type(_counted(kind.value_type))
        return pa.large_list(item) if types.is_large_list(kind) else pa.list_(item)
    if types.is_struct(kind):
        return pa.struct([field.with_type(_counted(field.type)) for field in kind])
    return kind


def _value(column: pa.Array[Any], at: int) -> Any:
    try:
        return column[at].as_py()
    except UnicodeDecodeError:
        return _Odd("its bytes are not UTF-8")
    except (ValueError, ArithmeticError):
        zone = getattr(column.type, "tz", None)
        where = f" in the time zone `{zone}`" if zone else ""
        return _Odd(f"it is no date or time of the years 1 to 9999{where}")


def _refusing(converter: _Converter | None) -> _Converter:
    def convert(cell: Any) -> JsonValue:
        if isinstance(cell, _Odd):
            raise ValueError(cell.reason)
        return converter(cell) if converter else cell

    return convert


def _refusal(kind: pa.DataType) -> str:
    """What a column of type `kind` holds that has no JSON form; "" if it has one."""
    from pyarrow import types

    if types.is_dictionary(kind):
        return _refusal(kind.value_type)
    if types.is_map(kind):
        return _refusal(kind.item_type) if types.is_string(kind.key_type) else "maps whose keys are no text"
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return _refusal(kind.value_type)
    if types.is_struct(kind):
        return next(filter(None, (_refusal(kind.field(at).type) for at in range(kind.num_fields))), "")
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
        return "bytes"
    plain = (
        types.is_null(kind) or types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind)
        or types.is_decimal(kind) or types.is_string(kind) or types.is_large_string(kind)
        or types.is_timestamp(kind) or types.is_date(kind) or types.is_time(kind)
    )  # fmt: skip
    return "" if plain else f"`{kind}`"


def _converter(kind: pa.DataType) -> _Converter | None:
    """How a value that Arrow gives becomes JSON; None where it is JSON already."""
    from pyarrow import types

    if types.is_time(kind):
        return partial(_time, per_second=_PER_SECOND[kind.unit])
    if types.is_map(kind):
        of_item = _converter_within(kind.item_type)
        return lambda pairs: {key: of_item(value) for key, value in pairs}
    if types.is_struct(kind):
        of_field = {field.name: _converter_within(field.type) for field in kind}
        return lambda cell: {name: of_field[name](value) for name, value in cell.items()}
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        of_element = _converter_within(kind.value_type)
        return lambda elements: [of_element(element) for element in elements]
    if types.is_boolean(kind) or types.is_integer(kind) or types.is_string(kind) or types.is_large_string(kind):
        return None
    return _json


def _converter_within(kind: pa.DataType) -> _Converter:
    """As `_converter`, for what lies in a list, struct or map, where it may be null."""
    convert = _converter(kind) or _json
    return lambda value: None if value is None else convert(value)


def _time(count: int, per_second: int) -> str:
    """As `datetime.time.isoformat`, with nanoseconds where there are any."""
    seconds, part = divmod(count, per_second)
    if not 0 <= seconds < _SECONDS_OF_A_DAY:
        raise ValueError("it is not a time of day")
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    nanoseconds = part * (1_000_000_000 // per_second)
    if not nanoseconds:
        return text
    return f"{text}.{nanoseconds:09}" if nanoseconds % 1000 else f"{text}.{nanoseconds // 1000:06}"


def _json(value: Any) -> JsonValue:
    match value:
        case float() if not math.isfinite(value):
            raise ValueError(f"{value} is no JSON number")
        case datetime.datetime() | datetime.date():
            return value.isoformat()
        case Decimal() if not value.is_finite():
            raise ValueError(f"{value} is no JSON number")
        case _:
            return value
