"""Compiles, checks, and carries out runs in this process. It composes the packages below it: where (`config`), and in
which order.

Nothing is loaded before it is needed: checking a journey imports neither Ray nor Arrow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from reqflo_ray._internal.api.config import Place
from reqflo_ray._internal.compiler.compile import Compilation
from reqflo_ray._internal.compiler.workspace.load import load_workspace
from reqflo_ray._internal.errors import DatasetError, DefinitionError, Problem, UsageError
from reqflo_ray._internal.model.artifact import Artifact
from reqflo_ray._internal.model.plan import RunRecord
from reqflo_ray._internal.runner.clock import SystemClock
from reqflo_ray._internal.runner.drive.drive import drive
from reqflo_ray._internal.runner.prepare.checks.means import need_means
from reqflo_ray._internal.runner.prepare.compilation import compile_from_here
from reqflo_ray._internal.runner.prepare.dispatch import dispatch
from reqflo_ray._internal.runner.prepare.files_read import (
    files_of_request,
    files_of_run,
    files_of_runs,
    files_of_workspace,
    need_free,
)
from reqflo_ray._internal.runner.prepare.preparation import Prepared, all_findings, prepare
from reqflo_ray._internal.runner.prepare.record import fresh_run_id, make_record, record_of_rerun
from reqflo_ray._internal.runner.prepare.request import Dataset, Execution, File, Journey, Target, paths
from reqflo_ray._internal.runner.prepare.rerun import need_open_rows, staging_again, statuses_to_rerun
from reqflo_ray._internal.runner.prepare.rows.on_disk import on_disk
from reqflo_ray._internal.runner.prepare.staging import staging
from reqflo_ray._internal.runner.progress.listener import Listener, RunOutcome, SilentListener
from reqflo_ray._internal.runs.folder.artifacts import save_artifact
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.runs.upkeep.history import resolve_run

_SILENT = SilentListener()


def compile(journey: Journey | File, *, outputs: File | Iterable[File] = ()) -> Compilation:
    """Compile a journey of a workspace to its artifact.

        compilation = reqflo_ray.compile("place-order")
        print(compilation.digest)
        compilation.write("place-order.json")

    Args:
        journey: a `Journey`, or the name or file of one in the workspace of the current folder.
        outputs: files that the artifact will be written to. Each must be writable, and not a file that the workspace
            contains or names.

    Returns:
        The artifact and its SHA-256. `problems` are warnings.

    Raises:
        DefinitionError: with every error, each at its place.
        UsageError: `no_workspace`; or a file of `outputs` cannot be written.
    """
    asked = Journey.of(journey)
    need_free(paths(outputs), files_of_workspace(Path(asked.workspace), asked.name))
    return compile_from_here(load_workspace(Path(asked.workspace), asked.name), asked.name, asked.overlays)


def check(journey: Journey | File, data: Dataset | Any = None, *, target: Target = Target()) -> tuple[Problem, ...]:
    """Return every error and warning of a run of `journey` on `data`, including every row. Nothing is sent or stored.

        problems = reqflo_ray.check("place-order", "data/orders.csv")
        errors = [problem for problem in problems if problem.severity is reqflo_ray.Severity.ERROR]

    Args:
        journey, data, target: see `run`.

    Raises:
        UsageError: the journey or the data cannot be read at all.
        NothingSelectedError: the dataset has no rows.
    """
    with on_disk(Dataset.of(data)) as dataset:
        try:
            prepared = _prepared(Journey.of(journey), dataset, target)
        except (DefinitionError, DatasetError) as error:
            return error.all_problems()
        return all_findings(dataset, prepared)


def run(
    journey: Journey | File,
    data: Dataset | Any = None,
    *,
    execution: Execution = Execution(),
    target: Target = Target(),
    run_id: str | None = None,
    take_over: bool = False,
    outputs: File | Iterable[File] = (),
    listener: Listener = _SILENT,
    is_cancelled: Callable[[], bool] | None = None,
) -> RunOutcome:
    """Run a journey once for every row of a dataset, or resume the run if `run_id` exists.

        outcome = reqflo_ray.run("place-order", "data/orders.csv", run_id="nightly-0412")
        print(outcome.verdict.status, outcome.exit_code)

    On the main thread, the first SIGINT, SIGTERM, or SIGHUP stops the run: requests in flight are completed, and it can
    be resumed.

    Args:
        journey: a `Journey`, or the name or file of one in the workspace of the current folder.
        data: a `Dataset`, or its source: files, or rows from memory. None: one row without values.
        execution: how rows are executed.
        target: where the run is carried out and kept.
        run_id: the ID of the run. Pass the same ID again to resume it after a crash. None: a new ID.
        take_over: take the run over from a driver that is presumed alive but known to be gone.
        outputs: files that will be written from the outcome. Each must be writable, and not a file that the run reads.
        listener: receives the progress of the run, on this thread.
        is_cancelled: called about four times per second. If it returns True, the run stops as after a signal.

    Returns:
        The outcome. Rows that did not pass are no error here: see its `verdict` and `exit_code`.

    Raises:
        DefinitionError, DatasetError, NothingSelectedError, SecretError: the run cannot start; nothing was sent.
        UsageError: an argument is wrong, or an output cannot be written or is read by the run; nothing was sent.
        RunConflictError: the run exists with other inputs, or another driver owns it.
        StoreError, ClusterError: the run could not be finished; it can be resumed.
    """
    asked = Journey.of(journey)
    with on_disk(Dataset.of(data)) as dataset:
        prepared = _prepared(asked, dataset, target)
        settings = prepared.checked.runner
        place = Place.of(
            target,
            workers=target.workers or settings.workers or 0,
            store=settings.store or "",
            address=settings.address or "",
        )
        need_free(paths(outputs), files_of_request(asked, dataset, prepared.workspace), place.store)
        record = make_record(
            asked,
            dataset,
            execution,
            prepared,
            run_id=run_id,
            workers=target.workers,
            keeps_relative_paths=place.in_ray_job,
        )
        for problem in prepared.problems:
            listener.warning(problem)
        return carry_out(
            record, prepared.artifact, place, take_over=take_over, listener=listener, is_cancelled=is_cancelled
        )


def carry_out(
    record: RunRecord,
    artifact: Artifact,
    place: Place,
    *,
    take_over: bool = False,
    listener: Listener = _SILENT,
    is_cancelled: Callable[[], bool] | None = None,
) -> RunOutcome:
    """Carry out the run of a record: create it, or resume it if it exists.

    Raises:
        DatasetError, NothingSelectedError, SecretError, RunConflictError, StoreError, ClusterError: see `run`.
    """
    storage = place.open()
    folder = RunFolder(storage, record.run_id)
    save_artifact(storage, artifact)
    created = dispatch(folder, record, artifact)
    stage = staging(folder, place.room, executor=place.staging_executor(), listener=listener)
    return _drive(folder, place, stage, not created, listener, is_cancelled, take_over)


def resume(
    run: str,
    *,
    target: Target = Target(),
    take_over: bool = False,
    outputs: File | Iterable[File] = (),
    listener: Listener = _SILENT,
    is_cancelled: Callable[[], bool] | None = None,
) -> RunOutcome:
    """Resume an unfinished run as it was recorded: the workspace is not read again.

    Finished steps are not sent again. A finished run sends nothing; its outcome is that of its verdict.

        outcome = reqflo_ray.resume("latest")

    Args:
        run: the run's ID, a unique beginning of it, or `latest`.
        target, take_over, outputs, listener, is_cancelled: see `run`.

    Raises:
        DefinitionError: something that the run needs is missing, such as a secret or a certificate; nothing was sent.
        UsageError: the run does not exist, or it has read a file of `outputs`.
        RunConflictError: another driver owns the run, or its dataset has changed before it was staged.
        StoreError, ClusterError: the run could not be finished; it can be resumed.
    """
    place = Place.of(target, workers=target.workers or 0)
    folder = resolve_run(place.open(), run)
    record = folder.load_run()
    need_free(paths(outputs), files_of_run(record), place.store)
    if place.address is None and not folder.is_complete():
        need_means(record, uses_network=target.transport is None)
    place = Place.of(target, workers=target.workers or record.options.workers)
    stage = staging(folder, place.room, executor=place.staging_executor(), listener=listener, later=True)
    return _drive(folder, place, stage, True, listener, is_cancelled, take_over)


def rerun(
    run: str,
    *,
    failed: bool = False,
    include_inconclusive: bool = False,
    target: Target = Target(),
    outputs: File | Iterable[File] = (),
    listener: Listener = _SILENT,
    is_cancelled: Callable[[], bool] | None = None,
) -> RunOutcome:
    """Start a new run with the rows of an earlier one: the same artifact, environment, and values.

    Idempotency keys are new, so requests take effect again.

        outcome = reqflo_ray.rerun("nightly-0412", failed=True)

    Args:
        run: the ID of the earlier run, a unique beginning of it, or `latest`.
        failed: run only the rows that failed or ended in an error.
        include_inconclusive: with `failed`, also run inconclusive rows: their requests may take effect twice.
        target, outputs, listener, is_cancelled: see `run`.

    Raises:
        DefinitionError: something that the run needs is missing, such as a secret or a certificate; nothing was sent.
        UsageError: the earlier run does not exist, is not finished, had sensitive values (which are not stored), or has
            read a file of `outputs`.
        NothingSelectedError: no row has such a status.
        StoreError, ClusterError: the run could not be finished; it can be resumed.
    """
    statuses = statuses_to_rerun(failed=failed, include_inconclusive=include_inconclusive)
    place = Place.of(target, workers=target.workers or 0)
    storage = place.open()
    earlier = resolve_run(storage, run)
    need_free(paths(outputs), files_of_runs(storage, [earlier.run_id]), place.store)
    if not earlier.is_complete():
        raise UsageError(
            f"run `{earlier.run_id}` is not finished",
            code="unfinished_run",
            hint=f"resume it first: `reqflo-ray resume {earlier.run_id}`",
        )
    need_open_rows(earlier, statuses)
    folder = RunFolder(storage, fresh_run_id())
    record = record_of_rerun(earlier, folder.run_id, target.workers)
    place = Place.of(target, workers=record.options.workers)
    if place.address is None:
        need_means(record, uses_network=target.transport is None)
    folder.create_run(record)
    executor = place.staging_executor()
    stage = staging_again(folder, earlier, statuses, place.room, executor=executor, listener=listener)
    return _drive(folder, place, stage, False, listener, is_cancelled)


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a workspace document: a journey, template, environment, case, preset, or overlay."""
    from reqflo_ray._internal.compiler.authoring.json_schema import document_schema

    return document_schema()


def _prepared(journey: Journey, dataset: Dataset, target: Target) -> Prepared:
    return prepare(journey, dataset, joins_cluster=target.joins_cluster, uses_network=target.transport is None)


def _drive(
    folder: RunFolder,
    place: Place,
    stage: Callable[[RunRecord, Artifact], None],
    resumed: bool,
    listener: Listener,
    is_cancelled: Callable[[], bool] | None,
    take_over: bool = False,
) -> RunOutcome:
    return drive(
        folder,
        choose_backend=place.choose_backend,
        stage=stage,
        listener=listener,
        clock=SystemClock(),
        resumed=resumed,
        take_over=take_over,
        is_cancelled=is_cancelled,
    )
