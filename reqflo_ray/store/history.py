"""The runs of a store: which there are, in what state, which one is meant by a word, and which may be deleted."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from reqflo_ray.errors import ReqfloError, UsageError
from reqflo_ray.model.plan import RunRecord
from reqflo_ray.model.results import Counts, Verdict
from reqflo_ray.store import layout
from reqflo_ray.store.claims import Beat
from reqflo_ray.store.owner import Liveness, liveness
from reqflo_ray.store.run_folder import RunFolder
from reqflo_ray.store.storage import Storage

# A driver raises its counter every few seconds; after this long without, it is taken for dead where nothing else tells.
SILENT_AFTER_S: Final = 60.0
# Deleting asks for more patience than telling: clocks of two machines may differ.
_PRUNE_PATIENCE_S: Final = 3600.0
_CANDIDATES: Final = 5


class RunState(StrEnum):
    """Where a run is in its life."""

    RUNNING = "running"
    INTERRUPTED = "interrupted"  # it can be resumed
    FINISHED = "finished"
    DAMAGED = "damaged"  # its record or manifest cannot be read; `verify` says more


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """A run at a glance. `counts` are of what is committed so far. `verdict` is there when the run is finished;
    `insecure`: no TLS certificate is verified. Of a damaged run, `problem` says what is wrong and the rest may be
    empty."""

    run_id: str
    state: RunState
    counts: Counts
    journey: str = ""
    environment: str = ""
    created_at: str = ""
    artifact: str = ""
    rows: int = 0
    insecure: bool = False
    verdict: Verdict | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What `prune` removed: runs, and artifacts that no other run names."""

    runs: tuple[str, ...] = ()
    artifacts: tuple[str, ...] = ()


def run_ids(storage: Storage) -> list[str]:
    """The ids of all runs, in alphabetical order. A folder without a record is no run."""
    names = storage.list(layout.RUNS)
    exist = storage.each(lambda name: storage.exists(f"{layout.run(name)}/{layout.RECORD}"), names)
    return [name for name, exists in zip(names, exist, strict=True) if exists]


def list_runs(storage: Storage, now: datetime) -> list[RunSummary]:
    """All runs, the newest first."""
    return sorted(
        storage.each(lambda run_id: summarize(RunFolder(storage, run_id), now), run_ids(storage)),
        key=lambda run: (run.created_at, run.run_id),
        reverse=True,
    )


def summarize(folder: RunFolder, now: datetime) -> RunSummary:
    """One run at a glance; it does not fail for a damaged one."""
    record = RunRecord(run_id=folder.run_id, nonce="", created_at="", artifact="", journey="")
    try:
        record = folder.load_run()
        state, problem = run_state(folder, record, now), ""
        verdict = folder.read_verdict()
        counts = verdict.counts if verdict else _committed(folder)
    except ReqfloError as error:
        state, problem, verdict, counts = RunState.DAMAGED, error.message, None, Counts()
    return RunSummary(
        run_id=folder.run_id,
        state=state,
        journey=record.journey,
        environment=record.environment.name,
        created_at=record.created_at,
        artifact=record.artifact,
        rows=counts.rows,
        insecure=record.environment.insecure,
        counts=counts,
        verdict=verdict,
        problem=problem,
    )


def run_state(folder: RunFolder, record: RunRecord, now: datetime, patience_s: float = SILENT_AFTER_S) -> RunState:
    """Finished if it has its manifest; else running as long as its driver lives, as far as that can be told."""
    if folder.is_complete():
        return RunState.FINISHED
    claim = folder.latest_epoch()
    beat = folder.read_beat(claim.epoch) if claim else Beat()
    if beat.count < 0:
        return RunState.INTERRUPTED
    known = liveness(claim.owner) if claim else Liveness.UNKNOWN
    if known is not Liveness.UNKNOWN:
        return RunState.RUNNING if known is Liveness.ALIVE else RunState.INTERRUPTED
    silent_s = now.timestamp() - max(beat.at_us / 1e6, _instant(record.created_at).timestamp())
    return RunState.RUNNING if silent_s < patience_s else RunState.INTERRUPTED


