"""Prepares assertions and evaluates them against a response. It must not know what a step makes of the results.

Texts of results hold values whole or not at all, never cut: a part of a secret could not be recognized and masked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from reqflo_ray._internal.engine.responses.assertion_messages import message_of, subject_of
from reqflo_ray._internal.engine.responses.response import ResponseView
from reqflo_ray._internal.engine.responses.schemas import SchemaError, Validate, compile_schema
from reqflo_ray._internal.engine.values.compare import NEGATED, ORDERINGS, Incomparable, equal, holds, is_number
from reqflo_ray._internal.engine.values.conversion import ConversionError, convert, kind_of
from reqflo_ray._internal.engine.values.expectations import parts_needed
from reqflo_ray._internal.engine.values.expressions import Renderer, Values, compile_node, to_text
from reqflo_ray._internal.engine.values.faults import RowFault
from reqflo_ray._internal.engine.values.jsonpath import PathError, compile_path
from reqflo_ray._internal.engine.values.patterns import Pattern, PatternError
from reqflo_ray._internal.engine.values.work import Unjudged, Work
from reqflo_ray._internal.errors import DefinitionError
from reqflo_ray._internal.model import json_text
from reqflo_ray._internal.model.artifact import Assertion, AssertionType, Operator
from reqflo_ray._internal.model.http.headers import readable
from reqflo_ray._internal.model.json_text import NotJson, TooDeep
from reqflo_ray._internal.model.results import AssertionResult, Status
from reqflo_ray._internal.model.values import UNSET, ArrayNode, JsonValue, Literal, Reference, StepReference, ValueType

_LONGEST_SHOWN: Final = 4096
_STEPS_TO_COMPILE_A_RULE: Final = 100
_CONTAINERS: Final = frozenset({dict, list})

# With these operators, a path that may find several values stands for the list of them.
_ABOUT_LISTS: Final = frozenset({Operator.CONTAINS, Operator.NOT_CONTAINS, Operator.LENGTH})


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What an assertion found: whether it holds, the value it looked at (`UNSET`: none), and the reason why it does not
    hold where the values do not show it."""

    holds: bool
    actual: JsonValue = UNSET
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedAssertion:
    """An assertion, compiled. `masked` is None if the expected value cannot contain anything secret or sensitive;
    `shown` is the JSON text of a literal. `parts` are the values within a list or object that must exist. `at_status`
    is the expected status and the result for it, prepared because most steps assert nothing else."""

    source: Assertion
    evaluate: Callable[[ResponseView, JsonValue], Finding]
    expected: Renderer | None
    masked: Renderer | None
    shown: str | None
    parts: tuple[tuple[str, Renderer], ...] = ()
    at_status: tuple[int, AssertionResult] | None = None


def prepare_assertion(assertion: Assertion, step_id: str, *, tainted: bool) -> PreparedAssertion:
    """Compile `assertion` of step `step_id`.

    Raises:
        DefinitionError: its path, pattern, or schema cannot be used.
    """
    expected, literal = assertion.expected, UNSET
    if isinstance(expected, Literal):
        literal = expected.value
    try:
        evaluate = _evaluator(assertion, literal)
        shown = "" if expected is None else _shown(literal) if literal is not UNSET else None
    except (PathError, PatternError, SchemaError) as problem:
        raise DefinitionError(
            f"an assertion of step `{step_id}` cannot be used: {problem}", code="invalid_assertion"
        ) from None
    return PreparedAssertion(
        source=assertion,
        evaluate=evaluate,
        expected=compile_node(expected) if expected is not None else None,
        parts=tuple((str(part), compile_node(part)) for part in parts_needed(assertion)),
        masked=compile_node(expected, masked=True) if expected is not None and tainted else None,
        shown=shown,
        at_status=_at_status(assertion, literal, shown),
    )


def _at_status(assertion: Assertion, literal: JsonValue, shown: str | None) -> tuple[int, AssertionResult] | None:
    if assertion.type is not AssertionType.STATUS_CODE or assertion.operator is not Operator.EQUALS:
        return None
    return (literal, _result(assertion, shown, shown)) if type(literal) is int and shown is not None else None


