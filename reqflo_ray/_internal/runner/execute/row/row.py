"""Executes a row durably: reads completed steps from the journal, and executes the rest, strictly one after another.

It must not know the files of the shard, or who schedules rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from reqflo_ray._internal.engine.program import PreparedStep
from reqflo_ray._internal.engine.render import render_value
from reqflo_ray._internal.engine.scope import RowFault
from reqflo_ray._internal.journal.replay import RowHistory, StepHistory
from reqflo_ray._internal.model import json_text
from reqflo_ray._internal.model.artifact import HttpStep, NoteStep, OnFailure, OnInterrupt, SetVariableStep, WaitStep
from reqflo_ray._internal.model.journal import Completion
from reqflo_ray._internal.model.plan import Evidence, Row
from reqflo_ray._internal.model.results import ResendReason, RowResult, Status, StepRecord
from reqflo_ray._internal.model.values import JsonValue
from reqflo_ray._internal.runner.execute.response.evidence import without_exchange
from reqflo_ray._internal.runner.execute.row.attempts import send_until_settled, status_of
from reqflo_ray._internal.runner.execute.row.conclusion import StepEnd, conclude, fingerprint_of_error
from reqflo_ray._internal.runner.execute.row.containment import bare_record, end_in_fault, told
from reqflo_ray._internal.runner.execute.row.context import (
    FIRST_SEND,
    Outcome,
    Resend,
    RowContext,
    ShardAttempt,
    Suspended,
    cookies_of,
)
from reqflo_ray._internal.runner.execute.row.polling import as_waiting
from reqflo_ray._internal.runner.execute.worker.worker import Worker
from reqflo_ray._internal.secrets.redactor import still_json


@dataclass(frozen=True, slots=True, kw_only=True)
class RowOutcome:
    """A finished row: its result and the records of all its attempts, in order. `replayed` says that the row had ended
    before, and nothing was executed for it now."""

    result: RowResult
    records: tuple[StepRecord, ...]
    replayed: bool = False


class RowRunner:
    """Runs one row once.

    Args:
        history: what earlier attempts of the shard have journaled about this row.
    """

    def __init__(self, worker: Worker, shard: ShardAttempt, row: Row, history: RowHistory) -> None:
        self._context = RowContext(worker, shard, row)
        self._worker = worker
        self._row = row
        self._history = history
        self._ended: list[StepEnd] = []
        self._halted_by = ""
        self._withheld: dict[str, PreparedStep] = {}
        self._restored_secrets: set[str] | None = None
        self._restored_ms = 0.0
        self._goes_on = False

    async def run(self) -> RowOutcome:
        """Execute the remaining steps of the row.

        Raises:
            Suspended: the row is not finished, and this attempt must not continue it.
            StoreError: the journal cannot be written.
        """
        clock = self._worker.clock
        started_at_us, started = clock.now_us(), clock.monotonic()
        for prepared in self._worker.program.steps:
            past = self._history.steps.get(prepared.step.id, _NO_PAST)
            try:
                await self._advance(prepared, past)
            except BaseException as fault:
                await self._fail(prepared, past, *told(fault))
        return self._finish(started_at_us, (clock.monotonic() - started) * 1000 + self._restored_ms)

    async def _advance(self, prepared: PreparedStep, past: StepHistory) -> None:
        if prepared.step.skip:
            self._skip(prepared, "skipped_by_overlay", "an overlay skips this step")
        elif self._halted_by:
            self._skip(prepared, "row_halted", f"step `{self._halted_by}` ended the row")
        elif past.final is not None:
            self._restore(prepared, past, past.final)
        else:
            outcome = await self._execute(prepared, past)
            # Every attempt finds an unknown outcome anew.
            self._goes_on |= outcome.status is not Status.INCONCLUSIVE
            self._conclude(prepared, outcome)

    async def _fail(self, prepared: PreparedStep, past: StepHistory, code: str, message: str) -> None:
        """End the row at a step with an internal error. For a step that is in the journal already, the error is not
        journaled: what the journal says remains true."""
        step, now_us = prepared.step.id, self._worker.clock.now_us()
        if self._halted_by:  # the step is skipped anyway
            outcome = Outcome(status=Status.SKIPPED, code="row_halted", message=message, started_at_us=now_us)
            self._context.records.append(bare_record(self._context, prepared, 1, outcome))
            return
        outcome = Outcome(status=Status.ERROR, code=code, message=message, started_at_us=now_us)
        self._end(step, outcome)
        self._halted_by = step
        if past.final is None:
            self._goes_on = True
            # The error gets an attempt number of its own, because the last attempt may have passed before it.
            used = [record.attempt for record in self._context.records if record.step_id == step]
            number = max([past.attempts_used, *used]) + 1
            await end_in_fault(self._context, prepared, number, outcome, code, message)

    async def _execute(self, prepared: PreparedStep, past: StepHistory) -> Outcome:
        if self._restored_secrets is not None:
            await self._context.know_what_was_used(self._restored_secrets)
            self._restored_secrets = None
        if self._withheld:
            try:
                await self._regain(prepared)
            except RowFault as fault:
                return await self._end_plainly(prepared, Status.INCONCLUSIVE, fault.code, fault.message)
        match prepared.step:
            case HttpStep() as step:
                return await self._send(prepared, step, past)
            case WaitStep(duration_ms=duration_ms):
                if not await self._worker.pause(duration_ms / 1000):
                    raise Suspended
                self._context.log("wait", f"waited {duration_ms} ms")
                return await self._end_plainly(prepared, Status.PASSED, duration_ms=float(duration_ms))
            case SetVariableStep() | NoteStep():
                return await self._compute(prepared)

    async def _compute(self, prepared: PreparedStep) -> Outcome:
        """Execute a step that sends nothing. A fault ends it like a request."""
        variables: dict[str, JsonValue] = {}
        try:
            match prepared.step:
                case SetVariableStep() as step:
                    variables = self._assign(step)
                case NoteStep(text=node):
                    self._context.log("note", str(render_value(node, self._context.scope, self._worker.secrets.values)))
        except RowFault as fault:
            return await self._end_plainly(prepared, status_of(fault), fault.code, fault.message)
        return await self._end_plainly(prepared, Status.PASSED, variables=variables)

    def _assign(self, step: SetVariableStep) -> dict[str, JsonValue]:
        scope, secrets = self._context.scope, self._worker.secrets.values
        variables = {name: render_value(node, scope, secrets) for name, node in step.values}
        scope.assign(variables)
        self._context.register_sensitive()
        return variables

    async def _send(self, prepared: PreparedStep, step: HttpStep, past: StepHistory) -> Outcome:
        """Send the request of the step; after an interruption, only if the step allows it."""
        earlier = self._take_over(prepared, past.completions)
        number, resend, doubt = past.attempts_used + 1, FIRST_SEND, past.in_doubt
        if doubt is not None:
            if step.on_interrupt is OnInterrupt.FAIL:
                return await self._end_plainly(
                    prepared, Status.INCONCLUSIVE, "outcome_unknown", _OUTCOME_UNKNOWN, number=doubt.attempt
                )
            number, count = doubt.attempt, past.resend_count + 1
            resend = Resend(reason=ResendReason.UNKNOWN, count=count, fingerprint=doubt.fingerprint)
        elif step.id in self._history.doubtful:
            if step.on_interrupt is OnInterrupt.FAIL:
                return await self._end_plainly(
                    prepared, Status.INCONCLUSIVE, "journal_damaged", _JOURNAL_DAMAGED, number=number
                )
            resend = Resend(reason=ResendReason.UNKNOWN, count=past.resend_count + 1)
        elif step.on_interrupt is OnInterrupt.FAIL and any(cookies_of(step.id) in done.withheld for done in earlier):
            message = f"{_lost(cookies_of(step.id), earlier[-1])}, and step `{step.id}` must not be sent again"
            return await self._end_plainly(
                prepared, Status.INCONCLUSIVE, "sensitive_value_lost", message, number=number
            )
        return await send_until_settled(self._context, prepared, step, number, resend)

    async def _end_plainly(
        self,
        prepared: PreparedStep,
        status: Status,
        code: str = "",
        message: str = "",
        *,
        number: int = 1,
        variables: dict[str, JsonValue] | None = None,
        duration_ms: float = 0.0,
    ) -> Outcome:
        """Journal the end of a step that has sent nothing."""
        outcome = Outcome(
            status=status,
            code=code,
            message=message,
            variables=variables or {},
            started_at_us=self._worker.clock.now_us() - int(duration_ms * 1000),
            duration_ms=duration_ms,
        )
        await self._context.complete(prepared, number, outcome)
        return outcome

    def _skip(self, prepared: PreparedStep, code: str, message: str) -> None:
        # Not journaled, because the artifact and the earlier steps decide that a step is skipped.
        outcome = Outcome(status=Status.SKIPPED, code=code, message=message, started_at_us=self._worker.clock.now_us())
        self._context.records.append(self._context.record(prepared, 1, outcome))
        self._context.scope.conclude(prepared.step.id, Status.SKIPPED, {})
        self._worker.metrics.attempt_ended(Status.SKIPPED, ends_step=True)

    def _conclude(self, prepared: PreparedStep, outcome: Outcome) -> None:
        """Record the end of the step for the rest of the row."""
        step = prepared.step
        self._context.scope.conclude(step.id, outcome.status, outcome.captures)
        self._end(step.id, outcome)
        halts_on_failure = isinstance(step, HttpStep) and step.on_failure is OnFailure.HALT
        if outcome.status in (Status.ERROR, Status.INCONCLUSIVE) or (
            outcome.status is Status.FAILED and halts_on_failure
        ):
            self._halted_by = step.id

    def _end(self, step: str, outcome: Outcome) -> None:
        self._ended.append(StepEnd(step=step, status=outcome.status, code=outcome.code, message=outcome.message))

    def _restore(self, prepared: PreparedStep, past: StepHistory, completion: Completion) -> None:
        """Take a completed step from the journal instead of executing it."""
        opened = self._take_over(prepared, (*past.completions, *past.repeats))
        attempts, repeats = opened[: len(past.completions)], opened[len(past.completions) :]
        captures, withheld = attempts[-1].captures, attempts[-1].withheld
        if any(cookies_of(done.step) in done.withheld for done in attempts):
            withheld = (*withheld, cookies_of(prepared.step.id))
        for done in repeats:
            if done.final and done.status is Status.PASSED and not done.withheld:
                captures, withheld = done.captures, ()
        if attempts[-1].variables:
            self._context.scope.assign(attempts[-1].variables)
        self._withheld.update(dict.fromkeys(withheld, prepared))
        self._restored_secrets = {*(self._restored_secrets or ()), *prepared.secrets}
        message = completion.record.error_message if completion.record else ""
        outcome = Outcome(status=completion.status, code=completion.error_code, message=message, captures=captures)
        self._conclude(prepared, outcome)

    def _take_over(self, prepared: PreparedStep, completions: tuple[Completion, ...]) -> list[Completion]:
        """Take over the evidence, counts, and cookies of attempts of earlier processes. Return these attempts, with
        their sealed values as far as they can be opened."""
        if not completions:
            return []
        context, polls = self._context, isinstance(prepared.step, HttpStep) and prepared.step.poll is not None
        records = [
            done.record if done.final or not polls else as_waiting(done.record)
            for done in completions
            if done.record is not None
        ]
        context.records.extend(records)
        resends = sum(record.resends for record in records)
        context.counts.requests += sum(1 for record in records if record.timings is not None) + resends
        context.counts.retries += 0 if polls else sum(1 for done in completions if not done.final)
        reasons = [record.resend_reason for record in records]
        context.counts.resent += reasons.count(ResendReason.UNKNOWN) + resends
        context.counts.resent_sensitive += reasons.count(ResendReason.SENSITIVE)
        self._restored_ms += sum(record.duration_ms for record in records)
        opened = [context.opened(done) for done in completions]
        if context.cookies is not None:
            for done in opened:
                context.cookies.restore(done.cookies)
        return opened

    async def _regain(self, prepared: PreparedStep) -> None:
        """Obtain what `prepared` needs but the journal cannot supply: the key is missing, or the value was not stored.

        This is the only case in which a completed step is sent again, and only a step that is safe to send again.
        Raises `RowFault` if a value cannot be obtained.
        """
        needs = list(prepared.needs)
        if isinstance(prepared.step, HttpStep):
            needs += [name for name, producer in self._withheld.items() if name == cookies_of(producer.step.id)]
        for need in needs:
            producer = self._withheld.get(need)
            if producer is None:
                continue
            self._withheld = {name: step for name, step in self._withheld.items() if step is not producer}
            await self._regain(producer)
            match producer.step:
                case SetVariableStep() as assignment:
                    self._assign(assignment)
                case HttpStep() as step:
                    await self._send_again(producer, step, need)

    async def _send_again(self, producer: PreparedStep, step: HttpStep, need: str) -> None:
        past = self._history.steps[step.id]
        lost = _lost(need, past.completions[-1])
        if step.on_interrupt is OnInterrupt.FAIL:
            raise RowFault("sensitive_value_lost", f"{lost}, and step `{step.id}` must not be sent again")
        resend = Resend(reason=ResendReason.SENSITIVE, count=past.resend_count + 1)
        outcome = await send_until_settled(self._context, producer, step, past.attempts_used, resend)
        if outcome.status is not Status.PASSED:
            why = outcome.message or outcome.code
            message = f"{lost}, and step `{step.id}` did not pass when it was sent again: {why}"
            raise RowFault("sensitive_value_lost", message)
        self._context.scope.conclude(step.id, outcome.status, outcome.captures)

    def _finish(self, started_at_us: int, duration_ms: float) -> RowOutcome:
        try:
            return self._finished(started_at_us, duration_ms)
        except BaseException as fault:
            return broken_row(self._row, self._history, *told(fault), started_at_us, tuple(self._context.records))

    def _finished(self, started_at_us: int, duration_ms: float) -> RowOutcome:
        context, row, counts = self._context, self._row, self._context.counts
        records = tuple(context.records)
        ended = conclude(self._worker.program, self._ended, records, retries=counts.retries)
        if ended.status is Status.PASSED and self._worker.run.options.evidence is Evidence.FAILURES:
            records = tuple(without_exchange(record) for record in records)
        started_at_us = self._history.started_at_us or started_at_us
        inputs = json_text.describe(context.scope.inputs())
        context.register_sensitive()
        shown = context.redactor.text(inputs) if context.knows_all_sensitive else "{}"
        return RowOutcome(
            result=RowResult(
                row_index=row.index,
                row_key=row.key,
                status=ended.status,
                error_code=ended.code,
                error_message=json_text.well_formed(context.redactor.text(ended.message)) if ended.message else "",
                failed_step=ended.step,
                inputs=inputs if shown is inputs else still_json(shown),
                started_at_us=started_at_us,
                duration_ms=duration_ms,
                resumed=self._history.last_attempt > 0,
                requests=counts.requests,
                retries=counts.retries,
                resent=counts.resent,
                resent_sensitive=counts.resent_sensitive,
                soft_failures=ended.soft_failures,
                flaky=ended.flaky,
                known_flaky=ended.known_flaky,
                fingerprint=ended.fingerprint,
            ),
            records=records,
            replayed=self._history.last_attempt > 0 and not self._goes_on,
        )


def broken_row(
    row: Row,
    history: RowHistory,
    code: str,
    message: str,
    started_at_us: int,
    records: tuple[StepRecord, ...] = (),
) -> RowOutcome:
    """Return the outcome of a row of which only an internal error is known."""
    return RowOutcome(
        result=RowResult(
            row_index=row.index,
            row_key=row.key,
            status=Status.ERROR,
            error_code=code,
            error_message=message,
            fingerprint=fingerprint_of_error(Status.ERROR, code, message),
            started_at_us=history.started_at_us or started_at_us,
            resumed=history.last_attempt > 0,
            requests=sum((record.timings is not None) + record.resends for record in records),
        ),
        records=records,
    )


def _lost(need: str, done: Completion) -> str:
    why = "cannot be decrypted without the right `sealing.key`" if done.sealed else "was not stored"
    return f"`{need}` is sensitive and {why}"


_NO_PAST: Final = StepHistory()
_OUTCOME_UNKNOWN: Final = (
    "a worker died while this request was in flight, and it must not be repeated (`on_interrupt: fail`): it is unknown "
    "whether the API has processed it"
)
_JOURNAL_DAMAGED: Final = (
    "the journal of this row is damaged: it is unknown whether this request was sent before, and it must not be "
    "repeated (`on_interrupt: fail`)"
)
