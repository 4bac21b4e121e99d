"""Encodes the rows of a shard as its two files. A record that cannot be written loses its evidence and makes its own
row an error, but never affects other rows. It must not know how files are named or committed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec

from reqflo_ray._internal.model.json_text import well_formed
from reqflo_ray._internal.model.results import Counts, RowResult, Status, StepRecord
from reqflo_ray._internal.runner.execute.row.conclusion import fingerprint_of_error
from reqflo_ray._internal.runner.execute.row.containment import told
from reqflo_ray._internal.runner.execute.row.row import RowOutcome
from reqflo_ray._internal.runner.progress.shard import ShardCounter
from reqflo_ray._internal.runs.results.writer import Origin, results_file, steps_file


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardFiles:
    """The bytes of both files, the rows in them, and their counts."""

    outcomes: tuple[RowOutcome, ...]
    counts: Counts
    results: bytes
    steps: bytes

    @property
    def records(self) -> list[StepRecord]:
        """The records of all attempts of all rows, in the order of the rows."""
        return [record for outcome in self.outcomes for record in outcome.records]


def encode_files(outcomes: Sequence[RowOutcome], counts: Counts, origin: Origin) -> ShardFiles:
    """Encode the files of `outcomes`, whose counts are `counts`.

    Raises:
        Exception: not even the bare results can be written.
    """
    try:
        results, steps = _encode(outcomes, origin)
    except BaseException as fault:
        told(fault)
        kept = list(outcomes)
        for at, code, message in _broken(outcomes, range(len(outcomes)), origin):
            kept[at] = _mended(outcomes[at], origin, code, message)
        results, steps = _encode(kept, origin)
        outcomes, counts = kept, _recounted(kept, counts, origin.shard)
    return ShardFiles(outcomes=tuple(outcomes), counts=counts, results=results, steps=steps)


def count_steps(outcome: RowOutcome) -> int:
    """Return the number of steps of a row that have a record."""
    return len({record.step_id for record in outcome.records})


def _encode(outcomes: Sequence[RowOutcome], origin: Origin) -> tuple[bytes, bytes]:
    results = results_file([outcome.result for outcome in outcomes], origin)
    return results, steps_file([record for outcome in outcomes for record in outcome.records], origin)


def _broken(outcomes: Sequence[RowOutcome], places: range, origin: Origin) -> list[tuple[int, str, str]]:
    """Return the rows at `places` that cannot be written, with code and message. Searches by halves, because usually
    only one of many is broken."""
    try:
        _encode([outcomes[at] for at in places], origin)
    except BaseException as fault:
        code, message = told(fault)
        if len(places) == 1:
            return [(places[0], code, message)]
        half = len(places) // 2
        return _broken(outcomes, places[:half], origin) + _broken(outcomes, places[half:], origin)
    return []


def _mended(outcome: RowOutcome, origin: Origin, code: str, message: str) -> RowOutcome:
    """Return the row in a form that can be written: an error, with as many of its records as possible and notes instead
    of the others."""
    status = outcome.result.status if outcome.result.status is Status.INCONCLUSIVE else Status.ERROR
    result = msgspec.structs.replace(
        outcome.result,
        status=status,
        error_code=code,
        error_message=message,
        flaky=False,
        fingerprint=fingerprint_of_error(status, code, message),
    )
    records = tuple(
        record
        if _can_be_written(replace(outcome, records=(record,), result=_bare(result)), origin)
        else _noted(record, message)
        for record in outcome.records
    )
    for mended in (
        replace(outcome, result=result, records=records),
        replace(outcome, result=_bare(result), records=records),
    ):
        if _can_be_written(mended, origin):
            return mended
    return replace(outcome, result=_bare(result), records=())


def _can_be_written(outcome: RowOutcome, origin: Origin) -> bool:
    try:
        _encode([outcome], origin)
    except BaseException as fault:
        told(fault)
        return False
    return True


def _bare(result: RowResult) -> RowResult:
    return RowResult(
        row_index=result.row_index,
        row_key=well_formed(result.row_key),
        status=result.status,
        error_code=result.error_code,
        error_message=result.error_message,
        resumed=result.resumed,
        requests=result.requests,
        fingerprint=result.fingerprint,
    )


def _noted(record: StepRecord, message: str) -> StepRecord:
    return StepRecord(
        row_index=record.row_index,
        row_key=well_formed(record.row_key),
        step_id=record.step_id,
        step_index=record.step_index,
        attempt=record.attempt,
        status=record.status,
        error_code=record.error_code,
        error_message=f"the evidence of this attempt could not be written: {message}",
    )


def _recounted(outcomes: Sequence[RowOutcome], counts: Counts, shard: int) -> Counts:
    counter = ShardCounter(shard, quarantined=counts.quarantined)
    for outcome in outcomes:
        counter.add(outcome.result, steps=count_steps(outcome), earlier=False)
    return counter.counts
