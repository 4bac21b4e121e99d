"""Finds the row that kills its workers, from what the journals say about each death. Pure; part of replay.

After two deaths, the rows that were in flight at both, and completed nothing in between, have to run one at a time. A
row that is alone when its worker dies, three times without progress, is the cause: fewer deaths may be chance if
something else kills workers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from reqflo_ray._internal.model.journal import Completion, Intent, JournalRecord, Poisoned, Solo, Takeover, Withdrawn

# So many deaths while a row runs alone, without progress, prove that the row is the cause.
_PROOF: Final = 3
# Up to this many deaths before any row of the shard has started count as chance.
_DEATHS_WHILE_WAITING: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Blame:
    """What the deaths of a shard's workers say about its rows.

    `poisoned` rows are not run again. `suspects` run first, each alone between two `Solo` records. `all_alone`: two
    workers died without any completion or any common row in flight, so that every unfinished row has to run alone.
    `deaths_without_progress` is the number of deaths since the last completion: running a shard again does not help if
    its workers die repeatedly and no row is the cause.
    """

    poisoned: frozenset[int] = frozenset()
    suspects: tuple[int, ...] = ()
    all_alone: bool = False
    deaths_without_progress: int = 0


@dataclass(slots=True)
class _End:
    """The state of one attempt at its end."""

    in_flight: set[int] = field(default_factory=set)
    progressed: set[int] = field(default_factory=set)
    alone: int | None = None
    cleared: set[int] = field(default_factory=set)
    poisoned: set[int] = field(default_factory=set)


def blame(journals: Sequence[tuple[int, Sequence[JournalRecord]]], died: Collection[int]) -> Blame:
    """Judge the rows from the journals of all attempts, in order, and the attempts that ended with a worker's death."""
    done: set[tuple[int, str, int]] = set()
    ends = {number: _end(records, done) for number, records in journals}
    deaths = _deaths_that_count(dict(journals), died)
    poisoned = {row for end in ends.values() for row in end.poisoned}
    alone = _deaths_alone(ends, died)
    poisoned |= {row for row, count in alone.items() if count >= _PROOF}
    suspects = set(alone)
    without_progress = min(len(deaths), 1)
    common: set[int] = set()
    for earlier, later in pairwise(deaths):
        progressed = {row for number, end in ends.items() if earlier < number <= later for row in end.progressed}
        common = ends.get(earlier, _End()).in_flight & ends.get(later, _End()).in_flight - progressed
        cleared = {row for number, end in ends.items() if number > later for row in end.cleared}
        suspects |= common - cleared
        if ends.get(later, _End()).alone is None:  # otherwise that row is the cause, or will be
            without_progress = 1 if progressed else without_progress + 1
        elif progressed:
            without_progress = 0
    if deaths and any(end.progressed for number, end in ends.items() if number > deaths[-1]):
        without_progress = 0
    blamed_last = bool(deaths) and ends.get(deaths[-1], _End()).alone is not None
    return Blame(
        poisoned=frozenset(poisoned),
        suspects=tuple(sorted(suspects - poisoned)),
        all_alone=without_progress >= 2 and not common and not blamed_last,
        deaths_without_progress=without_progress,
    )


def _deaths_that_count(journals: Mapping[int, Sequence[JournalRecord]], died: Collection[int]) -> list[int]:
    """Return the deaths that count for the shard, in order.

    While other shards occupy a worker, this one has read its rows and waits. A death in that time is not caused by this
    shard, unless it happens repeatedly.
    """
    counting, waiting = [], 0
    for number in sorted(died):
        records = journals.get(number, ())
        waited = bool(records) and all(isinstance(record, Takeover) for record in records)
        waiting += waited
        if not waited or waiting > _DEATHS_WHILE_WAITING:
            counting.append(number)
    return counting


def _deaths_alone(ends: Mapping[int, _End], died: Collection[int]) -> Counter[int]:
    """Count how often each row was alone when its worker died, since its last progress."""
    count: Counter[int] = Counter()
    for number, end in ends.items():
        for row in end.progressed | end.cleared:
            count.pop(row, None)
        if number in died and end.alone is not None:
            count[end.alone] += 1
    return count


def _end(records: Sequence[JournalRecord], done: set[tuple[int, str, int]]) -> _End:
    """Return the state of an attempt at its end. Its completions are added to `done`, those of earlier attempts."""
    end = _End()
    for record in records:
        match record:
            case Solo(row=row, over=over):
                end.alone = None if over else row
                if over:
                    end.cleared.add(row)
            case Poisoned(row=row):
                end.poisoned.add(row)
                end.alone = None if end.alone == row else end.alone
            case Intent(row=row):
                end.in_flight.add(row)
            case Completion(row=row, step=step, attempt=attempt):
                end.in_flight.discard(row)
                # A step that was sent again for its sensitive values is not progress of the row.
                if (row, step, attempt) not in done:
                    end.progressed.add(row)
                    done.add((row, step, attempt))
            case Withdrawn(row=row):
                end.in_flight.discard(row)
        # Another row has a record, so that this one was no longer alone, even if its `Solo` record is lost.
        if isinstance(record, Intent | Completion | Withdrawn) and record.row != end.alone:
            end.alone = None
    return end
