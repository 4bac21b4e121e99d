"""Confines an internal error to its row: reports it without quoting any data, and keeps as much evidence as possible.

It decides which errors end a row and which end more than a row. It must not know what the row was doing.
"""

from __future__ import annotations

import errno
from typing import Final

import msgspec

from reqflo_ray._internal.descriptors import NONE_FREE
from reqflo_ray._internal.engine.program import PreparedStep
from reqflo_ray._internal.engine.values.faults import RowFault
from reqflo_ray._internal.engine.values.reach import brings_hidden
from reqflo_ray._internal.errors import ReqfloError
from reqflo_ray._internal.fault_place import place_of
from reqflo_ray._internal.journal.records import UnrecordableError
from reqflo_ray._internal.model.artifact import HttpStep
from reqflo_ray._internal.model.http.exchange import Exchange
from reqflo_ray._internal.model.journal import Completion
from reqflo_ray._internal.model.results import INTERNAL_ERROR, ResendReason, Status, StepRecord
from reqflo_ray._internal.runner.execute.row.context import FIRST_SEND, Outcome, Resend, RowContext, Suspended

# Limits and faults of the machine, which no row has caused: the run can be resumed elsewhere.
_OF_THE_MACHINE: Final = NONE_FREE.union(
    (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.ESTALE, errno.ENOMEM)
)


def told(fault: BaseException) -> tuple[str, str]:
    """Return the code and message for a row that `fault` ends. They name only its type and place, because the text of
    an unexpected error may quote what must not be shown.

    Raises:
        BaseException: `fault` itself, if it ends more than a row: a stop, a store that cannot be written, a full disk.
    """
    match fault:
        case RowFault() | UnrecordableError():
            return fault.code, fault.message
        case Suspended() | ReqfloError():
            raise fault
        case OSError() if fault.errno in _OF_THE_MACHINE:
            raise fault
        case Exception():
            return INTERNAL_ERROR, f"reqflo-ray failed with {place_of(fault)}"
        case _ if type(fault).__name__ == "PanicException":  # a defect in a library in Rust
            return INTERNAL_ERROR, f"reqflo-ray failed with {place_of(fault)}"
        case _:
            raise fault


def without_unmasked(step: HttpStep, exchange: Exchange | None) -> Exchange | None:
    """Return `exchange`, or None if the unjudged response may contain sensitive values, which are unknown."""
    return None if brings_hidden(step) else exchange


def bare_record(context: RowContext, prepared: PreparedStep, number: int, outcome: Outcome) -> StepRecord:
    """Return the record of an attempt without anything that must be masked."""
    return StepRecord(
        row_index=context.row.index,
        row_key=context.row.key,
        step_id=prepared.step.id,
        step_index=prepared.index,
        attempt=number,
        status=outcome.status,
        error_code=outcome.code,
        error_message=outcome.message,
        started_at_us=outcome.started_at_us,
        duration_ms=outcome.duration_ms,
        idempotency_key=outcome.key,
        resumed=context.shard.takes_over,
    )


async def end_in_fault(
    context: RowContext,
    prepared: PreparedStep,
    number: int,
    outcome: Outcome,
    code: str,
    message: str,
    resend: Resend = FIRST_SEND,
) -> None:
    """End an attempt with an error, journal it, and keep its record with as much evidence as possible.

    Once it is journaled, the step is not executed again. If even a bare record cannot be journaled, it is kept for the
    results, and a later attempt of the shard treats the outcome of a request as unknown.

    Raises:
        BaseException: an error that ends more than a row, such as `Suspended` or `StoreError`.
    """
    timings = outcome.exchange.timings if outcome.exchange is not None else None
    response = outcome.exchange.response if outcome.exchange is not None else None
    outcome.status, outcome.code, outcome.message = Status.ERROR, code, message
    outcome.judgement, outcome.captures, outcome.variables, outcome.cookies = None, {}, {}, ()
    if context.knows_all_sensitive:
        for exchange in (outcome.exchange, None):
            outcome.exchange = exchange
            outcome.rendered = outcome.rendered if exchange is not None else None
            try:
                return await context.complete(prepared, number, outcome, resend)
            except BaseException as fault:
                told(fault)
    bare = bare_record(context, prepared, number, outcome)
    record = msgspec.structs.replace(
        bare,
        response_status=response.status if response is not None else None,
        timings=timings,
        resend_count=resend.count,
        resend_reason=resend.reason,
    )
    context.records.append(record)
    ends_step = resend.reason is not ResendReason.SENSITIVE
    context.worker.metrics.attempt_ended(Status.ERROR, ends_step=ends_step)
    done = Completion(
        row=context.row.index,
        step=prepared.step.id,
        attempt=number,
        status=Status.ERROR,
        final=True,
        error_code=code,
        record=record,
    )
    try:
        await context.shard.journal.complete(done)
    except BaseException as fault:
        told(fault)
