"""What the journals of a shard's attempts say together: where each row is, what is unknown, which row kills workers.

Pure: journals in, history out. It must not know files, the journey's meaning, or what is done about a doubt.

An attempt that was replaced may go on for a while and append records that its successors have not read. Its intents
were then not sent: it found the fence closed. Its completions are true, but they must not change what a successor has
built on. So every attempt first says how far it has read the others (`Takeover`); what came later only fills what is
open.
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
    """What became of one step of one row.

    `completions` are its attempts that are over, in order. `in_doubt` is the intent of a request whose outcome is
    unknown; None when the step is finished. `repeats` are what came of sending the finished step again for its
    sensitive captures: evidence, but the step's outcome stays what it was, or later steps that are finished too would
    be lost. `resend_count` is the highest that any of its requests was sent with.
    """

    completions: tuple[Completion, ...] = ()
    in_doubt: Intent | None = None
    repeats: tuple[Completion, ...] = ()
    resend_count: int = 0

    @property
    def final(self) -> Completion | None:
        """How the step ended, None while it is unfinished."""
        return self.completions[-1] if self.completions and self.completions[-1].final else None

    @property
    def attempts_used(self) -> int:
        """How many attempts are over; the request in doubt is not counted."""
        return self.completions[-1].attempt if self.completions else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RowHistory:
    """What is known of one row. A row that no journal names has an empty one.

    `doubtful` are unfinished steps whose request may have been sent though no record says so, since records are lost.
    `last_attempt` is the last of the shard's attempts that worked on the row, 0 if none did; `started_at_us` is the
    start of its earliest recorded step in microseconds since the epoch, 0 if no evidence was kept.
    """

    row: int
    steps: Mapping[str, StepHistory] = field(default_factory=dict)
    doubtful: frozenset[str] = frozenset()
    last_attempt: int = 0
    started_at_us: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardHistory:
    """What all older attempts of a shard left behind.

    `rows` has only rows that a journal names: use `row`. `under_way` are those of them that are not finished.
    `quarantined` is how many records could not be read, `damage` where, by attempt. `blame` says which rows have to run
    alone, or not at all. `takeover` is what the attempt that goes on from here has to append first.
    """

    rows: Mapping[int, RowHistory]
    under_way: frozenset[int]
    doubtful_elsewhere: frozenset[str]
    blame: Blame
    takeover: Takeover
    quarantined: int
    damage: tuple[tuple[int, Damage], ...]

    def row(self, index: int) -> RowHistory:
        """The history of row `index`, also of one that no journal names."""
        return self.rows.get(index) or RowHistory(row=index, doubtful=self.doubtful_elsewhere)


def replay(
    attempts: Sequence[tuple[int, JournalContents]], *, steps: Sequence[str], died: Collection[int] = ()
) -> ShardHistory:
    """Put the journals of `attempts` (number and contents, in any order) together.

    `steps` are the ids of the journey's steps in order. `died` are the attempts that ended with the death of their
    worker; the end of a node or driver, or a stop, is no such death.

    Raises:
        StoreError: `unsupported_journal` if one was written by a version whose format this one does not know.
    """
    for number, contents in attempts:
        if contents.format not in READABLE_FORMATS:
            raise StoreError(
                f"the journal of attempt {number} has format {contents.format}; this version reads up to {FORMAT}",
                code="unsupported_journal",
                hint="resume the run with the version that began it",
            )
    journals = _with_what_was_seen(dict(sorted(attempts)))
    rows: dict[int, _Row] = {}
    for number, index, record, late in _in_the_order_of_knowledge(journals):
        # That an attempt did not know an outcome is no outcome: it follows again from the intent that is open.
        unknown = isinstance(record, Completion) and record.status is Status.INCONCLUSIVE
        if isinstance(record, Intent | Completion | Withdrawn) and not unknown:
            row = rows.get(record.row)
            if row is None:
                row = rows[record.row] = _Row()
            row.add(number, index, record, late=late)
    # Behind this index of its records, nothing is lost from a journal.
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
    """The journals, each with a gap at its end where a later attempt has read more of it than there is now: a file
    that was emptied, cut between two records, or lost looks whole by itself."""
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
    """A record, where it stands, and whether it came too late for a later attempt to read."""

    attempt: int
    position: int
    record: JournalRecord
    late: bool


def _in_the_order_of_knowledge(journals: Mapping[int, JournalContents]) -> list[_Told]:
    """All records, those last that the newest attempt with a takeover has not read of the others.

    What it has read is ordered as it was ordered for it, so that everybody comes to the same knowledge again.
    """
    known = {number: len(contents.records) for number, contents in journals.items()}  # so much of each, in order
    parts: list[list[_Told]] = []  # from what the newest attempts knew back to what the oldest did
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
    """The last attempt whose takeover is known, and how far it had read the others; 0 if there is none."""
    for number in reversed(known):
        first = journals[number].records[0] if known[number] else None
        if isinstance(first, Takeover):
            return number, first.seen
    return 0, {}


class _Row:
    """Gathers the records of one row, in order."""

    __slots__ = ("last", "steps")

    def __init__(self) -> None:
        self.last: dict[int, tuple[int, str]] = {}  # by journal: index and step of the row's last record
        self.steps: dict[str, _Step] = {}

    def add(self, attempt: int, index: int, record: Intent | Completion | Withdrawn, *, late: bool) -> None:
        step = self.steps.get(record.step)
        if step is None:
            step = self.steps[record.step] = _Step()
        if step.final:
            # Sent again for its sensitive captures, by a row that is somewhere behind this step.
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
        # Steps run strictly one after the other. So a record behind the last gap shows where the row was: only steps
        # before that one can have lost records. Without such a record the row may have got anywhere.
        reached = 0
        for journal, start in whole_from.items():
            index, step = self.last.get(journal, (-1, ""))
            reached = max(reached, order.get(step, len(order)) if index >= start else len(order))
        return frozenset(
            name for name, place in order.items() if place < reached and (name not in steps or not steps[name].final)
        )


class _Step:
    """Gathers the records of one step of one row, in order."""

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
        # Only the journal's own intent: an earlier attempt may really have sent the same request.
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
            return  # a finished step stays finished, also if it was sent again while nobody knew that it was
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
