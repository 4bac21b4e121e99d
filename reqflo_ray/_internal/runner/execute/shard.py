"""Runs one shard: claim ▸ replay ▸ rows ▸ result files ▸ commit. The same coroutine in every backend.

It is safe to call again, by anybody, at any time: a committed shard is returned, an unfinished one is taken over. It
never raises for what can go wrong with a run; the report says how it ended.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from reqflo_ray._internal.descriptors import when_one_is_free
from reqflo_ray._internal.engine.identity import journal_name
from reqflo_ray._internal.errors import ClusterError, ReqfloError
from reqflo_ray._internal.fault_place import place_of
from reqflo_ray._internal.journal.reader import Gap, JournalContents
from reqflo_ray._internal.journal.replay import ShardHistory, replay
from reqflo_ray._internal.journal.writer import JournalWriter
from reqflo_ray._internal.model.journal import Poisoned, Solo, Takeover
from reqflo_ray._internal.model.plan import Durability, Row, ShardPlan
from reqflo_ray._internal.model.results import (
    INTERNAL_ERROR,
    NAMED_FAILURES,
    TABLE_VERSION,
    Commit,
    Failure,
    FileDigest,
    RowResult,
    ShardOutcome,
    ShardReport,
    ShardSummary,
    Status,
)
from reqflo_ray._internal.runner.execute.fence import Fence
from reqflo_ray._internal.runner.execute.journals import read_journals
from reqflo_ray._internal.runner.execute.row.conclusion import fingerprint_of_error
from reqflo_ray._internal.runner.execute.row.containment import told
from reqflo_ray._internal.runner.execute.row.context import ShardAttempt, Suspended
from reqflo_ray._internal.runner.execute.row.row import RowOutcome, RowRunner, broken_row
from reqflo_ray._internal.runner.execute.shard_files import count_steps, encode_files
from reqflo_ray._internal.runner.execute.worker.worker import Worker
from reqflo_ray._internal.runner.progress.metrics import MeasuredLog
from reqflo_ray._internal.runner.progress.shard import ShardCounter, failure_of
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.runs.results.writer import Origin
from reqflo_ray._internal.runs.staging.rows import read_rows

# A shard whose workers die this often without finishing anything, and without a row to blame, is given up.
_DEATHS_WITHOUT_PROGRESS: Final = 6
# For so long the rows under suspicion of one shard keep all others of their worker waiting.
_ALONE_SECONDS: Final = 1.0


async def run_shard(worker: Worker, plan: ShardPlan, epoch: int) -> ShardReport:
    """Run what is left of a shard and commit it.

    Args:
        epoch: the driver's claim under which this happens; a later claim stops it.
    """
    try:
        report = await _run_shard(worker, plan, epoch)
    except Suspended:
        return suspended(worker, plan.shard)
    except ReqfloError as error:
        report = ShardReport(
            shard=plan.shard,
            outcome=ShardOutcome.ERROR,
            error_code=error.code,
            message=worker.redactor.text(error.message),
            hint=error.hint,
        )
    except Exception as error:
        report = internal_fault(plan.shard, error)
    return _with_progress(worker, report)


def suspended(worker: Worker, shard: int) -> ShardReport:
    """The report of a shard that is not finished: somebody else goes on with it, now or after a resume."""
    return _with_progress(worker, ShardReport(shard=shard, outcome=ShardOutcome.SUSPENDED))


def _with_progress(worker: Worker, report: ShardReport) -> ShardReport:
    counter = worker.counters.pop(report.shard, None)
    return report if counter is None else msgspec.structs.replace(report, progress=counter.progress())


def internal_fault(shard: int, error: BaseException) -> ShardReport:
    """The report of a shard that met an error which nobody foresaw: its kind and place only, since its text may quote
    what must not leave the worker."""
    return ShardReport(
        shard=shard,
        outcome=ShardOutcome.ERROR,
        error_code=INTERNAL_ERROR,
        message=f"the worker failed with {place_of(error)}",
        hint="this is a fault of reqflo-ray; the run can be resumed",
    )


async def _run_shard(worker: Worker, plan: ShardPlan, epoch: int) -> ShardReport:
    folder = worker.folder
    done = await asyncio.to_thread(folder.read_commit, plan.shard)
    if done is not None:
        return ShardReport(shard=plan.shard, outcome=ShardOutcome.COMMITTED, summary=done.summary)
    number = await asyncio.to_thread(folder.claim_attempt, plan.shard, epoch)
    if isinstance(number, Commit):
        return ShardReport(shard=plan.shard, outcome=ShardOutcome.COMMITTED, summary=number.summary)
    # Only after the claim: what an older attempt appends from now on, it will not send.
    history, earlier = await asyncio.to_thread(_read_history, worker, plan, number, epoch)
    rows = await asyncio.to_thread(_read_staged, worker, plan)
    ended = _EndedRows(ShardCounter(plan.shard, quarantined=history.quarantined), history, earlier)
    worker.counters[plan.shard] = ended.counter
    log = await asyncio.to_thread(folder.open_journal, plan.shard, number)
    measured = MeasuredLog(log, worker.metrics, worker.clock)
    name = journal_name(worker.run.nonce, plan.shard, number)
    journal = JournalWriter(measured, durability=worker.run.options.durability, name=name)
    try:
        await journal.begin()
        await asyncio.to_thread(folder.note_journal, plan.shard, number)
        fence = Fence(lambda: folder.fence_open(epoch, plan.shard, number), is_near=folder.storage.is_near)
        attempt = ShardAttempt(
            journal=journal,
            may_send=fence.is_open,
            takes_over=number > 1,
            cautious=history.blame.deaths_without_progress > 0 and not log.outlives_process,
        )
        if number > 1:
            # First of all: what this attempt knows of the older ones, lest its successors are told otherwise.
            journal.append(history.takeover)
        await _run_rows(worker, attempt, rows, ended)
    finally:
        await journal.close()
    commit = await asyncio.to_thread(_write_files, worker, plan, epoch, number, ended)
    if await asyncio.to_thread(folder.commit, commit):
        return ShardReport(shard=plan.shard, outcome=ShardOutcome.COMMITTED, summary=commit.summary)
    await asyncio.to_thread(folder.drop_files, commit)
    raise Suspended


@dataclass(frozen=True, slots=True)
class _EndedRows:
    """The rows of an attempt that have ended, counted. `earlier`: the attempts that earlier drivers had made."""

    counter: ShardCounter
    history: ShardHistory
    earlier: frozenset[int]
    outcomes: list[RowOutcome] = field(default_factory=list)

    def add(self, outcome: RowOutcome) -> None:
        self.outcomes.append(outcome)
        result = outcome.result
        self.counter.add(
            result,
            steps=count_steps(outcome),
            earlier=outcome.replayed and self.history.row(result.row_index).last_attempt in self.earlier,
        )


def _read_history(worker: Worker, plan: ShardPlan, number: int, epoch: int) -> tuple[ShardHistory, frozenset[int]]:
    """What older attempts left behind, and which of them were made under earlier drivers."""
    synced = worker.run.options.durability is Durability.HOST
    claims = worker.folder.attempts(plan.shard) if number > 1 else []
    contents = read_journals(worker.folder, worker.run.nonce, plan.shard, claims, before=number, synced=synced)
    history = replay(
        [(attempt, _own_records(found, plan)) for attempt, found in contents.items()],
        steps=[prepared.step.id for prepared in worker.program.steps],
        died=worker.folder.worker_deaths(claims, number, worker.node_lives),
    )
    return history, frozenset(attempt for attempt, claim in claims if claim.epoch < epoch)


def _own_records(contents: JournalContents, plan: ShardPlan) -> JournalContents:
    """A journal without a name that speaks of another shard's rows has taken the place of ours, which is lost."""
    rows = range(plan.first_row, plan.first_row + plan.rows)
    if all(isinstance(record, Takeover) or record.row in rows for record in contents.records):
        return contents
    return JournalContents(gaps=(Gap(before=0, count=len(contents.records)),))


