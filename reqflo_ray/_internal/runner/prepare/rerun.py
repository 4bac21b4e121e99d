"""Which rows of an earlier run are to run again, and who stages them."""

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
    """The statuses of rows to run again; None means every row.

    New runs send new idempotency keys, so the requests of an inconclusive row may take effect twice: they are chosen
    only when that is asked for.

    Raises:
        UsageError: `inconclusive_without_failed`.
    """
    if include_inconclusive and not failed:
        raise UsageError(
            "`include_inconclusive` needs `failed`",
            code="inconclusive_without_failed",
            hint="without `failed` every row is run again, inconclusive ones too",
        )
    if not failed:
        return None
    return _NOT_PASSED | {Status.INCONCLUSIVE} if include_inconclusive else _NOT_PASSED


def need_open_rows(earlier: RunFolder, statuses: Collection[Status] | None) -> None:
    """Refuse to rerun what needs sensitive values: they went with the key of the finished run.

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
            f"run `{earlier.run_id}` cannot be run again: it had sensitive values",
            code=problem.code,
            cause="they were kept sealed while it ran, and its key was removed when it was complete",
            hint="start a new run: give `--data` and the values again",
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
    """A function that stages the rows of `earlier` that ended with one of `statuses` into `folder`, numbered anew, keys
    and places kept; many of them with `executor`. It raises `NothingSelectedError` if there is none."""

    def stage_run(record: RunRecord, artifact: Artifact) -> None:
        counts = count_chosen(earlier, statuses)
        rows = sum(counts)
        if not rows:
            raise NothingSelectedError(
                f"no row of run `{earlier.run_id}` is to run again",
                hint=f"`reqflo-ray show {earlier.run_id}` tells how its rows ended",
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
                listener.staging(folder.run_id, "local", f"a worker does not find `{problem.place}` as it is here")
        write_plan(folder.storage, folder.run_id, plan if plan is not None else staged(LocalStagingExecutor()))

    return stage_run
