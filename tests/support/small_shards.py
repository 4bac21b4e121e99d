"""Runs whose few rows are in more shards than usual, for behavior that only several shards show."""

from __future__ import annotations

from pathlib import Path

import msgspec

from reqflo_ray import Dataset, Execution, Journey, RunOutcome, Target
from reqflo_ray._internal.api.config import Place
from reqflo_ray._internal.api.runs import carry_out
from reqflo_ray._internal.model.artifact import Artifact
from reqflo_ray._internal.model.plan import RunRecord
from reqflo_ray._internal.runner.prepare.dispatch import dispatch
from reqflo_ray._internal.runner.prepare.preparation import prepare
from reqflo_ray._internal.runner.prepare.record import make_record
from reqflo_ray._internal.runs.folder.artifacts import save_artifact
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.storage.local import LocalStorage


def run_in_shards(
    rows: int, *, journey: Journey, data: Dataset, execution: Execution, target: Target, run_id: str
) -> RunOutcome:
    """Run as `reqflo_ray.run` does, with so many rows to a shard."""
    record, artifact = _recorded(rows, journey, data, execution, run_id)
    return carry_out(record, artifact, Place.of(target, workers=target.workers or 0))


def begin_in_shards(
    rows: int, store: Path, *, journey: Journey, data: Dataset, execution: Execution, run_id: str
) -> None:
    """Record a run with so many rows to a shard; whoever runs it goes on with it."""
    record, artifact = _recorded(rows, journey, data, execution, run_id)
    storage = LocalStorage(store)
    save_artifact(storage, artifact)
    dispatch(RunFolder(storage, run_id), record, artifact)


def _recorded(
    rows: int, journey: Journey, data: Dataset, execution: Execution, run_id: str
) -> tuple[RunRecord, Artifact]:
    # Secrets are looked for by who runs it.
    prepared = prepare(journey, data, joins_cluster=True)
    record = make_record(journey, data, execution, prepared, run_id=run_id)
    options = msgspec.structs.replace(record.options, rows_per_shard=rows)
    return msgspec.structs.replace(record, options=options), prepared.artifact
