from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jsonpath_rfc9535
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqflo_ray._internal.engine.judge import LARGEST_VALUE, judge
from reqflo_ray._internal.engine.responses.schemas import compile_schema
from reqflo_ray._internal.engine.scope import Scope
from reqflo_ray._internal.engine.values.compare import equal
from reqflo_ray._internal.engine.values.jsonpath import compile_path
from reqflo_ray._internal.engine.values.work import Unjudged, Work
from reqflo_ray._internal.model.artifact import (
    Assertion,
    AssertionType,
    Capture,
    CaptureRoot,
    HttpStep,
    Operator,
    Output,
)
from reqflo_ray._internal.model.http.exchange import Exchange
from reqflo_ray._internal.model.results import Status
from reqflo_ray._internal.model.values import Literal

MakeScope = Callable[..., Scope]
MakeStep = Callable[..., HttpStep]
Answer = Callable[..., Exchange]
Op, Kind = Operator, AssertionType

DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "x", "a"]),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.sampled_from("abc"), children, max_size=3),
    max_leaves=25,
)
PATHS = st.sampled_from(
    ["$..*", "$..a", "$..[?@.a]", "$..[?@..b]", "$[*].*", "$..[0,1]", "$..[1:]", "$..[::-1]", "$[?@.a == @.b]",
     "$[?!@.a]", "$..[?count(@.*) > 1]", "$..[?length(@) == 1]", "$[?@.a && @.b || @.c]", "$[?value(@..a) == 1]",
     "$..[?@ != 1]", "$[?@.a == $.b]", "$..['a','b']", "$[?search(@, 'x')]", "$[?@[0] == 1]", "$[?@ <= 1]", "$[?$..b]"]
)  # fmt: skip

MANY = json.dumps({"a": [{"k": number} for number in range(3000)]})
LONG = json.dumps({"a": "x" * 300_000})
NESTED = '{"a":' * 300 + "1" + "}" * 300


def assertion(type: AssertionType, expected: Any = None, operator: Operator = Op.EQUALS, target: str = "") -> Assertion:
    node = None if operator in (Op.EXISTS, Op.NOT_EXISTS) else Literal(expected)
    return Assertion(type=type, target=target, operator=operator, expected=node)


@given(DOCUMENTS, PATHS)
def test_a_path_finds_what_the_library_finds_in_the_same_order(document: Any, path: str) -> None:
    expected = [node.value for node in jsonpath_rfc9535.find(path, document)]
    if not isinstance(document, dict | list):
        expected = []  # it selects from scalars what the standard gives no selector
    assert json.dumps(compile_path(path).find(document, Work())) == json.dumps(expected)


