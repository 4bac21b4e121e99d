from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqflo_ray._internal.engine.values.compare import Incomparable, equal, holds
from reqflo_ray._internal.engine.values.patterns import PatternError
from reqflo_ray._internal.engine.values.work import Work
from reqflo_ray._internal.model.artifact import Operator
from reqflo_ray._internal.model.values import exact_number

Op = Operator


@pytest.mark.parametrize(
    ("operator", "actual", "expected"),
    [
        (Op.EXISTS, None, None),
        (Op.EQUALS, Decimal("287.00"), 287),
        (Op.EQUALS, 0.1, Decimal("0.10")),
        (Op.EQUALS, {"a": [1, Decimal("2.0")], "b": None}, {"b": None, "a": [1.0, 2]}),
        (Op.NOT_EQUALS, 1, True),
        (Op.NOT_EQUALS, 0, False),
        (Op.NOT_EQUALS, [1], [True]),
        (Op.NOT_EQUALS, "1", 1),
        (Op.NOT_EQUALS, None, False),
        (Op.NOT_EQUALS, {}, []),
        (Op.CONTAINS, "haystack", "stack"),
        (Op.CONTAINS, [1, Decimal("2.50")], 2.5),
        (Op.CONTAINS, {"key": 1}, "key"),
        (Op.NOT_CONTAINS, [1], True),
        (Op.NOT_CONTAINS, "abc", "d"),
        (Op.GREATER_THAN, Decimal("1.10"), 1.05),
        (Op.GREATER_THAN_OR_EQUAL, Decimal("1.10"), 1.1),
        (Op.LESS_THAN, -1, 0),
        (Op.LESS_THAN, 10, Decimal("1e999999999")),
        (Op.LESS_THAN_OR_EQUAL, 2**70, 2**70),
        (Op.MATCHES, "ord-17", r"^ord-\d+$"),
        (Op.STARTS_WITH, "ord-17", "ord"),
        (Op.ENDS_WITH, "ord-17", "17"),
        (Op.IN, Decimal("2.0"), [1, 2]),
        (Op.NOT_IN, True, [1, 2]),
        (Op.TYPE, None, "null"),
        (Op.TYPE, True, "boolean"),
        (Op.TYPE, 1, "number"),
        (Op.TYPE, 1, "integer"),
        (Op.TYPE, Decimal("1.0"), "integer"),
        (Op.TYPE, Decimal("1e999999999"), "integer"),
        (Op.TYPE, "", "string"),
        (Op.TYPE, [], "array"),
        (Op.TYPE, {}, "object"),
        (Op.LENGTH, "äöü", 3),
        (Op.LENGTH, [1, 2], Decimal("2.0")),
        (Op.LENGTH, {"a": 1}, 1),
    ],
)
def test_an_operator_that_holds(operator: Operator, actual: Any, expected: Any) -> None:
    assert holds(operator, actual, expected, Work())


@pytest.mark.parametrize(
    ("operator", "actual", "expected"),
    [
        (Op.EQUALS, [1, 2], [2, 1]),
        (Op.EQUALS, {"a": 1}, {"a": 1, "b": None}),
        (Op.EQUALS, 0.1 + 0.2, Decimal("0.3")),
        (Op.NOT_EQUALS, Decimal("1.0"), 1),
        (Op.CONTAINS, "abc", "B"),
        (Op.CONTAINS, {"key": "value"}, "value"),
        (Op.GREATER_THAN, 1, 1),
        (Op.LESS_THAN, 1, Decimal("1.00")),
        (Op.MATCHES, "abc", "^b"),
        (Op.STARTS_WITH, "abc", "b"),
        (Op.IN, 3, [1, 2]),
        (Op.NOT_IN, 1, [1, 2]),
        (Op.TYPE, True, "number"),
        (Op.TYPE, 1.5, "integer"),
        (Op.TYPE, None, "object"),
        (Op.LENGTH, [], 1),
    ],
)
def test_an_operator_that_does_not_hold(operator: Operator, actual: Any, expected: Any) -> None:
    assert not holds(operator, actual, expected, Work())


@pytest.mark.parametrize(
    ("operator", "actual", "expected"),
    [
        (Op.GREATER_THAN, "5", 3),
        (Op.GREATER_THAN, 5, "3"),
        (Op.LESS_THAN, True, 3),
        (Op.LESS_THAN, None, 3),
        (Op.CONTAINS, 5, 5),
        (Op.CONTAINS, "5", 5),
        (Op.NOT_CONTAINS, None, "a"),
        (Op.MATCHES, 5, "5"),
        (Op.MATCHES, "5", 5),
        (Op.STARTS_WITH, ["a"], "a"),
        (Op.ENDS_WITH, "a", None),
        (Op.IN, "a", "abc"),
        (Op.TYPE, 1, "int"),
        (Op.TYPE, 1, None),
        (Op.LENGTH, 5, 1),
        (Op.LENGTH, "a", "1"),
    ],
)
def test_an_operator_that_does_not_apply_says_so_and_quotes_no_value(
    operator: Operator, actual: Any, expected: Any
) -> None:
    with pytest.raises(Incomparable) as caught:
        holds(operator, actual, expected, Work())
    assert str(caught.value)


def test_a_pattern_that_is_none_is_refused() -> None:
    with pytest.raises(PatternError):
        holds(Operator.MATCHES, "a", "(", Work())


@given(st.decimals(allow_nan=False, allow_infinity=False), st.integers(0, 5))
def test_zeros_after_the_point_change_nothing(number: Decimal, zeros: int) -> None:
    text = format(number, "f")
    longer = text + ("" if "." in text else ".") + "0" * (zeros + ("." not in text))
    assert equal(exact_number(longer), exact_number(text if "." in text else text + ".0"), Work())


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_the_orderings_agree_with_each_other(one: float, other: float) -> None:
    exact = Decimal(repr(other))
    assert holds(Op.LESS_THAN, one, exact, Work()) is not holds(Op.GREATER_THAN_OR_EQUAL, one, exact, Work())
    assert holds(Op.LESS_THAN_OR_EQUAL, one, exact, Work()) is (
        holds(Op.LESS_THAN, one, exact, Work()) or equal(one, exact, Work())
    )
    assert holds(Op.LESS_THAN, one, exact, Work()) is (one < other)
