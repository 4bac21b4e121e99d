"""Writes lengths of time as DuckDB shows an interval. Pure text."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

_SECOND_US: Final = 1_000_000
_DAY_US: Final = 86_400 * _SECOND_US


def written(length: timedelta) -> str:
    """Write `length` as in `1 day 04:05:06.7`."""
    microseconds = length // timedelta(microseconds=1)
    days, rest = _divided(microseconds, _DAY_US)
    return interval(0, days, rest)


def interval(months: int, days: int, microseconds: int) -> str:
    """Write an interval of these three parts, each with its own sign, as in `1 year 2 months 3 days -04:05:06.7`."""
    years, months = _divided(months, 12)
    parts = [
        f"{count} {unit}{'' if abs(count) == 1 else 's'}"
        for count, unit in ((years, "year"), (months, "month"), (days, "day"))
        if count
    ]
    if microseconds or not parts:
        parts.append(("-" if microseconds < 0 else "") + clock(abs(microseconds), _SECOND_US))
    return " ".join(parts)


def clock(count: int, units: int) -> str:
    """Write `count` units of time, with `units` (a power of ten) per second, as in `04:05:06.7`."""
    seconds, part = divmod(count, units)
    fraction = f".{part:0{len(str(units)) - 1}d}".rstrip("0") if part else ""
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{fraction}"


def _divided(count: int, by: int) -> tuple[int, int]:
    """Return quotient and remainder, both with the sign of `count`."""
    sign = -1 if count < 0 else 1
    whole, rest = divmod(abs(count), by)
    return sign * whole, sign * rest
