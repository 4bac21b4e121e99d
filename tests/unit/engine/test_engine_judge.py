"""The status of a step: what its answer and its assertions together decide, and when a poll holds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from reqflo_ray._internal.engine.judge import Judgement, judge
from reqflo_ray._internal.engine.scope import Scope
from reqflo_ray._internal.engine.values.work import Unjudged, Work
from reqflo_ray._internal.model.artifact import Assertion, AssertionType, CaptureRoot, HttpStep, Operator, Output, Poll
from reqflo_ray._internal.model.http.exchange import Exchange, FailureKind, Timings, TransportFailure
from reqflo_ray._internal.model.results import Status
from reqflo_ray._internal.model.values import Literal

MakeScope = Callable[..., Scope]
MakeStep = Callable[..., HttpStep]
Answer = Callable[..., Exchange]
Op, Kind = Operator, AssertionType


@pytest.mark.parametrize("kind", list(FailureKind))
def test_a_failure_of_the_transport_is_an_error_of_its_kind(
    judged: Callable[..., Judgement], kind: FailureKind
) -> None:
    failure = TransportFailure(kind=kind, message="it did not work", sent=True)
    exchange = Exchange(request_headers=(), url="http://h/", timings=Timings(total_ms=1), failure=failure)
    verdict = judged(exchange, assertions=(Assertion(type=Kind.STATUS_CODE, expected=Literal(200)),))
    assert (verdict.status, verdict.error_code, verdict.error_message) == (Status.ERROR, kind.value, "it did not work")


def test_a_server_error_that_nothing_expects_is_an_error(judged: Callable[..., Judgement], answer: Answer) -> None:
    verdict = judged(answer(503), assertions=(Assertion(type=Kind.BODY_CONTAINS, expected=Literal("{")),))
    assert (verdict.status, verdict.error_code) == (Status.ERROR, "server_error")
    assert verdict.assertions[0].status is Status.PASSED


def test_an_assertion_about_the_status_decides_on_a_server_error(
    judged: Callable[..., Judgement], answer: Answer
) -> None:
    def about(status: int) -> tuple[Assertion, ...]:
        return (Assertion(type=Kind.STATUS_CODE, expected=Literal(status)),)

    assert judged(answer(503), assertions=about(503)).status is Status.PASSED
    assert judged(answer(503), assertions=about(200)).status is Status.FAILED


def test_a_step_without_assertions_passes_even_with_404(judged: Callable[..., Judgement], answer: Answer) -> None:
    assert judged(answer(404)).status is Status.PASSED


def test_a_soft_failure_is_reported_and_changes_nothing(judged: Callable[..., Judgement], answer: Answer) -> None:
    verdict = judged(
        answer(200, '{"id": 1}'),
        assertions=(Assertion(type=Kind.STATUS_CODE, expected=Literal(201), soft=True),),
        outputs=(Output(name="id", root=CaptureRoot.BODY, path="$.id"),),
    )
    assert verdict.status is Status.PASSED
    assert verdict.outputs == {"id": 1}
    assert (verdict.assertions[0].status, verdict.assertions[0].soft) == (Status.FAILED, True)


def test_the_first_failure_is_told_and_the_others_are_counted(judged: Callable[..., Judgement], answer: Answer) -> None:
    wrong = tuple(Assertion(type=Kind.STATUS_CODE, expected=Literal(status)) for status in (201, 202, 203))
    verdict = judged(answer(200), assertions=wrong)
    assert verdict.error_message == "status is 200, expected 201 (and 2 more)"
    assert len(verdict.assertions) == 3


def test_json_in_a_wider_sense_is_warned_about(judged: Callable[..., Judgement], answer: Answer) -> None:
    path = (Assertion(type=Kind.JSON_PATH, target="$[0]", operator=Op.EXISTS),)
    assert judged(answer(body=b"[NaN]"), assertions=path).warnings
    assert not judged(answer(body=b"[1]"), assertions=path).warnings


def test_a_poll_waits_until_all_it_waits_for_holds(make_scope: MakeScope, make_step: MakeStep, answer: Answer) -> None:
    until = (
        Assertion(type=Kind.STATUS_CODE, expected=Literal("2xx")),
        Assertion(type=Kind.JSON_PATH, target="$.state", expected=Literal("done"), soft=True),
    )
    wrong = Assertion(type=Kind.STATUS_CODE, expected=Literal(201))
    scope = make_scope(make_step(poll=Poll(interval_ms=10, timeout_ms=100, until=until), assertions=(wrong,)))
    step = scope.program.steps[0]
    for status, body, message in (
        (200, '{"state": "busy"}', '`$.state` is "busy", expected "done"'),
        (503, '{"state": "done"}', "status is 503, expected 2xx"),
        (503, "{}", "status is 503, expected 2xx (and 1 more)"),
    ):
        waiting = judge(step, answer(status, body), scope, Work())
        assert (waiting.status, waiting.error_code, waiting.error_message) == (Status.WAITING, "", message)
        assert len(waiting.assertions) == len(until), "what is asserted is judged once, at the end"
    held = judge(step, answer(200, '{"state": "done"}'), scope, Work())
    assert (held.status, held.error_code, len(held.assertions)) == (Status.FAILED, "assertion_failed", 3)
    broken = Exchange(request_headers=(), url="http://h/", timings=Timings(total_ms=1))
    assert judge(step, broken, scope, Work()).status is Status.ERROR


def test_what_is_sensitive_in_a_round_of_a_poll_is_known(
    make_scope: MakeScope, make_step: MakeStep, answer: Answer
) -> None:
    until = (Assertion(type=Kind.JSON_PATH, target="$.state", expected=Literal("done")),)
    output = Output(name="token", root=CaptureRoot.BODY, path="$.token", sensitive=True)
    scope = make_scope(make_step(poll=Poll(interval_ms=10, timeout_ms=100, until=until), outputs=(output,)))
    judgement = judge(scope.program.steps[0], answer(200, '{"state": "busy", "token": "made-up"}'), scope, Work())
    assert judgement.status is Status.WAITING
    assert [text for _, text in scope.take_sensitive()] == ["made-up"]


def test_json_that_is_too_deep_to_be_read_fails_no_assertion(judged: Callable[..., Judgement], answer: Answer) -> None:
    deep = answer(body=b"[" * 100_000 + b"]" * 100_000)
    asked = Assertion(type=Kind.JSON_PATH, target="$..x", operator=Op.EXISTS)
    with pytest.raises(Unjudged) as refused:
        judged(deep, assertions=(asked,))
    assert refused.value.code == "work_limit"
    soft = Assertion(type=Kind.JSON_PATH, target="$..x", operator=Op.EXISTS, soft=True)
    judgement = judged(deep, assertions=(soft,))
    assert judgement.status is Status.PASSED, "a soft one ends no step"
    assert judgement.assertions[0].status is Status.FAILED
