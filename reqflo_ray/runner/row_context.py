"""The state of one row while it runs: its values, what it must not show, what has been journaled, what was counted.

It is dropped with the row. Nothing in it is shared with another row but the worker's adapters.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from reqflo_ray.engine.cookies import CookieJar
from reqflo_ray.engine.judge import Judgement
from reqflo_ray.engine.program import PreparedStep
from reqflo_ray.engine.render import RenderedRequest
from reqflo_ray.engine.scope import Scope
from reqflo_ray.journal.writer import JournalWriter
from reqflo_ray.model import json_text
from reqflo_ray.model.exchange import Exchange
from reqflo_ray.model.journal import Completion, Cookie
from reqflo_ray.model.plan import Row
from reqflo_ray.model.results import LogEvent, ResendReason, Status, StepRecord
from reqflo_ray.model.values import JsonValue
from reqflo_ray.runner.evidence import Attempt
from reqflo_ray.runner.worker import Worker


class Suspended(Exception):
    """This attempt may not send any more: the run is stopped, or somebody else has taken the shard over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardAttempt:
    """What a row needs of the attempt that it runs in. `may_send` is the fence, asked between intent and send.

    `wary`: an earlier worker died, and only intents that are durable can tell which row does that.
    """

    journal: JournalWriter
    may_send: Callable[[], Awaitable[bool]]
    takes_over: bool
    wary: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Resend:
    """Why a request goes out again. `fingerprint` is what the first one's was ("" = not known)."""

    reason: ResendReason = ResendReason.NONE
    count: int = 0
    fingerprint: str = ""


FIRST_SEND: Final = Resend()


def cookies_of(step: str) -> str:
    """The name of the cookies of `step` where the journal withholds them: any later request may need them."""
    return f"steps.{step}.cookies"


@dataclass(slots=True, kw_only=True)
class Outcome:
    """One attempt of a step as it ended, before it is turned into evidence."""

    status: Status
    code: str = ""
    message: str = ""
    rendered: RenderedRequest | None = None
    exchange: Exchange | None = None
    judgement: Judgement | None = None
    captures: Mapping[str, JsonValue] = field(default_factory=dict)
    variables: Mapping[str, JsonValue] = field(default_factory=dict)
    key: str = ""
    cookies: tuple[Cookie, ...] = ()
    started_at_us: int = 0
    duration_ms: float = 0.0


@dataclass(slots=True)
class RowCounts:
    """What was sent for the row, over all its attempts."""

    requests: int = 0
    retries: int = 0
    resent: int = 0
    resent_sensitive: int = 0