def _read_staged(worker: Worker, plan: ShardPlan) -> Sequence[Row]:
    path = worker.folder.path(layout.rows(plan.shard))
    return read_rows(worker.folder.storage, path, sha256=plan.sha256, sealer=worker.sealer)


async def _run_rows(worker: Worker, attempt: ShardAttempt, rows: Sequence[Row], ended: _EndedRows) -> None:
    """All rows of the shard; those under suspicion of killing their worker first, and one at a time."""
    history = ended.history
    blame = history.blame
    if blame.deaths_without_progress >= _DEATHS_WITHOUT_PROGRESS:
        raise ClusterError(
            f"{blame.deaths_without_progress} workers died on this shard without finishing a single step",
            code="workers_keep_dying",
            hint="look at the workers' logs and memory; the run can be resumed",
        )
    finished = history.rows.keys() - history.under_way
    alone = set(blame.suspects) | ({row.index for row in rows} - finished if blame.all_alone else set())
    suspects = deque(row for row in rows if row.index in alone & history.under_way)
    suspects += [row for row in rows if row.index in alone - history.under_way]
    under_way = deque(row for row in rows if row.index in history.under_way - alone)
    waiting = deque(row for row in rows if row.index not in alone | history.under_way)
    while suspects:
        # To be alone, all rows in flight have to end: so several make use of it, and then others have their turn.
        async with worker.alone():
            ends = worker.clock.monotonic() + _ALONE_SECONDS
            while suspects and worker.clock.monotonic() < ends:
                ended.add(await _run_alone(worker, attempt, suspects.popleft(), history))

    async def take_rows(waiting: deque[Row], *, first: bool) -> None:
        while waiting and await worker.rows.take(waiting, first=first):
            try:
                # Held from row to row: a shard that has begun goes on, and its rows share the writes of one journal.
                while waiting and (first or not worker.rows.is_wanted_first):
                    ended.add(await _run_row(worker, attempt, waiting.popleft(), history))
            finally:
                worker.rows.give_back()

    most = worker.run.options.concurrency
    takers = [take_rows(under_way, first=True) for _ in range(min(len(under_way), most))]
    takers += [take_rows(waiting, first=False) for _ in range(min(len(waiting), most))]
    await _all_or_first_error([asyncio.ensure_future(taker) for taker in takers])


