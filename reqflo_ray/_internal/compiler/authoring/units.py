"""Durations as people write them (`200ms`, `1.5s`, `2m`, `1h`). Nothing else."""

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
    """Milliseconds. Raises ValueError, with a sentence for people, if `text` is no duration of at most 24 hours."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"`{text[:40]}` is no duration: write a number and its unit, as in `200ms`, `1.5s` or `2m`")
    milliseconds = int((Decimal(found[1]) * _FACTORS[found[2]]).to_integral_value())
    if milliseconds > _LONGEST_MS:
        raise ValueError(f"`{text[:40]}` is longer than 24 hours")
    return milliseconds


def _validate(value: Any) -> int:
    if isinstance(value, str):
        try:
            return parse_duration(value)
        except ValueError as problem:
            raise PydanticCustomError("wrong_value", "{text}", {"text": str(problem)}) from None
    text = "a duration needs its unit: write it as in `200ms`, `1.5s` or `2m`"
    raise PydanticCustomError("wrong_type", "{text}", {"text": text})


def _validate_or_milliseconds(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    return _validate(value)


def _not_zero(value: int) -> int:
    if value == 0:
        raise PydanticCustomError("wrong_value", "{text}", {"text": "it must be at least 1ms"})
    return value


_TEXT_SCHEMA: Final = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? ?(ms|s|m|h)$"}

Duration = Annotated[int, BeforeValidator(_validate), WithJsonSchema(_TEXT_SCHEMA)]
"""A duration with its unit, in milliseconds."""

PositiveDuration = Annotated[int, BeforeValidator(_validate), AfterValidator(_not_zero), WithJsonSchema(_TEXT_SCHEMA)]
"""A duration of at least a millisecond."""

DurationOrMilliseconds = Annotated[
    int,
    BeforeValidator(_validate_or_milliseconds),
    WithJsonSchema({"anyOf": [_TEXT_SCHEMA, {"type": "integer", "minimum": 0}]}),
]
"""A duration with its unit, or a bare number of milliseconds."""
