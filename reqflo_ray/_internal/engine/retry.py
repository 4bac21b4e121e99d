"""Decides whether another attempt follows, and when. It must not wait, nor read a clock: the time is an argument."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from reqflo_ray._internal.engine.judge import Judgement
from reqflo_ray._internal.model.artifact import Backoff, HttpStep, Retry, RetryCause
from reqflo_ray._internal.model.http.exchange import Exchange, FailureKind
from reqflo_ray._internal.model.results import Status

# The same request would be refused again before it was sent.
_NEVER_SENT: Final = frozenset({FailureKind.INVALID_REQUEST, FailureKind.BLOCKED, FailureKind.UNEXPECTED})
_MOST_DIGITS: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryDecision:
    """`wait_ms` is the time until the next attempt, None for no attempt. `reason` is a sentence for the row's log, ""
    if there is nothing to report."""

    wait_ms: int | None
    reason: str = ""


def decide_retry(step: HttpStep, attempt: int, judgement: Judgement, exchange: Exchange, now_us: int) -> RetryDecision:
    """Decide what follows attempt number `attempt` (from 1) of `step`.

    `now_us`, microseconds since the epoch, is only compared with a Retry-After that is a date.
    """
    policy = step.retry
    cause = _cause(judgement.status)
    if cause is None or cause not in policy.causes or not policy.count:
        return RetryDecision(wait_ms=None)
    why = judgement.error_code or cause.value
    if exchange.failure is not None and exchange.failure.kind in _NEVER_SENT:
        return RetryDecision(wait_ms=None, reason=f"no retry: {why} would happen again")
    if attempt > policy.count:
        return RetryDecision(wait_ms=None, reason=f"no retry: all {policy.count} retries were used ({why})")
    wait_ms = _delay_ms(policy, attempt)
    asked_ms = retry_after_ms(exchange, now_us)
    if asked_ms is not None and asked_ms > policy.max_delay_ms:
        return RetryDecision(
            wait_ms=None,
            reason=f"no retry: Retry-After asks for a longer wait than the limit of {policy.max_delay_ms} ms",
        )
    said = ""
    if asked_ms is not None and asked_ms > wait_ms:
        wait_ms, said = asked_ms, ", as Retry-After asks"
    return RetryDecision(wait_ms=wait_ms, reason=f"retry {attempt} of {policy.count} in {wait_ms} ms{said} ({why})")


def _cause(status: Status) -> RetryCause | None:
    match status:
        case Status.ERROR:
            return RetryCause.ERROR
        case Status.FAILED:
            return RetryCause.FAILED
        case _:
            return None


def _delay_ms(policy: Retry, attempt: int) -> int:
    match policy.backoff:
        case Backoff.CONSTANT:
            factor = 1
        case Backoff.LINEAR:
            factor = attempt
        case Backoff.EXPONENTIAL:
            factor = 2 ** min(attempt - 1, 62)
    return min(policy.delay_ms * factor, policy.max_delay_ms)


def retry_after_ms(exchange: Exchange, now_us: int) -> int | None:
    """Return how long the answer asks to wait before the next request (RFC 9110, 10.2.3), whatever its status is.

    None if it has no valid Retry-After. Never negative.
    """
    response = exchange.response
    if response is None:
        return None
    text = next((value.strip() for name, value in response.headers if name.lower() == "retry-after"), "")
    if text.isascii() and text.isdigit():
        digits = text.lstrip("0")[:_MOST_DIGITS]  # longer than any limit
        return int(digits or "0") * 1000
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        moment_us = (moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1_000_000
    except OverflowError:
        return None
    return max(0, int(moment_us - now_us) // 1000)
