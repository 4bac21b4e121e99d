"""The run check: what a run will really use, settled and judged before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import pytest

from reqflo_ray._internal.compiler.compile import Compilation, compile_journey
from reqflo_ray._internal.compiler.workspace.load import load_workspace
from reqflo_ray._internal.errors import DefinitionError, Problem, Severity
from reqflo_ray._internal.model.plan import InputSource, InputValue, SecretReference, SecretSource
from reqflo_ray._internal.model.values import Literal, Namespace, Reference, Text
from reqflo_ray._internal.runner.prepare.checks.check import CheckedRun, RunSelection, check_run
from reqflo_ray._internal.secrets.sources import SecretLook

ORDERS = Path(__file__).parents[3] / "examples" / "orders"
COLUMNS = ("order_ref", "customer_id", "total", "sku", "qty")

ENVIRONMENTS = """
environment:
  name: local
  services:
    shop: {base_url: "http://x/{{ secrets.TENANT }}", config: {version: v1}}
  values: {region: eu, nested: "{{ env.region }}-{{ secrets.SUFFIX }}", unused: "{{ secrets.UNUSED }}"}
---
environment: {name: bare}
"""
SETTINGS = "workspace: {name: w, defaults: {environment: local}}"


def orders(*overlays: str) -> Compilation:
    return compile_journey(load_workspace(ORDERS), "place-order", overlays)


def check_orders(*overlays: str, **selection: Any) -> CheckedRun:
    compilation = orders(*overlays)
    return check_run(compilation, compilation.workspace, RunSelection(**selection))


class Checker:
    """Checks runs of the journey `j` of a small workspace."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(
        self,
        journey: str,
        files: Mapping[str, str] | None = None,
        me: Mapping[str, str] | None = None,
        probe: Any = None,
        **selection: Any,
    ) -> CheckedRun:
        defaults = {
            "reqflo.yaml": SETTINGS,
            "e.yaml": ENVIRONMENTS,
            "j.yaml": f"journey:\n  name: j\n{indent(dedent(journey), '  ')}",
        }
        for name, text in (defaults | dict(files or {})).items():
            (self.folder / name).write_text(dedent(text))
        compilation = compile_journey(load_workspace(self.folder), "j")
        return check_run(compilation, compilation.workspace, RunSelection(**selection), me=me, look_at_secret=probe)


@pytest.fixture
def check(tmp_path: Path) -> Checker:
    return Checker(tmp_path)


def codes(checked: CheckedRun) -> list[tuple[str, str]]:
    return [(problem.severity.value, problem.code) for problem in checked.problems]


def only(checked: CheckedRun) -> Problem:
    assert len(checked.problems) == 1, checked.problems
    return checked.problems[0]


STEP = "  steps: [{id: a, request: {url: /a}}]\n"


def uses(reference: str) -> str:
    return f"  steps: [{{id: a, request: {{url: '/a', query: {{q: '{{{{ {reference} }}}}'}}}}}}]\n"


def in_text(reference: str) -> str:
    return f"  steps: [{{id: a, request: {{url: '/a', query: {{q: 'x {{{{ {reference} }}}}'}}}}}}]\n"


def test_the_reference_workspace_checks_clean() -> None:
    assert check_orders(columns=COLUMNS, environment="local").problems == ()
    assert check_orders("no-token", columns=COLUMNS, environment="local").problems == ()
    assert check_orders(case="Gift order", environment="local").problems == ()


def test_what_is_settled_goes_into_the_run_record() -> None:
    checked = check_orders(case="Gift order", overrides={"qty": "3"})
    assert checked.environment.name == "local"
    assert checked.environment.services["shop-api"].base_url == Literal("http://127.0.0.1:8480")
    assert checked.inputs == {
        "client_id": InputValue(node=Literal("partner"), source=InputSource.PRESET, source_name="partner-client"),
        "order_ref": InputValue(node=Literal("gift-1"), source=InputSource.CASE, source_name="Gift order"),
        "customer_id": InputValue(node=Literal("cus-gift"), source=InputSource.CASE, source_name="Gift order"),
        "total": InputValue(node=Literal(0.5), source=InputSource.CASE, source_name="Gift order"),
        "qty": InputValue(node=Literal(3), source=InputSource.SET),
    }
    assert checked.secrets == {
        "SHOP_CLIENT_SECRET": SecretReference(
            name="SHOP_CLIENT_SECRET",
            source=SecretSource.ENV,
            key="SHOP_CLIENT_SECRET",
            hosts=("127.0.0.1", "*.shop.example"),
        )
    }
    assert (checked.http.engine, checked.http.connect_ms) == ("httptools", 5000)


