"""Combines the journals of a shard's attempts: how far each row is, what is unknown, and which row kills workers.

Pure: journals in, history out. It must not know files, the meaning of the journey, or what happens to unknown requests.

An attempt that was replaced may run on for a while and append records that its successors have not read. Its intents
were then not sent, because it found the fence closed. Its completions are true, but they must not change what a
successor relies on. Therefore every attempt first records how far it has read the others (`Takeover`); later records
of those only complete open steps.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from reqflo_ray._internal.errors import StoreError
from reqflo_ray._internal.journal.poison import Blame, blame
from reqflo_ray._internal.journal.reader import Damage, Gap, JournalContents
from reqflo_ray._internal.journal.records import FORMAT, READABLE_FORMATS
from reqflo_ray._internal.model.journal import Completion, Intent, JournalRecord, Takeover, Withdrawn
from reqflo_ray._internal.model.results import ResendReason, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class StepHistory:
    """The history of one step of one row.

    `completions` are its ended attempts, in order. `in_doubt` is the intent of a request whose outcome is unknown; None
    if the step is finished. `repeats` are the completions of a finished step that was sent again for its sensitive
    captures: they are evidence, but do not change the outcome of the step, because finished later steps depend on it.
    `resend_count` is the highest `resend_count` of its requests.
    """

    completions: tuple[Completion, ...] = ()
    in_doubt: Intent | None = None
    repeats: tuple[Completion, ...] = ()
    resend_count: int = 0

    @property
    def final(self) -> Completion | None:
        """The last completion of a finished step, else None."""
        return self.completions[-1] if self.completions and self.completions[-1].final else None

    @property
    def attempts_used(self) -> int:
        """The number of ended attempts, without the request whose outcome is unknown."""
        return self.completions[-1].attempt if self.completions else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RowHistory:
    """The history of one row; empty for a row that no journal names.

    `doubtful` are unfinished steps whose request may have been sent although no record says so, because records are
    lost. `last_attempt` is the last attempt of the shard that worked on the row, 0 if none did. `started_at_us` is the
    start of the earliest recorded step in microseconds since the epoch, 0 if no evidence was kept.
    """

    row: int
    steps: Mapping[str, StepHistory] = field(default_factory=dict)
    doubtful: frozenset[str] = frozenset()
    last_attempt: int = 0
    started_at_us: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardHistory:
    """The history of all older attempts of a shard.

    `rows` has only rows that a journal names; use `row` instead. `under_way` are those that are not finished.
    `quarantined` is the number of records that could not be read, `damage` their places by attempt. `blame` says which
    rows have to run alone, or not at all. `takeover` is the first record that the next attempt has to append.
    """

    rows: Mapping[int, RowHistory]
    under_way: frozenset[int]
    doubtful_elsewhere: frozenset[str]
    blame: Blame
    takeover: Takeover
    quarantined: int
    damage: tuple[tuple[int, Damage], ...]

    def row(self, index: int) -> RowHistory:
        """Return the history of row `index`, also of one that no journal names."""
        return self.rows.get(index) or RowHistory(row=index, doubtful=self.doubtful_elsewhere)


def replay(
    attempts: Sequence[tuple[int, JournalContents]], *, steps: Sequence[str], died: Collection[int] = ()
) -> ShardHistory:
    """Combine the journals of `attempts` (number and contents, in any order).

    `steps` are the IDs of the journey's steps in order. `died` are the attempts that ended with the death of their
    worker, not with a stop or the end of a node or driver.

    Raises:
        StoreError: `unsupported_journal` if a journal has a format that this version does not support.
    """
    for number, contents in attempts:
        if contents.format not in READABLE_FORMATS:
            raise StoreError(
                f"the journal of attempt {number} has format {contents.format}; this version reads up to {FORMAT}",
                code="unsupported_journal",
                hint="resume the run with the version that started it",
            )
    journals = _with_what_was_seen(dict(sorted(attempts)))
    rows: dict[int, _Row] = {}
    for number, index, record, late in _in_the_order_of_knowledge(journals):
        # An inconclusive completion is not an outcome: the open intent shows again that it is unknown.
        unknown = isinstance(record, Completion) and record.status is Status.INCONCLUSIVE
        if isinstance(record, Intent | Completion | Withdrawn) and not unknown:
            row = rows.get(record.row)
            if row is None:
                row = rows[record.row] = _Row()
            row.add(number, index, record, late=late)
    # From this index of its records on, a journal is complete.
    whole_from = {number: contents.gaps[-1].before for number, contents in journals.items() if contents.gaps}
    order = {step: place for place, step in enumerate(steps)}
    under_way = (
        index for index, row in rows.items() if not all(step in row.steps and row.steps[step].final for step in steps)
    )
    return ShardHistory(
        rows={index: row.history(index, order, whole_from) for index, row in rows.items()},
        under_way=frozenset(under_way),
        doubtful_elsewhere=frozenset(steps) if whole_from else frozenset(),
        blame=blame([(number, contents.records) for number, contents in journals.items()], died),
        takeover=Takeover(seen={number: contents.written for number, contents in journals.items()}),
        quarantined=sum(contents.lost for contents in journals.values()),
        damage=tuple((number, damage) for number, contents in journals.items() for damage in contents.damage),
    )


def _with_what_was_seen(journals: Mapping[int, JournalContents]) -> dict[int, JournalContents]:
    """Add a gap at the end of each journal of which a later attempt has read more records than there are now.

    Without this, a file that was emptied, cut between two records, or lost would look complete.
    """
    seen: dict[int, int] = {}
    for contents in journals.values():
        if contents.records and isinstance(contents.records[0], Takeover):
            for number, written in contents.records[0].seen.items():
                seen[number] = max(written, seen.get(number, 0))
    whole = dict(journals)
    for number, written in seen.items():
        found = journals.get(number, JournalContents())
        if found.written < written:
            gap = Gap(before=len(found.records), count=written - found.written)
            whole[number] = replace(found, gaps=(*found.gaps, gap))
    return dict(sorted(whole.items()))


class _Told(NamedTuple):
    """A record, its position, and whether it was appended too late for a later attempt to read."""

    attempt: int
    position: int
    record: JournalRecord
    late: bool


def _in_the_order_of_knowledge(journals: Mapping[int, JournalContents]) -> list[_Told]:
    """Return all records; last are those of other attempts that the newest attempt with a takeover has not read.

    Records that it has read keep the order in which it read them, so that every attempt reaches the same result.
    """
    known = {
        number: len(contents.records) for number, contents in journals.items()
    }  # number of known records of each, in order
    parts: list[list[_Told]] = []  # from what the newest attempts knew to what the oldest knew
    while known:
        newest, seen = _newest_takeover(journals, known)
        read = {
            number: min(journals[number].readable(seen.get(number, 0)), end)
            for number, end in known.items()
            if number < newest
        }
        part: list[_Told] = []
        for number, end in known.items():
            if number >= newest:
                records = journals[number].records[:end]
                part += [_Told(number, index, record, False) for index, record in enumerate(records)]
        for number, begin in read.items():
            if begin < known[number]:
                late = journals[number].records[begin : known[number]]
                part += [_Told(number, begin + index, record, True) for index, record in enumerate(late)]
        parts.append(part)
        known = read
    return [told for part in reversed(parts) for told in part]


def _newest_takeover(
    journals: Mapping[int, JournalContents], known: Mapping[int, int]
) -> tuple[int, Mapping[int, int]]:
    """Return the last attempt whose takeover is known, and how far it had read the others; 0 if there is none."""
    for number in reversed(known):
        first = journals[number].records[0] if known[number] else None
        if isinstance(first, Takeover):
            return number, first.seen
    return 0, {}


class _Row:
    """Collects the records of one row, in order."""

    __slots__ = ("last", "steps")

    def __init__(self) -> None:
        self.last: dict[int, tuple[int, str]] = {}  # by journal: index and step of the last record of the row
        self.steps: dict[str, _Step] = {}

    def add(self, attempt: int, index: int, record: Intent | Completion | Withdrawn, *, late: bool) -> None:
        step = self.steps.get(record.step)
        if step is None:
            step = self.steps[record.step] = _Step()
        if step.final:
            # The step was sent again for its sensitive captures, by a row that is at a later step.
            self.last.setdefault(attempt, (-1, ""))
        else:
            self.last[attempt] = (index, record.step)
        if isinstance(record, Completion):
            if not late or (record.final and not step.final):
                step.complete(attempt, record)
        elif isinstance(record, Intent):
            if not late:
                step.intend(attempt, record)
        else:
            step.withdraw(attempt, record)

    def history(self, row: int, order: Mapping[str, int], whole_from: Mapping[int, int]) -> RowHistory:
        steps = {name: step.history() for name, step in self.steps.items()}
        evidence = (completion.record for step in steps.values() for completion in step.completions)
        return RowHistory(
            row=row,
            steps=steps,
            doubtful=self._doubtful(steps, order, whole_from) if whole_from else frozenset(),
            last_attempt=max(self.last),
            started_at_us=min((record.started_at_us for record in evidence if record is not None), default=0),
        )

    def _doubtful(
        self, steps: Mapping[str, StepHistory], order: Mapping[str, int], whole_from: Mapping[int, int]
    ) -> frozenset[str]:
        # Steps run strictly one after another, so that a record after the last gap shows where the row was: only steps
        # before that one can have lost records. Without such a record, the row may have reached any step.
        reached = 0
        for journal, start in whole_from.items():
            index, step = self.last.get(journal, (-1, ""))
            reached = max(reached, order.get(step, len(order)) if index >= start else len(order))
        return frozenset(
            name for name, place in order.items() if place < reached and (name not in steps or not steps[name].final)
        )


class _Step:
    """Collects the records of one step of one row, in order."""

    __slots__ = ("completions", "final", "open", "repeating", "repeats", "resend_count")

    def __init__(self) -> None:
        self.completions: dict[int, Completion] = {}
        self.final = False
        self.open: list[tuple[int, Intent]] = []  # intents without completion, each with its journal
        self.repeats: list[Completion] = []
        self.repeating: set[int] = set()  # journals whose attempt sent the finished step again
        self.resend_count = 0

    def intend(self, journal: int, intent: Intent) -> None:
        self.open.append((journal, intent))
        self.resend_count = max(self.resend_count, intent.resend_count)
        if intent.resend_reason is ResendReason.SENSITIVE:
            self.repeating.add(journal)

    def withdraw(self, journal: int, withdrawn: Withdrawn) -> None:
        # Only an intent of the same journal: an earlier attempt may really have sent the same request.
        for place in range(len(self.open) - 1, -1, -1):
            owner, intent = self.open[place]
            if owner == journal and intent.attempt == withdrawn.attempt:
                del self.open[place]
                return

    def complete(self, journal: int, completion: Completion) -> None:
        if self.final and journal in self.repeating:
            self.repeats.append(completion)
            return
        self.open = [entry for entry in self.open if entry[1].attempt > completion.attempt]
        if self.final and not completion.final:
            return  # a finished step stays finished, even if it was sent again before that was known
        if completion.final:
            self.final = True
            self.completions = {number: old for number, old in self.completions.items() if number < completion.attempt}
        self.completions[completion.attempt] = completion

    def history(self) -> StepHistory:
        in_doubt: Intent | None = None
        for _, intent in self.open if not self.final else ():
            if in_doubt is None or intent.attempt >= in_doubt.attempt:
                in_doubt = intent
        return StepHistory(
            completions=tuple(completion for _, completion in sorted(self.completions.items())),
            in_doubt=in_doubt,
            repeats=tuple(self.repeats),
            resend_count=self.resend_count,
        )
