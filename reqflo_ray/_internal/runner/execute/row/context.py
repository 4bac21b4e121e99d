"""Holds the state of a row while it runs: its values, what must be masked, what was journaled, and its counts.

The state ends with the row, and shares nothing with other rows except the adapters of the worker.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import msgspec

from reqflo_ray._internal.engine.judge import Judgement
from reqflo_ray._internal.engine.program import PreparedStep
from reqflo_ray._internal.engine.render import RenderedRequest
from reqflo_ray._internal.engine.scope import Scope
from reqflo_ray._internal.errors import IntegrityError, SecretError
from reqflo_ray._internal.journal.records import UnrecordableError
from reqflo_ray._internal.journal.writer import JournalWriter
from reqflo_ray._internal.model import json_text
from reqflo_ray._internal.model.http.exchange import Exchange
from reqflo_ray._internal.model.journal import Completion, Cookie, SealedValues
from reqflo_ray._internal.model.plan import Row
from reqflo_ray._internal.model.results import LogEvent, ResendReason, Status, StepRecord
from reqflo_ray._internal.model.values import JsonValue
from reqflo_ray._internal.runner.execute.response.evidence import (
    NOTHING_ASIDE,
    Attempt,
    MaskedAside,
    if_heavy,
    is_heavy,
)
from reqflo_ray._internal.runner.execute.row.cookies import RowCookies
from reqflo_ray._internal.runner.execute.worker.worker import Worker
from reqflo_ray._internal.visible_text import one_line


class Suspended(Exception):
    """This attempt may not send any more: the run is stopped, or another attempt has taken over the shard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardAttempt:
    """What a row needs from the attempt of its shard. `may_send` checks the fence, between intent and send.

    `cautious` says that an earlier worker died, and that only durable intents can show which row causes that.
    """

    journal: JournalWriter
    may_send: Callable[[], Awaitable[bool]]
    takes_over: bool
    cautious: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Resend:
    """Why a request is sent again. `fingerprint` is that of the first request, or "" if it is unknown."""

    reason: ResendReason = ResendReason.NONE
    count: int = 0
    fingerprint: str = ""


FIRST_SEND: Final = Resend()
_QUOTED_CHARACTERS: Final = 120


def cookies_of(step: str) -> str:
    """Return the name of the cookies of `step` in the list of withheld values: any later request may need them."""
    return f"steps.{step}.cookies"


@dataclass(slots=True, kw_only=True)
class Outcome:
    """The outcome of an attempt of a step, before it is turned into evidence."""

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
    """The requests that were sent for the row in all its attempts."""

    requests: int = 0
    retries: int = 0
    resent: int = 0
    resent_sensitive: int = 0