@pytest.mark.parametrize("insecure", [False, True])
def test_only_an_insecure_environment_verifies_no_certificates_and_says_so(check: Checker, insecure: bool) -> None:
    own = f"environment: {{name: local, insecure: {str(insecure).lower()}}}\n---\n"
    files = {"e.yaml": own + "environment: {name: other, insecure: true}\n"}
    checked = check("  steps: [{id: a, request: {url: 'https://api.example/'}}]\n", files, environment="local")
    assert checked.http.verify is not insecure and checked.environment.insecure is insecure
    assert codes(checked) == ([("warning", "insecure_environment")] if insecure else [])


def test_a_skipped_steps_secret_is_not_needed() -> None:
    assert check_orders("no-token", columns=COLUMNS).secrets == {}


def test_inputs_that_only_a_row_can_supply_are_named_for_staging() -> None:
    assert check_orders(columns=COLUMNS).row_required == {"order_ref", "customer_id", "total"}
    assert check_orders(columns=COLUMNS, case="Gift order").row_required == frozenset()


def test_a_required_value_without_any_source_is_missing() -> None:
    problem = only(check_orders(case="No customer"))
    assert (problem.code, str(problem.position)) == ("missing_required_value", "journeys/place-order.yaml:10:7")
    assert "--set customer_id=" in problem.hint


def test_missing_values_are_reported_all_at_once() -> None:
    assert [problem.code for problem in check_orders().problems] == ["missing_required_value"] * 3


def test_an_artifact_alone_can_be_checked_without_places() -> None:
    checked = check_run(orders().artifact, load_workspace(ORDERS), RunSelection(case="No customer"))
    assert only(checked).position is None


def test_an_artifact_without_workspace_has_no_environment() -> None:
    checked = check_run(orders().artifact, None, RunSelection(columns=COLUMNS))
    assert only(checked).code == "incompatible_environment"
    checked = check_run(orders().artifact, None, RunSelection(columns=COLUMNS, environment="local"))
    assert only(checked).code == "unknown_environment"


@pytest.mark.parametrize(
    ("selection", "code", "hint"),
    [
        ({"environment": "locl"}, "unknown_environment", "did you mean `local`?"),
        ({"environment": "prod"}, "unknown_environment", "known: `local`, `staging`"),
        ({"case": "gift order"}, "unknown_case", "did you mean `Gift order`?"),
        ({"case": "x", "environment": "local"}, "unknown_case", "known: `Gift order`, `No customer`"),
        ({"case": "Gift order", "presets": ("partner",)}, "unknown_preset", "did you mean `partner-client`?"),
    ],
)
def test_an_unknown_name_gets_the_known_ones(selection: dict[str, Any], code: str, hint: str) -> None:
    problem = only(check_orders(**({"columns": COLUMNS} | selection)))
    assert (problem.code, problem.hint) == (code, hint)


def test_a_case_of_another_journey_is_refused(check: Checker) -> None:
    problem = only(check(STEP, {"c.yaml": "case: {name: c, journey: k}"}, case="c"))
    assert (problem.code, problem.hint) == ("unknown_case", "it is one of the journey `k`")


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


def test_a_sensitive_value_is_not_shown(check: Checker) -> None:
    journey = "  inputs: [{name: x, type: integer, sensitive: true}]\n" + STEP
    files = {"p.yaml": "preset: {name: p, values: {x: hush-hush}}"}
    for checked in (check(journey, files, presets=("p",)), check(journey, overrides={"x": "hush-hush"})):
        assert "hush" not in str(checked.problems)


def test_a_column_that_nothing_declares_warns_and_is_an_error_when_strict() -> None:
    assert codes(check_orders(columns=(*COLUMNS, "colour"))) == [("warning", "undeclared_column")]
    assert codes(check_orders(columns=(*COLUMNS, "colour"), strict=True)) == [("error", "undeclared_column")]
    assert codes(check_orders(columns=(*COLUMNS, "colour"), key="colour", strict=True)) == []
    assert codes(check_orders(columns=(*COLUMNS, "region"), strict=True)) == []


def test_a_set_that_a_column_shadows_is_a_warning() -> None:
    assert codes(check_orders(columns=COLUMNS, overrides={"sku": "x"})) == [("warning", "shadowed_set")]


@pytest.mark.parametrize(
    ("journey", "environment", "problem"),
    [
        (uses("env.region"), "local", None),
        (uses("env.shop.version"), "local", None),
        (uses("env.regin"), "local", "did you mean `region`?"),
        (uses("env.shop.verson"), "local", "did you mean `shop.version`?"),
        ("  steps: [{id: a, request: {service: shp, url: /a}}]\n", "local", "did you mean `shop`?"),
        (STEP, "bare", "add it under `services` with a `base_url`"),
        (STEP, "", "choose one with `--env`; known: `bare`, `local`"),
    ],
)
def test_the_environment_must_have_what_the_journey_needs(
    check: Checker, journey: str, environment: str, problem: str | None
) -> None:
    checked = check(journey, environment=environment)
    if problem is None:
        assert not checked.blocked
    else:
        found = only(checked)
        assert (found.code, found.hint) == ("incompatible_environment", problem)


