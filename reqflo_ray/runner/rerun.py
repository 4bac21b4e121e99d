"""Which rows of an earlier run are to run again, read from its results and its staged rows, a shard at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import islice
from typing import Any

import msgspec

from reqflo_ray.errors import IntegrityError, UsageError
from reqflo_ray.model.plan import Plan, Row
from reqflo_ray.model.results import Status
from reqflo_ray.store import layout
from reqflo_ray.store.run_folder import RunFolder
from reqflo_ray.store.sealing import open_record, sensitive_names
from reqflo_ray.store.staging import RowSink, read_plan, read_rows
from reqflo_ray.store.storage import Storage


def statuses_to_rerun(*, failed: bool, include_inconclusive: bool) -> frozenset[Status] | None:
    """The statuses of rows to run again; None means every row.

    New runs send new idempotency keys, so the requests of an inconclusive row may take effect twice: they are chosen
    only when that is asked for.
    """
    if not failed:
        return None
    wanted = {Status.FAILED, Status.ERROR}
    return frozenset(wanted | {Status.INCONCLUSIVE} if include_inconclusive else wanted)


def need_open_rows(storage: Storage, earlier: RunFolder, statuses: Collection[Status] | None) -> None:
    """Refuse to rerun what needs sensitive values: they went with the key of the finished run.

    Raises:
        UsageError: `sealed_values_gone`.
    """
    try:
        record = open_record(earlier.load_run(), None)
        if sensitive_names(earlier.load_artifact(record.artifact)):
            for _ in _rows(storage, earlier, statuses):
                pass
    except IntegrityError as problem:
        if problem.code != "sealed_values_gone":
            raise
        raise UsageError(
            f"run `{earlier.run_id}` cannot be run again: it had sensitive values",
            code=problem.code,
            cause="they were kept sealed while it ran, and its key was removed when it was complete",
            hint="start a new run: give `--data` and the values again",
        ) from None


def stage_rows_again(
    storage: Storage, earlier: RunFolder, sink: RowSink, statuses: Collection[Status] | None, rows_per_shard: int
) -> Plan:
    """Stage the rows of `earlier` that ended with one of `statuses`, numbered anew, keys and places kept.

    Raises:
        IntegrityError: the earlier run's rows or results are damaged.
    """
    rows = _rows(storage, earlier, statuses)
    numbered = (msgspec.structs.replace(row, index=index) for index, row in enumerate(rows))
    plan = Plan()
    while batch := list(islice(numbered, rows_per_shard)):
        plan.append(sink.add(batch))
    return plan


def _rows(storage: Storage, earlier: RunFolder, statuses: Collection[Status] | None) -> Iterator[Row]:
    for entry in read_plan(storage, earlier.run_id) or ():
        wanted = None if statuses is None else _ended_with(earlier, entry.shard, statuses)
        if wanted is None or wanted:
            for row in read_rows(storage, earlier.path(layout.rows(entry.shard)), sha256=entry.sha256):
                if wanted is None or row.index in wanted:
                    yield row


def _ended_with(earlier: RunFolder, shard: int, statuses: Collection[Status]) -> set[int]:
    import pyarrow as pa
    from pyarrow import parquet

    commit = earlier.read_commit(shard)
    if commit is None:
        return set()
    data = earlier.read_file(layout.results(shard, commit.attempt))
    table = parquet.read_table(pa.BufferReader(data), columns=["row_index", "status"], use_threads=False)
    lines: list[dict[str, Any]] = table.to_pylist()
    return {line["row_index"] for line in lines if line["status"] in statuses}
