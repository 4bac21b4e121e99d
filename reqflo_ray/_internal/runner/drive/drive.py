"""The driver: takes a run from its record to its manifest, in an order that makes a crash at any point harmless.

Epoch ▸ rows and plan ▸ shards ▸ verdict ▸ manifest ▸ cleanup. It holds 56 bytes per shard, its line of the plan, and
nothing that grows with the rows. It must not know which backend executes the shards.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from typing import Final, NamedTuple

from reqflo_ray._internal.datasets.faults import no_row
from reqflo_ray._internal.errors import (
    DatasetError,
    IntegrityError,
    NothingSelectedError,
    Problem,
    ReqfloError,
    StoreError,
)
from reqflo_ray._internal.model import instants
from reqflo_ray._internal.model.artifact import Artifact
from reqflo_ray._internal.model.clock import Clock
from reqflo_ray._internal.model.plan import Plan, RunRecord
from reqflo_ray._internal.model.results import Commit, Counts, Failure, Status, Verdict, exit_code, worst_status
from reqflo_ray._internal.process import fill_standard_descriptors
from reqflo_ray._internal.runner.drive.backend import ShardBackend, Work
from reqflo_ray._internal.runner.drive.ownership import SILENCE_SECONDS, Stop, claim_run, heartbeat
from reqflo_ray._internal.runner.progress.listener import Listener, RunOutcome
from reqflo_ray._internal.runner.progress.run import RunProgress
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.runs.folder.completion import clean_up, complete
from reqflo_ray._internal.runs.folder.owner import this_process
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.runs.folder.sealing import keep_sealing
from reqflo_ray._internal.runs.staging.rows import need_plan, planned

# The number of times that a shard is dispatched if it is returned unfinished without a stop: another attempt had it.
_PASSES: Final = 3


class _End(NamedTuple):
    """How a run ended under this driver: its verdict, so far if the run is unfinished; `journaled` counts the rows that
    are only in journals."""

    verdict: Verdict
    exit_code: int
    journaled: int = 0


def drive(
    folder: RunFolder,
    *,
    choose_backend: Callable[[int], tuple[ShardBackend, str]],
    stage: Callable[[RunRecord, Artifact], None],
    listener: Listener,
    clock: Clock,
    resumed: bool,
    take_over: bool = False,
    is_cancelled: Callable[[], bool] | None = None,
) -> RunOutcome:
    """Drive the run in `folder`, whose record exists, as far as possible.

    A finished run is not changed. Nothing is sent, and the outcome is that of its stored verdict.

    Args:
        choose_backend: returns the backend for a number of rows, and the reason for it.
        stage: writes the rows and then the plan; called only if there is no plan.
        is_cancelled: called about four times per second while shards run; True stops the run as a signal does.

    Raises:
        RunConflictError: another driver owns the run.
        DatasetError: the dataset has rows that cannot be used; nothing was sent.
        NothingSelectedError: there are no rows.
        StoreError, ClusterError: the run could not continue; it can be resumed.
    """
    fill_standard_descriptors()  # so that no file opened from here gets the number of a closed standard stream
    record = folder.load_proven_run()
    finished = folder.read_verdict(record)
    if finished is None:
        try:
            end = _drive_unfinished(folder, record, choose_backend, stage, listener, clock, take_over, is_cancelled)
        except ReqfloError as problem:
            no_rows = isinstance(problem, (DatasetError, NothingSelectedError))
            unstaged = record.rerun_of and not folder.storage.exists(folder.path(layout.PLAN))
            if (no_rows or unstaged) and not resumed:
                folder.discard()  # nothing was sent, and there is nothing to resume
            raise
    else:
        listener.started(folder.run_id, "none", "the run is already finished, so nothing is sent", finished.counts.rows)
        end = _End(finished, finished.exit_code)
        # A driver that died right after it wrote the manifest may have left the key.
        folder.storage.remove(folder.path(layout.SEALING_KEY))
    outcome = RunOutcome(
        run_id=folder.run_id,
        store=folder.storage.uri,
        results_path=f"{folder.storage.uri}/{folder.path('')}".rstrip("/"),
        verdict=end.verdict,
        exit_code=end.exit_code,
        complete=folder.is_complete(),
        resumed=resumed,
        journaled=end.journaled,
    )
    listener.finished(outcome)
    return outcome


def _drive_unfinished(
    folder: RunFolder,
    record: RunRecord,
    choose_backend: Callable[[int], tuple[ShardBackend, str]],
    stage: Callable[[RunRecord, Artifact], None],
    listener: Listener,
    clock: Clock,
    take_over: bool,
    is_cancelled: Callable[[], bool] | None,
) -> _End:
    for name, problem in folder.damaged_epochs():
        listener.warning(_unreadable(folder, name, problem))
    epoch = claim_run(folder, this_process(), take_over=take_over, clock=clock, wait=time.sleep)
    stop = Stop(folder, epoch, is_cancelled)
    with ExitStack() as held:
        held.enter_context(heartbeat(folder, epoch, clock))
        artifact = folder.load_artifact(record.artifact)
        keep_sealing(folder, artifact, record)
        plan = _plan(folder, record, artifact, stage)
        progress = RunProgress(
            listener=listener,
            clock=clock,
            rows_total=plan.rows,
            max_failures=record.options.max_failures,
            stop=stop.ask,
        )
        todo = _to_do(folder, plan, progress)
        if todo:
            backend, reason = choose_backend(todo.rows)
            listener.started(folder.run_id, backend.name, reason, plan.rows)
            held.enter_context(backend)
            held.enter_context(stop.by_signals())
            _dispatch(folder, backend, epoch, todo, record.options.rate, progress, stop)
    return _finish(folder, record, plan, progress, stop.exit_code)


def _plan(
    folder: RunFolder, record: RunRecord, artifact: Artifact, stage: Callable[[RunRecord, Artifact], None]
) -> Plan:
    plan = planned(folder)
    if plan is None:
        stage(record, artifact)
        plan = need_plan(folder.storage, folder.run_id)
    if not plan:
        raise no_row()
    return plan


def _to_do(folder: RunFolder, plan: Plan, progress: RunProgress) -> Plan:
    """Return the shards without a commit, and count the committed ones as done."""
    committed = set[int]()
    for commit, restored in folder.storage.each(partial(_commit, folder), folder.committed()):
        if restored is not None:
            progress.warn(restored)
        if commit is not None:
            progress.add_earlier(commit.summary)
            committed.add(commit.shard)
    return plan.without(committed) if committed else plan


def _commit(folder: RunFolder, shard: int) -> tuple[Commit | None, Problem | None]:
    """Return the commit of a shard. A damaged one is restored from the copy in the claim that closed the shard; then
    return a warning, too."""
    try:
        return folder.read_commit(shard), None
    except IntegrityError as problem:
        copy = folder.copy_of_commit(shard)
        if copy is None:
            raise
        folder.restore_commit(copy)
        return copy, _restored(folder, shard, problem)


def _unreadable(folder: RunFolder, name: str, problem: StoreError) -> Problem:
    return Problem.warning(
        "claim_damaged",
        f"`{name}` of run `{folder.run_id}` is damaged, so the process that drove the run is unknown",
        cause=problem.cause,
        hint="wait: if it was the last driver, the run resumes when it has shown no sign of life for"
        f" {SILENCE_SECONDS:.0f} s",
    )


def _restored(folder: RunFolder, shard: int, problem: IntegrityError) -> Problem:
    return Problem.warning(
        "commit_restored",
        f"`{layout.commit(shard)}` of run `{folder.run_id}` was damaged and has been restored from its copy",
        cause=problem.cause,
        hint="check the disk that holds the store",
    )


def _dispatch(
    folder: RunFolder,
    backend: ShardBackend,
    epoch: int,
    todo: Plan,
    rate: float | None,
    progress: RunProgress,
    stop: Stop,
) -> None:
    newer = folder.path(layout.epoch(epoch + 1))
    for _ in range(_PASSES):
        backend.run(Work(folder=folder, epoch=epoch, shards=todo, rate=rate, is_stopping=stop.is_asked), progress)
        progress.tick()
        if stop.problem is not None:
            progress.warn(_hardly_stopped(stop.problem))
        if stop.is_asked() or folder.storage.exists(newer) or progress.errors:
            return
        todo = todo.without(set(folder.committed()))
        if not todo:
            return


def _hardly_stopped(problem: StoreError) -> Problem:
    return Problem.warning(
        "stop_not_written",
        f"workers could not be asked to stop: {problem.message}",
        cause=problem.cause,
        hint="resume the run as usual: it stopped, but requests in flight on other machines may have been interrupted",
    )


def _finish(folder: RunFolder, record: RunRecord, plan: Plan, progress: RunProgress, interrupted: int) -> _End:
    """Write the verdict and the manifest if every shard is committed; otherwise return the state of the run."""
    committed = folder.committed()
    if len(committed) < len(plan):
        for shard in filter(progress.misses, committed):  # the report of a worker may have come too late
            commit = folder.read_commit(shard)
            if commit is not None:
                progress.add(commit.summary)
        code = exit_code(progress.counts, interrupted=interrupted, unfinished=not progress.stopped_by_failures)
        # Rows that passed say nothing about rows that have not ended.
        status = worst_status(progress.counts)
        status = Status.CANCELLED if status is Status.PASSED else status
        verdict = _verdict(record, progress.counts, progress.failures, status, code)
        return _End(verdict, code, progress.journaled)

    def judge(counts: Counts, failures: list[Failure]) -> Verdict:
        return _verdict(record, counts, failures, worst_status(counts), exit_code(counts))

    verdict = complete(folder, judge, len(plan))
    clean_up(folder)
    return _End(verdict, verdict.exit_code)


def _verdict(record: RunRecord, counts: Counts, failures: list[Failure], status: Status, code: int) -> Verdict:
    now = datetime.now(UTC)
    began = instants.read(record.created_at)
    return Verdict(
        run_id=record.run_id,
        journey=record.journey,
        artifact=record.artifact,
        environment=record.environment.name,
        status=status,
        exit_code=code,
        counts=counts,
        started_at=record.created_at,
        finished_at=instants.written(now),
        # The clock may have been set back since, or the run may have started on another machine.
        duration_ms=max(0.0, round((now - began).total_seconds() * 1000, 3)),
        failures=tuple(sorted(failures, key=lambda failure: failure.row_index)),
    )
