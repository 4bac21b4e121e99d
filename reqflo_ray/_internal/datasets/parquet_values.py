"""Converts values of Parquet to JSON. It must not know files or rows.

Numbers keep their digits and get no exponent. Dates, times, and timestamps become RFC 3339 text (a timestamp without a
zone gets none), a UUID becomes its text, and JSON its value; lists, structs, and maps with text keys become JSON. Bytes
and durations have no JSON form. Other extension types are converted as the type in which they are stored.
"""

from __future__ import annotations

import datetime
import math
import struct
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias
from uuid import UUID

from reqflo_ray._internal.model import json_text
from reqflo_ray._internal.model.values import JsonValue, without_exponent

if TYPE_CHECKING:
    import pyarrow as pa

_PER_SECOND: Final = {"s": 1, "ms": 1000, "us": 1_000_000, "ns": 1_000_000_000}
_SECONDS_OF_A_DAY: Final = 86_400
# For floats with fewer bits: their `struct` format, and the least and most digits that tell them apart.
_SHORT_FLOATS: Final = {16: ("e", 3, 5), 32: ("f", 6, 9)}

Converter: TypeAlias = Callable[[Any], JsonValue]


class _Odd(NamedTuple):
    """A cell whose value Arrow can hold and Python cannot."""

    reason: str


def values_of(
    columns: Sequence[pa.Array[Any]], converters: list[Converter | None]
) -> tuple[list[Any], list[Converter | None]]:
    """Return the values of columns, and their converters to JSON (None: they are JSON already). A cell that Python
    cannot hold leaves the others intact: its converter raises a `ValueError` that says what is wrong with it."""
    cells = [_countable(column) for column in columns]
    try:
        return [column.to_pylist() for column in cells], converters
    except (ValueError, ArithmeticError):
        values = [[_value(column, at) for at in range(len(column))] for column in cells]
        return values, [_refusing(converter) for converter in converters]


def refusal(kind: Any) -> str:
    """Return what a column of type `kind` holds that has no JSON form; "" if all of it has one."""
    from pyarrow import types

    kind = _stored(kind)
    if types.is_map(kind):
        return refusal(kind.item_type) if _is_text(kind.key_type) else "maps whose keys are not text"
    if _is_list(kind):
        return refusal(kind.value_type)
    if types.is_struct(kind):
        return next(filter(None, (refusal(kind.field(at).type) for at in range(kind.num_fields))), "")
    if (
        types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind)
        or types.is_binary_view(kind)
    ):  # fmt: skip
        return "bytes"
    if types.is_duration(kind):
        return "durations"
    plain = (
        types.is_null(kind) or types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind)
        or types.is_decimal(kind) or _is_text(kind) or types.is_timestamp(kind) or types.is_date(kind)
        or types.is_time(kind) or _extension(kind)
    )  # fmt: skip
    return "" if plain else f"`{kind}`"


def converter_of(kind: Any) -> Converter | None:
    """Return what converts an Arrow value to JSON, or raises `ValueError`; None if the value is JSON already."""
    from pyarrow import types

    kind = _stored(kind)
    if types.is_time(kind):
        return partial(_time, per_second=_PER_SECOND[kind.unit])
    if types.is_map(kind):
        of_item = _converter_within(kind.item_type)
        return lambda pairs: {key: of_item(value) for key, value in pairs}
    if types.is_struct(kind):
        of_field = {field.name: _converter_within(field.type) for field in kind}
        return lambda cell: {name: of_field[name](value) for name, value in cell.items()}
    if _is_list(kind):
        of_element = _converter_within(kind.value_type)
        return lambda elements: [of_element(element) for element in elements]
    if _extension(kind) == "arrow.json":
        return json_text.decode_strictly
    if types.is_floating(kind):
        return _float if kind.bit_width not in _SHORT_FLOATS else partial(_short_float, bits=kind.bit_width)
    if types.is_boolean(kind) or types.is_integer(kind) or _is_text(kind) or _extension(kind) == "arrow.bool8":
        return None
    return _json


def _converter_within(kind: Any) -> Converter:
    """As `converter_of`, for a member of a list, struct, or map, which may be null."""
    convert = converter_of(kind) or _json
    return lambda value: None if value is None else convert(value)


