"""Assertions one by one: which hold, and what one that fails says."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from reqflo_ray._internal.engine.judge import Judgement, judge
from reqflo_ray._internal.engine.scope import Scope
from reqflo_ray._internal.engine.values.work import Work
from reqflo_ray._internal.errors import DefinitionError
from reqflo_ray._internal.model.artifact import Assertion, AssertionType, HttpStep, Input, Operator
from reqflo_ray._internal.model.http.exchange import Exchange
from reqflo_ray._internal.model.results import AssertionResult, Status
from reqflo_ray._internal.model.values import ArrayNode, Literal, Node, ObjectNode, Reference
from reqflo_ray._internal.secrets.value import SecretValue

MakeStep = Callable[..., HttpStep]
Answer = Callable[..., Exchange]
NodeOf = Callable[[str], Node]
Ref = Callable[[str], Reference]
MakeScope = Callable[..., Scope]
Op, Kind = Operator, AssertionType
Assess = Callable[..., AssertionResult]


@pytest.fixture
def assess(judged: Callable[..., Judgement], answer: Answer) -> Assess:
    """The result of one assertion on one answer."""

    def make(
        type: AssertionType, expected: Any = None, operator: Operator = Op.EQUALS, target: str = "", **of: Any
    ) -> AssertionResult:
        node = None if expected is None and operator in (Op.EXISTS, Op.NOT_EXISTS) else Literal(expected)
        assertion = Assertion(type=type, target=target, operator=operator, expected=node)
        return judged(answer(**of), assertions=(assertion,)).assertions[0]

    return make


def passed(result: AssertionResult) -> bool:
    assert (result.message == "") is (result.status is Status.PASSED)
    return result.status is Status.PASSED


@pytest.mark.parametrize(
    ("expected", "status", "holds"),
    [
        (201, 201, True), (201, 200, False), ("201", 201, True), (Decimal("201.0"), 201, True),
        ("2xx", 299, True), ("2XX", 200, True), ("2xx", 300, False), ("200-299", 200, True), ("200-299", 300, False),
        ("200 - 204", 204, True), ([200, "3xx", "400-404"], 302, True), ([200, "3xx", "400-404"], 403, True),
        ([200, "3xx"], 404, False), ([], 200, False),
    ],
)  # fmt: skip
def test_a_status_is_a_number_a_class_a_range_or_a_list(
    assess: Assess, expected: Any, status: int, holds: bool
) -> None:
    assert passed(assess(Kind.STATUS_CODE, expected, status=status)) is holds
    assert passed(assess(Kind.STATUS_CODE, expected, Op.NOT_EQUALS, status=status)) is not holds


@pytest.mark.parametrize("expected", ["ok", "20x", "xx2", "-", "a-b", None, True, {}, "200-", ""])
def test_a_status_that_is_expected_as_something_else_fails_with_what_is_meant(assess: Assess, expected: Any) -> None:
    result = assess(Kind.STATUS_CODE, expected)
    assert not passed(result)
    assert '"2xx"' in result.message


def test_a_status_can_be_compared_too(assess: Assess) -> None:
    assert passed(assess(Kind.STATUS_CODE, 400, Op.LESS_THAN, status=399))
    assert passed(assess(Kind.STATUS_CODE, [200, 201], Op.IN, status=201))


BODY = json.dumps(
    {"order": {"id": "ord-1", "total": 287, "tags": ["a", "b"], "note": None}, "items": [{"n": 1}, {"n": 2}]}
)


@pytest.mark.parametrize(
    ("path", "operator", "expected"),
    [
        ("$.order.id", Op.EXISTS, None),
        ("$.order.note", Op.EXISTS, None),
        ("$.order.none", Op.NOT_EXISTS, None),
        ("$.items[*].m", Op.NOT_EXISTS, None),
        ("$.order.total", Op.EQUALS, Decimal("287.00")),
        ("$.order.note", Op.EQUALS, None),
        ("$.order.tags", Op.CONTAINS, "a"),
        ("$.items[-1].n", Op.EQUALS, 2),
        ("$.items[*].n", Op.EQUALS, [1, 2]),
        ("$.items[?@.n == 2].n", Op.EQUALS, 2),
        ("$.items[?@.n == 2].n", Op.EQUALS, [2]),
        ("$.items[?@.n > 5].n", Op.EQUALS, []),
        ("$.items[*].n", Op.CONTAINS, 2),
        ("$.items[*].n", Op.NOT_CONTAINS, 3),
        ("$.items[*].n", Op.LENGTH, 2),
        ("$.items[?@.n == 2].n", Op.GREATER_THAN, 1),
        ("$.order.id", Op.MATCHES, "^ord-[0-9]+$"),
        ("$", Op.TYPE, "object"),
    ],
)
def test_a_json_path_assertion_that_holds(assess: Assess, path: str, operator: Operator, expected: Any) -> None:
    assert passed(assess(Kind.JSON_PATH, expected, operator, path, body=BODY))


@pytest.mark.parametrize(
    ("path", "operator", "expected", "message"),
    [
        ("$.order.none", Op.EXISTS, None, "`$.order.none` is missing"),
        ("$.order.id", Op.NOT_EXISTS, None, '`$.order.id` is "ord-1", expected no value'),
        ("$.order.none", Op.EQUALS, 1, "`$.order.none` is missing, expected 1"),
        ("$.order.none", Op.NOT_EQUALS, 1, "`$.order.none` is missing, expected a value other than 1"),
        ("$.order.total", Op.EQUALS, "287", '`$.order.total` is 287, expected "287"'),
        ("$.order.id", Op.GREATER_THAN, 5, "`$.order.id`: only numbers can be ordered, not text"),
        ("$.items[*].n", Op.EQUALS, 1, "`$.items[*].n` is [1,2], expected 1"),
        ("$..n", Op.LESS_THAN, 0, "`$..n`: found 2 values, but `less_than` needs exactly one"),
        ("$.items[*].n", Op.LENGTH, 3, "`$.items[*].n` has length 2, expected length 3"),
    ],
)  # fmt: skip
def test_a_json_path_assertion_that_fails_says_why(
    assess: Assess, path: str, operator: Operator, expected: Any, message: str
) -> None:
    assert assess(Kind.JSON_PATH, expected, operator, path, body=BODY).message == message


@pytest.mark.parametrize(
    ("kind", "target", "operator", "expected", "message"),
    [
        (Kind.STATUS_CODE, "", Op.EQUALS, 201, "status is 200, expected 201"),
        (Kind.STATUS_CODE, "", Op.EQUALS, "4xx", "status is 200, expected 4xx"),
        (Kind.STATUS_CODE, "", Op.EQUALS, [201, "4xx"], 'status is 200, expected one of [201,"4xx"]'),
        (Kind.STATUS_CODE, "", Op.NOT_EQUALS, "2xx", "status is 200, expected a value other than 2xx"),
        (Kind.STATUS_CODE, "", Op.NOT_IN, [200, 201], "status is 200, expected none of [200,201]"),
        (Kind.STATUS_CODE, "", Op.GREATER_THAN, 400, "status is 200, expected more than 400"),
        (Kind.HEADER, "X-None", Op.EXISTS, None, "header `X-None` is missing"),
        (Kind.HEADER, "X-None", Op.EQUALS, "b", 'header `X-None` is missing, expected "b"'),
        (Kind.HEADER, "X-One", Op.NOT_EXISTS, None, 'header `X-One` is "abc", expected no value'),
        (Kind.HEADER, "X-One", Op.CONTAINS, "d", 'header `X-One` is "abc", expected to contain "d"'),
        (Kind.HEADER, "X-One", Op.NOT_CONTAINS, "b", 'header `X-One` is "abc", expected not to contain "b"'),
        (Kind.HEADER, "X-One", Op.MATCHES, "^b", 'header `X-One` is "abc", expected to match "^b"'),
        (Kind.HEADER, "X-One", Op.STARTS_WITH, "b", 'header `X-One` is "abc", expected to start with "b"'),
        (Kind.HEADER, "X-One", Op.ENDS_WITH, "b", 'header `X-One` is "abc", expected to end with "b"'),
        (Kind.HEADER, "X-One", Op.IN, ["x", "y"], 'header `X-One` is "abc", expected one of ["x","y"]'),
        (Kind.HEADER, "X-One", Op.IN, ["x" * 60], 'header `X-One` is "abc", expected one of a long list'),
        (Kind.HEADER, "X-One", Op.NOT_IN, ["abc"], 'header `X-One` is "abc", expected none of ["abc"]'),
        (Kind.HEADER, "X-One", Op.LENGTH, 2, "header `X-One` has length 3, expected length 2"),
        (Kind.HEADER, "X-Two", Op.LENGTH, 2, 'header `X-Two` is ["a","b"], expected length 2'),
        (Kind.JSON_PATH, "$.n", Op.EQUALS, 7, "`$.n` is 5, expected 7"),
        (Kind.JSON_PATH, "$.n", Op.GREATER_THAN, 5, "`$.n` is 5, expected more than 5"),
        (Kind.JSON_PATH, "$.n", Op.GREATER_THAN_OR_EQUAL, 6, "`$.n` is 5, expected at least 6"),
        (Kind.JSON_PATH, "$.n", Op.LESS_THAN, 5, "`$.n` is 5, expected less than 5"),
        (Kind.JSON_PATH, "$.n", Op.LESS_THAN_OR_EQUAL, 4, "`$.n` is 5, expected at most 4"),
        (Kind.JSON_PATH, "$.n", Op.TYPE, "string", "`$.n` is 5, expected a value of type string"),
        (Kind.BODY_CONTAINS, "", Op.CONTAINS, "red", 'body does not contain "red"'),
        (Kind.BODY_CONTAINS, "", Op.NOT_CONTAINS, "n", 'body contains "n", expected not to contain it'),
        (Kind.BODY_EQUALS, "", Op.EQUALS, "", 'body is "{\\"n\\":5}", expected ""'),
        (Kind.JSON_SCHEMA, "", Op.MATCHES, {"type": "array"}, "body does not match the schema: `$` breaks `type`"),
    ],
)
def test_what_was_found_is_told_before_what_was_expected(
    assess: Assess, kind: AssertionType, target: str, operator: Operator, expected: Any, message: str
) -> None:
    headers = (("x-one", "abc"), ("x-two", "a"), ("x-two", "b"))
    assert assess(kind, expected, operator, target, body='{"n":5}', headers=headers).message == message


@pytest.mark.parametrize("operator", [Op.EXISTS, Op.NOT_EXISTS, Op.EQUALS, Op.NOT_EQUALS])
def test_every_json_path_assertion_on_a_body_that_is_no_json_fails(assess: Assess, operator: Operator) -> None:
    result = assess(Kind.JSON_PATH, 1, operator, "$.a", body="<html>oops</html>")
    assert not passed(result)
    assert "body is not JSON: " in result.message
    assert "oops" not in result.message


def test_a_result_tells_what_was_expected_and_what_was_there_as_json(assess: Assess) -> None:
    result = assess(Kind.JSON_PATH, Decimal("287.50"), Op.EQUALS, "$.order.total", body=BODY)
    assert (result.expected, result.actual) == ("287.50", "287")
    assert (result.type, result.target, result.operator) == (Kind.JSON_PATH, "$.order.total", Op.EQUALS)


def test_a_long_value_is_described_and_never_cut(assess: Assess) -> None:
    result = assess(Kind.JSON_PATH, "short", Op.EQUALS, "$.a", body=json.dumps({"a": "s3cr3t" * 1000}))
    assert result.actual == '"<text of 6000 characters>"'
    assert "s3cr3t" not in result.message
    listed = assess(Kind.JSON_PATH, [], Op.EQUALS, "$", body=json.dumps(list(range(5000))))
    assert listed.actual == '"<array, 23891 characters of JSON>"'


@pytest.mark.parametrize(
    ("operator", "expected", "holds"),
    [
        (Op.EXISTS, None, True), (Op.NOT_EXISTS, None, False), (Op.EQUALS, "two", True), (Op.EQUALS, "TWO", False),
        (Op.NOT_EQUALS, "two", False), (Op.NOT_EQUALS, "three", True), (Op.CONTAINS, "wo", True),
        (Op.NOT_CONTAINS, "wo", False), (Op.MATCHES, "^o", True), (Op.IN, ["two", "four"], True),
        (Op.NOT_IN, ["four"], True), (Op.STARTS_WITH, "x", False), (Op.LENGTH, 3, True),
    ],
)  # fmt: skip
def test_a_repeated_header_holds_if_any_value_does_and_a_negation_if_none_does(
    assess: Assess, operator: Operator, expected: Any, holds: bool
) -> None:
    headers = (("X-Many", "one"), ("x-MANY", "two"))
    assert passed(assess(Kind.HEADER, expected, operator, "X-many", headers=headers)) is holds


def test_a_header_is_compared_as_a_number_where_an_order_is_asked(assess: Assess) -> None:
    headers = (("X-Left", "42"), ("X-Word", "many"))
    assert passed(assess(Kind.HEADER, 41.5, Op.GREATER_THAN, "x-left", headers=headers))
    assert passed(assess(Kind.HEADER, 42, Op.EQUALS, "x-left", headers=headers))
    assert "is not a number" in assess(Kind.HEADER, 1, Op.GREATER_THAN, "x-word", headers=headers).message


@pytest.mark.parametrize("operator", [Op.EXISTS, Op.EQUALS, Op.NOT_EQUALS, Op.CONTAINS])
def test_a_header_that_is_missing_fails(assess: Assess, operator: Operator) -> None:
    assert not passed(assess(Kind.HEADER, "x", operator, "X-None"))


LATIN = (("Content-Type", "text/plain; charset=iso-8859-1"),)


def test_text_is_looked_for_in_the_charset_of_the_response(assess: Assess) -> None:
    assert passed(assess(Kind.BODY_CONTAINS, "blå", body="en blå bil"))
    assert passed(assess(Kind.BODY_CONTAINS, "blå", body="en blå bil".encode("latin-1"), headers=LATIN))
    assert not passed(assess(Kind.BODY_CONTAINS, "blå", body="en blå bil".encode("latin-1")))
    assert passed(assess(Kind.BODY_CONTAINS, "red", Op.NOT_CONTAINS, body="blue"))
    assert passed(assess(Kind.BODY_CONTAINS, 1.5, body="1.50"))
    assert passed(assess(Kind.BODY_CONTAINS, "x", body="x", headers=(("content-type", "a; charset=klingon"),)))
    result = assess(Kind.BODY_CONTAINS, "red", body="blue")
    assert result.message == 'body does not contain "red"'


def test_a_body_equals_text_exactly_and_json_by_value(assess: Assess) -> None:
    assert passed(assess(Kind.BODY_EQUALS, "pong", body="pong"))
    assert not passed(assess(Kind.BODY_EQUALS, "pong", body="pong\n"))
    assert passed(assess(Kind.BODY_EQUALS, "blå", body="blå".encode("latin-1"), headers=LATIN))
    assert passed(assess(Kind.BODY_EQUALS, {"a": 1}, body=' {"a": 1.0} '))
    assert passed(assess(Kind.BODY_EQUALS, "ping", Op.NOT_EQUALS, body="pong"))
    assert not passed(assess(Kind.BODY_EQUALS, {"a": 1}, body="<a>"))


SCHEMA = {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}, "n": {"multipleOf": 0.01}}}


def test_a_body_that_matches_a_schema(assess: Assess) -> None:
    assert passed(assess(Kind.JSON_SCHEMA, SCHEMA, body='{"id": "x", "n": 198.70}'))


def test_a_body_that_does_not_match_a_schema_is_told_by_place_and_rule(assess: Assess) -> None:
    result = assess(Kind.JSON_SCHEMA, SCHEMA, body='{"id": ["s3cr3t"]}')
    assert result.message == "body does not match the schema: `$.id` breaks `properties/id/type`"
    assert not passed(assess(Kind.JSON_SCHEMA, SCHEMA, body="no"))


@pytest.mark.parametrize("document", ["1e999999", '"\\ud800"', "[" * 200 + "]" * 200, "123456789012345678901234567890"])
def test_an_odd_document_is_judged_by_a_schema_without_an_exception(assess: Assess, document: str) -> None:
    assert not passed(assess(Kind.JSON_SCHEMA, {"type": "number", "maximum": 5}, body=document))
    nested = {"items": {"$ref": "#"}, "type": "array", "uniqueItems": True}
    assert passed(assess(Kind.JSON_SCHEMA, nested, body=document)) == document.startswith("[")


@pytest.mark.parametrize(
    "schema",
    [5, {"type": "nope"}, {"$ref": "http://127.0.0.1:1/x"}, {"$ref": "file:///etc/passwd"},
     {"pattern": "("}, {"$ref": "#/no"}],
)  # fmt: skip
def test_a_schema_that_cannot_be_used_or_points_outside_is_refused(assess: Assess, schema: Any) -> None:
    with pytest.raises(DefinitionError) as caught:
        assess(Kind.JSON_SCHEMA, schema)
    assert caught.value.code == "invalid_assertion"


def test_a_response_time_is_at_most_what_is_expected(assess: Assess) -> None:
    assert passed(assess(Kind.RESPONSE_TIME, 12.5, total_ms=12.5))
    assert passed(assess(Kind.RESPONSE_TIME, 10, Op.GREATER_THAN, total_ms=12.5))
    result = assess(Kind.RESPONSE_TIME, 10, total_ms=12.5)
    assert result.message == "response time is 12.5 ms, expected at most 10 ms"


@pytest.mark.parametrize(
    ("operator", "max_ms", "total_ms", "message"),
    [
        (Op.LESS_THAN_OR_EQUAL, 500, 1203.4829999, "response time is 1203.5 ms, expected at most 500 ms"),
        (Op.LESS_THAN_OR_EQUAL, 1000, 1203.4829999, "response time is 1.203 s, expected at most 1 s"),
        (Op.LESS_THAN, 1500, 1500.0001, "response time is 1.5000001 s, expected less than 1.5 s"),
        (Op.GREATER_THAN, Decimal("1e9999999"), 3.25, "response time is 3.25 ms, expected more than 1E+9999999 ms"),
    ],
)
def test_a_response_time_is_told_in_the_unit_of_its_limit(
    assess: Assess, operator: Operator, max_ms: Any, total_ms: float, message: str
) -> None:
    assert assess(Kind.RESPONSE_TIME, max_ms, operator, total_ms=total_ms).message == message


@pytest.mark.parametrize(
    ("type", "target", "operator", "expected"),
    [(Kind.JSON_PATH, "$[", Op.EXISTS, None), (Kind.JSON_PATH, "$.a", Op.MATCHES, "("),
     (Kind.HEADER, "a", Op.MATCHES, "*")],
)  # fmt: skip
def test_a_path_or_pattern_that_is_none_is_refused_when_the_program_is_made(
    assess: Assess, type: AssertionType, target: str, operator: Operator, expected: Any
) -> None:
    with pytest.raises(DefinitionError, match="an assertion of step `s` cannot be used"):
        assess(type, expected, operator, target)


def test_a_pattern_that_comes_from_data_and_is_none_fails_the_assertion(
    make_scope: MakeScope, make_step: MakeStep, answer: Answer, ref: Ref
) -> None:
    step = make_step(
        assertions=(Assertion(type=Kind.JSON_PATH, target="$", operator=Op.MATCHES, expected=ref("inputs.pattern")),)
    )
    scope = make_scope(step, inputs=(Input(name="pattern"),), row={"pattern": "("})
    verdict = judge(scope.program.steps[0], answer(body='"x"'), scope, Work())
    assert verdict.status is Status.FAILED
    assert "not a regular expression" in verdict.error_message


@pytest.mark.parametrize("operator", [Operator.EQUALS, Operator.NOT_EQUALS, Operator.CONTAINS, Operator.NOT_CONTAINS])
@pytest.mark.parametrize("body", ['{"a": null}', '{"a": 1}', '{"a": []}'])
def test_nothing_holds_of_what_is_expected_and_unset(
    make_scope: MakeScope, make_step: MakeStep, answer: Answer, ref: Ref, operator: Operator, body: str
) -> None:
    asserted = Assertion(type=Kind.JSON_PATH, target="$.a", operator=operator, expected=ref("inputs.a"))
    scope = make_scope(make_step(assertions=(asserted,)), inputs=(Input(name="a"),))
    verdict = judge(scope.program.steps[0], answer(body=body), scope, Work())
    assert verdict.status is Status.FAILED
    assert verdict.error_message.endswith("the expected value is not available: `inputs.a` has no value")


def test_of_alternatives_one_must_be_set(make_scope: MakeScope, make_step: MakeStep, answer: Answer, ref: Ref) -> None:
    def status(**values: str) -> Status:
        expected = ArrayNode((ref("inputs.a"), ref("inputs.b")))
        asserted = Assertion(type=Kind.JSON_PATH, target="$.a", operator=Operator.IN, expected=expected)
        inputs = (Input(name="a"), Input(name="b"))
        scope = make_scope(make_step(assertions=(asserted,)), inputs=inputs, row=values)
        return judge(scope.program.steps[0], answer(body='{"a": "x"}'), scope, Work()).status

    assert status() is Status.FAILED
    assert status(b="x") is Status.PASSED
    assert status(b="y") is Status.FAILED


@pytest.mark.parametrize("operator", [Operator.EQUALS, Operator.NOT_EQUALS, Operator.NOT_IN])
@pytest.mark.parametrize("is_list", [True, False])
def test_nothing_holds_of_a_list_or_object_with_a_part_that_is_unset(
    make_scope: MakeScope, make_step: MakeStep, answer: Answer, ref: Ref, operator: Operator, is_list: bool
) -> None:
    inner = ObjectNode((("b", ref("inputs.a")), ("c", Literal(1))))
    expected = ArrayNode((Literal(7), inner)) if is_list else ObjectNode((("d", inner),))
    asserted = Assertion(type=Kind.JSON_PATH, target="$.a", operator=operator, expected=expected)

    def judged(**values: str) -> Judgement:
        scope = make_scope(make_step(assertions=(asserted,)), inputs=(Input(name="a"),), row=values)
        return judge(scope.program.steps[0], answer(body='{"a": {"d": {"c": 1}}}'), scope, Work())

    assert judged().status is Status.FAILED
    assert judged().error_message.endswith("the expected value is not available: `inputs.a` has no value")
    assert "not available" not in judged(a="x").error_message


def test_an_explicit_null_is_compared_as_null(
    make_scope: MakeScope, make_step: MakeStep, answer: Answer, ref: Ref
) -> None:
    step = make_step(assertions=(Assertion(type=Kind.JSON_PATH, target="$.a", expected=ref("inputs.a")),))
    scope = make_scope(step, inputs=(Input(name="a"),), row={"a": None})
    assert judge(scope.program.steps[0], answer(body='{"a": null}'), scope, Work()).status is Status.PASSED
    assert judge(scope.program.steps[0], answer(body='{"a": 1}'), scope, Work()).status is Status.FAILED


def test_a_secret_that_is_expected_is_never_shown(
    make_scope: MakeScope, make_step: MakeStep, answer: Answer, node_of: NodeOf
) -> None:
    step = make_step(assertions=(Assertion(type=Kind.JSON_PATH, target="$.a", expected=node_of("x-{{ secrets.S }}")),))
    scope = make_scope(step, secrets={})
    scope.secrets = {"S": SecretValue("S", "hunter2")}
    good = judge(scope.program.steps[0], answer(body='{"a": "x-hunter2"}'), scope, Work())
    bad = judge(scope.program.steps[0], answer(body='{"a": "other"}'), scope, Work())
    assert good.status is Status.PASSED
    assert good.assertions[0].expected == '"x-{{ secrets.S }}"'
    assert bad.error_message == '`$.a` is "other", expected "x-{{ secrets.S }}"'
