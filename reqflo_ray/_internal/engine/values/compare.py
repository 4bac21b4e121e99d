"""What the operators of assertions mean. Numbers compare by value, JSON deeply; nothing is coerced.

It must not know what is compared: no responses, no paths, no messages about them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Final, TypeAlias

from reqflo_ray._internal.engine.values.conversion import kind_of
from reqflo_ray._internal.engine.values.patterns import Pattern
from reqflo_ray._internal.engine.values.work import Work
from reqflo_ray._internal.model.artifact import Operator
from reqflo_ray._internal.model.values import JsonValue

Number: TypeAlias = int | float | Decimal


class Incomparable(ValueError):
    """An operator does not apply to these values. The message says why and quotes none of them."""


# Each negated operator, with the one that it negates.
NEGATED: Final[Mapping[Operator, Operator]] = {
    Operator.NOT_EXISTS: Operator.EXISTS,
    Operator.NOT_EQUALS: Operator.EQUALS,
    Operator.NOT_CONTAINS: Operator.CONTAINS,
    Operator.NOT_IN: Operator.IN,
}

ORDERINGS: Final = frozenset(
    {Operator.GREATER_THAN, Operator.GREATER_THAN_OR_EQUAL, Operator.LESS_THAN, Operator.LESS_THAN_OR_EQUAL}
)

# Comparing shorter texts costs no more than counting the work.
_SHORT: Final = 64

_TYPE_NAMES: Final = ("null", "boolean", "number", "integer", "string", "array", "object")


def holds(
    operator: Operator, actual: JsonValue, expected: JsonValue, work: Work, pattern: Pattern | None = None
) -> bool:
    """Return whether `actual <operator> expected` holds. `pattern` is `expected`, if it has been compiled already.

    Raises:
        Incomparable: the operator does not apply to these values.
        PatternError: `expected` is not a pattern.
        Unjudged: it takes more than `work` has left.
    """
    positive = NEGATED.get(operator)
    if positive is not None:
        return not _HOLDS[positive](actual, expected, work)
    if operator is Operator.MATCHES and pattern is not None:
        return pattern.found_in(_text(actual, "matches"), work)
    return _HOLDS[operator](actual, expected, work)


def equal(left: JsonValue, right: JsonValue, work: Work) -> bool:
    """Return whether two JSON values are equal: numbers by value (`287.00` is `287`), and booleans are not numbers.

    Raises:
        Unjudged: it takes more than `work` has left.
    """
    if isinstance(left, str):
        if not isinstance(right, str) or len(left) != len(right):
            return False
        if len(left) > _SHORT:
            work.spend_on_text(len(left))
        return left == right
    if left is None or right is None or isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict):
        if not isinstance(right, dict) or len(left) != len(right):
            return False
        work.spend(1 + len(left))
        return all(name in right and equal(value, right[name], work) for name, value in left.items())
    if isinstance(left, list | tuple):
        if not isinstance(right, list | tuple) or len(left) != len(right):
            return False
        work.spend(1 + len(left))
        return all(equal(one, other, work) for one, other in zip(left, right, strict=True))
    if isinstance(right, str | dict | list | tuple):
        return False
    one, other = alike(left, right)
    return bool(one == other)


def less(left: JsonValue, right: JsonValue) -> bool:
    """Return whether the number `left` is less than the number `right`.

    Raises:
        Incomparable: one of them is not a number.
    """
    if not (is_number(left) and is_number(right)):
        raise Incomparable(f"only numbers can be ordered, not {kind_of(right if is_number(left) else left)}")
    one, other = alike(left, right)
    return bool(one < other)


def is_number(value: JsonValue) -> bool:
    """Return whether `value` is a JSON number."""
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def alike(left: Number, right: Number) -> tuple[Number, Number]:
    """Return two numbers in a form in which Python compares them by the digits as written.

    A float stands for its shortest decimal text; a Decimal beside it (`0.10`, beside the float `0.1`) does not equal
    its binary value.
    """
    if isinstance(left, float) and isinstance(right, Decimal):
        return Decimal(repr(left)), right
    if isinstance(left, Decimal) and isinstance(right, float):
        return left, Decimal(repr(right))
    return left, right


def _contains(actual: JsonValue, expected: JsonValue, work: Work) -> bool:
    match actual:
        case str():
            work.spend_on_text(len(actual))
            return _text(expected, "contains") in actual
        case list() | tuple():
            return _is_among(expected, actual, work)
        case dict():
            return _text(expected, "contains") in actual
        case _:
            raise Incomparable(f"`contains` needs text, an array, or an object, not {kind_of(actual)}")


def _is_in(actual: JsonValue, expected: JsonValue, work: Work) -> bool:
    if not isinstance(expected, list | tuple):
        raise Incomparable(f"`in` expects an array, not {kind_of(expected)}")
    return _is_among(actual, expected, work)


def _is_among(value: JsonValue, items: Sequence[JsonValue], work: Work) -> bool:
    work.spend(len(items))
    return any(equal(item, value, work) for item in items)


def _has_type(actual: JsonValue, expected: JsonValue, work: Work) -> bool:
    match expected:
        case "null":
            return actual is None
        case "boolean":
            return isinstance(actual, bool)
        case "string":
            return isinstance(actual, str)
        case "array":
            return isinstance(actual, list | tuple)
        case "object":
            return isinstance(actual, dict)
        case "number":
            return is_number(actual)
        case "integer":
            return is_number(actual) and (isinstance(actual, int) or _is_whole(actual))
    raise Incomparable(f"`type` expects one of {', '.join(_TYPE_NAMES)}")


def _is_whole(number: Number) -> bool:
    # `as_integer_ratio` or `int` would build the digits of 1e999999999.
    exact = Decimal(repr(number)) if isinstance(number, float) else Decimal(number)
    return exact.is_finite() and exact == exact.to_integral_value()


def _has_length(actual: JsonValue, expected: JsonValue, work: Work) -> bool:
    if not is_number(expected):
        raise Incomparable(f"`length` expects a number, not {kind_of(expected)}")
    if not isinstance(actual, str | list | tuple | dict):
        raise Incomparable(f"`length` applies to text, an array, or an object, not to {kind_of(actual)}")
    return equal(len(actual), expected, work)


def _matches(actual: JsonValue, expected: JsonValue, work: Work) -> bool:
    return Pattern.met(_text(expected, "matches"), work).found_in(_text(actual, "matches"), work)


def _starts_with(actual: JsonValue, expected: JsonValue, work: Work) -> bool:
    return _text(actual, "starts_with").startswith(_text(expected, "starts_with"))


def _ends_with(actual: JsonValue, expected: JsonValue, work: Work) -> bool:
    return _text(actual, "ends_with").endswith(_text(expected, "ends_with"))


def _text(value: JsonValue, operator: str) -> str:
    if not isinstance(value, str):
        raise Incomparable(f"`{operator}` needs text, not {kind_of(value)}")
    return value


_HOLDS: Final[Mapping[Operator, Callable[[JsonValue, JsonValue, Work], bool]]] = {
    Operator.EXISTS: lambda actual, expected, work: True,
    Operator.EQUALS: equal,
    Operator.CONTAINS: _contains,
    Operator.GREATER_THAN: lambda actual, expected, work: less(expected, actual),
    Operator.GREATER_THAN_OR_EQUAL: lambda actual, expected, work: not less(actual, expected),
    Operator.LESS_THAN: lambda actual, expected, work: less(actual, expected),
    Operator.LESS_THAN_OR_EQUAL: lambda actual, expected, work: not less(expected, actual),
    Operator.MATCHES: _matches,
    Operator.STARTS_WITH: _starts_with,
    Operator.ENDS_WITH: _ends_with,
    Operator.IN: _is_in,
    Operator.TYPE: _has_type,
    Operator.LENGTH: _has_length,
}
