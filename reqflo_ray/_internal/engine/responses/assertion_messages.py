"""Says why an assertion does not hold: `status is 500, expected 200`. It must not know how assertions are judged.

Values are quoted whole or not at all, never cut: a part of a secret could not be recognized and masked.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from reqflo_ray._internal.engine.values.compare import NEGATED, ORDERINGS
from reqflo_ray._internal.model.artifact import Assertion, AssertionType, Operator
from reqflo_ray._internal.model.values import JsonValue

_LONGEST_QUOTED: Final = 60

# What follows "expected" in a message, before the value.
_EXPECTED: Final[Mapping[Operator, str]] = {
    Operator.NOT_EXISTS: "no value",
    Operator.EQUALS: "",
    Operator.NOT_EQUALS: "a value other than",
    Operator.CONTAINS: "to contain",
    Operator.NOT_CONTAINS: "not to contain",
    Operator.GREATER_THAN: "more than",
    Operator.GREATER_THAN_OR_EQUAL: "at least",
    Operator.LESS_THAN: "less than",
    Operator.LESS_THAN_OR_EQUAL: "at most",
    Operator.MATCHES: "to match",
    Operator.STARTS_WITH: "to start with",
    Operator.ENDS_WITH: "to end with",
    Operator.IN: "one of",
    Operator.NOT_IN: "none of",
    Operator.TYPE: "a value of type",
    Operator.LENGTH: "length",
}
_SUBJECTS: Final[Mapping[AssertionType, str]] = {
    AssertionType.STATUS_CODE: "status",
    AssertionType.JSON_PATH: "",
    AssertionType.HEADER: "header",
    AssertionType.BODY_CONTAINS: "body",
    AssertionType.BODY_EQUALS: "body",
    AssertionType.JSON_SCHEMA: "body",
    AssertionType.RESPONSE_TIME: "response time",
}


def message_of(source: Assertion, expected: str, actual: str, value: JsonValue, reason: str) -> str:
    """Return why an assertion does not hold: what was found, then what was expected.

    Args:
        source: the assertion.
        expected: the JSON text of the expected value, masked, "" for none.
        actual: the JSON text of `value`, "" if the response has none.
        value: what the assertion looked at.
        reason: why it does not hold, if the values do not show it; else "".
    """
    subject, operator = subject_of(source), source.operator
    if reason:
        # The reasons of schemas name the body or the schema themselves.
        return reason if source.type is AssertionType.JSON_SCHEMA else f"{subject}: {reason}"
    match source.type:
        case AssertionType.BODY_CONTAINS if operator in NEGATED:
            return f"{subject} contains {_quoted(expected)}, expected not to contain it"
        case AssertionType.BODY_CONTAINS:
            return f"{subject} does not contain {_quoted(expected)}"
        case AssertionType.RESPONSE_TIME:
            operator = operator if operator in ORDERINGS else Operator.LESS_THAN_OR_EQUAL
            actual, expected = _times(actual, expected)
        case AssertionType.STATUS_CODE if expected.startswith("["):
            operator = Operator.NOT_IN if operator in NEGATED else Operator.IN
        case AssertionType.STATUS_CODE:
            expected = expected.strip('"')
    if operator is Operator.TYPE:
        expected = expected.strip('"')
    found = f"is {_quoted(actual)}" if actual else "is missing"
    if operator is Operator.EXISTS:
        return f"{subject} {found}"
    if operator is Operator.NOT_EXISTS:
        expected = ""
    # A repeated header has several lengths.
    measured = str if source.type is AssertionType.HEADER else str | list | dict
    if operator is Operator.LENGTH and isinstance(value, measured):
        found = f"has length {len(value)}"
    wanted = f"{_EXPECTED[operator]} {_quoted(expected)}".strip()
    return f"{subject} {found}, expected {wanted}"


def subject_of(source: Assertion) -> str:
    """Return what an assertion looks at, in words: "status", "header `etag`", or the path alone."""
    return f"{_SUBJECTS[source.type]} `{source.target}`".strip() if source.target else _SUBJECTS[source.type]


def _times(actual: str, limit: str) -> tuple[str, str]:
    """Return two times in milliseconds, both in the unit that suits the limit, so that the messages of one assertion
    differ only in the number."""
    try:
        taken, bound, digits, unit = Decimal(actual), Decimal(limit), 1, "ms"
        if bound >= 1000:
            taken, bound, digits, unit = taken / 1000, bound / 1000, 3, "s"
    except ArithmeticError:  # the limit is masked, or too large
        return f"{actual} ms", f"{_quoted(limit)} ms"
    rounded = round(taken, digits)
    return f"{taken if rounded == bound else rounded} {unit}", f"{bound} {unit}"


def _quoted(text: str) -> str:
    return text if len(text) <= _LONGEST_QUOTED else "a long list" if text.startswith("[") else "a long value"