class RowContext:
    """The state of one row, created anew for every row."""

    def __init__(self, worker: Worker, shard: ShardAttempt, row: Row) -> None:
        self.worker = worker
        self.shard = shard
        self.row = row
        self.scope = Scope(worker.program, row)
        self.redactor = worker.redactor.child()
        self.cookies = RowCookies(worker.clock.now_us, self.log) if worker.program.artifact.cookies else None
        self.counts = RowCounts()
        self.records: list[StepRecord] = []
        self.knows_all_sensitive = True
        self._events: list[LogEvent] = []
        self._told_unset: set[str] = set()
        self._deadline = worker.clock.monotonic() + worker.run.options.row_timeout_ms / 1000

    @property
    def remaining_ms(self) -> float:
        """The milliseconds that the row has left."""
        return (self._deadline - self.worker.clock.monotonic()) * 1000

    def log(self, kind: str, text: str) -> None:
        """Add a line to the log of the current attempt."""
        self._events.append(LogEvent(self.worker.clock.now_us(), kind, text))

    def log_unset(self) -> None:
        """Warn of optional values that were read but have no source, each once."""
        for label in sorted(self.scope.unset - self._told_unset):
            self.log("warning", f"`{label}` has no value")
        self._told_unset = set(self.scope.unset)

    def shown(self, received: bytes) -> str:
        """Return bytes of a response as a message may quote them: masked, then made visible and shortened."""
        return one_line(self.redactor.bytes(received).decode("utf-8", "backslashreplace"), _QUOTED_CHARACTERS)

    def register_sensitive(self) -> list[tuple[str, str]]:
        """Register the sensitive values read since the last call with the redactor, before anything is built from them;
        return their labels and texts."""
        met = self.scope.take_sensitive()
        for label, text in met:
            # If this fails, the value can no longer be masked.
            self.knows_all_sensitive = False
            self.redactor.register(f"sensitive:{label}", text)
            self.knows_all_sensitive = True
        return met

    async def know_what_was_used(self, secrets: Iterable[str]) -> None:
        """Register what steps from the journal have used, including `secrets`, with the redactor: responses to later
        steps may repeat it."""
        with suppress(SecretError):  # a step that needs the secret reports the error
            await self.worker.secrets.load(secrets)
        self.scope.meet_sensitive(self.worker.secrets.values)
        self.register_sensitive()

    async def complete(
        self, prepared: PreparedStep, number: int, outcome: Outcome, resend: Resend = FIRST_SEND, *, final: bool = True
    ) -> None:
        """Journal the end of an attempt, wait until it is durable, and keep its record."""
        met = self.register_sensitive()
        verdict = outcome.judgement
        shown = json_text.describe(verdict.outputs) if verdict and verdict.outputs else ""
        record = self.record(prepared, number, outcome, resend, shown, await self._masked_aside(outcome, shown))
        step = prepared.step.id
        captures, hidden_captures = self._divided(outcome.captures, prepared.hidden_captures)
        variables, hidden_variables = self._divided(outcome.variables, frozenset())
        own = f"steps.{step}.outputs."
        # Inputs can be read again, so secrets in them need not be in the journal at all.
        outputs = tuple([(label, text) for label, text in met if label.startswith(own)]) if met else ()
        withheld, sealed = tuple[str, ...](), b""
        if hidden_captures or hidden_variables or outcome.cookies or outputs:
            hidden = SealedValues(
                captures=hidden_captures, variables=hidden_variables, cookies=outcome.cookies, outputs=outputs
            )
            withheld, sealed = _names(hidden, step), self._sealed(hidden, step, number)
        await self.shard.journal.complete(
            Completion(
                row=self.row.index,
                step=step,
                attempt=number,
                status=outcome.status,
                final=final,
                error_code=outcome.code,
                captures=captures,
                withheld=withheld,
                variables=variables,
                record=record,
                sealed=sealed,
            )
        )
        self.records.append(record)
        # A step that is sent again for a value that was not stored has been counted before.
        ends_step = final and resend.reason is not ResendReason.SENSITIVE
        self.worker.metrics.attempt_ended(outcome.status, ends_step=ends_step)

    def opened(self, done: Completion) -> Completion:
        """Return `done` with its sealed values opened, and register them with the redactor; return it unchanged if they
        cannot be opened."""
        sealer = self.worker.sealer
        if not done.sealed or sealer is None:
            return done
        try:
            values = sealer.open_step(done.sealed, self.row.index, done.step, done.attempt)
        except IntegrityError:
            return done
        for label, text in values.outputs:
            self.redactor.register(f"sensitive:{label}", text)
        return msgspec.structs.replace(
            done,
            captures={**done.captures, **values.captures},
            variables={**done.variables, **values.variables},
            cookies=values.cookies,
            withheld=(),
        )

    async def _masked_aside(self, outcome: Outcome, outputs: str) -> MaskedAside:
        request = outcome.rendered.request if outcome.rendered else None
        sent, received = self.worker.evidence.heavy_bodies(request, outcome.exchange)
        told = if_heavy(outputs.encode("utf-8", "surrogatepass"))
        if sent is None and received is None and told is None:
            return NOTHING_ASIDE
        return await self.worker.masking.aside(sent, received, told, self.redactor)

    def record(
        self,
        prepared: PreparedStep,
        number: int,
        outcome: Outcome,
        resend: Resend = FIRST_SEND,
        outputs: str = "",
        aside: MaskedAside = NOTHING_ASIDE,
    ) -> StepRecord:
        """Return the masked evidence of an attempt, with the log lines since the last one."""
        events = tuple(self._events)
        self._events.clear()
        # Within an attempt, the transport may have sent a repeatable request again.
        exchange, resends = outcome.exchange, 0
        if exchange is not None and exchange.events:
            began, resends = outcome.started_at_us, exchange.resends
            seen = [LogEvent(began + int(event.at_ms * 1000), event.kind, event.text) for event in exchange.events]
            events = (*seen, *events)
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
                exchange=exchange,
                assertions=verdict.assertions if verdict and outcome.status is not Status.WAITING else (),
                outputs=outputs,
                events=events,
                started_at_us=outcome.started_at_us,
                duration_ms=outcome.duration_ms,
                idempotency_key=outcome.key,
                resend_count=resend.count + resends,
                resend_reason=resend.reason,
                resumed=self.shard.takes_over,
            ),
            self.redactor,
            aside,
        )

    def _sealed(self, hidden: SealedValues, step: str, number: int) -> bytes:
        """Return `hidden`, sealed; b"" if there is no key."""
        if self.worker.sealer is None:
            return b""
        try:
            return self.worker.sealer.seal_step(hidden, self.row.index, step, number)
        except ValueError as problem:
            raise UnrecordableError(
                "a value of this step cannot be written to the journal",
                cause=str(problem),
                hint="remove the output that takes this value",
            ) from None

    def _divided(
        self, values: Mapping[str, JsonValue], hidden: frozenset[str]
    ) -> tuple[dict[str, JsonValue], dict[str, JsonValue]]:
        """Divide values into readable ones and ones to seal: those named in `hidden`, and all in which the redactor
        would mask something."""
        if not values:
            return {}, {}
        shown = {key: value for key, value in values.items() if key not in hidden}
        # Usually there is nothing to hide, and one search of all values shows it.
        if shown and self._would_be_masked(list(shown.values())):
            shown = {key: value for key, value in shown.items() if not self._would_be_masked(value)}
        if len(shown) == len(values):
            return shown, {}
        return shown, {key: value for key, value in values.items() if key not in shown}

    def _would_be_masked(self, value: JsonValue) -> bool:
        if self.redactor.knows_nothing:
            return False
        data = json_text.encode_exactly(value)
        # A value that would take long to search is hidden without a search.
        return is_heavy(data) or self.redactor.bytes(data) is not data


def _names(hidden: SealedValues, step: str) -> tuple[str, ...]:
    """Return the full names of the sealed values in a completion of `step`."""
    return (
        *(f"steps.{step}.{key}" for key in hidden.captures),
        *(f"variables.{name}" for name in hidden.variables),
        *((cookies_of(step),) if hidden.cookies else ()),
    )