# Every way to judge an answer: one with a sibling that is missing here escapes the budget.
@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (MANY, {"assertions": (assertion(Kind.JSON_PATH, None, Op.EXISTS, "$.a[?@.k == 1]"),)}),
        (MANY, {"assertions": (assertion(Kind.JSON_PATH, None, Op.EXISTS, "$..k"),)}),
        (MANY, {"assertions": (assertion(Kind.JSON_PATH, 7, Op.LENGTH, "$.a[*].k"),)}),
        (MANY, {"assertions": (assertion(Kind.JSON_PATH, json.loads(MANY)["a"], Op.EQUALS, "$.a"),)}),
        (MANY, {"assertions": (assertion(Kind.JSON_PATH, [json.loads(MANY)["a"]], Op.IN, "$.a"),)}),
        (MANY, {"assertions": (assertion(Kind.JSON_PATH, {"k": -1}, Op.NOT_CONTAINS, "$.a"),)}),
        (MANY, {"assertions": (assertion(Kind.JSON_PATH, None, Op.EXISTS, "$.a"),)}),
        (MANY, {"assertions": (assertion(Kind.JSON_SCHEMA, {"type": "object"}),)}),
        (MANY, {"assertions": (assertion(Kind.BODY_EQUALS, json.loads(MANY)),)}),
        (LONG, {"assertions": (assertion(Kind.BODY_EQUALS, "x"),)}),
        (LONG, {"assertions": (assertion(Kind.BODY_CONTAINS, "y", Op.NOT_CONTAINS),)}),
        (LONG, {"assertions": (assertion(Kind.JSON_PATH, "y", Op.CONTAINS, "$.a"),)}),
        (LONG, {"assertions": (assertion(Kind.JSON_PATH, "y", Op.MATCHES, "$.a"),)}),
        (LONG, {"assertions": (assertion(Kind.JSON_PATH, None, Op.EXISTS, "$[?search(@, 'y')]"),)}),
        (MANY, {"outputs": (Output(name="x", root=CaptureRoot.BODY, path="$.a[*].k"),)}),
        (MANY, {"outputs": (Output(name="x", root=CaptureRoot.BODY, path="$"),)}),
        (MANY, {"captures": (Capture(key="body.a", root=CaptureRoot.BODY, path=("a",)),)}),
        (LONG, {"captures": (Capture(key="body", root=CaptureRoot.BODY, path=()),)}),
    ],
)  # fmt: skip
def test_every_way_to_judge_an_answer_is_paid_for(
    make_scope: MakeScope, make_step: MakeStep, answer: Answer, body: str, fields: Any
) -> None:
    scope = make_scope(make_step(**fields))
    step, exchange = scope.program.steps[0], answer(body=body)
    judge(step, exchange, scope, Work())
    with pytest.raises(Unjudged) as refused:
        judge(step, exchange, scope, Work(4_000 if body is LONG else 8_000))
    assert refused.value.code == "work_limit"


@pytest.mark.parametrize("body", [MANY, LONG, NESTED])
def test_a_step_that_looks_at_nothing_of_the_answer_pays_nothing_for_its_size(
    make_scope: MakeScope, make_step: MakeStep, answer: Answer, body: str
) -> None:
    scope = make_scope(make_step(assertions=(assertion(Kind.STATUS_CODE, 200),)))
    assert judge(scope.program.steps[0], answer(body=body), scope, Work(10)).status is Status.PASSED


def test_an_assertion_that_cannot_be_judged_is_named_and_not_taken_for_failed(
    make_scope: MakeScope, make_step: MakeStep, answer: Answer
) -> None:
    scope = make_scope(make_step(assertions=(assertion(Kind.JSON_PATH, None, Op.EXISTS, "$..k"),)))
    with pytest.raises(Unjudged, match=r"`\$\.\.k`: judging this response takes more than 5,000 steps"):
        judge(scope.program.steps[0], answer(body=MANY), scope, Work(5_000))


@given(DOCUMENTS, PATHS)
def test_the_same_work_is_counted_each_time(document: Any, path: str) -> None:
    def needed() -> int:
        compiled, low, high = compile_path(path), 0, 10_000
        while low < high:
            middle = (low + high) // 2
            try:
                compiled.find(document, Work(middle))
                high = middle
            except Unjudged:
                low = middle + 1
        return low

    assert needed() == needed()


@pytest.mark.parametrize(("path", "times"), [("$..a", 2.1), ("$..[?@..b]", 4.1)])
def test_what_grows_with_the_square_of_a_document_is_counted_as_such(path: str, times: float) -> None:
    def needed(depth: int) -> int:
        document: Any = 1
        for _ in range(depth):
            document = {"a": document}
        work = Work()
        compile_path(path).find(document, work)
        return work.spent

    assert needed(400) / needed(200) == pytest.approx(times, abs=0.15)


def test_a_deep_filter_stops_at_its_limit_and_not_before() -> None:
    document = json.loads("[" * 400 + "]" * 400)
    assert compile_path("$..[?@..x]").find(document, Work()) == []
    with pytest.raises(Unjudged):
        compile_path("$..[?@..x]").find(document, Work(50_000))


