"""The reference journey, step by step, as a worker carries it out."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal

import pytest

from reqflo_ray._internal.engine.judge import judge
from reqflo_ray._internal.engine.program import Program
from reqflo_ray._internal.engine.render import render_request
from reqflo_ray._internal.engine.scope import RowFault, Scope
from reqflo_ray._internal.engine.values.work import Work
from reqflo_ray._internal.model.http.exchange import Exchange
from reqflo_ray._internal.model.plan import Row
from reqflo_ray._internal.model.results import Status
from reqflo_ray._internal.secrets.value import SecretValue

SECRETS = {"SHOP_CLIENT_SECRET": SecretValue("SHOP_CLIENT_SECRET", "s3cr3t-of-the-shop")}
ROW = Row(
    index=0, key="ref-0000", values={"order_ref": "ref-0000", "customer_id": "cus-331", "total": 198.72, "qty": 7}
)
CREATED = '{"order":{"id":"ord-1","customer_id":"cus-331","sku":"SKU-1","qty":7,"total":198.72,"status":"created"}}'


@pytest.fixture
def scope(program: Program) -> Scope:
    return Scope(program, ROW)


def with_token(scope: Scope) -> Scope:
    scope.conclude("token", Status.PASSED, {"outputs.access_token": "tok_0123456789"})
    return scope


def test_the_token_request_carries_the_secret_and_its_fingerprint_does_not(program: Program, scope: Scope) -> None:
    rendered = render_request(program.steps[0], scope, SECRETS)
    assert json.loads(rendered.request.body or b"") == {"client_id": "reqflo", "client_secret": "s3cr3t-of-the-shop"}
    assert rendered.request.allowed_hosts == ("127.0.0.1", "*.shop.example")
    other = render_request(
        program.steps[0], Scope(program, ROW), {"SHOP_CLIENT_SECRET": SecretValue("SHOP_CLIENT_SECRET", "another")}
    )
    assert other.fingerprint == rendered.fingerprint
    assert "s3cr3t" not in repr(rendered)


def test_the_token_is_kept_as_sensitive_and_shown_to_nobody(
    program: Program, scope: Scope, answer: Callable[..., Exchange]
) -> None:
    verdict = judge(program.steps[0], answer(200, '{"access_token":"tok_0123456789"}'), scope, Work())
    assert verdict.status is Status.PASSED
    assert verdict.captures == {"outputs.access_token": "tok_0123456789"}
    assert verdict.outputs == {"access_token": "[sensitive:steps.token.outputs.access_token]"}
    assert ("steps.token.outputs.access_token", "tok_0123456789") in scope.take_sensitive()


def test_the_order_is_rendered_with_exact_numbers_defaults_and_the_key(program: Program, scope: Scope) -> None:
    rendered = render_request(program.steps[1], with_token(scope), {}, idempotency_key="KEY")
    assert rendered.request.url == "http://127.0.0.1:8480/orders"
    assert rendered.request.body == b'{"customer_id":"cus-331","total":198.72,"sku":"SKU-1","qty":7}'
    assert rendered.request.headers == (
        ("Authorization", "Bearer tok_0123456789"),
        ("Content-Type", "application/json"),
        ("Idempotency-Key", "KEY"),
    )
    assert rendered.request.allowed_hosts is None


def test_the_fingerprint_does_not_depend_on_the_token(program: Program) -> None:
    fingerprints = set()
    for token in ("tok_a", "tok_b"):
        scope = Scope(program, ROW)
        scope.conclude("token", Status.PASSED, {"outputs.access_token": token})
        fingerprints.add(render_request(program.steps[1], scope, {}, idempotency_key="KEY").fingerprint)
    assert len(fingerprints) == 1


def test_the_fingerprint_depends_on_the_row(program: Program, scope: Scope) -> None:
    other = Row(index=1, key="", values={**ROW.values, "total": Decimal("198.70")})
    one = render_request(program.steps[1], with_token(scope), {}, idempotency_key="KEY")
    two = render_request(program.steps[1], with_token(Scope(program, other)), {}, idempotency_key="KEY")
    assert two.request.body == b'{"customer_id":"cus-331","total":198.70,"sku":"SKU-1","qty":7}'
    assert one.fingerprint != two.fingerprint


def test_a_created_order_passes_and_gives_its_id(
    program: Program, scope: Scope, answer: Callable[..., Exchange]
) -> None:
    verdict = judge(program.steps[1], answer(201, CREATED), with_token(scope), Work())
    assert verdict.status is Status.PASSED
    assert verdict.captures == {"outputs.order_id": "ord-1"}
    assert [result.status for result in verdict.assertions] == [Status.PASSED] * 3


def test_an_order_of_somebody_else_fails_and_says_so(
    program: Program, scope: Scope, answer: Callable[..., Exchange]
) -> None:
    verdict = judge(program.steps[1], answer(201, CREATED.replace("cus-331", "cus-9")), with_token(scope), Work())
    assert verdict.status is Status.FAILED
    assert verdict.error_code == "assertion_failed"
    assert verdict.error_message == '`$.order.customer_id` is "cus-9", expected "cus-331"'
    assert verdict.captures == {}


def test_reading_back_puts_the_id_in_the_path_and_compares_by_value(
    program: Program, answer: Callable[..., Exchange]
) -> None:
    row = Row(index=0, key="", values={**ROW.values, "total": Decimal("287.00")})
    scope = with_token(Scope(program, row))
    scope.conclude("create", Status.PASSED, {"outputs.order_id": "ord/1 ä"})
    rendered = render_request(program.steps[2], scope, {})
    assert rendered.request.url == "http://127.0.0.1:8480/orders/ord%2F1%20%C3%A4"
    verdict = judge(program.steps[2], answer(200, '{"order":{"total":287}}', total_ms=2500.0), scope, Work())
    assert verdict.status is Status.PASSED  # the response time is soft
    assert verdict.assertions[3].status is Status.FAILED


@pytest.mark.parametrize("status", [Status.FAILED, Status.ERROR, Status.SKIPPED, Status.INCONCLUSIVE])
def test_a_step_that_needs_a_step_which_did_not_pass_is_an_unresolved_dependency(
    program: Program, scope: Scope, status: Status
) -> None:
    with_token(scope).conclude("create", status, {})
    with pytest.raises(RowFault) as caught:
        render_request(program.steps[2], scope, {})
    assert caught.value.code == "unresolved_dependency"
    assert "`create`" in caught.value.message


def test_the_program_says_what_each_step_needs(program: Program) -> None:
    token, create, read = program.steps
    assert token.secrets == ("SHOP_CLIENT_SECRET",)
    assert token.hidden_captures == frozenset({"outputs.access_token"})
    assert create.hidden_captures == frozenset()
    assert create.secrets == ()
    assert create.needs == ("steps.token.outputs.access_token",)
    assert read.needs == ("steps.create.outputs.order_id", "steps.token.outputs.access_token")
