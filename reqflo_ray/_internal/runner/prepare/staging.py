"""Stages the rows of a run in its folder: reads the dataset here, or lets a cluster read a large one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from reqflo_ray._internal.datasets.contents import changed_files, dataset_changed, with_contents
from reqflo_ray._internal.datasets.pieces import split_dataset
from reqflo_ray._internal.datasets.preview import count_rows, estimate_rows
from reqflo_ray._internal.engine.values.expectations import row_expectations
from reqflo_ray._internal.engine.values.supply import Supply
from reqflo_ray._internal.errors import UsageError
from reqflo_ray._internal.model.artifact import Artifact
from reqflo_ray._internal.model.plan import DatasetSource, Plan, RunRecord
from reqflo_ray._internal.model.workers import Room
from reqflo_ray._internal.runner.progress.listener import Listener, SilentListener
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.runs.folder.sealing import find_sealer, make_sealer, seal_digests
from reqflo_ray._internal.runs.staging.parallel import OutOfSight, StagingExecutor, stage_with
from reqflo_ray._internal.runs.staging.rows import RowSink, stage, write_plan
from reqflo_ray._internal.runs.staging.sizes import ShardSizes, choose_sizes


def staging(
    folder: RunFolder,
    find_room: Callable[[int], Room],
    *,
    executor: StagingExecutor | None = None,
    listener: Listener | None = None,
    later: bool = False,
) -> Callable[[RunRecord, Artifact], None]:
    """Return a function that stages the dataset of a run record in `folder`; `executor` stages a large one.

    Args:
        find_room: returns the room for workers for that many rows, when they are staged. Raises `ClusterError`.
        later: whether the dataset may have changed since the record was made; a changed one is refused
            (`RunConflictError`).
    """

    def stage_run(record: RunRecord, artifact: Artifact) -> None:
        if record.rerun_of:
            raise UsageError(
                f"run `{record.run_id}` was interrupted before it had selected rows of run `{record.rerun_of}`",
                code="rerun_not_staged",
                hint=f"start again with `reqflo-ray rerun {record.rerun_of}`: nothing was sent",
            )
        source = record.dataset
        if later and source is not None:
            _need_same_dataset(folder, record, artifact)
        estimated = estimate_rows(source) if source else 1
        heard = listener or SilentListener()
        room = find_room(estimated)
        choose = sizes_in(room, record, artifact)
        plan: Plan | None = None
        if executor is not None and source is not None:
            plan = _stage_with(executor, folder, record, source, artifact, choose, heard)
        if plan is None:
            rows = estimated
            if source is not None and room.now > 1:  # workers get equal numbers of rows
                rows = count_rows(source)
            staged = stage(
                source,
                artifact,
                sink=RowSink(folder.storage, folder.run_id, make_sealer(folder, artifact, record)),
                sizes=choose(rows),
                required=frozenset(record.row_required),
                expects=row_expectations(artifact, Supply(artifact, record.environment, record.inputs, record.me)),
            )
            for problem in staged.warnings:
                heard.warning(problem)
            plan = staged.shards
        write_plan(folder.storage, folder.run_id, plan)

    return stage_run


def sizes_in(room: Room, record: RunRecord, artifact: Artifact) -> Callable[[int], ShardSizes]:
    """Return a function that chooses the sizes of shards for a number of rows; an option of the run takes
    precedence."""
    options, steps = record.options, len(artifact.steps)
    if options.rows_per_shard:
        return lambda rows: ShardSizes(options.rows_per_shard)
    return partial(choose_sizes, steps=steps, concurrency=options.concurrency, room=room)


def _need_same_dataset(folder: RunFolder, record: RunRecord, artifact: Artifact) -> None:
    now = seal_digests(with_contents(record), artifact, find_sealer(folder))
    if record.dataset and now.dataset and (changed := changed_files(record.dataset, now.dataset)):
        raise dataset_changed(record.run_id, changed)


def _stage_with(
    executor: StagingExecutor,
    folder: RunFolder,
    record: RunRecord,
    source: DatasetSource,
    artifact: Artifact,
    choose: Callable[[int], ShardSizes],
    listener: Listener,
) -> Plan | None:
    """Let the executor stage the dataset; return None if the driver must do it."""
    dataset = split_dataset(source, artifact, frozenset(record.row_required), piece_bytes=executor.job_bytes)
    if len(dataset.pieces) < 2 or dataset.size < executor.least_bytes:
        return None
    listener.staging(
        folder.run_id, "ray", f"the dataset has {dataset.size / 1e6:,.0f} MB in {len(dataset.pieces):,} pieces"
    )
    try:
        return stage_with(
            executor,
            folder,
            source,
            dataset,
            choose=choose,
            show_text=not artifact.sensitive_names,
            notice=listener.warning,
        )
    except OutOfSight as problem:
        listener.staging(folder.run_id, "local", f"a worker does not see the same `{problem.place}`")
        return None
