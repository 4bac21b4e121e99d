"""The run check settles values: which source wins, of which type they are, and what is missing."""

from __future__ import annotations

import pytest
from checked_runs import COLUMNS, STEP, Checker, check_orders, codes, in_text, only, uses

from reqflo_ray._internal.errors import Severity
from reqflo_ray._internal.model.values import Literal


def test_inputs_that_only_a_row_can_supply_are_named_for_staging() -> None:
    assert check_orders(columns=COLUMNS).row_required == {"order_ref", "customer_id", "total"}
    assert check_orders(columns=COLUMNS, case="Gift order").row_required == frozenset()


def test_a_required_value_without_any_source_is_missing() -> None:
    problem = only(check_orders(case="No customer"))
    assert (problem.code, str(problem.position)) == ("missing_required_value", "journeys/place-order.yaml:10:7")
    assert "--set customer_id=" in problem.hint


def test_missing_values_are_reported_all_at_once() -> None:
    assert [problem.code for problem in check_orders().problems] == ["missing_required_value"] * 3


def test_later_presets_win_and_chosen_ones_win_over_the_cases(check: Checker) -> None:
    values = "  variables: [{name: a}, {name: b}, {name: c}, {name: d}]\n" + STEP
    files = {
        "p.yaml": """
        case: {name: c, journey: j, presets: [p1, p2], values: {a: case}}
        ---
        preset: {name: p1, values: {a: p1, b: p1, c: p1, d: p1}}
        ---
        preset: {name: p2, values: {b: p2, c: p2, d: p2}}
        ---
        preset: {name: p3, values: {c: p3, d: p3, unknown: ignored}}
        """
    }
    given = check(values, files, case="c", presets=("p3",), overrides={"d": "set"}).inputs
    assert {name: (entry.node, entry.source_name) for name, entry in given.items()} == {
        "a": (Literal("case"), "c"),
        "b": (Literal("p2"), "p2"),
        "c": (Literal("p3"), "p3"),
        "d": (Literal("set"), ""),
    }


def test_a_set_of_something_undeclared_is_an_error_with_a_suggestion() -> None:
    problem = only(check_orders(columns=COLUMNS, overrides={"regionn": "x"}))
    assert (problem.code, problem.hint) == ("undeclared_value", "did you mean `region`?")


def test_a_value_of_a_case_that_the_journey_does_not_declare_is_a_warning(check: Checker) -> None:
    journey = "  inputs: [{name: colour}]\n" + STEP
    problem = only(check(journey, {"c.yaml": "case: {name: c, journey: j, values: {color: red}}"}, case="c"))
    assert (problem.severity, problem.code) == (Severity.WARNING, "undeclared_value")
    assert (problem.hint, str(problem.position)) == ("did you mean `colour`?", "c.yaml:1:38")


@pytest.mark.parametrize(
    ("type", "text", "value"),
    [
        ("number", "1.50", 1.5),
        ("integer", "12", 12),
        ("boolean", "true", True),
        ("string", "12", "12"),
        ("json", "[1]", [1]),
    ],
)
def test_a_set_is_converted_to_the_declared_type(check: Checker, type: str, text: str, value: object) -> None:
    checked = check(f"  inputs: [{{name: x, type: {type}}}]\n" + STEP, overrides={"x": text})
    node = checked.inputs["x"].node
    assert isinstance(node, Literal)
    assert node.value == value


def test_a_set_is_never_read_as_an_expression(check: Checker) -> None:
    checked = check("  inputs: [{name: x}]\n" + STEP, overrides={"x": "{{ secrets.A }}"})
    assert checked.inputs["x"].node == Literal("{{ secrets.A }}")


@pytest.mark.parametrize(
    ("type", "text"), [("number", "1_0"), ("number", "NaN"), ("integer", "1.0"), ("boolean", "yes"), ("json", "{")]
)
def test_a_value_that_is_not_of_its_type_is_an_error(check: Checker, type: str, text: str) -> None:
    journey = f"  inputs: [{{name: x, type: {type}}}]\n" + STEP
    assert codes(check(journey, overrides={"x": text})) == [("error", "wrong_type")]
    files = {"p.yaml": f"preset: {{name: p, values: {{x: '{text}'}}}}"}
    problem = only(check(journey, files, presets=("p",)))
    assert (problem.code, str(problem.position)) == ("wrong_type", "p.yaml:1:31")