class RowContext:
    """See the module. Made new for every row."""

    def __init__(self, worker: Worker, shard: ShardAttempt, row: Row) -> None:
        self.worker = worker
        self.shard = shard
        self.row = row
        self.scope = Scope(worker.program, row)
        self.redactor = worker.redactor.child()
        self.cookies = CookieJar() if worker.program.artifact.cookies else None
        self.counts = RowCounts()
        self.records: list[StepRecord] = []
        self.knows_all_sensitive = True
        self._events: list[LogEvent] = []
        self._told_unset: set[str] = set()
        self._deadline = worker.clock.monotonic() + worker.run.options.row_timeout_ms / 1000

    @property
    def remaining_ms(self) -> float:
        """What is left of the row's time."""
        return (self._deadline - self.worker.clock.monotonic()) * 1000

    def log(self, kind: str, text: str) -> None:
        """Add a line to the log of the attempt that is under way."""
        self._events.append(LogEvent(self.worker.clock.now_us(), kind, text))

    def log_unset(self) -> None:
        """Warn of optional values that were read and that nothing supplies, each once."""
        for label in sorted(self.scope.unset - self._told_unset):
            self.log("warning", f"`{label}` has no value")
        self._told_unset = set(self.scope.unset)

    def register_sensitive(self) -> None:
        """Tell the redactor the sensitive values read since the last call. Before anything is built with them."""
        for label, text in self.scope.take_sensitive():
            # Should this fail, the value is one that nobody can mask any more.
            self.knows_all_sensitive = False
            self.redactor.register(f"sensitive:{label}", text)
            self.knows_all_sensitive = True

    async def complete(
        self, prepared: PreparedStep, number: int, outcome: Outcome, resend: Resend = FIRST_SEND, *, final: bool = True
    ) -> None:
        """Journal the end of an attempt, wait until that is durable, and keep its record."""
        self.register_sensitive()
        record = self.record(prepared, number, outcome, resend)
        captures, withheld = self._storable(f"steps.{prepared.step.id}.", outcome.captures, prepared.sensitive_captures)
        variables, withheld_variables = self._storable("variables.", outcome.variables, frozenset())
        telling = any(self._tells(cookie) for cookie in outcome.cookies)
        await self.shard.journal.complete(
            Completion(
                row=self.row.index,
                step=prepared.step.id,
                attempt=number,
                status=outcome.status,
                final=final,
                error_code=outcome.code,
                captures=captures,
                withheld=withheld + withheld_variables + ((cookies_of(prepared.step.id),) if telling else ()),
                variables=variables,
                # All of them or none, so that their order stays.
                cookies=() if telling else outcome.cookies,
                record=record,
            )
        )
        self.records.append(record)
        # A step that is sent again for a value that was not stored has ended before.
        ends_step = final and resend.reason is not ResendReason.SENSITIVE
        self.worker.meter.attempt_ended(outcome.status, ends_step=ends_step)

    def record(self, prepared: PreparedStep, number: int, outcome: Outcome, resend: Resend = FIRST_SEND) -> StepRecord:
        """The masked evidence of an attempt, with the log lines since the last one."""
        events = tuple(self._events)
        self._events.clear()
        # The transport may have sent a safe request again on a fresh connection, within the same attempt.
        seen = outcome.exchange.events if outcome.exchange is not None else ()
        if seen:
            began = outcome.started_at_us
            events = (*(LogEvent(began + int(event.at_ms * 1000), event.kind, event.text) for event in seen), *events)
        verdict = outcome.judgement
        return self.worker.evidence.record(
            Attempt(
                row_index=self.row.index,
                row_key=self.row.key,
                step=prepared.step,
                step_index=prepared.index,
                number=number,
                status=outcome.status,
                error_code=outcome.code,
                error_message=outcome.message,
                request=outcome.rendered.request if outcome.rendered else None,
                exchange=outcome.exchange,
                assertions=verdict.assertions if verdict else (),
                outputs=verdict.outputs if verdict else None,
                events=events,
                started_at_us=outcome.started_at_us,
                duration_ms=outcome.duration_ms,
                idempotency_key=outcome.key,
                resend_count=resend.count + sum(event.kind == "resend" for event in seen),
                resend_reason=resend.reason,
                resumed=self.shard.takes_over,
            ),
            self.redactor,
        )

    def _storable(
        self, prefix: str, values: Mapping[str, JsonValue], sensitive: frozenset[str]
    ) -> tuple[dict[str, JsonValue], tuple[str, ...]]:
        """Split values into those that may be written down and the full names of those that may not."""
        if not values:
            return {}, ()
        stored = {key: value for key, value in values.items() if key not in sensitive}
        # Most often there is nothing to hide, and one look at all of them shows it.
        if stored and self._would_be_masked(list(stored.values())):
            stored = {key: value for key, value in stored.items() if not self._would_be_masked(value)}
        return stored, tuple([prefix + key for key in values if key not in stored])

    def _tells(self, cookie: Cookie) -> bool:
        return self._would_be_masked([cookie.name, cookie.value, cookie.domain, cookie.path])

    def _would_be_masked(self, value: JsonValue) -> bool:
        data = json_text.encode_exactly(value)
        return self.redactor.bytes(data) is not data
