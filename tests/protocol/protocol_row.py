"""One row of a simulated worker: intent, look, send, completion, step after step. Part of the protocol's model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from protocol_oracle import NEVER, ModelStep, token_of
from simulated_world import Lines

from reqflo_ray._internal.errors import IntegrityError
from reqflo_ray._internal.journal.replay import RowHistory, StepHistory
from reqflo_ray._internal.model.artifact import OnInterrupt
from reqflo_ray._internal.model.journal import Completion, Intent, SealedValues, Withdrawn
from reqflo_ray._internal.model.results import ResendReason, Status
from reqflo_ray._internal.runs.folder.sealing import Sealer

if TYPE_CHECKING:
    from protocol_lines import Worker

_TOKEN = "outputs.token"


class Row:
    """One row of a worker: its steps, one after the other."""

    def __init__(self, worker: Worker, history: RowHistory) -> None:
        self._worker = worker
        self._history = history
        self._model = worker.model
        self._rules = worker.model.rules
        self._tokens: dict[str, str] = {}  # the sensitive captures that are at hand, by step
        self._steps: dict[str, tuple[int, str]] = {}
        self._built_on: list[Completion] = []

    def run(self) -> Lines:
        """Its verdict and what became of its steps, or None if it had to stop."""
        for step in self._model.journey:
            past = self._history.steps.get(step.id, StepHistory())
            completion = past.final or (yield from self._execute(step, past))
            if completion is None:
                return None
            self._built_on.append(completion)
            self._steps[step.id] = (completion.captures["send"], completion.status.value)
            if completion.status is not Status.PASSED:
                return self._steps
            if past.final is not None and step.sensitive:
                self._open(step, past)
        return self._steps

    def _open(self, step: ModelStep, past: StepHistory) -> None:
        """Take the sensitive capture of a completed step from the journal: what came last, if it can be opened."""
        repeats = [done for done in past.repeats if done.final and done.status is Status.PASSED]
        for done in (*reversed(repeats), past.completions[-1]):
            token = self._opened(done)
            if token:
                self._tokens[step.id] = token
                return

    def _opened(self, done: Completion) -> str:
        key, oracle = self._worker.sealing_key, self._model.oracle
        try:
            if not key or not done.sealed or not self._rules.sealed_values_are_opened:
                raise IntegrityError("there is nothing to open, or nothing to open it with")
            values = Sealer(key).open_step(done.sealed, *self._place(done))
        except IntegrityError:
            oracle.not_opened(self._worker.attempt, done)
            return ""
        oracle.opened += 1
        return str(values.captures[_TOKEN])

    def _sealed(self, done: Completion, token: str) -> Completion:
        """The completion with its sensitive capture, as it may be written."""
        key = self._worker.sealing_key
        withheld = msgspec.structs.replace(done, withheld=(_TOKEN,))
        if not key and not self._rules.nothing_sensitive_without_a_key:
            return msgspec.structs.replace(done, captures={**done.captures, _TOKEN: token})
        if not key or not self._rules.sensitive_values_are_sealed:
            return withheld
        sealed = Sealer(key).seal_step(SealedValues(captures={_TOKEN: token}), *self._place(done))
        return msgspec.structs.replace(withheld, sealed=sealed)

    def _place(self, done: Completion) -> tuple[int, str, int]:
        if not self._rules.sealed_values_have_a_place:
            return 0, "", 0
        # Here every shard has a row 0; the product numbers rows over the whole run.
        return self._worker.attempt.shard * self._model.rows + done.row, done.step, done.attempt

    def _execute(self, step: ModelStep, past: StepHistory) -> Lines:
        if step.needs and step.needs not in self._tokens:
            lost = next(other for other in self._model.journey if other.id == step.needs)
            if lost.on_interrupt is OnInterrupt.FAIL and self._rules.lost_values_respect_the_policy:
                return (yield from self._inconclusive(step, past))
            again = yield from self._attempts(lost, StepHistory(), ResendReason.SENSITIVE)
            if again is None:
                return None
            if again.status is not Status.PASSED:
                return (yield from self._inconclusive(step, past))
        reason = self._reason(step, past)
        if reason is None:
            return (yield from self._inconclusive(step, past))
        return (yield from self._attempts(step, past, reason))

    def _inconclusive(self, step: ModelStep, past: StepHistory) -> Lines:
        completion = Completion(
            row=self._history.row,
            step=step.id,
            attempt=past.in_doubt.attempt if past.in_doubt is not None else past.attempts_used + 1,
            status=Status.INCONCLUSIVE,
            final=True,
            captures={"send": NEVER},
        )
        yield f"append that {step.id} of row {self._history.row} is inconclusive"
        yield from self._worker.append(completion)
        yield from self._worker.sync()
        return completion

    def _reason(self, step: ModelStep, past: StepHistory) -> ResendReason | None:
        """Why the step is sent (again); None if it may not be."""
        if past.in_doubt is None and step.id not in self._history.doubtful:
            return ResendReason.NONE
        if step.on_interrupt is OnInterrupt.FAIL and self._rules.unknown_is_respected:
            return None
        return ResendReason.UNKNOWN

    def _attempts(self, step: ModelStep, past: StepHistory, reason: ResendReason) -> Lines:
        """Send a step until it is over: its completion, or None if the fence was closed."""
        number = past.in_doubt.attempt if past.in_doubt is not None else past.attempts_used + 1
        while True:
            intent = Intent(
                row=self._history.row,
                step=step.id,
                attempt=number,
                fingerprint=self._worker.name,
                idempotency_key=self._worker.key(self._history.row, step.id),
                resend_reason=reason,
                resend_count=past.resend_count + 1 if reason else 0,
            )
            completion = yield from self._attempt(step, intent)
            if completion is None or completion.final:
                return completion
            number += 1
            reason = reason if reason is ResendReason.SENSITIVE else ResendReason.NONE

    def _attempt(self, step: ModelStep, intent: Intent) -> Lines:
        worker, oracle, random = self._worker, self._model.oracle, self._model.world.random
        if not self._rules.intent_before_looking and not (yield from worker.fence_is_open()):
            return None
        yield f"append {intent.step}{intent.attempt} of row {intent.row}"
        yield from worker.append(intent)
        if step.on_interrupt is OnInterrupt.FAIL and self._rules.sync_intents_that_must_not_repeat:
            yield from worker.sync()
        if self._rules.intent_before_looking and not (yield from worker.fence_is_open()):
            if not self._rules.withdraw_only_unsent:
                yield "send although the fence is closed"
                oracle.sent(worker.attempt, intent, appended=True, built_on=[], token=self._tokens.get(step.needs, ""))
            yield "withdraw"
            oracle.withdrawn(worker.attempt, intent)
            yield from worker.append(Withdrawn(row=intent.row, step=intent.step, attempt=intent.attempt))
            return None
        yield f"send {intent.step}{intent.attempt} of row {intent.row} {intent.resend_reason}"
        number = oracle.sent(
            worker.attempt,
            intent,
            appended=worker.holds(intent),
            built_on=self._built_on,
            token=self._tokens.get(step.needs, ""),
        )
        status = random.choices([Status.PASSED, Status.ERROR, Status.FAILED], [8, 1, 1])[0]
        oracle.outcomes[number] = status.value
        completion = Completion(
            row=intent.row,
            step=intent.step,
            attempt=intent.attempt,
            status=status,
            final=status is not Status.FAILED or intent.attempt >= 3,
            captures={"send": number},
        )
        if step.sensitive:
            completion = self._sealed(completion, token_of(number))
            oracle.keeps(worker.attempt, completion, key=worker.sealing_key)
        yield f"append the completion of {intent.step}{intent.attempt} of row {intent.row}: {status}"
        yield from worker.append(completion)
        if self._rules.completion_is_durable:
            yield from worker.sync()
        oracle.acknowledged(worker.attempt, intent.row, intent.step, final=completion.final)
        if step.sensitive:
            self._tokens[step.id] = token_of(number)
        return completion