def assess(prepared: PreparedAssertion, view: ResponseView, values: Values) -> AssertionResult:
    """Judge one assertion. An assertion that cannot be evaluated fails.

    Raises:
        Unjudged: it takes more work than `view` allows.
    """
    if prepared.at_status is not None and prepared.at_status[0] == view.response.status:
        return prepared.at_status[1]
    source = prepared.source
    expected: JsonValue = None
    shown = prepared.shown
    try:
        if prepared.expected is not None:
            expected = prepared.expected(values)
            _need_value(expected, prepared, values)
            if shown is None:
                hidden = prepared.masked
                shown = _shown(expected if hidden is None else hidden(values))
        finding = prepared.evaluate(view, expected)
        if type(finding.actual) in _CONTAINERS:
            view.work.weigh(finding.actual)  # it is shown, and a path may find the same parts repeatedly
    except Unjudged as limit:
        raise limit.of(subject_of(source)) from None
    except NotJson as problem:
        if isinstance(problem, TooDeep) and not source.soft:  # a soft one ends no step
            raise Unjudged("work_limit", "the body is JSON that is nested too deeply to be read") from None
        finding = Finding(holds=False, reason=f"body is not JSON: {problem}")
    except RowFault as fault:
        finding = Finding(holds=False, reason=f"the expected value is not available: {fault.message}")
    except (Incomparable, PathError, PatternError, SchemaError) as problem:
        finding = Finding(holds=False, reason=str(problem))
    except (RecursionError, ArithmeticError, ValueError):
        # The texts of these errors may quote values.
        finding = Finding(holds=False, reason="the value is nested too deeply or is too large to be compared")
    shown = shown or ""
    actual = "" if finding.actual is UNSET else _shown(finding.actual)
    if finding.holds:
        return _result(source, shown, actual)
    message = message_of(source, shown, actual, finding.actual, finding.reason)
    return _result(source, shown, actual, Status.FAILED, message)


def _result(
    source: Assertion, shown: str, actual: str, status: Status = Status.PASSED, message: str = ""
) -> AssertionResult:
    return AssertionResult(
        type=source.type,
        target=source.target,
        operator=source.operator,
        expected=shown,
        actual=actual,
        status=status,
        soft=source.soft,
        origin=source.origin,
        id=source.id,
        message=message,
    )


def _evaluator(assertion: Assertion, literal: JsonValue) -> Callable[[ResponseView, JsonValue], Finding]:
    operator = assertion.operator
    pattern = Pattern(literal) if operator is Operator.MATCHES and isinstance(literal, str) else None
    match assertion.type:
        case AssertionType.STATUS_CODE:
            return lambda view, expected: _status_code(operator, view.response.status, expected, view.work)
        case AssertionType.JSON_PATH:
            path = compile_path(assertion.target)
            if path.singular:
                return lambda view, expected: _value(
                    operator, path.first(view.json(), view.work), expected, view.work, pattern
                )
            return lambda view, expected: _matches_of(
                operator, path.find(view.json(), view.work), expected, view.work, pattern
            )
        case AssertionType.HEADER:
            name = assertion.target.lower()
            return lambda view, expected: _header(operator, view.header(name), expected, view.work, pattern)
        case AssertionType.BODY_CONTAINS:
            negated = operator in NEGATED
            return lambda view, expected: Finding(holds=view.contains(to_text(expected)) is not negated)
        case AssertionType.BODY_EQUALS:
            return lambda view, expected: _body_equals(operator, view, expected)
        case AssertionType.JSON_SCHEMA:
            fixed = compile_schema(literal) if literal is not UNSET else None
            return lambda view, expected: _schema(fixed or _schema_met(expected, view.work), view)
        case AssertionType.RESPONSE_TIME:
            limit = operator if operator in ORDERINGS else Operator.LESS_THAN_OR_EQUAL
            return lambda view, expected: Finding(
                holds=holds(limit, view.timings.total_ms, expected, view.work), actual=view.timings.total_ms
            )


def _value(operator: Operator, actual: JsonValue, expected: JsonValue, work: Work, pattern: Pattern | None) -> Finding:
    if operator is Operator.EXISTS or operator is Operator.NOT_EXISTS:
        return Finding(holds=(actual is not UNSET) is (operator is Operator.EXISTS), actual=actual)
    if actual is UNSET:
        return Finding(holds=False)
    try:
        return Finding(holds=holds(operator, actual, expected, work, pattern), actual=actual)
    except (Incomparable, PatternError) as problem:
        return Finding(holds=False, actual=actual, reason=str(problem))


def _matches_of(
    operator: Operator, found: list[JsonValue], expected: JsonValue, work: Work, pattern: Pattern | None
) -> Finding:
    """Judge a path that may find several values: their list if the operator applies to lists, else the only one."""
    if operator is Operator.EXISTS or operator is Operator.NOT_EXISTS:
        return Finding(holds=bool(found) is (operator is Operator.EXISTS), actual=found if found else UNSET)
    if operator in _ABOUT_LISTS:
        return _value(operator, found, expected, work, pattern)
    if operator in (Operator.EQUALS, Operator.NOT_EQUALS):
        same = equal(found, expected, work) or (len(found) == 1 and equal(found[0], expected, work))
        return Finding(holds=same is (operator is Operator.EQUALS), actual=found)
    if len(found) != 1:
        reason = f"found {len(found)} values, but `{operator}` needs exactly one"
        return Finding(holds=False, actual=found, reason=reason)
    return _value(operator, found[0], expected, work, pattern)


