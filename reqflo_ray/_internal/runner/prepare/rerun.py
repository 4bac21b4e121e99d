"""Chooses the rows of an earlier run to rerun, and stages them for the new run."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

from reqflo_ray._internal.errors import IntegrityError, NothingSelectedError, UsageError
from reqflo_ray._internal.model.artifact import Artifact
from reqflo_ray._internal.model.plan import Plan, RunRecord
from reqflo_ray._internal.model.results import Status
from reqflo_ray._internal.model.workers import Room
from reqflo_ray._internal.runner.prepare.staging import sizes_in
from reqflo_ray._internal.runner.progress.listener import Listener
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.runs.folder.sealing import open_record
from reqflo_ray._internal.runs.staging.earlier_rows import count_chosen, read_chosen
from reqflo_ray._internal.runs.staging.parallel import (
    BYTES_OF_ROW,
    LocalStagingExecutor,
    OutOfSight,
    StagingExecutor,
    stage_again,
)
from reqflo_ray._internal.runs.staging.rows import write_plan

_NOT_PASSED: Final = frozenset({Status.FAILED, Status.ERROR})


def statuses_to_rerun(*, failed: bool, include_inconclusive: bool) -> frozenset[Status] | None:
    """Return the statuses of rows to rerun; None means every row.

    A new run sends new idempotency keys, so the requests of an inconclusive row may take effect twice. Such rows are
    therefore chosen only on request.

    Raises:
        UsageError: `inconclusive_without_failed`.
    """
    if include_inconclusive and not failed:
        raise UsageError(
            "`include_inconclusive` needs `failed`",
            code="inconclusive_without_failed",
            hint="add `failed`, or remove `include_inconclusive` to rerun every row, including inconclusive ones",
        )
    if not failed:
        return None
    return _NOT_PASSED | {Status.INCONCLUSIVE} if include_inconclusive else _NOT_PASSED


def need_open_rows(earlier: RunFolder, statuses: Collection[Status] | None) -> None:
    """Refuse to rerun rows with sensitive values, because a finished run no longer has the key to them.

    Raises:
        UsageError: `sealed_values_gone`.
    """
    try:
        record = open_record(earlier.load_run(), None)
        if earlier.load_artifact(record.artifact).sensitive_names:
            for _ in read_chosen(earlier, statuses):
                pass
    except IntegrityError as problem:
        if problem.code != "sealed_values_gone":
            raise
        raise UsageError(
            f"run `{earlier.run_id}` cannot be rerun because it had sensitive values",
            code=problem.code,
            cause="the values were encrypted while it ran, and the key was removed when it was complete",
            hint="start a new run with `--data` and the same values",
        ) from None


def staging_again(
    folder: RunFolder,
    earlier: RunFolder,
    statuses: Collection[Status] | None,
    find_room: Callable[[int], Room],
    *,
    executor: StagingExecutor | None,
    listener: Listener,
) -> Callable[[RunRecord, Artifact], None]:
    """Return a function that stages the rows of `earlier` with one of `statuses` in `folder`, and raises
    `NothingSelectedError` if there are none. Rows get new numbers and keep their keys and positions; `executor` stages
    a large number of rows."""

    def stage_run(record: RunRecord, artifact: Artifact) -> None:
        counts = count_chosen(earlier, statuses)
        rows = sum(counts)
        if not rows:
            raise NothingSelectedError(
                f"run `{earlier.run_id}` has no rows to rerun",
                hint=f"run `reqflo-ray show {earlier.run_id}` to see how its rows ended",
            )
        sizes = sizes_in(find_room(rows), record, artifact)(rows)

        def staged(executor: StagingExecutor) -> Plan:
            return stage_again(executor, folder, earlier, statuses, counts, sizes=sizes)

        plan: Plan | None = None
        if executor is not None and rows * BYTES_OF_ROW >= executor.least_bytes:
            listener.staging(folder.run_id, "ray", f"{rows:,} rows of run `{earlier.run_id}`")
            try:
                plan = staged(executor)
            except OutOfSight as problem:
                listener.staging(folder.run_id, "local", f"a worker does not see the same `{problem.place}`")
        write_plan(folder.storage, folder.run_id, plan if plan is not None else staged(LocalStagingExecutor()))

    return stage_run
