"""Sends the request of a step until the step has ended: intent ▸ fence ▸ send ▸ completion, then retry or poll.

Every attempt is journaled before and after. It must not know what a response means, which the engine decides.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec

from reqflo_ray._internal.descriptors import MORE_DESCRIPTORS
from reqflo_ray._internal.engine.identity import idempotency_key
from reqflo_ray._internal.engine.program import PreparedStep
from reqflo_ray._internal.engine.render import render_request
from reqflo_ray._internal.engine.responses.charset import older_charset
from reqflo_ray._internal.engine.retry import decide_retry
from reqflo_ray._internal.engine.scope import RowFault
from reqflo_ray._internal.engine.values.reach import brings_hidden
from reqflo_ray._internal.engine.values.work import Unjudged
from reqflo_ray._internal.errors import ReqfloError, SecretError
from reqflo_ray._internal.http.host_limits import NoRoomError
from reqflo_ray._internal.model.artifact import HttpStep, OnInterrupt
from reqflo_ray._internal.model.http.exchange import RESEND, TransportFailure, TransportRequest
from reqflo_ray._internal.model.journal import Intent, Withdrawn
from reqflo_ray._internal.model.results import ResendReason, Status
from reqflo_ray._internal.runner.execute.row.containment import end_in_fault, told, without_unmasked
from reqflo_ray._internal.runner.execute.row.context import FIRST_SEND, Outcome, Resend, RowContext, Suspended
from reqflo_ray._internal.runner.execute.row.polling import Polling


async def send_until_settled(
    context: RowContext, prepared: PreparedStep, step: HttpStep, number: int, resend: Resend
) -> Outcome:
    """Execute a step, starting with attempt `number`; return the outcome of its last attempt.

    Args:
        resend: why the first of these requests may have been sent before.

    Raises:
        Suspended: the step has not ended, and this attempt of the shard must not continue it.
        StoreError: the journal cannot be written.
    """
    polling = Polling(step.poll, context) if step.poll else None
    while True:
        outcome = await _attempt(context, prepared, step, number, resend, polling.ends if polling else 0.0)
        try:
            wait_ms = _wait_before_next(context, step, number, outcome, polling)
            await context.complete(prepared, number, outcome, resend, final=wait_ms is None)
        except BaseException as fault:
            code, message = told(fault)
            await end_in_fault(context, prepared, number, outcome, code, message, resend)
            return outcome
        if wait_ms is None:
            return outcome
        if polling is None:
            context.counts.retries += 1
            context.worker.metrics.retries += 1
        if not await context.worker.pause(wait_ms / 1000):
            raise Suspended
        number += 1
        # The outcome of an unknown request is known by now, but a finished step is still being repeated.
        resend = replace(resend, fingerprint="") if resend.reason is ResendReason.SENSITIVE else FIRST_SEND


async def _attempt(
    context: RowContext, prepared: PreparedStep, step: HttpStep, number: int, resend: Resend, poll_ends: float
) -> Outcome:
    worker, clock = context.worker, context.worker.clock
    started = clock.monotonic()
    outcome = Outcome(status=Status.ERROR, started_at_us=clock.now_us())
    try:
        if prepared.secrets:
            await worker.secrets.load(prepared.secrets)
        if step.idempotency is not None:
            outcome.key = idempotency_key(worker.run.nonce, worker.run.artifact, context.row.index, step.id)
        outcome.rendered = render_request(prepared, context.scope, worker.secrets.values, idempotency_key=outcome.key)
        context.register_sensitive()
        if context.scope.unset:
            context.log_unset()
        fingerprint = outcome.rendered.fingerprint
        if resend.fingerprint and resend.fingerprint != fingerprint:
            raise RowFault(
                "replay_mismatch",
                "the request differs from the one that was recorded before the interruption "
                f"(recorded {resend.fingerprint[:12]}…, now {fingerprint[:12]}…)",
            )
        intent = Intent(
            row=context.row.index,
            step=step.id,
            attempt=number,
            fingerprint=fingerprint,
            idempotency_key=outcome.key,
            resend_reason=resend.reason,
            resend_count=resend.count,
        )
        # A request that waits here has no intent yet, so it does not count as possibly sent.
        async with worker.hosts.room(_bounded(context, outcome.rendered.request, poll_ends)) as request:
            await worker.pacer.turn()
            await _intend(context, step, intent)
            outcome.started_at_us, started = clock.now_us(), clock.monotonic()
            metrics = worker.metrics
            metrics.requests_in_flight += 1
            try:
                outcome.exchange = await worker.transport.send(request, context.cookies)
            finally:
                metrics.requests_in_flight -= 1
        _need_this_machine(context, intent, outcome.exchange.failure)
        metrics.request_ms.add(outcome.exchange.timings.total_ms)
        resends = outcome.exchange.resends
        context.counts.requests += 1 + resends
        context.counts.resent += resends
        metrics.resends += resends
        if context.cookies is not None:
            outcome.cookies = context.cookies.take_changes()
        response = outcome.exchange.response
        if response is not None and (codec := older_charset(response)):
            context.redactor.also_in(codec)
        verdict = outcome.judgement = await worker.judging.judge(prepared, outcome.exchange, context.scope)
        outcome.status, outcome.code, outcome.message = verdict.status, verdict.error_code, verdict.error_message
        failure = outcome.exchange.failure
        # In a response that cannot be read, the sensitive values are unknown.
        if failure is not None and failure.shown and not brings_hidden(step):
            outcome.message += f': "{context.shown(failure.shown)}"'
        outcome.captures = verdict.captures
        for warning in verdict.warnings:
            context.log("warning", warning)
    except RowFault as fault:
        outcome.status, outcome.code, outcome.message = status_of(fault), fault.code, fault.message
    except NoRoomError as error:
        outcome.code, outcome.message = "no_room_at_host", str(error)
    except SecretError as error:
        outcome.code, outcome.message = error.code, error.message
    except Unjudged as limit:
        outcome.status, outcome.code, outcome.message = Status.ERROR, limit.code, limit.message
        outcome.exchange = without_unmasked(step, outcome.exchange)
    except BaseException as fault:
        outcome.code, outcome.message = told(fault)
        outcome.status, outcome.judgement = Status.ERROR, None
        outcome.exchange = without_unmasked(step, outcome.exchange)
    outcome.duration_ms = (clock.monotonic() - started) * 1000
    return outcome


async def _intend(context: RowContext, step: HttpStep, intent: Intent) -> None:
    """Journal the intent, *then* check the fence: either a successor sees the intent, or we see its claim."""
    journal = context.shard.journal
    if context.worker.stopping.is_set():
        raise Suspended
    # Without a sync, a power cut could turn "unknown" into "never sent", and a step that must not be repeated would be.
    # Other steps are sent in both cases, with the same key.
    await journal.intend(intent, synced=step.on_interrupt is OnInterrupt.FAIL or context.shard.cautious)
    if not await context.shard.may_send():
        # Record that nothing was sent, so that the next attempt does not treat the outcome as unknown.
        journal.append(Withdrawn(row=intent.row, step=intent.step, attempt=intent.attempt))
        raise Suspended
    if intent.resend_reason is not ResendReason.NONE:
        context.worker.metrics.resends += 1
    if intent.resend_reason is ResendReason.UNKNOWN:
        context.counts.resent += 1
        context.log(RESEND, "sent again: the outcome of the request before the interruption is unknown")
    elif intent.resend_reason is ResendReason.SENSITIVE:
        context.counts.resent_sensitive += 1
        context.log(RESEND, "sent again: a sensitive value of its response is needed and cannot be decrypted")


def _need_this_machine(context: RowContext, intent: Intent, failure: TransportFailure | None) -> None:
    """End the attempt of the shard if this machine could not send the request within its time: that is not a result of
    the row."""
    if failure is None or not failure.kind.is_of_this_machine:
        return
    if not failure.sent:
        context.shard.journal.append(Withdrawn(row=intent.row, step=intent.step, attempt=intent.attempt))
    raise ReqfloError(
        f"{failure.message}, during the whole time limit of the request",
        code=failure.kind.value,
        hint=MORE_DESCRIPTORS,
    )


def _bounded(context: RowContext, request: TransportRequest, poll_ends: float) -> TransportRequest:
    """Return the request, limited to the time that the row and the poll have left."""
    remaining_ms = int(context.remaining_ms)
    if remaining_ms <= 0:
        raise RowFault("row_timeout", f"the row took longer than {context.worker.run.options.row_timeout_ms} ms")
    if poll_ends:
        remaining_ms = min(remaining_ms, max(1, int((poll_ends - context.worker.clock.monotonic()) * 1000)))
    if remaining_ms < request.total_ms:
        request = msgspec.structs.replace(request, total_ms=remaining_ms)
    return request


def _wait_before_next(
    context: RowContext, step: HttpStep, number: int, outcome: Outcome, polling: Polling | None
) -> float | None:
    """Return the milliseconds until the next attempt, or None if this one was the last; log the reason."""
    if outcome.judgement is None or outcome.exchange is None:
        return None
    if polling is not None:
        goes_on = outcome.status is Status.WAITING or outcome.exchange.response is None
        return polling.wait_after(number, outcome, outcome.exchange) if goes_on else None
    decision = decide_retry(step, number, outcome.judgement, outcome.exchange, context.worker.clock.now_us())
    if decision.wait_ms is not None and decision.wait_ms >= context.remaining_ms:
        context.log("retry", "not retried: the wait would exceed the time limit of the row")
        return None
    if decision.reason:
        context.log("retry", decision.reason)
    return decision.wait_ms


def status_of(fault: RowFault) -> Status:
    """Return the status for a fault: `skipped` if a value from an earlier step is missing, otherwise `error`."""
    return Status.SKIPPED if fault.code == "unresolved_dependency" else Status.ERROR
