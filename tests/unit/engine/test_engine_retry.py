from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from reqflo_ray._internal.engine.judge import Judgement
from reqflo_ray._internal.engine.retry import RetryDecision, decide_retry
from reqflo_ray._internal.model.artifact import Backoff, HttpStep, Retry, RetryCause
from reqflo_ray._internal.model.http.exchange import Exchange, FailureKind, Timings, TransportFailure
from reqflo_ray._internal.model.results import Status

Answer = Callable[..., Exchange]
Decide = Callable[..., RetryDecision]
# Thu, 01 Jan 2026 00:00:00 GMT
NOW_US = 1_767_225_600_000_000


@pytest.fixture
def decide(make_step: Callable[..., HttpStep], answer: Answer) -> Decide:
    def make(
        attempt: int = 1, status: Status = Status.ERROR, exchange: Exchange | None = None, **policy: Any
    ) -> RetryDecision:
        settings = {"count": 3, "delay_ms": 200} | policy
        judgement = Judgement(status=status, error_code="" if status is Status.PASSED else "code")
        return decide_retry(make_step(retry=Retry(**settings)), attempt, judgement, exchange or answer(), NOW_US)

    return make


@pytest.mark.parametrize(
    ("backoff", "waits"),
    [
        (Backoff.CONSTANT, [200, 200, 200, 200, 200]),
        (Backoff.LINEAR, [200, 400, 600, 800, 1000]),
        (Backoff.EXPONENTIAL, [200, 400, 800, 1000, 1000]),
    ],
)
def test_delays_grow_as_the_backoff_says_up_to_the_cap(decide: Decide, backoff: Backoff, waits: list[int]) -> None:
    found = [decide(attempt, backoff=backoff, count=9, max_delay_ms=1000).wait_ms for attempt in range(1, 6)]
    assert found == waits


def test_the_count_is_of_additional_attempts(decide: Decide) -> None:
    assert [decide(attempt, count=2).wait_ms for attempt in (1, 2, 3)] == [200, 200, None]
    assert decide(1, count=0) == RetryDecision(wait_ms=None)
    assert "all 2 retries were used" in decide(3, count=2).reason


@pytest.mark.parametrize("status", [Status.PASSED, Status.SKIPPED, Status.INCONCLUSIVE, Status.CANCELLED])
def test_only_what_did_not_work_is_tried_again(decide: Decide, status: Status) -> None:
    assert decide(status=status) == RetryDecision(wait_ms=None)


@pytest.mark.parametrize(
    ("causes", "status", "again"),
    [
        ((RetryCause.ERROR,), Status.ERROR, True), ((RetryCause.ERROR,), Status.FAILED, False),
        ((RetryCause.FAILED,), Status.ERROR, False), ((RetryCause.FAILED,), Status.FAILED, True),
        ((), Status.ERROR, False),
    ],
)  # fmt: skip
def test_only_the_causes_that_are_named_are_tried_again(
    decide: Decide, causes: tuple[RetryCause, ...], status: Status, again: bool
) -> None:
    assert (decide(status=status, causes=causes).wait_ms is not None) is again


@pytest.mark.parametrize("kind", [FailureKind.BLOCKED, FailureKind.INVALID_REQUEST])
def test_what_would_never_be_sent_is_not_tried_again(decide: Decide, kind: FailureKind) -> None:
    failure = TransportFailure(kind=kind, message="", sent=False)
    exchange = Exchange(request_headers=(), url="http://h/", timings=Timings(total_ms=1), failure=failure)
    decision = decide(exchange=exchange)
    assert decision.wait_ms is None
    assert decision.reason


@pytest.mark.parametrize(
    ("text", "wait_ms"),
    [
        ("1", 1000), ("0", 200), ("007", 7000), ("60", 60_000), (" 2 ", 2000),
        ("Thu, 01 Jan 2026 00:00:05 GMT", 5000), ("Thursday, 01-Jan-26 00:00:05 GMT", 5000),
        ("Thu Jan  1 00:00:05 2026", 5000), ("Wed, 31 Dec 2025 23:59:00 GMT", 200),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 200),
        ("-5", 200), ("soon", 200), ("", 200), ("1.5", 200), ("1e3", 200), ("٣", 200),
        ("Thu, 99 Jan 2026 00:00:05 GMT", 200),
        ("Thu, 01 Jan 0000 00:00:00 GMT", 200), ("\x00", 200), ("1, 2", 200),
    ],
)  # fmt: skip
@pytest.mark.parametrize("status", [200, 302, 408, 413, 429, 500, 502, 503])
def test_retry_after_is_honoured_where_it_can_be_understood(
    decide: Decide, answer: Answer, text: str, wait_ms: int, status: int
) -> None:
    decision = decide(exchange=answer(status, headers=(("retry-AFTER", text),)))
    assert decision.wait_ms == wait_ms
    assert ("Retry-After" in decision.reason) is (wait_ms > 200)


@pytest.mark.parametrize("text", ["61", "9" * 400, "Thu, 01 Jan 2026 01:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_wait_beyond_the_cap_ends_the_retries(decide: Decide, answer: Answer, text: str) -> None:
    decision = decide(exchange=answer(503, headers=(("Retry-After", text),)))
    assert decision.wait_ms is None
    assert "60000 ms" in decision.reason


def test_the_reason_tells_which_retry_it_is_and_why(decide: Decide) -> None:
    assert decide(2).reason == "retry 2 of 3 in 200 ms (code)"
