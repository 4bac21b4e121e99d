"""The run check: what assertions expect, where that can never hold, or only by chance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from checked_runs import Checker, codes, only

from reqflo_ray._internal.errors import Problem
from reqflo_ray._internal.runner.prepare.preparation import all_findings, prepare
from reqflo_ray._internal.runner.prepare.request import Dataset, Journey


def expecting(assertion: str, declared: str = "inputs: [{name: x}]") -> str:
    return f"""
      {declared}
      steps: [{{id: a, request: {{url: /a}}, assertions: [{{{assertion}}}]}}]
    """


VALUE = 'type: json_path, path: $.a, operator: OPERATOR, expected: "{{ inputs.x }}"'


@pytest.mark.parametrize("operator", ["equals", "not_equals", "contains", "not_contains"])
def test_what_is_expected_and_nobody_gives_is_warned_of(check: Checker, operator: str) -> None:
    problem = only(check(expecting(VALUE.replace("OPERATOR", operator))))
    assert (problem.code, problem.severity.value) == ("unset_value", "warning")
    assert problem.message == "`inputs.x` has no value, but an assertion of step `a` expects it"
    assert problem.position is not None and problem.position.text[problem.position.column - 1 :].startswith("{{ inputs")


@pytest.mark.parametrize(
    "assertion",
    [
        'type: json_path, path: $.a, operator: equals, expected: "x-{{ inputs.x }}"',
        'type: json_path, path: $.a, operator: not_in, expected: ["{{ inputs.x }}"]',
        'type: json_path, path: $.a, operator: equals, expected: {b: "x-{{ inputs.x }}"}',
        'type: json_path, path: $.a, operator: equals, expected: {b: "{{ inputs.x }}", c: 1}',
        'type: json_path, path: $.a, operator: not_equals, expected: {b: [{c: "{{ inputs.x }}"}]}',
        'type: json_path, path: $.a, operator: not_in, expected: [7, "{{ inputs.x }}"]',
        'type: header, name: h, expected: "{{ inputs.x }}"',
        'type: body_contains, expected: "{{ inputs.x }}"',
        'type: status_code, expected: "{{ inputs.x }}"',
    ],
)
def test_it_is_in_every_assertion_that_cannot_do_without(check: Checker, assertion: str) -> None:
    assert codes(check(expecting(assertion))) == [("warning", "unset_value")]


def test_one_of_several_alternatives_may_be_unset(check: Checker) -> None:
    assertion = 'type: json_path, path: $.a, operator: in, expected: ["{{ inputs.x }}", b]'
    assert check(expecting(assertion)).problems == ()


@pytest.mark.parametrize(
    ("declared", "selection"),
    [
        ("inputs: [{name: x, default: 1}]", {}),
        ("inputs: [{name: x, default: null}]", {}),
        ("inputs: [{name: x}]", {"overrides": {"x": "a"}}),
        ("inputs: [{name: x}]", {"columns": ("x",)}),
    ],
)
def test_what_may_have_a_value_is_not_warned_of(check: Checker, declared: str, selection: dict[str, Any]) -> None:
    assert check(expecting(VALUE.replace("OPERATOR", "equals"), declared), **selection).problems == ()


STATUS = 'type: status_code, expected: "{{ inputs.x }}"'


@pytest.mark.parametrize("value", ["OK", "", "2", "700", "[200,201]", "2x", "6xx", "300-200", "200, 201"])
def test_a_given_value_that_is_no_status_is_an_error(check: Checker, value: str) -> None:
    problem = only(check(expecting(STATUS), overrides={"x": value}))
    assert (problem.code, problem.severity.value) == ("invalid_assertion", "error")
    assert problem.cause == 'a status is an integer, "2xx", "200-299", or a list of these'
    assert ("type: json" in problem.hint) is value.startswith("[")


@pytest.mark.parametrize("value", ["200", "2xx", "5XX", "200-299"])
def test_a_given_status_is_none(check: Checker, value: str) -> None:
    assert check(expecting(STATUS), overrides={"x": value}).problems == ()


@pytest.mark.parametrize(
    ("declared", "is_sound"),
    [
        ("inputs: [{name: x, type: json, default: [200, 2xx]}]", True),
        ("inputs: [{name: x, type: json, default: [200, OK]}]", False),
        ("inputs: [{name: x, default: null}]", False),
        ('inputs: [{name: y, default: OK}, {name: x, default: "{{ inputs.y }}"}]', False),
        ('inputs: [{name: y, default: 200}, {name: x, default: "{{ inputs.y }}"}]', True),
    ],
)
def test_a_default_must_be_a_status_too(check: Checker, declared: str, is_sound: bool) -> None:
    assert codes(check(expecting(STATUS, declared))) == ([] if is_sound else [("error", "invalid_assertion")])


@pytest.mark.parametrize(("value", "is_sound"), [("200", True), ("[200, 2xx]", True), ("OK", False), ('"2x"', False)])
def test_a_status_of_the_environment_must_be_one(check: Checker, value: str, is_sound: bool) -> None:
    files = {
        "e.yaml": f"environment: {{name: local, services: {{s: {{base_url: 'http://x'}}}}, values: {{s: {value}}}}}"
    }
    checked = check(expecting('type: status_code, expected: "{{ env.s }}"'), files)
    assert codes(checked) == ([] if is_sound else [("error", "invalid_assertion")])


NUMBERS = ["5", "7"]


@pytest.mark.parametrize(
    ("values", "kind"),
    [(NUMBERS, "integer"), (["5", "7.5"], "number"), (["true", "false"], "boolean"), (["1e3"], "number")],
)
def test_text_of_a_table_that_is_compared_gets_the_type_to_declare(
    check: Checker, values: list[str], kind: str
) -> None:
    checked = check(expecting(VALUE.replace("OPERATOR", "equals")), columns=("x",), sampled={"x": values})
    problem = only(checked)
    assert (problem.code, problem.severity.value) == ("untyped_value", "warning")
    assert f"`type: {kind}`" in problem.hint
    assert str(problem.position) == "j.yaml:4:12"


@pytest.mark.parametrize(
    "assertion",
    [
        'type: response_time, expected: "{{ inputs.x }}"',
        'type: header, name: h, operator: less_than, expected: "{{ inputs.x }}"',
        'type: json_path, path: $.a, operator: length, expected: "{{ inputs.x }}"',
        'type: json_path, path: $.a, operator: in, expected: ["{{ inputs.x }}"]',
    ],
)
def test_so_does_text_that_is_taken_for_a_number(check: Checker, assertion: str) -> None:
    assert codes(check(expecting(assertion), columns=("x",), sampled={"x": NUMBERS})) == [("warning", "untyped_value")]


def test_so_does_text_that_the_command_line_gives(check: Checker) -> None:
    problem = only(check(expecting(VALUE.replace("OPERATOR", "equals")), overrides={"x": "5"}))
    assert problem.message.startswith("`--set x` supplies text")


@pytest.mark.parametrize(
    ("assertion", "declared", "values"),
    [
        (VALUE.replace("OPERATOR", "equals"), "inputs: [{name: x, type: integer}]", NUMBERS),
        (VALUE.replace("OPERATOR", "equals"), "inputs: [{name: x, type: string}]", NUMBERS),
        (VALUE.replace("OPERATOR", "equals"), "inputs: [{name: x}]", ["5", "a"]),
        (VALUE.replace("OPERATOR", "equals"), "inputs: [{name: x}]", ["007", "010"]),
        (VALUE.replace("OPERATOR", "equals"), "inputs: [{name: x}]", [5, 7]),
        (VALUE.replace("OPERATOR", "equals"), "inputs: [{name: x}]", []),
        (VALUE.replace("OPERATOR", "contains"), "inputs: [{name: x}]", NUMBERS),
        ('type: header, name: h, expected: "{{ inputs.x }}"', "inputs: [{name: x}]", NUMBERS),
        ('type: body_equals, expected: "{{ inputs.x }}"', "inputs: [{name: x}]", NUMBERS),
        (STATUS, "inputs: [{name: x}]", ["200", "404"]),
    ],
)
def test_text_that_is_compared_as_text_is_left_alone(
    check: Checker, assertion: str, declared: str, values: list[object]
) -> None:
    assert check(expecting(assertion, declared), columns=("x",), sampled={"x": values}).problems == ()


def rows_of(folder: Path, assertion: str, declared: str, name: str, data: str) -> list[Problem]:
    """What is found in the rows of a file."""
    (folder / "reqflo.yaml").write_text("workspace: {defaults: {environment: e}}")
    (folder / "e.yaml").write_text("environment: {name: e, services: {s: {base_url: 'http://x.example'}}}")
    step = f"{{id: a, request: {{url: /a}}, assertions: [{{{assertion}}}]}}"
    (folder / "j.yaml").write_text(f"journey: {{name: j, {declared}, steps: [{step}]}}")
    (folder / name).write_text(data)
    dataset = Dataset(folder / name)
    return list(all_findings(dataset, prepare(Journey("j", workspace=folder), dataset)))


def test_rows_without_a_value_that_is_expected_are_counted_in_one_warning(tmp_path: Path) -> None:
    data = "k,x\na,1\nb,\nc,2\nd,\n"
    inputs = "inputs: [{name: k}, {name: x, type: integer}]"
    (problem,) = rows_of(tmp_path, VALUE.replace("OPERATOR", "not_equals"), inputs, "rows.csv", data)
    assert (problem.code, problem.severity.value) == ("unset_value", "warning")
    assert problem.message == "2 rows have no value for `inputs.x`, and an assertion of step `a` expects it"
    assert problem.position is not None and (problem.position.line, problem.position.text) == (3, "b,")


@pytest.mark.parametrize("inputs", ["inputs: [{name: k}, {name: x, default: 1}]", "inputs: [{name: k}, {name: x}]"])
def test_rows_with_a_value_for_all_that_is_expected_are_not(tmp_path: Path, inputs: str) -> None:
    last = "b,\n" if "default" in inputs else "b,z\n"
    data = f"k,x\na,y\n{last}"
    assert rows_of(tmp_path, VALUE.replace("OPERATOR", "equals"), inputs, "rows.csv", data) == []


def test_every_row_must_say_which_status_it_expects(tmp_path: Path) -> None:
    data = 'k,x\na,200\nb,OK\nc,"[200,201]"\nd,2xx\ne,\n'
    found = rows_of(tmp_path, STATUS, "inputs: [{name: k}, {name: x}]", "rows.csv", data)
    assert [(one.code, one.position and one.position.line) for one in found] == [
        ("invalid_status", 3),
        ("invalid_status", 4),
    ]


def test_a_status_of_json_may_be_a_list(tmp_path: Path) -> None:
    data = '{"x": [200, "3xx"]}\n{"x": 201}\n{"x": []}\n{"x": true}\n'
    found = rows_of(tmp_path, STATUS, "inputs: [{name: x, type: json}]", "rows.jsonl", data)
    assert [one.position and one.position.line for one in found] == [3, 4]


def test_a_row_whose_status_has_the_wrong_type_is_told_once(tmp_path: Path) -> None:
    (problem,) = rows_of(tmp_path, STATUS, "inputs: [{name: x, type: integer}]", "rows.csv", "x\nOK\n")
    assert problem.code == "invalid_value"


def test_a_sensitive_status_is_not_quoted(tmp_path: Path) -> None:
    (problem,) = rows_of(tmp_path, STATUS, "inputs: [{name: x, sensitive: true}]", "rows.csv", "x\nhidden-thing\n")
    assert "hidden" not in repr(problem)


def test_what_is_wrong_in_the_journey_and_in_the_rows_is_told_together(tmp_path: Path) -> None:
    assertion = STATUS + '}, {type: json_path, path: $.a, operator: equals, expected: "{{ env.nothing }}"'
    found = rows_of(tmp_path, assertion, "inputs: [{name: x}]", "rows.csv", "x\nOK\n")
    assert [one.code for one in found] == ["incompatible_environment", "invalid_status"]
