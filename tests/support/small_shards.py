"""Runs whose few rows lie in more shards than they would be given: for what can only be seen in several of them."""

from __future__ import annotations

import msgspec

from reqflo_ray import Dataset, Execution, Journey, RunOutcome, Target
from reqflo_ray._internal.api.config import Place
from reqflo_ray._internal.api.runs import carry_out
from reqflo_ray._internal.runner.prepare.preparation import prepare
from reqflo_ray._internal.runner.prepare.record import make_record


def run_in_shards(
    rows: int, *, journey: Journey, data: Dataset, execution: Execution, target: Target, run_id: str
) -> RunOutcome:
    """Run as `reqflo_ray.run` does, with so many rows to a shard, as the record of a run may say."""
    prepared = prepare(journey, data, joins_cluster=target.joins_cluster)
    record = make_record(journey, data, execution, prepared, run_id=run_id, workers=target.workers)
    options = msgspec.structs.replace(record.options, rows_per_shard=rows)
    place = Place.of(target, workers=target.workers or 0)
    return carry_out(msgspec.structs.replace(record, options=options), prepared.artifact, place)
