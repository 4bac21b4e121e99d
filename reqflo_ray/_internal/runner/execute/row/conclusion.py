"""Concludes a row when its steps have ended: its status, the first step that did not pass, and what is notable about a
row that passed. It must not know how a step was executed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from reqflo_ray._internal.engine.program import Program
from reqflo_ray._internal.model.fingerprint import fingerprint, masked
from reqflo_ray._internal.model.results import INTERNAL_ERROR, Status, StepRecord

# A row ends with the worst status of its steps, in this order.
_WORST_FIRST: Final = (Status.INCONCLUSIVE, Status.ERROR, Status.FAILED)


class StepEnd(NamedTuple):
    """The end of a step, which may be the reason why a row did not pass."""

    step: str
    status: Status
    code: str
    message: str


class Conclusion(NamedTuple):
    """The outcome of a row, in the terms of `RowResult`. `message` is not masked."""

    status: Status
    step: str = ""
    code: str = ""
    message: str = ""
    soft_failures: int = 0
    flaky: bool = False
    known_flaky: bool = False
    fingerprint: str = ""


def conclude(program: Program, ended: Sequence[StepEnd], records: Sequence[StepRecord], *, retries: int) -> Conclusion:
    """Return the outcome of a row from the ends of its steps, in order, and the records of all their attempts."""
    soft = _soft_failures(program, records)
    failed = [end for end in ended if end.status in _WORST_FIRST]
    if not failed:
        tried_again = {record.step_id for record in records if record.status in _WORST_FIRST} if retries else set()
        known = not program.flaky_steps.isdisjoint(tried_again)
        return Conclusion(Status.PASSED, soft_failures=soft, flaky=retries > 0, known_flaky=known)
    status = min((end.status for end in failed), key=_WORST_FIRST.index)
    # An internal error does not come from the API, so it is reported wherever it occurred.
    first = next((end for end in failed if end.code == INTERNAL_ERROR), failed[0])
    return Conclusion(
        status=status,
        step=first.step,
        code=first.code,
        message=first.message,
        soft_failures=soft,
        known_flaky=first.step in program.flaky_steps,
        fingerprint=_fingerprint(status, first, records),
    )


def fingerprint_of_error(status: Status, code: str, message: str) -> str:
    """Return the fingerprint of a row whose error belongs to no step."""
    return fingerprint(status, "", code, "", masked(message))


def _soft_failures(program: Program, records: Sequence[StepRecord]) -> int:
    if not program.soft_steps:
        return 0
    last = {record.step_id: record for record in records if record.step_id in program.soft_steps}
    return sum(
        result.soft and result.status is Status.FAILED for record in last.values() for result in record.assertions
    )


def _fingerprint(status: Status, end: StepEnd, records: Sequence[StepRecord]) -> str:
    """Return the fingerprint of a failed step, from its record, which is masked."""
    record = next((record for record in reversed(records) if record.step_id == end.step), None)
    if record is None:
        return fingerprint(status, end.step, end.code, "", "")
    failed = (result for result in record.assertions if result.status is Status.FAILED and not result.soft)
    # It is chance whether the last round of a poll had a response, and therefore judged assertions.
    if end.code == "poll_timeout" or (result := next(failed, None)) is None:
        return fingerprint(status, end.step, end.code, "", masked(record.error_message))
    return fingerprint(status, end.step, f"{result.type} {result.operator}", result.target, masked(result.message))
