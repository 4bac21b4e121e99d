"""Assertions and outputs: all types and dialects, and what is refused before anything is sent."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from reqflo_ray._internal.compiler.compile import Compilation
from reqflo_ray._internal.errors import Problem
from reqflo_ray._internal.model.artifact import Assertion, AssertionType, CaptureRoot, HttpStep, Operator, Output
from reqflo_ray._internal.model.values import Literal, Namespace, Reference

Compiler = Callable[..., Compilation]
OnlyProblem = Callable[..., Problem]

X = Reference(Namespace.INPUTS, "x")
JSON_PATH = AssertionType.JSON_PATH


def journey(fields: str) -> str:
    step = f"{{id: a, request: {{url: /a}}, {fields}}}"
    return f"journey:\n  name: j\n  inputs: [{{name: x}}]\n  steps:\n    - {step}\n"


def step_of(compilation: Compilation) -> HttpStep:
    (step,) = compilation.artifact.steps
    assert isinstance(step, HttpStep)
    return step


def status(expected: object) -> Assertion:
    return Assertion(type=AssertionType.STATUS_CODE, expected=Literal(expected))


@pytest.mark.parametrize(
    ("written", "assertion"),
    [
        ("{type: status_code, expected: 201}", status(201)),
        ("{type: status_code, value: 201}", status(201)),
        ("{type: status_code, expected: 2xx}", status("2xx")),
        ("{type: status_code, expected: 200-299}", status("200-299")),
        ("{type: status_code, operator: in, expected: [200, 4xx]}", status([200, "4xx"])),
        ('{type: status_code, expected: "{{ inputs.x }}"}', Assertion(type=AssertionType.STATUS_CODE, expected=X)),
        (
            '{type: json_path, path: "$.a[?@.b > 1].c", operator: exists, soft: true, id: one, description: why}',
            Assertion(type=JSON_PATH, target="$.a[?@.b > 1].c", operator=Operator.EXISTS, soft=True, id="one"),
        ),
        (
            "{type: json_path, path: $, operator: equals, expected: null}",
            Assertion(type=JSON_PATH, target="$", expected=Literal(None)),
        ),
        (
            "{type: json_path, path: $.a, operator: length_equals, expected: 2}",
            Assertion(type=JSON_PATH, target="$.a", operator=Operator.LENGTH, expected=Literal(2)),
        ),
        (
            '{type: json_path, path: $.a, operator: in, expected: "{{ inputs.x }}"}',
            Assertion(type=JSON_PATH, target="$.a", operator=Operator.IN, expected=X),
        ),
        (
            "{type: header, name: ETag}",
            Assertion(type=AssertionType.HEADER, target="ETag", operator=Operator.EXISTS),
        ),
        (
            "{type: header, header: etag, value: x}",
            Assertion(type=AssertionType.HEADER, target="etag", expected=Literal("x")),
        ),
        (
            "{type: body_contains, expected: x}",
            Assertion(type=AssertionType.BODY_CONTAINS, operator=Operator.CONTAINS, expected=Literal("x")),
        ),
        ("{type: body_equals, expected: x}", Assertion(type=AssertionType.BODY_EQUALS, expected=Literal("x"))),
        (
            "{type: json_schema, schema: {type: object, required: ['{{ a }}']}}",
            Assertion(
                type=AssertionType.JSON_SCHEMA,
                operator=Operator.MATCHES,
                expected=Literal({"type": "object", "required": ["{{ a }}"]}),
            ),
        ),
    ],
)
def test_an_assertion_is_compiled_to_its_full_form(compiled: Compiler, written: str, assertion: Assertion) -> None:
    assert step_of(compiled(journey(f"assertions: [{written}]"))).assertions == (assertion,)


@pytest.mark.parametrize("written", ["max: 1.5s", "max: 1500ms", "max: 1500", "max_ms: 1500", "expected: 1500"])
def test_a_response_time_is_compiled_to_milliseconds(compiled: Compiler, written: str) -> None:
    (assertion,) = step_of(compiled(journey(f"assertions: [{{type: response_time, {written}}}]"))).assertions
    assert (assertion.expected, assertion.operator) == (Literal(1500), Operator.LESS_THAN_OR_EQUAL)


@pytest.mark.parametrize("operator", list(Operator))
def test_every_operator_can_be_written(compiled: Compiler, operator: Operator) -> None:
    literal = {"in": "[1]", "not_in": "[1]", "type": "string", "length": "1"}.get(operator, "1")
    literal = "'1'" if operator in ("matches", "starts_with", "ends_with") else literal
    expected = "" if operator in ("exists", "not_exists") else f", expected: {literal}"
    text = f"assertions: [{{type: json_path, path: $.a, operator: {operator}{expected}}}]"
    assert step_of(compiled(journey(text))).assertions[0].operator is operator


@pytest.mark.parametrize(
    ("written", "code", "column"),
    [
        ("{type: status_code}", "invalid_assertion", 48),
        ("{type: status_code, expected: 99}", "invalid_assertion", 78),
        ("{type: status_code, expected: 3-4}", "invalid_assertion", 78),
        ("{type: status_code, expected: 299-200}", "invalid_assertion", 78),
        ("{type: status_code, expected: '200'}", "invalid_assertion", 78),
        ("{type: status_code, expected: []}", "invalid_assertion", 78),
        ("{type: status_code, expected: true}", "invalid_assertion", 78),
        ("{type: status_code, operator: contains, expected: 200}", "invalid_assertion", 78),
        ("{type: status_code, path: $.a, expected: 200}", "invalid_assertion", 68),
        ("{type: json_path, operator: exists}", "missing_key", 48),
        ("{type: json_path, path: $.a}", "missing_key", 48),
        ("{type: json_path, path: a.b, operator: exists}", "invalid_path", 72),
        ("{type: json_path, path: '$.a[', operator: exists}", "invalid_path", 72),
        ("{type: json_path, path: '$.{{ inputs.x }}', operator: exists}", "invalid_path", 72),
        ("{type: json_path, path: $.a, operator: equal, expected: 1}", "invalid_assertion", 87),
        ("{type: json_path, path: $.a, operator: equals}", "invalid_assertion", 48),
        ("{type: json_path, path: $.a, operator: exists, expected: 1}", "invalid_assertion", 105),
        ("{type: json_path, path: $.a, operator: matches, expected: '('}", "invalid_assertion", 106),
        ("{type: json_path, path: $.a, operator: matches, expected: 1}", "invalid_assertion", 106),
        ("{type: json_path, path: $.a, operator: in, expected: 1}", "invalid_assertion", 101),
        ("{type: json_path, path: $.a, operator: type, expected: text}", "invalid_assertion", 103),
        ("{type: json_path, path: $.a, operator: length, expected: -1}", "invalid_assertion", 105),
        ("{type: json_path, path: $.a, operator: less_than, expected: x}", "invalid_assertion", 108),
        ("{type: json_path, path: $.a, operator: less_than, expected: true}", "invalid_assertion", 108),
        ("{type: header}", "missing_key", 48),
        ("{type: body_contains}", "invalid_assertion", 48),
        ("{type: json_schema}", "invalid_assertion", 48),
        ("{type: json_schema, schema: {type: nothing}}", "invalid_assertion", 76),
        ("{type: json_schema, schema: {$ref: 'http://x.invalid/a'}}", "invalid_assertion", 76),
        ("{type: json_schema, schema: {$ref: 'file:///etc/passwd'}}", "invalid_assertion", 76),
        ("{type: json_schema, schema: text}", "invalid_assertion", 76),
        ("{type: response_time}", "invalid_assertion", 48),
        ("{type: response_time, max: 1s, max_ms: 2}", "invalid_assertion", 48),
        ("{type: response_time, max: 1 day}", "wrong_value", 75),
    ],
)
def test_an_assertion_that_cannot_be_judged_is_refused_at_its_place(
    only_problem: OnlyProblem, written: str, code: str, column: int
) -> None:
    problem = only_problem(journey(f"assertions: [{written}]"))
    assert (problem.code, problem.position and problem.position.column) == (code, column)


def test_a_misspelled_operator_gets_a_suggestion(only_problem: OnlyProblem) -> None:
    text = "assertions: [{type: json_path, path: $.a, operator: greater_then, expected: 1}]"
    assert only_problem(journey(text)).hint == "did you mean `greater_than`?"


def test_two_assertions_with_the_same_id_are_refused(only_problem: OnlyProblem) -> None:
    one = "{type: header, name: a, id: x}"
    assert only_problem(journey(f"assertions: [{one}, {one}]")).code == "duplicate_key"


def test_template_assertions_may_use_template_values(compiled: Compiler) -> None:
    template = (
        'template: {key: t, url: "/:p", values: [{name: p, in: path}], '
        'assertions: [{type: body_contains, expected: "{{ values.p }}"}]}'
    )
    step = step_of(
        compiled(
            'journey: {name: j, inputs: [{name: x}], steps: [{id: a, template: t, values: {p: "{{ inputs.x }}"}}]}',
            t=template,
        )
    )
    assert step.assertions[0].expected == X


@pytest.mark.parametrize(
    ("path", "root", "normal"),
    [
        ("$.body.order.id", CaptureRoot.BODY, "$.order.id"),
        ("body.order.id", CaptureRoot.BODY, "$.order.id"),
        ("response.body.order.id", CaptureRoot.BODY, "$.order.id"),
        ("$.response.body.order.id", CaptureRoot.BODY, "$.order.id"),
        ("$.body", CaptureRoot.BODY, "$"),
        ("body[0].id", CaptureRoot.BODY, "$[0].id"),
        ("$.body['odd key'][*]", CaptureRoot.BODY, "$['odd key'][*]"),
        ("$.body..id", CaptureRoot.BODY, "$..id"),
        ("headers.X-Request-Id", CaptureRoot.HEADERS, "X-Request-Id"),
        ("$.headers['x.y']", CaptureRoot.HEADERS, "x.y"),
        ("status", CaptureRoot.STATUS, ""),
        ("$.response.status", CaptureRoot.STATUS, ""),
    ],
)
def test_all_forms_of_an_output_path_are_normalized(
    compiled: Compiler, path: str, root: CaptureRoot, normal: str
) -> None:
    expected = (Output(name="o", root=root, path=normal),)
    assert step_of(compiled(journey(f'outputs: {{o: "{path}"}}'))).outputs == expected
    assert step_of(compiled(journey(f'outputs: [{{name: o, path: "{path}"}}]'))).outputs == expected
    assert step_of(compiled(journey(f'outputs: {{o: {{path: "{path}"}}}}'))).outputs == expected


def test_an_output_may_be_optional_and_sensitive(compiled: Compiler) -> None:
    (output,) = step_of(compiled(journey("outputs: {o: {path: body, required: false, sensitive: true}}"))).outputs
    assert (output.required, output.sensitive) == (False, True)


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("$.order.id", "write a path such as"),
        ("$.bdoy.id", "did you mean `body`?"),
        ("bodyguard", "did you mean `body`?"),
        ("body.2fa", ""),
        ("headers", "write a path such as"),
        ("headers.a.b c", "write a path such as"),
        ("status.code", "write a path such as"),
        ("response", "write a path such as"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused(only_problem: OnlyProblem, path: str, hint: str) -> None:
    problem = only_problem(journey(f'outputs: {{o: "{path}"}}'))
    assert problem.code == "invalid_path"
    assert problem.hint.startswith(hint)


@pytest.mark.parametrize("path", ["$.Content-Type", "$.a.Content-Type.b", "$..Content-Type"])
def test_a_hint_quotes_a_name_that_must_be_quoted(only_problem: OnlyProblem, path: str) -> None:
    found = only_problem(journey(f"assertions: [{{type: json_path, path: {path}, operator: exists}}]"))
    assert (found.code, found.hint.rpartition(" ")[2]) == ("invalid_path", "`['Content-Type']`")


def test_two_outputs_with_the_same_name_are_refused(only_problem: OnlyProblem) -> None:
    assert only_problem(journey("outputs: [{name: o, path: body}, {name: o, path: status}]")).code == "duplicate_key"
