"""Runs a shard: claim ▸ replay ▸ rows ▸ result files ▸ commit. Every backend uses the same coroutine.

Any process may call it again at any time: a committed shard is returned, and an unfinished one is taken over. It does
not raise when something goes wrong in a run; the report says how the shard ended.
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

# A shard is abandoned after this many deaths of workers without progress and without a row that causes them.
_DEATHS_WITHOUT_PROGRESS: Final = 6
# The time for which suspected rows of a shard may keep all other rows of their worker waiting.
_ALONE_SECONDS: Final = 1.0


async def run_shard(worker: Worker, plan: ShardPlan, epoch: int) -> ShardReport:
    """Run the remaining rows of a shard and commit it.

    Args:
        epoch: the claim of the driver; a later claim stops the shard.
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
    """Return the report of an unfinished shard, which another attempt continues, now or after a resume."""
    return _with_progress(worker, ShardReport(shard=shard, outcome=ShardOutcome.SUSPENDED))


def _with_progress(worker: Worker, report: ShardReport) -> ShardReport:
    counter = worker.counters.pop(report.shard, None)
    return report if counter is None else msgspec.structs.replace(report, progress=counter.progress())


def internal_fault(shard: int, error: BaseException) -> ShardReport:
    """Return the report of a shard with an unexpected error. It names only its type and place, because the text may
    quote what must not leave the worker."""
    return ShardReport(
        shard=shard,
        outcome=ShardOutcome.ERROR,
        error_code=INTERNAL_ERROR,
        message=f"the worker failed with {place_of(error)}",
        hint="report this defect of reqflo-ray; the run can be resumed",
    )


async def _run_shard(worker: Worker, plan: ShardPlan, epoch: int) -> ShardReport:
    folder = worker.folder
    done = await asyncio.to_thread(folder.read_commit, plan.shard)
    if done is not None:
        return ShardReport(shard=plan.shard, outcome=ShardOutcome.COMMITTED, summary=done.summary)
    number = await asyncio.to_thread(folder.claim_attempt, plan.shard, epoch)
    if isinstance(number, Commit):
        return ShardReport(shard=plan.shard, outcome=ShardOutcome.COMMITTED, summary=number.summary)
    # Only after the claim: from now on, an older attempt does not send what it appends.
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
            # The first record: what this attempt has read of the older ones, so that its successors use the same.
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
    """The ended rows of an attempt, with their counts. `earlier` holds the attempts under earlier drivers."""

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
    """Return what older attempts have journaled, and the numbers of those under earlier drivers."""
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
    """Return the journal, or one that counts as lost if it has no name and holds rows of another shard."""
    rows = range(plan.first_row, plan.first_row + plan.rows)
    if all(isinstance(record, Takeover) or record.row in rows for record in contents.records):
        return contents
    return JournalContents(gaps=(Gap(before=0, count=len(contents.records)),))


def _read_staged(worker: Worker, plan: ShardPlan) -> Sequence[Row]:
    path = worker.folder.path(layout.rows(plan.shard))
    return read_rows(worker.folder.storage, path, sha256=plan.sha256, sealer=worker.sealer)


async def _run_rows(worker: Worker, attempt: ShardAttempt, rows: Sequence[Row], ended: _EndedRows) -> None:
    """Run all rows of the shard; first, and one at a time, those that are suspected of killing their worker."""
    history = ended.history
    blame = history.blame
    if blame.deaths_without_progress >= _DEATHS_WITHOUT_PROGRESS:
        raise ClusterError(
            f"{blame.deaths_without_progress} workers died on this shard without finishing a single step",
            code="workers_keep_dying",
            hint="check the logs and the memory of the workers, then resume the run",
        )
    finished = history.rows.keys() - history.under_way
    alone = set(blame.suspects) | ({row.index for row in rows} - finished if blame.all_alone else set())
    suspects = deque(row for row in rows if row.index in alone & history.under_way)
    suspects += [row for row in rows if row.index in alone - history.under_way]
    under_way = deque(row for row in rows if row.index in history.under_way - alone)
    waiting = deque(row for row in rows if row.index not in alone | history.under_way)
    while suspects:
        # All rows in flight must end first, so several suspects use the quiet time before the others continue.
        async with worker.alone():
            ends = worker.clock.monotonic() + _ALONE_SECONDS
            while suspects and worker.clock.monotonic() < ends:
                ended.add(await _run_alone(worker, attempt, suspects.popleft(), history))

    async def take_rows(waiting: deque[Row], *, first: bool) -> None:
        while waiting and await worker.rows.take(waiting, first=first):
            try:
                # The place is kept from row to row, so that a started shard continues and its rows share writes.
                while waiting and (first or not worker.rows.is_wanted_first):
                    ended.add(await _run_row(worker, attempt, waiting.popleft(), history))
            finally:
                worker.rows.give_back()

    most = worker.run.options.concurrency
    takers = [take_rows(under_way, first=True) for _ in range(min(len(under_way), most))]
    takers += [take_rows(waiting, first=False) for _ in range(min(len(waiting), most))]
    await _all_or_first_error([asyncio.ensure_future(taker) for taker in takers])


async def _run_alone(worker: Worker, attempt: ShardAttempt, row: Row, history: ShardHistory) -> RowOutcome:
    """Run a row alone, between two records: if the worker dies between them, the row is the cause."""
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
        # An error that the row could not handle itself; only the row that it belongs to is known.
        outcome = broken_row(row, history.row(row.index), *told(fault), worker.clock.now_us())
    finally:
        metrics.rows_in_flight -= 1
    metrics.rows[outcome.result.status] += 1
    return outcome


def _poisoned(worker: Worker, attempt: ShardAttempt, row: Row) -> RowOutcome:
    attempt.journal.append(Poisoned(row=row.index))
    code, message = "poison_row", "the worker died each time this row ran, even when it ran alone"
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
    """Wait for all tasks, so that no row outlives its shard, then raise the first error.

    A suspended row does not interrupt the others: each of them stops at its own next step.
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
    # Libraries that write tables open files of their own when they are used for the first time.
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