def _status_code(operator: Operator, status: int, expected: JsonValue, work: Work) -> Finding:
    if operator in (Operator.EQUALS, Operator.IN, Operator.NOT_EQUALS, Operator.NOT_IN):
        return Finding(holds=_is_status(status, expected, work) is not (operator in NEGATED), actual=status)
    return _value(operator, status, expected, work, None)


def _is_status(status: int, expected: JsonValue, work: Work) -> bool:
    """`expected`: an integer, "2xx", "200-299", or a list of these."""
    match expected:
        case list():
            return any(_is_status(status, item, work) for item in expected)
        case str() if len(expected) == 3 and expected[0].isdigit() and expected[1:].lower() == "xx":
            return status // 100 == int(expected[0])
        case str() if "-" in expected:
            low, _, high = expected.partition("-")
            if low.strip().isdecimal() and high.strip().isdecimal():
                return int(low) <= status <= int(high)
        case str() if expected.isdecimal():
            return status == int(expected)
        case _ if is_number(expected):
            return equal(status, expected, work)
    raise Incomparable('the expected status must be an integer, "2xx", "200-299", or a list of these')


def _header(operator: Operator, found: list[str], expected: JsonValue, work: Work, pattern: Pattern | None) -> Finding:
    """Judge a header: one value of a repeated header is enough, but a negated operator must hold for all."""
    found = [readable(value) for value in found]
    actual: JsonValue = UNSET if not found else found[0] if len(found) == 1 else found
    if operator is Operator.EXISTS or operator is Operator.NOT_EXISTS:
        return Finding(holds=bool(found) is (operator is Operator.EXISTS), actual=actual)
    if not found:
        return Finding(holds=False)
    positive = NEGATED.get(operator, operator)
    wanted = expected if operator in ORDERINGS or operator is Operator.LENGTH else _texts(expected)
    any_holds = any(holds(positive, _as_number(value, operator), wanted, work, pattern) for value in found)
    return Finding(holds=any_holds is (positive is operator), actual=actual)


def _texts(expected: JsonValue) -> JsonValue:
    """Return the expected value as text, because headers are text."""
    return [readable(to_text(item)) for item in expected] if isinstance(expected, list) else readable(to_text(expected))


def _as_number(value: str, operator: Operator) -> JsonValue:
    if operator not in ORDERINGS:
        return value
    try:
        return convert(value.strip(), ValueType.NUMBER)
    except ConversionError:
        raise Incomparable("the value is not a number") from None


def _body_equals(operator: Operator, view: ResponseView, expected: JsonValue) -> Finding:
    same = (
        equal(view.json(), expected, view.work)
        if isinstance(expected, dict | list)
        else view.text() == to_text(expected)
    )
    return Finding(holds=same is not (operator in NEGATED), actual=view.text())


def _schema_met(schema: JsonValue, work: Work) -> Validate:
    """Compile a schema that comes from data."""
    work.spend_uncounted(work.weigh(schema) * _STEPS_TO_COMPILE_A_RULE)
    return compile_schema(schema)


def _schema(validate: Validate, view: ResponseView) -> Finding:
    problem = validate(view.json(), view.work)
    return Finding(holds=not problem, reason=problem)


def _need_value(expected: JsonValue, prepared: PreparedAssertion, values: Values) -> None:
    """Raise `RowFault` if a part of the expected value is unset: neither `equals` nor `not_equals` may hold then."""
    node = prepared.source.expected
    if expected is UNSET or (expected == [] and isinstance(node, ArrayNode) and node.items):
        is_whole = isinstance(node, Reference | StepReference)
        raise RowFault("missing_value", f"`{node}` has no value" if is_whole else "no item of the list has a value")
    for reference, part in prepared.parts:
        if part(values) is UNSET:
            raise RowFault("missing_value", f"`{reference}` has no value")


def _shown(value: JsonValue) -> str:
    """Return the JSON text of `value`; for a long one, a JSON text that describes it."""
    if isinstance(value, str) and len(value) > _LONGEST_SHOWN:
        return json_text.describe(f"<text of {len(value)} characters>")
    text = json_text.describe(value)
    if len(text) <= _LONGEST_SHOWN:
        return text
    return json_text.describe(f"<{kind_of(value).split()[-1]}, {len(text)} characters of JSON>")