def test_a_default_that_is_not_of_its_type_is_an_error(check: Checker) -> None:
    problem = only(check("  inputs: [{name: x, type: integer, default: many}]\n" + STEP))
    assert (problem.code, str(problem.position)) == ("wrong_type", "j.yaml:3:12")


def test_a_column_that_nothing_declares_warns_and_is_an_error_when_strict() -> None:
    assert codes(check_orders(columns=(*COLUMNS, "colour"))) == [("warning", "undeclared_column")]
    assert codes(check_orders(columns=(*COLUMNS, "colour"), strict=True)) == [("error", "undeclared_column")]
    assert codes(check_orders(columns=(*COLUMNS, "colour"), key="colour", strict=True)) == []
    assert codes(check_orders(columns=(*COLUMNS, "region"), strict=True)) == []


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        (("a", "b"), "2 columns: `a` and `b`"),
        (("a", "b", "c"), "3 columns: `a`, `b` and `c`"),
        (("a", "b", "c", "d"), "4 columns: `a`, `b`, `c` and 1 more"),
        (tuple(f"c{number}" for number in range(20_000)), "20,000 columns: `c0`, `c1`, `c2` and 19,997 more"),
        (("x" * 500, "b"), f"2 columns: `{60 * 'x'}…` and `b`"),
    ],
)
def test_many_columns_that_nothing_declares_are_one_finding(columns: tuple[str, ...], told: str) -> None:
    for strict, severity in ((False, Severity.WARNING), (True, Severity.ERROR)):
        problem = only(check_orders(columns=(*COLUMNS, *columns), strict=strict))
        assert (problem.severity, problem.code) == (severity, "undeclared_column")
        assert problem.message == f"the journey declares no input or variable for {told}"
        assert problem.hint == ""


def test_columns_that_are_mistyped_are_told_among_many() -> None:
    problem = only(check_orders(columns=(*COLUMNS, "c1", "c2", "regoin", "c3", "c4")))
    assert problem.hint == "did you mean `region` instead of `regoin`?"


def test_a_set_that_a_column_shadows_is_a_warning() -> None:
    assert codes(check_orders(columns=COLUMNS, overrides={"sku": "x"})) == [("warning", "shadowed_set")]


@pytest.mark.parametrize(
    "declared",
    [
        "inputs: [{name: region, required: true}]",
        "inputs: [{name: x, required: true, default: null}]",
        "variables: [{name: x, required: true, source: environment, key: shop.version}]",
        "variables: [{name: x, required: true, source: me, key: user}]",
        "variables: [{name: x, required: true, source: environment, key: nothing, default: 1}]",
    ],
)
def test_every_source_of_the_chain_supplies_a_required_value(check: Checker, declared: str) -> None:
    assert check(f"  {declared}\n{STEP}", me={"user": "someone"}).problems == ()


@pytest.mark.parametrize(
    ("declared", "code"),
    [
        ("inputs: [{name: x, required: true}]", "missing_required_value"),
        ("variables: [{name: x, required: true, source: environment}]", "incompatible_environment"),
        ("variables: [{name: x, required: true, source: environment, key: shop.nothing}]", "incompatible_environment"),
        ("variables: [{name: x, required: true, source: me, key: user}]", "invalid_reference"),
    ],
)
def test_a_required_value_that_no_source_has_is_missing(check: Checker, declared: str, code: str) -> None:
    assert codes(check(f"  {declared}\n{STEP}")) == [("error", code)]


def test_a_variable_that_a_step_sets_is_not_missing(check: Checker) -> None:
    journey = """
      variables: [{name: v, required: true}]
      steps:
        - {id: s, type: set_variable, values: {v: 1}}
        - {id: a, request: {url: "/{{ variables.v }}"}}
    """
    assert check(journey).problems == ()


def test_an_optional_value_without_source_inside_of_text_is_a_warning(check: Checker) -> None:
    declared = "  inputs: [{name: x}]\n"
    problem = only(check(declared + in_text("inputs.x")))
    assert (problem.severity, problem.code, str(problem.position)) == (Severity.WARNING, "unset_value", "j.yaml:4:54")
    assert check(declared + uses("inputs.x")).problems == ()
    assert check(declared + in_text("inputs.x"), columns=("x",)).problems == ()
    assert check(declared + in_text("inputs.x"), overrides={"x": "1"}).problems == ()
    path = "  steps: [{id: a, request: {url: '/{{ inputs.x }}'}}]\n"
    assert codes(check(declared + path)) == [("warning", "unset_value")]


