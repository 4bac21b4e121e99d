"""Durations as people write them (`200ms`, `1.5s`, `2m`, `1h`), and nothing else."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(ms|s|m|h)", re.ASCII)
_FACTORS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}
_LONGEST_MS: Final = 24 * 3_600_000


def parse_duration(text: str) -> int:
    """Return the duration in milliseconds.

    Raises ValueError, with a sentence for people, if `text` is not a duration of at most 24 hours.
    """
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise ValueError(
            f"`{text[:40]}` is not a duration: write a number and its unit, such as `200ms`, `1.5s`, or `2m`"
        )
    milliseconds = int((Decimal(found[1]) * _FACTORS[found[2]]).to_integral_value())
    if milliseconds > _LONGEST_MS:
        raise ValueError(f"`{text[:40]}` is too long: at most 24 hours")
    return milliseconds


def duration_text(milliseconds: int) -> str:
    """Return the shortest text for a whole number of milliseconds: `60000` is `1m`."""
    if not milliseconds:
        return "0s"
    unit = next(unit for unit in ("h", "m", "s", "ms") if milliseconds % _FACTORS[unit] == 0)
    return f"{milliseconds // _FACTORS[unit]}{unit}"


def _validate(value: Any) -> int:
    if isinstance(value, str):
        try:
            return parse_duration(value)
        except ValueError as problem:
            raise PydanticCustomError("wrong_value", "{text}", {"text": str(problem)}) from None
    text = "a duration needs its unit: write it as `200ms`, `1.5s`, or `2m`"
    raise PydanticCustomError("wrong_type", "{text}", {"text": text})


def _validate_or_milliseconds(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    return _validate(value)


def _not_zero(value: int) -> int:
    if value == 0:
        raise PydanticCustomError("wrong_value", "{text}", {"text": "it must be at least 1ms"})
    return value


DURATION_PATTERN: Final = r"^\s*[0-9]+(\.[0-9]+)? ?(ms|s|m|h)\s*$"
_POSITIVE_PATTERN: Final = r"^\s*(?=[0-9.]*[1-9])[0-9]+(\.[0-9]+)? ?(ms|s|m|h)\s*$"
# More than 24 hours in each unit, as far as a pattern can say it in one line.
_TOO_LONG: Final = (
    r"^\s*0*("
    r"(2[5-9]|[3-9][0-9]|[1-9][0-9]{2,})(\.[0-9]+)? ?h|"
    r"(144[1-9]|14[5-9][0-9]|1[5-9][0-9]{2}|[2-9][0-9]{3}|[1-9][0-9]{4,})(\.[0-9]+)? ?m|"
    r"(8640[1-9]|864[1-9][0-9]|86[5-9][0-9]{2}|8[7-9][0-9]{3}|9[0-9]{4}|[1-9][0-9]{5,})(\.[0-9]+)? ?s|"
    r"(86[5-9][0-9]{5}|8[7-9][0-9]{6}|9[0-9]{7}|[1-9][0-9]{8,})(\.[0-9]+)? ?ms)\s*$"
)
_SCHEMA: Final = {"type": "string", "pattern": DURATION_PATTERN, "not": {"pattern": _TOO_LONG}}
POSITIVE_SCHEMA: Final = _SCHEMA | {"pattern": _POSITIVE_PATTERN}

Duration = Annotated[int, BeforeValidator(_validate), WithJsonSchema(_SCHEMA)]
"""A duration with its unit, in milliseconds."""

PositiveDuration = Annotated[
    int, BeforeValidator(_validate), AfterValidator(_not_zero), WithJsonSchema(POSITIVE_SCHEMA)
]
"""A duration of at least a millisecond."""

DurationOrMilliseconds = Annotated[
    int,
    BeforeValidator(_validate_or_milliseconds),
    WithJsonSchema({"anyOf": [_SCHEMA, {"type": "integer", "minimum": 0}]}),
]
"""A duration with its unit, or a bare number of milliseconds."""
