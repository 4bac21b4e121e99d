"""Decides which runs of a store may be deleted, and why the others stay.

It knows runs by their summaries. `deletion` deletes one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from reqflo_ray._internal.errors import ReqfloError, StoreError, UsageError
from reqflo_ray._internal.model.instants import read_or_long_ago
from reqflo_ray._internal.model.plan import RunRecord
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.runs.folder.deletion import Presence, delete_run, presence
from reqflo_ray._internal.runs.folder.owner import this_process
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.runs.folder.run_order import forget
from reqflo_ray._internal.runs.upkeep.history import RunState, RunSummary, list_runs, run_state
from reqflo_ray._internal.storage.protocol import Storage

# Deleting needs more patience than reporting, because the clocks of two machines may differ.
_PATIENCE_S: Final = 3600.0
# No run is older than this project: a clock with an earlier time was not set.
_EARLIEST: Final = datetime(2026, 1, 1, tzinfo=UTC)

RESUMABLE: Final = "it is unfinished and can be resumed"
DAMAGED: Final = "it is damaged"
RUNNING: Final = "it may be running"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A run that was selected for deletion and still exists. `failed`: it could not be deleted. `spared`: it would be
    deleted together with unfinished runs."""

    run_id: str
    reason: str
    failed: bool = False
    spared: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What `prune` removed: runs, and artifacts that no other run names; and the runs that it kept although they were
    selected."""

    runs: tuple[str, ...] = ()
    artifacts: tuple[str, ...] = ()
    kept: tuple[Kept, ...] = ()


def prune(
    storage: Storage,
    now: datetime,
    *,
    keep: int | None = None,
    older_than_s: float | None = None,
    unfinished: bool = False,
    dry_run: bool = False,
) -> Pruned:
    """Delete old runs: all but the `keep` newest, or those created more than `older_than_s` seconds ago; if both are
    set, a run must satisfy both. A run that may be running is never deleted. An artifact stays while a run names it, or
    while the record of any run cannot be read.

    Args:
        unfinished: delete also runs that could be resumed, and damaged ones.

    Raises:
        UsageError: `nothing_to_prune_by` if neither is given, `invalid_prune` if one is negative.
    """
    if keep is None and older_than_s is None:
        raise UsageError(
            "no runs are selected for deletion",
            code="nothing_to_prune_by",
            hint="pass `--keep N` or `--older-than AGE`",
        )
    if (keep or 0) < 0 or (older_than_s or 0) < 0:
        raise UsageError("`--keep` and `--older-than` cannot be negative", code="invalid_prune")
    runs = list_runs(storage, now)
    made = made_at(runs, now)
    old = [
        run
        for number, run in enumerate(runs)
        if (keep is None or number >= keep)
        and (older_than_s is None or (now - made[run.run_id]).total_seconds() > older_than_s)
    ]
    why = {run.run_id: _why_kept(storage, run, now, unfinished=unfinished) for run in old}
    kept = [Kept(run_id=run_id, reason=reason, spared=reason != RUNNING) for run_id, reason in why.items() if reason]
    doomed = [run for run in old if not why[run.run_id]]
    if not dry_run:
        refused = [refusal for run in doomed if (refusal := _delete(storage, run))]
        still_there = {refusal.run_id for refusal in refused}
        doomed = [run for run in doomed if run.run_id not in still_there]
        kept += [*refused, *_finish_earlier_deletions(storage, still_there)]
        forget(storage, [run.run_id for run in doomed])
    gone = {run.run_id for run in doomed}
    # Read again, because a run may have started meanwhile.
    left = [run for run in list_runs(storage, now) if run.run_id not in gone]
    named = {run.artifact for run in left}
    # If a record cannot be read, the artifact of its run is unknown.
    artifacts = [] if "" in named else sorted({run.artifact for run in doomed if run.artifact} - named)
    if not dry_run:
        for digest in artifacts:
            storage.remove(layout.artifact(digest))
    return Pruned(runs=tuple(run.run_id for run in doomed), artifacts=tuple(artifacts), kept=tuple(kept))


def made_at(runs: Sequence[RunSummary], now: datetime) -> dict[str, datetime]:
    """Return for each of `runs`, newest first, the latest instant at which it was created, as far as clocks can be
    trusted.

    A run is not older than one that was created before it. An instant in the future, or before this project existed, is
    ignored: such a run is as old as the one that was created after it.
    """
    made: dict[str, datetime] = {}
    after = now
    for run in runs:
        told = read_or_long_ago(run.created_at)
        after = told if _EARLIEST <= told <= now else after
        made[run.run_id] = after
    before = _EARLIEST
    for run in reversed(runs):
        before = max(before, made[run.run_id])
        made[run.run_id] = before
    return made


def _why_kept(storage: Storage, run: RunSummary, now: datetime, *, unfinished: bool) -> str:
    """Return why an old run must stay; "" if it may be deleted."""
    if run.state is RunState.FINISHED:
        return ""
    if run.state is RunState.DAMAGED and not unfinished:
        return f"{DAMAGED}: {run.problem}"
    if _may_run(RunFolder(storage, run.run_id), run, now):
        return RUNNING
    return "" if unfinished else RESUMABLE


def _may_run(folder: RunFolder, run: RunSummary, now: datetime) -> bool:
    record = RunRecord(run_id=run.run_id, nonce="", created_at=run.created_at, artifact="", journey="")
    try:
        return run_state(folder, record, now, _PATIENCE_S) is RunState.RUNNING
    except ReqfloError:
        return True


def _delete(storage: Storage, run: RunSummary) -> Kept | None:
    """Delete a run; if that fails, return why it still exists, so that others can still be deleted."""
    folder = RunFolder(storage, run.run_id)
    try:
        if not folder.is_complete():
            claim = folder.latest_epoch()
            # Claimed first: a driver that came meanwhile keeps the run, and one that comes now finds it owned.
            if folder.claim_epoch(this_process(), after=claim.epoch if claim else 0) is None:
                return Kept(run_id=run.run_id, reason=RUNNING)
        delete_run(storage, run.run_id)
    except StoreError as problem:
        return Kept(run_id=run.run_id, reason=problem.in_one_line, failed=True)
    return None


def _finish_earlier_deletions(storage: Storage, refused: Set[str]) -> Iterator[Kept]:
    """Finish deletions that a killed process has left; yield what could not be removed. Runs that were `refused` just
    now are not tried again."""
    for name in storage.list(layout.RUNS):
        if name in refused or presence(storage, name) is not Presence.DELETED:
            continue
        try:
            delete_run(storage, name)
        except StoreError as problem:
            yield Kept(run_id=name, reason=problem.in_one_line, failed=True)