def test_a_journey_that_needs_no_environment_runs_without(check: Checker) -> None:
    journey = "  steps: [{id: a, request: {url: 'http://x.example/a'}}]\n"
    assert check(journey, environment="").problems == ()


def test_the_environments_own_references_are_followed_as_far_as_they_are_used(check: Checker) -> None:
    assert list(check(STEP).secrets) == ["TENANT"]
    assert list(check(uses("env.nested")).secrets) == ["SUFFIX", "TENANT"]
    journey = "  variables: [{name: v, source: environment, key: nested}]\n" + STEP
    assert list(check(journey).secrets) == ["SUFFIX", "TENANT"]
    nested = check(uses("env.nested")).environment.values["nested"]
    assert nested == Text((Reference(Namespace.ENV, "region"), "-", Reference(Namespace.SECRETS, "SUFFIX")))


def test_a_reference_of_a_case_is_kept_and_its_secret_needed(check: Checker) -> None:
    files = {"c.yaml": 'case: {name: c, journey: j, values: {x: "{{ secrets.CARD }}"}}'}
    checked = check("  inputs: [{name: x, type: integer}]\n" + STEP, files, case="c")
    assert checked.inputs["x"].node == Reference(Namespace.SECRETS, "CARD")
    assert "CARD" in checked.secrets


@pytest.mark.parametrize("reference", ["inputs.x", "steps.a.body", "me.user", "run.id", "secrets", "env"])
def test_a_case_can_refer_to_secrets_and_the_environment_only(check: Checker, reference: str) -> None:
    files = {"c.yaml": f'case: {{name: c, journey: j, values: {{x: "{{{{ {reference} }}}}"}}}}'}
    problem = only(check("  inputs: [{name: x}]\n" + STEP, files, case="c"))
    assert (problem.code, str(problem.position)) == ("invalid_reference", "c.yaml:1:42")


def test_a_case_that_refers_to_a_missing_key_of_the_environment_is_refused(check: Checker) -> None:
    files = {"c.yaml": 'case: {name: c, journey: j, values: {x: "{{ env.nothing }}"}}'}
    problem = only(check("  inputs: [{name: x}]\n" + STEP, files, case="c"))
    assert (problem.code, str(problem.position)) == ("incompatible_environment", "c.yaml:1:42")


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
    "declared",
    [
        "inputs: [{name: x, required: true}]",
        "variables: [{name: x, required: true, source: environment}]",
        "variables: [{name: x, required: true, source: environment, key: shop.nothing}]",
        "variables: [{name: x, required: true, source: me, key: user}]",
    ],
)
def test_a_required_value_that_no_source_has_is_missing(check: Checker, declared: str) -> None:
    assert codes(check(f"  {declared}\n{STEP}")) == [("error", "missing_required_value")]


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


def test_an_unknown_key_of_the_identity_is_an_error(check: Checker) -> None:
    assert check(uses("me.user"), me={"user": "someone"}).me == {"user": "someone"}
    problem = only(check(uses("me.usr"), me={"user": "someone"}))
    assert (problem.code, problem.hint) == ("invalid_reference", "did you mean `user`?")


def test_a_missing_secret_is_an_error_where_it_can_be_told() -> None:
    compilation = orders()

    def probe(reference: SecretReference) -> SecretLook:
        return SecretLook(f"`{reference.key}` is not set")

    checked = check_run(compilation, compilation.workspace, RunSelection(columns=COLUMNS), look_at_secret=probe)
    problem = only(checked)
    assert (problem.code, problem.cause) == ("missing_secret", "`SHOP_CLIENT_SECRET` is not set")
    assert str(problem.position) == "journeys/place-order.yaml:26:25"
    with pytest.raises(DefinitionError):
        checked.raise_errors()


def test_a_secret_that_looks_like_what_answers_are_full_of_is_warned_of() -> None:
    compilation = orders()

    def probe(reference: SecretReference) -> SecretLook:
        return SecretLook(likeness="an ordinary word")

    checked = check_run(compilation, compilation.workspace, RunSelection(columns=COLUMNS), look_at_secret=probe)
    problem = only(checked)
    assert (problem.code, problem.severity) == ("common_value", Severity.WARNING)
    assert problem.message == "the value of the secret `SHOP_CLIENT_SECRET` looks like an ordinary word"
    assert str(problem.position) == "journeys/place-order.yaml:26:25"


