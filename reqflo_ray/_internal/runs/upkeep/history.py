"""Lists the runs of a store with their order and state, and finds the run that a word names.

A run that cannot be read is listed as damaged and hides no other run. `pruning` decides what is deleted.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from reqflo_ray._internal.errors import ReqfloError, UsageError
from reqflo_ray._internal.model.instants import read_or_long_ago
from reqflo_ray._internal.model.names import meant_by
from reqflo_ray._internal.model.plan import RunRecord
from reqflo_ray._internal.model.results import Counts, Verdict
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.runs.folder.claims import Beat
from reqflo_ray._internal.runs.folder.deletion import is_run
from reqflo_ray._internal.runs.folder.owner import Liveness, liveness
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.runs.folder.run_order import places
from reqflo_ray._internal.storage.protocol import Storage

# A driver raises its counter every few seconds; after this long, it is presumed dead if nothing else shows its state.
SILENT_AFTER_S: Final = 60.0
_CANDIDATES: Final = 5


class RunState(StrEnum):
    """The state of a run."""

    RUNNING = "running"
    INTERRUPTED = "interrupted"  # it can be resumed
    FINISHED = "finished"
    DAMAGED = "damaged"  # its record or manifest cannot be read; `verify` says more


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """A summary of a run. `counts` cover what is committed so far. `verdict` is set when the run is complete;
    `insecure`: TLS certificates are not verified. For a damaged run, `problem` says what is wrong, and the rest may be
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


def run_ids(storage: Storage) -> list[str]:
    """Return the IDs of all runs in alphabetical order, including those whose record is missing. Anything else in the
    folder of runs is ignored."""
    names = storage.list(layout.RUNS)
    found = storage.each(lambda name: is_run(storage, name), names)
    return [name for name, is_one in zip(names, found, strict=True) if is_one]


def list_runs(storage: Storage, now: datetime) -> list[RunSummary]:
    """Return all runs, newest first, by their numbers in the store, because clocks are sometimes wrong. Runs of 0.1.0
    have no number: they are older, in the order of their instants."""
    numbers = places(storage)
    found = storage.each(lambda run_id: summarize(RunFolder(storage, run_id), now), run_ids(storage))
    # A run that was deleted meanwhile is not a damaged run.
    runs = [run for run in found if run.state is not RunState.DAMAGED or is_run(storage, run.run_id)]
    return sorted(runs, key=lambda run: _place(numbers, run.run_id, run.created_at), reverse=True)


def summarize(folder: RunFolder, now: datetime) -> RunSummary:
    """Return a summary of a run, also of a damaged one."""
    record = RunRecord(run_id=folder.run_id, nonce="", created_at="", artifact="", journey="")
    verdict, counts = None, Counts()
    try:
        record = folder.load_run()
        state, problem = run_state(folder, record, now), ""
        verdict = folder.read_verdict(record)
        counts = verdict.counts if verdict else _committed(folder)
    except ReqfloError as error:
        state, problem = RunState.DAMAGED, error.in_one_line
    except Exception as error:
        # Whatever is wrong with its files or with this code, the run must not hide the others.
        state, problem = RunState.DAMAGED, f"its files cannot be read ({type(error).__name__})"
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
    """Return the state of a run: finished if it has its manifest, otherwise running while its driver seems to live."""
    if folder.is_complete():
        return RunState.FINISHED
    claim = folder.read_latest_epoch()
    beat = folder.read_beat(claim.epoch) if claim else Beat()
    if beat.count < 0:
        return RunState.INTERRUPTED
    known = liveness(claim.owner) if claim else Liveness.UNKNOWN
    if known is not Liveness.UNKNOWN:
        return RunState.RUNNING if known is Liveness.ALIVE else RunState.INTERRUPTED
    silent_s = now.timestamp() - max(beat.at_us / 1e6, read_or_long_ago(record.created_at).timestamp())
    # A heartbeat from the future comes from a wrong clock, and would otherwise count as recent for a long time.
    return RunState.RUNNING if abs(silent_s) < patience_s else RunState.INTERRUPTED


def resolve_run(storage: Storage, name: str) -> RunFolder:
    """Return the run that `name` means: an ID, the beginning of exactly one ID, or `latest`.

    Raises:
        UsageError: `unknown_run` or `ambiguous_run`, with the candidates.
    """
    if name == layout.LATEST:
        return RunFolder(storage, _latest(storage))
    if is_run(storage, name):
        return RunFolder(storage, name)
    ids = run_ids(storage)
    matches = meant_by(name, ids)
    if len(matches) == 1:
        return RunFolder(storage, matches[0])
    if matches:
        raise UsageError(
            f"{len(matches)} runs begin with {name!r}: {_some(matches[::-1])}",
            code="ambiguous_run",
            hint="type more of the ID",
        )
    candidates = difflib.get_close_matches(name, ids, n=_CANDIDATES, cutoff=0.5) or ids[::-1]
    hint = f"known runs: {_some(candidates)}" if ids else "start a run with `reqflo-ray run`"
    raise UsageError(f"there is no run {name!r} in `{storage.uri}`", code="unknown_run", hint=hint)


def _latest(storage: Storage) -> str:
    """Return the ID of the newest run, which must not depend on whether it is damaged."""
    numbers = places(storage)
    for run_id in sorted(numbers, key=lambda run_id: (numbers[run_id], run_id), reverse=True):
        if is_run(storage, run_id):
            return run_id
    ids = run_ids(storage)
    if not ids:
        raise UsageError(
            f"there is no run in `{storage.uri}`", code="unknown_run", hint="start a run with `reqflo-ray run`"
        )
    return max(ids, key=lambda run_id: _place(numbers, run_id, _created_at(RunFolder(storage, run_id))))


def _place(numbers: Mapping[str, int], run_id: str, created_at: str) -> tuple[int, datetime, str]:
    return numbers.get(run_id, 0), read_or_long_ago(created_at), run_id


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


def _some(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - _CANDIDATES} more" if len(ids) > _CANDIDATES else ""
    return ", ".join(ids[:_CANDIDATES]) + more