async def _run_alone(worker: Worker, attempt: ShardAttempt, row: Row, history: ShardHistory) -> RowOutcome:
    """Run a row between two records that say so: if the worker dies in between, the row did it."""
    await attempt.journal.note(Solo(row=row.index))
    outcome = await _run_row(worker, attempt, row, history)
    await attempt.journal.note(Solo(row=row.index, over=True))
    return outcome


async def _run_row(worker: Worker, attempt: ShardAttempt, row: Row, history: ShardHistory) -> RowOutcome:
    if worker.stopping.is_set():
        raise Suspended
    metrics = worker.metrics
    metrics.rows_in_flight += 1
    try:
        if row.index in history.blame.poisoned:
            outcome = _poisoned(worker, attempt, row)
        else:
            outcome = await RowRunner(worker, attempt, row, history.row(row.index)).run()
    except BaseException as fault:
        # What a row cannot contain itself: nothing is known but that it is this row's.
        outcome = broken_row(row, history.row(row.index), *told(fault), worker.clock.now_us())
    finally:
        metrics.rows_in_flight -= 1
    metrics.rows[outcome.result.status] += 1
    return outcome


def _poisoned(worker: Worker, attempt: ShardAttempt, row: Row) -> RowOutcome:
    attempt.journal.append(Poisoned(row=row.index))
    code, message = "poison_row", "the worker died each time when this row ran, also when it ran alone"
    return RowOutcome(
        result=RowResult(
            row_index=row.index,
            row_key=row.key,
            status=Status.ERROR,
            error_code=code,
            error_message=message,
            fingerprint=fingerprint_of_error(Status.ERROR, code, message),
            started_at_us=worker.clock.now_us(),
            resumed=True,
        ),
        records=(),
        replayed=True,
    )


async def _all_or_first_error(tasks: list[asyncio.Task[None]]) -> None:
    """Wait for all tasks. When one fails the others are told to end, and are waited for: no row outlives its shard.

    A row that is suspended does not cut the others short: each of them stops at its own next step.
    """
    try:
        done, _ = await asyncio.wait(tasks) if tasks else (set(), None)
    except asyncio.CancelledError:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
    errors = [error for task in done if (error := task.exception()) is not None]
    for error in errors:
        if not isinstance(error, Suspended):
            raise error
    if errors:
        raise errors[0]


def _write_files(worker: Worker, plan: ShardPlan, epoch: int, number: int, ended: _EndedRows) -> Commit:
    folder = worker.folder
    outcomes = sorted(ended.outcomes, key=lambda outcome: outcome.result.row_index)
    # Libraries that write tables open files of their own when they are first used.
    origin = Origin(
        run_id=worker.run.run_id,
        journey=worker.run.journey,
        shard=plan.shard,
        flaky_steps=worker.program.flaky_steps,
    )
    made = when_one_is_free(lambda: encode_files(outcomes, ended.counter.counts, origin))
    records = made.records
    files = (
        _write_table(folder, layout.results(plan.shard, number), made.results, len(made.outcomes)),
        _write_table(folder, layout.steps(plan.shard, number), made.steps, len(records)),
    )
    answered = (record.started_at_us + int(record.duration_ms * 1000) for record in records if record.response_status)
    summary = ShardSummary(
        shard=plan.shard,
        attempt=number,
        counts=made.counts,
        failures=tuple(_failures(made.outcomes)),
        first_response_at_us=min(answered, default=0),
        finished_at_us=worker.clock.now_us(),
    )
    return Commit(shard=plan.shard, attempt=number, epoch=epoch, files=files, summary=summary)


def _write_table(folder: RunFolder, path: str, data: bytes, rows: int) -> FileDigest:
    folder.write_file(path, data)
    digest = hashlib.sha256(data).hexdigest()
    return FileDigest(path=path, sha256=digest, size=len(data), rows=rows, table_version=TABLE_VERSION)


def _failures(outcomes: Sequence[RowOutcome]) -> list[Failure]:
    failed = [outcome.result for outcome in outcomes if outcome.result.status is not Status.PASSED]
    return [failure_of(result) for result in failed[:NAMED_FAILURES]]