def resolve_run(storage: Storage, name: str) -> RunFolder:
    """The run that `name` means: an id, the beginning of just one id, or `latest`.

    Raises:
        UsageError: `unknown_run` or `ambiguous_run`, with the candidates.
    """
    ids = run_ids(storage)
    if name == layout.LATEST:
        return RunFolder(storage, _latest(storage, ids))
    matches = [name] if name in ids else [run_id for run_id in ids if name and run_id.startswith(name)]
    if len(matches) == 1:
        return RunFolder(storage, matches[0])
    if matches:
        raise UsageError(
            f"{len(matches)} runs begin with {name!r}: {_some(matches[::-1])}",
            code="ambiguous_run",
            hint="give more of the id",
        )
    candidates = difflib.get_close_matches(name, ids, n=_CANDIDATES, cutoff=0.5) or ids[::-1]
    hint = f"there are: {_some(candidates)}" if ids else "the store has no run yet"
    raise UsageError(f"there is no run {name!r} in `{storage.uri}`", code="unknown_run", hint=hint)


def prune(
    storage: Storage,
    now: datetime,
    *,
    keep: int | None = None,
    older_than_s: float | None = None,
    dry_run: bool = False,
) -> Pruned:
    """Delete old runs: all but the `keep` newest, or those made more than `older_than_s` seconds ago (both: those
    that are both). A run that may be running is never deleted. An artifact stays as long as a run names it.

    Raises:
        UsageError: `nothing_to_prune_by` if neither is given, `invalid_prune` if one is negative.
    """
    if keep is None and older_than_s is None:
        raise UsageError("say what to delete", code="nothing_to_prune_by", hint="give --keep N or --older-than D")
    if (keep or 0) < 0 or (older_than_s or 0) < 0:
        raise UsageError("--keep and --older-than cannot be negative", code="invalid_prune")
    runs = list_runs(storage, now)
    doomed = [
        run
        for place, run in enumerate(runs)
        if (keep is None or place >= keep)
        and (older_than_s is None or _age_s(run, now) > older_than_s)
        and not _may_run(RunFolder(storage, run.run_id), run, now)
    ]
    if not dry_run:
        for run in doomed:
            _delete(RunFolder(storage, run.run_id))
    gone = {run.run_id for run in doomed}
    # Read again: a run may have begun meanwhile.
    named = {run.artifact for run in list_runs(storage, now) if run.run_id not in gone}
    artifacts = sorted({run.artifact for run in doomed if run.artifact} - named)
    if not dry_run:
        for digest in artifacts:
            storage.remove(layout.artifact(digest))
    return Pruned(runs=tuple(run.run_id for run in doomed), artifacts=tuple(artifacts))


def _delete(folder: RunFolder) -> None:
    # In this order a crash leaves a run that is seen as unfinished, then none: never a finished one with holes.
    for name in (layout.MANIFEST, layout.VERDICT):
        folder.storage.remove(folder.path(name))
    for part in (layout.RESULTS, layout.STEPS, layout.ROWS):
        folder.storage.remove_tree(folder.path(part))
    folder.storage.remove_tree(layout.run(folder.run_id))


def _may_run(folder: RunFolder, run: RunSummary, now: datetime) -> bool:
    if run.state is RunState.FINISHED:
        return False
    record = RunRecord(run_id=run.run_id, nonce="", created_at=run.created_at, artifact="", journey="")
    try:
        return run_state(folder, record, now, _PRUNE_PATIENCE_S) is RunState.RUNNING
    except ReqfloError:
        return True


def _latest(storage: Storage, ids: Sequence[str]) -> str:
    if not ids:
        raise UsageError(
            f"there is no run in `{storage.uri}`", code="unknown_run", hint="start one with `reqflo-ray run`"
        )
    return max(ids, key=lambda run_id: (_created_at(RunFolder(storage, run_id)), run_id))


def _created_at(folder: RunFolder) -> str:
    try:
        return folder.load_run().created_at
    except ReqfloError:
        return ""


def _committed(folder: RunFolder) -> Counts:
    total = Counts()
    for commit in folder.commits():
        total = total.plus(commit.summary.counts)
    return total


def _age_s(run: RunSummary, now: datetime) -> float:
    return now.timestamp() - _instant(run.created_at).timestamp()


def _instant(text: str) -> datetime:
    """An RFC 3339 instant; one that cannot be read counts as very old."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def _some(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - _CANDIDATES} more" if len(ids) > _CANDIDATES else ""
    return ", ".join(ids[:_CANDIDATES]) + more