def test_values_that_are_the_same_all_over_are_compared_within_the_budget() -> None:
    text = "x" * 100_000
    with pytest.raises(Unjudged):
        equal([text + "y"] * 1000, [text + "y"] * 1000, Work(100_000))
    assert not equal("a" * 1000, "a" * 1001, Work(0))


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/a", "$defs": {"a": {"anyOf": [{"items": {"$ref": "#/$defs/a"}}, False]}}},
        {"properties": {"a": {"$ref": "#"}}},
        {"$dynamicRef": "#a", "$defs": {"a": {"$dynamicAnchor": "a"}}},
        {"items": {"pattern": "^(?=a)(?:a|aa)+$"}},
        {"patternProperties": {"^(?=a)(?:a|aa)+$": True}},
        {"allOf": [{"minLength": 1}] * 50_000},
    ],
)
def test_a_schema_whose_work_nobody_can_tell_is_not_judged_where_others_wait(schema: Any) -> None:
    validate = compile_schema(schema)
    assert validate(["aab"], Work()) in ("", "body does not match the schema: `$[0]` breaks `items/pattern`")
    with pytest.raises(Unjudged):
        validate(["aab"] * 10, Work(20_000, alone=False))


def test_an_ordinary_schema_is_judged_where_others_wait() -> None:
    address = {"type": "object", "required": ["city"], "properties": {"city": {"type": "string", "pattern": "^[A-Z]"}}}
    schema = {"properties": {"to": {"$ref": "#/$defs/address"}, "from": {"$ref": "#/$defs/address"}}}
    validate = compile_schema(schema | {"$defs": {"address": address}})
    assert validate({"to": {"city": "Ulm"}, "from": {"city": "Ulm"}}, Work(20_000, alone=False)) == ""
    problem = "body does not match the schema: `$.to.city` breaks `$defs/address/properties/city/pattern`"
    assert validate({"to": {"city": "ulm"}}, Work(20_000, alone=False)) == problem


def test_a_pattern_of_a_schema_that_takes_too_many_steps_decides_nothing() -> None:
    validate = compile_schema({"pattern": "^(?=a)(?:a|aa)+(?!x)c$"})
    assert validate("aac", Work()) == ""
    with pytest.raises(Unjudged, match="a pattern of the schema"):
        validate("a" * 60 + "b", Work())


def test_of_a_large_document_only_the_first_problem_is_told() -> None:
    validate = compile_schema({"items": {"type": "string"}})
    assert validate([1] * 3, Work()) == "body does not match the schema: `$[0]` breaks `items/type`, and 2 more"
    many = validate([1] * 20_000, Work())
    assert many == "body does not match the schema: `$[0]` breaks `items/type`, and perhaps more"


@pytest.mark.parametrize("root", ["output", "capture"])
@pytest.mark.parametrize("size", [LARGEST_VALUE, LARGEST_VALUE + 1])
@pytest.mark.parametrize("shape", [lambda size: "x" * size, lambda size: json.dumps(["x" * (size - 4)])])
def test_a_value_is_kept_up_to_a_mebibyte(
    make_scope: MakeScope, make_step: MakeStep, answer: Answer, root: str, size: int, shape: Any
) -> None:
    kept: dict[str, Any] = {
        "output": {"outputs": (Output(name="x", root=CaptureRoot.BODY, path="$"),)},
        "capture": {"captures": (Capture(key="body", root=CaptureRoot.BODY, path=()),)},
    }
    scope = make_scope(make_step(**kept[root]))
    step, exchange = scope.program.steps[0], answer(body=shape(size))
    if size <= LARGEST_VALUE:
        judge(step, exchange, scope, Work())
        return
    with pytest.raises(Unjudged, match=r"`(x|body)`: the value is larger than 1,048,576 bytes") as refused:
        judge(step, exchange, scope, Work())
    assert refused.value.code == "value_too_large"


def test_what_a_path_finds_again_and_again_is_not_written_out(
    make_scope: MakeScope, make_step: MakeStep, answer: Answer
) -> None:
    # 300 levels of a text of 100 kB: small as a document, and 30 MB as a list of all its parts.
    body = '{"a":' * 300 + json.dumps("x" * 100_000) + "}" * 300
    scope = make_scope(make_step(outputs=(Output(name="x", root=CaptureRoot.BODY, path="$..*"),)))
    with pytest.raises(Unjudged):
        judge(scope.program.steps[0], answer(body=body), scope, Work(100_000))
