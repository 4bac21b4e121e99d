"""Converts values of Arrow columns to Python, text, and JSON. A value that Python cannot represent, such as an infinite
date or the year 12026, becomes text. It must not know where the values come from.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from reqflo_ray._internal.model import instants, intervals
from reqflo_ray._internal.model.json_text import encode_exactly

if TYPE_CHECKING:
    import pyarrow as pa

_UNITS_A_SECOND: Final = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
# How DuckDB writes the infinities of dates and of timestamps.
_INFINITE_DAYS: Final = {2**31 - 1: "infinity", -(2**31 - 1): "-infinity"}
_INFINITE_INSTANTS: Final = {2**63 - 1: "infinity", -(2**63 - 1): "-infinity"}


def values_of(column: pa.ChunkedArray[Any]) -> list[Any]:
    """Return the values of a column. A map is a list of pairs."""
    if not _needs_care(column.type):
        try:
            values: list[Any] = column.to_pylist()
            return values
        except (OverflowError, ValueError):
            pass  # at least one of them is out of Python's range
    return [_value(scalar) for scalar in column]


def is_beyond_python(column: pa.ChunkedArray[Any]) -> bool:
    """Return whether a column has a date, an instant, or a time of day that Python cannot represent."""
    import pyarrow.compute as pc
    import pyarrow.types as of

    kind = column.type
    if not _is_temporal(kind):
        return False
    if kind.num_fields:
        try:
            column.to_pylist()
        except (OverflowError, ValueError):
            return True
        return False
    bounds: Any = pc.min_max(column)
    ends = [bounds[end] for end in ("min", "max") if bounds[end].is_valid]
    if of.is_timestamp(kind) and kind.unit == "ns":  # frames hold all of these
        return any(end.value in _INFINITE_INSTANTS for end in ends)
    return any(isinstance(_value(end), str) for end in ends)


def text_of(value: Any) -> str:
    """Return a single value as text: null is empty, and nested values are JSON."""
    value = _plain(value)
    if isinstance(value, str):
        return value
    return "" if value is None else encode_exactly(value).decode()


def json_converter(kind: pa.DataType) -> Callable[[Any], Any]:
    """Return a function that converts values of a type to those of JSON. Numbers keep all their digits; NaN and the
    infinities, which JSON lacks, become text."""
    import pyarrow.types as of

    if of.is_map(kind):
        key, item = json_converter(kind.key_type), json_converter(kind.item_type)
        return lambda pairs: None if pairs is None else {text_of(key(name)): item(value) for name, value in pairs}
    if of.is_list(kind) or of.is_large_list(kind) or of.is_fixed_size_list(kind):
        each = json_converter(kind.value_type)
        return lambda values: None if values is None else [each(value) for value in values]
    if of.is_struct(kind):
        fields = {field.name: json_converter(field.type) for field in kind}
        return lambda found: None if found is None else {name: fields[name](value) for name, value in found.items()}
    return _plain


def _plain(value: Any) -> Any:
    match value:
        case None | bool() | int() | str():
            return value
        case float() | Decimal():
            return value if math.isfinite(value) else _not_finite(value)
        case datetime():
            return instants.written(value, "auto")
        case date() | time():
            return value.isoformat()
        case timedelta():
            return intervals.written(value)
        case bytes():
            return base64.b64encode(value).decode()
        case dict():
            return {str(name): _plain(item) for name, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            return str(value)


def _not_finite(value: float | Decimal) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _is_temporal(kind: pa.DataType) -> bool:
    import pyarrow.types as of

    if of.is_date32(kind) or of.is_timestamp(kind) or of.is_time64(kind):
        return True
    return any(_is_temporal(kind.field(at).type) for at in range(kind.num_fields))


def _needs_care(kind: pa.DataType) -> bool:
    """Return whether Arrow would silently change some values of this type."""
    import pyarrow.types as of

    if of.is_time64(kind) or of.is_decimal256(kind) or (of.is_timestamp(kind) and kind.unit == "ns"):
        return True
    if of.is_decimal128(kind):
        return bool(kind.scale == 0)
    return any(_needs_care(kind.field(at).type) for at in range(kind.num_fields))


def _value(scalar: Any) -> Any:
    import pyarrow.types as of

    kind = scalar.type
    if not scalar.is_valid:
        return None
    if of.is_map(kind):
        return [(_value(entry[0]), _value(entry[1])) for entry in scalar.values]
    if of.is_list(kind) or of.is_large_list(kind) or of.is_fixed_size_list(kind):
        return [_value(item) for item in scalar.values]
    if of.is_struct(kind):
        return {field.name: _value(scalar[at]) for at, field in enumerate(kind)}
    if of.is_union(kind):
        return _value(scalar.value)
    if of.is_decimal(kind):
        number = scalar.as_py()
        return int(number) if kind.scale == 0 else number
    if of.is_date32(kind):
        return _date(scalar.value)
    if of.is_timestamp(kind):
        return _instant(scalar, _UNITS_A_SECOND[kind.unit])
    if of.is_time64(kind):
        return _time(scalar, _UNITS_A_SECOND[kind.unit])
    return scalar.as_py()


def _date(days: int) -> Any:
    ordinal = days + _EPOCH_DAY
    if date.min.toordinal() <= ordinal <= date.max.toordinal():
        return date.fromordinal(ordinal)
    return _INFINITE_DAYS.get(days) or _day_text(days)


def _instant(scalar: Any, units: int) -> Any:
    if scalar.value in _INFINITE_INSTANTS:
        return _INFINITE_INSTANTS[scalar.value]
    days, within = divmod(scalar.value, 86_400 * units)
    if isinstance(_date(days), date) and not (units > 1_000_000 and within % 1000):
        return scalar.as_py()
    day, _, era = _day_text(days).partition(" ")
    return f"{day}T{intervals.clock(within, units)}Z{' ' + era if era else ''}"


def _time(scalar: Any, units: int) -> Any:
    fits = scalar.value < 86_400 * units and not (units > 1_000_000 and scalar.value % 1000)
    return scalar.as_py() if fits else intervals.clock(scalar.value, units)


def _day_text(days: int) -> str:
    """Return a day of any year, counted from 1970, as DuckDB writes it."""
    # The calendar repeats after 400 years.
    cycles, rest = divmod(days + _EPOCH_DAY - 1, 146_097)
    within = date.fromordinal(rest + 1)
    year = within.year + 400 * cycles
    shown, era = (year, "") if year > 0 else (1 - year, " (BC)")
    return f"{shown:04}-{within.month:02}-{within.day:02}{era}"
