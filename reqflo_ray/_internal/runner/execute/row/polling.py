"""Decides whether and when the next round of a poll is sent, and reports what the rounds saw. It must not know how they
are sent.

A round after which the poll waits is not a failure: it ends as `waiting`, and the row's log says what it saw.
"""

from __future__ import annotations

from typing import Final

import msgspec

from reqflo_ray._internal.engine.retry import retry_after_ms
from reqflo_ray._internal.model.artifact import Poll
from reqflo_ray._internal.model.http.exchange import Exchange
from reqflo_ray._internal.model.results import LogEvent, Status, StepRecord
from reqflo_ray._internal.runner.execute.row.context import Outcome, RowContext

_KIND: Final = "poll"


class Polling:
    """The rounds of one poll. Its time starts when the object is created."""

    def __init__(self, poll: Poll, context: RowContext) -> None:
        self._poll = poll
        self._context = context
        self._seen = ""
        self.ends = context.worker.clock.monotonic() + poll.timeout_ms / 1000

    def wait_after(self, number: int, outcome: Outcome, exchange: Exchange) -> int | None:
        """Return the milliseconds until the round after `number`, in which the condition did not hold; None if there is
        no time for another one, so the poll has failed. `outcome` is changed accordingly."""
        saw = outcome.message
        if exchange.response is not None:
            self._seen = saw
        elif self._seen:
            saw = f"{self._seen}; then there was no answer: {saw}"
        wait_ms = self._wait_ms(exchange)
        outcome.captures = {}
        has_time = self._context.worker.clock.monotonic() + wait_ms / 1000 < self.ends
        if has_time and wait_ms < self._context.remaining_ms:
            self._context.log(_KIND, f"{outcome.message}; next round in {wait_ms} ms")
            outcome.status, outcome.code, outcome.message = Status.WAITING, "", ""
            return wait_ms
        outcome.status, outcome.code = Status.FAILED, "poll_timeout"
        requests = f"{number} request{'' if number == 1 else 's'}"
        limit = "within the time limit of the row" if has_time else self._bound(wait_ms)
        outcome.message = f"the condition did not hold {limit} ({requests}): {saw}"
        return None

    def _bound(self, wait_ms: int) -> str:
        if wait_ms == self._poll.interval_ms:
            return f"within {self._poll.timeout_ms} ms"
        return f"and Retry-After asks for {wait_ms} ms, which exceeds the rest of {self._poll.timeout_ms} ms"

    def _wait_ms(self, exchange: Exchange) -> int:
        """Return the milliseconds until the next request: the interval, or more if the response asks for more."""
        asked_ms = retry_after_ms(exchange, self._context.worker.clock.now_us())
        if asked_ms is None or asked_ms <= self._poll.interval_ms:
            return self._poll.interval_ms
        self._context.log("wait", f"Retry-After asks for a wait of {asked_ms} ms")
        return asked_ms


def as_waiting(record: StepRecord) -> StepRecord:
    """Return the record of a round after which a poll continued. Version 0.1.0 journaled it with the status of its
    assertions."""
    if record.status is Status.WAITING:
        return record
    saw = record.error_message or record.error_code
    at_us = record.started_at_us + int(record.duration_ms * 1000)
    return msgspec.structs.replace(
        record,
        status=Status.WAITING,
        error_code="",
        error_message="",
        assertions=(),
        events=(*record.events, LogEvent(at_us, _KIND, saw)) if saw else record.events,
    )