def _stored(kind: pa.DataType) -> Any:
    """Return `kind` without the layers that do not change its values: dictionaries, extensions with no meaning here."""
    import pyarrow as pa
    from pyarrow import types

    while True:
        if types.is_dictionary(kind) or types.is_run_end_encoded(kind):
            kind = kind.value_type
        elif isinstance(kind, pa.BaseExtensionType) and not _extension(kind):
            kind = kind.storage_type
        else:
            return kind


def _extension(kind: pa.DataType) -> str:
    """Return the name of an extension type whose values mean something other than their stored form; "" for others."""
    name = getattr(kind, "extension_name", "")
    return name if name in ("arrow.uuid", "arrow.json", "arrow.bool8") else ""


def _is_text(kind: pa.DataType) -> bool:
    from pyarrow import types

    return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)


def _is_list(kind: pa.DataType) -> bool:
    from pyarrow import types

    return (
        types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
        or types.is_list_view(kind) or types.is_large_list_view(kind)
    )  # fmt: skip


def _countable(column: Any) -> Any:
    """Return `column` with numbers for times: Python's own stop at microseconds and wrap around at midnight."""
    import pyarrow as pa
    from pyarrow import types

    if isinstance(column, pa.ExtensionArray) and not _extension(column.type):
        column = column.storage
    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    counted = _counted(column.type)
    return column if counted == column.type else column.cast(counted)


def _counted(kind: Any) -> Any:
    """Return the type of a column of type `kind` after `_countable`."""
    import pyarrow as pa
    from pyarrow import types

    if types.is_time(kind):
        return pa.int32() if types.is_time32(kind) else pa.int64()
    if types.is_map(kind):
        return pa.map_(kind.key_type, _counted(kind.item_type))
    if types.is_fixed_size_list(kind):
        return pa.list_(_counted(kind.value_type), kind.list_size)
    if _is_list(kind):
        item = kind.value_field.with_type(_counted(kind.value_type))
        if item.type == kind.value_type:
            return kind
        return pa.list_(item) if types.is_list(kind) or types.is_list_view(kind) else pa.large_list(item)
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
        return _Odd(f"it is not a date or time of the years 1 to 9999{where}")


def _refusing(converter: Converter | None) -> Converter:
    def convert(cell: Any) -> JsonValue:
        if isinstance(cell, _Odd):
            raise ValueError(cell.reason)
        return converter(cell) if converter else cell

    return convert


def _time(count: int, per_second: int) -> str:
    """As `datetime.time.isoformat`, with nanoseconds if there are any."""
    seconds, part = divmod(count, per_second)
    if not 0 <= seconds < _SECONDS_OF_A_DAY:
        raise ValueError("it is not a time of day")
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    nanoseconds = part * (1_000_000_000 // per_second)
    if not nanoseconds:
        return text
    return f"{text}.{nanoseconds:09}" if nanoseconds % 1000 else f"{text}.{nanoseconds // 1000:06}"


def _float(value: float) -> JsonValue:
    if not math.isfinite(value):
        raise ValueError(f"{value} is not a JSON number")
    return without_exponent(value)


def _short_float(value: float, bits: int) -> JsonValue:
    """Return a float of `bits` bits by the digits that tell it from its neighbors: 19.9, not 19.899999618530273."""
    if not math.isfinite(value):
        raise ValueError(f"{value} is not a JSON number")
    form, least, most = _SHORT_FLOATS[bits]
    exact = struct.pack(form, value)
    for digits in range(least, most):
        shorter = float(f"{value:.{digits}g}")
        if _packed(form, shorter) == exact:
            return without_exponent(shorter)
    return without_exponent(float(f"{value:.{most}g}"))


def _packed(form: str, value: float) -> bytes:
    try:
        return struct.pack(form, value)
    except OverflowError:  # rounded up beyond the largest one
        return b""


def _json(value: Any) -> JsonValue:
    match value:
        case datetime.datetime() | datetime.date() | datetime.time():
            return value.isoformat()
        case UUID():
            return str(value)
        case Decimal() if not value.is_finite():
            raise ValueError(f"{value} is not a JSON number")
        case Decimal():
            return without_exponent(value)
        case _:
            return value
