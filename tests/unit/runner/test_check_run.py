"""The run check: what a run will really use, its environment above all, judged before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest
from checked_runs import COLUMNS, ORDERS, STEP, Checker, check_orders, codes, only, orders, uses

from reqflo_ray._internal.compiler.workspace.load import load_workspace
from reqflo_ray._internal.model.plan import InputSource, InputValue, SecretReference, SecretSource
from reqflo_ray._internal.model.values import Literal, Namespace, Reference, Text
from reqflo_ray._internal.runner.prepare.checks.check import RunSelection, check_run


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
    assert (problem.code, problem.hint) == (
        "unknown_case",
        "choose another case, or run the journey `k`, which the case is for",
    )


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


def test_an_unknown_key_of_the_identity_is_an_error(check: Checker) -> None:
    assert check(uses("me.user"), me={"user": "someone"}).me == {"user": "someone"}
    problem = only(check(uses("me.usr"), me={"user": "someone"}))
    hint = "did you mean `user`? Or set the environment variable `REQFLO_ME_USR`"
    assert (problem.code, problem.hint) == ("invalid_reference", hint)


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