@pytest.mark.parametrize(
    ("value", "warned"), [("1", True), ("pending", True), ("4111111111111111", False), ("", False)]
)
def test_a_given_sensitive_value_that_may_stand_anywhere_is_warned_of(check: Checker, value: str, warned: bool) -> None:
    declared = "  inputs: [{name: pin, type: string, sensitive: true}]\n" + uses("inputs.pin")
    problems = check(declared, overrides={"pin": value}).problems
    in_rows = check(declared, columns=("pin",), sampled={"pin": ["4111111111111111", value, value]}).problems
    assert [problem.code for problem in in_rows] == [problem.code for problem in problems]
    assert [problem.code for problem in problems] == (["common_value"] if warned else [])
    assert all("pin" in problem.message and problem.severity is Severity.WARNING for problem in problems)


@pytest.mark.parametrize(
    ("secrets", "reference"),
    [
        ("{}", SecretReference(name="S", source=SecretSource.ENV, key="S")),
        ("{names: {S: {env: OTHER}}}", SecretReference(name="S", source=SecretSource.ENV, key="OTHER")),
        (
            "{names: {S: {hosts: ['*.x']}}}",
            SecretReference(name="S", source=SecretSource.ENV, key="S", hosts=("*.x",)),
        ),
        (
            "{source: gcp, project: p}",
            SecretReference(name="S", source=SecretSource.GCP, key="projects/p/secrets/S", version="latest"),
        ),
        (
            "{source: gcp, gcp: {project: p}, names: {S: {secret: s, version: '3'}}}",
            SecretReference(name="S", source=SecretSource.GCP, key="projects/p/secrets/s", version="3"),
        ),
        (
            "{source: gcp, names: {S: {secret: projects/q/secrets/s}}}",
            SecretReference(name="S", source=SecretSource.GCP, key="projects/q/secrets/s", version="latest"),
        ),
        (
            "{source: file, folder: /run/secrets}",
            SecretReference(name="S", source=SecretSource.FILE, key="/run/secrets/S"),
        ),
    ],
)
def test_a_secret_is_found_where_the_settings_say(check: Checker, secrets: str, reference: SecretReference) -> None:
    files = {
        "reqflo.yaml": f"workspace: {{secrets: {secrets}}}",
        "e.yaml": "environment: {name: e, services: {s: {base_url: http://x}}}",
    }
    checked = check(uses("secrets.S"), files, environment="e")
    assert checked.problems == ()
    assert checked.secrets == {"S": reference}


def test_a_folder_of_secret_files_is_below_the_workspace(check: Checker) -> None:
    files = {"reqflo.yaml": "workspace: {secrets: {source: file, folder: secrets, names: {S: {file: s.txt}}}}"}
    key = check(uses("secrets.S"), files, environment="local").secrets["S"].key
    assert key == f"{check.folder.resolve().as_posix()}/secrets/s.txt"


@pytest.mark.parametrize("secrets", ["{source: gcp}", "{source: file}"])
def test_a_source_of_secrets_that_is_not_set_up_is_an_error(check: Checker, secrets: str) -> None:
    files = {
        "reqflo.yaml": f"workspace: {{secrets: {secrets}}}",
        "e.yaml": "environment: {name: e, services: {s: {base_url: http://x}}}",
    }
    assert codes(check(uses("secrets.S"), files, environment="e")) == [("error", "missing_secret")]


@pytest.mark.parametrize(
    ("step", "code"),
    [
        ("idempotency: true, retry: {count: 1, causes: [failed]}", "retry_with_key"),
        ("idempotency: true, retry: {count: 1}", "retry_with_key"),
        ("idempotency: true, retry: {count: 1, causes: [error]}", None),
        ("retry: {count: 1, causes: [failed]}", None),
        ("outputs: {o: {path: body, sensitive: true}}", None),
    ],
)
def test_risky_steps_are_warned_of(check: Checker, step: str, code: str | None) -> None:
    output = "" if "outputs" in step else ", outputs: {o: body}"
    journey = f"""
      steps:
        - {{id: a, request: {{method: POST, url: /a}}{output}, {step}}}
        - {{id: b, request: {{url: "/{{{{ steps.a.outputs.o }}}}"}}}}
    """
    checked = check(journey)
    assert codes(checked) == ([("warning", code)] if code else [])


def test_an_invalid_environment_is_reported_when_it_is_chosen(check: Checker) -> None:
    files = {"x.yaml": "environment: {name: x, servces: {}}"}
    assert not check(STEP, files).blocked
    problem = only(check(STEP, files, environment="x"))
    assert (problem.code, str(problem.position)) == ("unknown_key", "x.yaml:1:24")


def test_defaults_of_flags_come_from_the_workspace(check: Checker) -> None:
    files = {"reqflo.yaml": "workspace: {defaults: {environment: local}, runner: {workers: 3, store: /s, rate: 2}}"}
    runner = check(STEP, files).runner
    assert (runner.workers, runner.store, runner.rate, runner.concurrency) == (3, "/s", 2.0, None)