@pytest.mark.parametrize(
    ("written", "number"),
    [("01234", "1234"), ("-007", "-7"), ("+4915112345", "4915112345"), ("0x1F", "31"), ("0o17", "15"), (".5", "0.5"),
     ("5.", "5"), ("00", "0"), ("-0", "0"), ("007.50", "7.50")],
)  # fmt: skip
def test_a_number_that_loses_how_it_is_written_is_told_with_its_place(
    check: Checker, written: str, number: str
) -> None:
    journey = "  inputs: [{name: zip}]\n" + STEP
    problem = only(check(journey, {"c.yaml": f"case: {{name: c, journey: j, values: {{zip: {written}}}}}"}, case="c"))
    assert (problem.severity, problem.code) == (Severity.WARNING, "rewritten_number")
    assert problem.message == f"`{written}` is read as the number {number}"
    assert str(problem.position) == "c.yaml:1:43"


@pytest.mark.parametrize(
    "written",
    ["'01234'", "1.50", "1e3", "1E+3", "0.00000001", "1_000", "12:30", "2026-01-02", "no", "0", "0.0", "1.2.3", "-1"],
)
def test_what_is_sent_as_it_is_written_is_no_finding(check: Checker, written: str) -> None:
    journey = "  inputs: [{name: zip}]\n" + STEP
    case = f"case: {{name: c, journey: j, values: {{zip: {written}}}}}"
    assert check(journey, {"c.yaml": case}, case="c").problems == ()


def test_a_sensitive_number_that_loses_its_zeros_is_not_shown(check: Checker) -> None:
    journey = "  inputs: [{name: pin, sensitive: true}]\n" + STEP
    found = check(journey, {"c.yaml": "case: {name: c, journey: j, values: {pin: 0123456789}}"}, case="c").problems
    assert [problem.code for problem in found] == ["rewritten_number"]
    assert "123456789" not in str(found)


HEADERS = """
  inputs: [{name: a, default: fine}, {name: b}]
  variables: [{name: c, source: environment, key: region}, {name: d, default: "x {{ inputs.b }}"}, {name: e}]
  steps:
    - {id: set, type: set_variable, values: {e: "a\\nb"}}
    - id: s
      request:
        url: "http://api.example/"
        headers:
          {X-A: "{{ inputs.a }}", X-C: "{{ variables.c }}", Cookie: "d={{ variables.d }}", X-E: "{{ variables.e }}"}
        body: {json: {b: "{{ inputs.b }}"}}
"""


@pytest.mark.parametrize(
    ("overrides", "region", "what"),
    [
        (
            {"a": "x\r\nX-Evil: 1"},
            "eu",
            "the value of `a` (--set) contains a line end, which is not allowed in the header `X-A`",
        ),
        ({"b": "x\0"}, "eu", "the value of `b` (--set) contains a NUL, which is not allowed in the header `Cookie`"),
        ({}, "eu\\n", "the environment's `region` contains a line end, which is not allowed in the header `X-C`"),
    ],
)
def test_a_value_that_no_header_can_carry_is_found_wherever_it_comes_from(
    check: Checker, overrides: dict[str, str], region: str, what: str
) -> None:
    files = {"e.yaml": f'environment: {{name: local, values: {{region: "{region}"}}}}'}
    problem = only(check(HEADERS, files, overrides=overrides, environment="local"))
    assert (problem.code, problem.severity) == ("wrong_value", Severity.ERROR)
    assert problem.message.startswith(what) and "Evil" not in problem.message
    assert problem.position is not None


@pytest.mark.parametrize("text", ["Zoë", "€ 日本", "a\tb", "", "\\n"])
def test_a_value_that_a_header_can_carry_is_no_finding(check: Checker, text: str) -> None:
    files = {"e.yaml": "environment: {name: local, values: {region: eu}}"}
    assert check(HEADERS, files, overrides={"a": text, "b": text}, environment="local").problems == ()
