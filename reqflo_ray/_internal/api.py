"""The Python face of the project: compile, check, run, resume, rerun, submit, open a store, write reports. The command
line is a thin layer over these functions; `import reqflo_ray` offers the same names.

Nothing is loaded before it is needed: checking a journey imports neither Ray nor Arrow.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reqflo_ray._internal.compiler.authoring import workspace as authoring_workspace
from reqflo_ray._internal.compiler.compile import Compilation
from reqflo_ray._internal.compiler.workspace.load import load_workspace
from reqflo_ray._internal.config import backend_chooser, chosen_store, opened, staging_executor
from reqflo_ray._internal.errors import DatasetError, DefinitionError, Problem, UsageError
from reqflo_ray._internal.model.plan import Damaged, RunRecord
from reqflo_ray._internal.model.results import Verdict
from reqflo_ray._internal.model.workers import parse_workers
from reqflo_ray._internal.open_store import RowView, Store
from reqflo_ray._internal.remote import run_submitted, submit
from reqflo_ray._internal.runner.drive.drive import drive
from reqflo_ray._internal.runner.execute.worker.clock import SystemClock
from reqflo_ray._internal.runner.prepare.dispatch import dispatch
from reqflo_ray._internal.runner.prepare.files_read import files_of_request, files_of_run, files_of_runs, need_free
from reqflo_ray._internal.runner.prepare.launch import (
    RunRequest,
    check_rows,
    compile_from_here,
    make_record,
    prepare,
    staging,
)
from reqflo_ray._internal.runner.prepare.rerun import need_open_rows, staging_again, statuses_to_rerun
from reqflo_ray._internal.runner.progress.listener import Listener, Progress, RunOutcome, SilentListener
from reqflo_ray._internal.runs.folder.artifacts import save_artifact
from reqflo_ray._internal.runs.folder.layout import new_run_id
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.runs.upkeep.history import resolve_run

__all__ = [
    "Compilation",
    "Listener",
    "Progress",
    "RowView",
    "RunOutcome",
    "RunRequest",
    "Store",
    "check",
    "compile",
    "open_store",
    "rerun",
    "resume",
    "run",
    "run_submitted",
    "schema",
    "submit",
    "write_reports",
]


def compile(journey: str, *, workspace: Path | str = ".", overlays: tuple[str, ...] = ()) -> Compilation:
    """Compile a journey of a workspace to its artifact; `problems` of the result are warnings.

    Raises:
        DefinitionError: with everything that is wrong, each at its place.
    """
    return compile_from_here(load_workspace(Path(workspace), journey), journey, overlays)


def check(request: RunRequest) -> tuple[Problem, ...]:
    """All that is wrong or risky with what `request` would run, every row of its dataset included; nothing is sent,
    stored or fetched.

    Raises:
        UsageError: it cannot even be looked at.
        NothingSelectedError: the dataset has no row.
    """
    try:
        prepared = prepare(request, workers_are_local=request.address is None)
    except (DefinitionError, DatasetError) as error:
        return error.all_problems()
    if not request.data:
        return prepared.problems
    try:
        check_rows(request, prepared)
    except DatasetError as error:
        return (*prepared.problems, *error.all_problems())
    return prepared.problems


def run(request: RunRequest, listener: Listener | None = None) -> RunOutcome:
    """Run a journey once for every row of its dataset; or go on with the run, if `request.run_id` exists.

    Raises:
        DefinitionError, DatasetError, NothingSelectedError, SecretError: nothing was sent.
        UsageError: an output cannot be written, or is a file that the run reads; nothing was sent.
        RunConflictError: the run exists with other inputs, or another driver owns it.
        StoreError, ClusterError: it could not go on; it can be resumed.
    """
    listener = listener or SilentListener()
    prepared = prepare(request, workers_are_local=request.address is None)
    chosen = chosen_store(request.store, prepared)
    need_free(request.outputs, files_of_request(request, prepared.workspace), chosen)
    now = datetime.now(UTC)
    run_id = request.run_id or new_run_id(now, secrets.token_bytes(8))
    record = make_record(request, prepared, run_id=run_id, nonce=secrets.token_hex(16), now=now)
    for problem in prepared.problems:
        listener.warning(problem)
    storage = opened(chosen)
    folder = RunFolder(storage, run_id)
    save_artifact(storage, prepared.artifact)
    created = dispatch(folder, record, prepared.artifact)
    address = request.address or prepared.checked.runner.address
    workers = parse_workers(record.options.workers)
    return drive(
        folder,
        choose_backend=backend_chooser(request.backend, address, workers, chosen),
        stage=staging(folder, workers, executor=staging_executor(request.backend, address), listener=listener),
        listener=listener,
        clock=SystemClock(),
        resumed=not created,
        take_over=request.take_over,
    )


def resume(
    run: str,
    *,
    store: str | None = None,
    backend: str = "auto",
    address: str | None = None,
    workers: int | str | None = None,
    take_over: bool = False,
    outputs: Iterable[Path] = (),
    listener: Listener | None = None,
) -> RunOutcome:
    """Resume an unfinished run, as it was recorded: neither the workspace nor the dataset is looked at again.

    A finished run sends nothing; its outcome is that of its verdict.

    Args:
        run: the run's id, a unique beginning of it, or `latest`.
        outputs: files that will be written from what comes of it.

    Raises:
        UsageError: there is no such run, or it has read an output.
        RunConflictError: another driver owns it, or its dataset has changed before it was staged.
        StoreError, ClusterError: it could not go on.
    """
    chosen = chosen_store(store)
    storage = opened(chosen)
    folder = resolve_run(storage, run)
    record = folder.load_run()
    need_free(outputs, files_of_run(record), chosen)
    worker_range = parse_workers(workers or record.options.workers)
    listener = listener or SilentListener()
    return drive(
        folder,
        choose_backend=backend_chooser(backend, address, worker_range, chosen),
        stage=staging(folder, worker_range, executor=staging_executor(backend, address), listener=listener, later=True),
        listener=listener,
        clock=SystemClock(),
        resumed=True,
        take_over=take_over,
    )


def rerun(
    run: str,
    *,
    failed: bool = False,
    include_inconclusive: bool = False,
    store: str | None = None,
    backend: str = "auto",
    address: str | None = None,
    workers: int | str | None = None,
    outputs: Iterable[Path] = (),
    listener: Listener | None = None,
) -> RunOutcome:
    """A new run of an earlier one's rows, all or only those that failed: the same artifact, environment and values.

    Idempotency keys are new, so requests take effect again; rows with an unknown outcome are included only when that
    is asked for.

    Args:
        outputs: files that will be written from what comes of it.

    Raises:
        UsageError: there is no such run, it is not finished, it had sensitive values, which are gone, or it has read an
            output.
        NothingSelectedError: no row ended so.
        StoreError, ClusterError: it could not go on.
    """
    chosen = chosen_store(store)
    storage = opened(chosen)
    earlier = resolve_run(storage, run)
    need_free(outputs, files_of_runs(storage, [earlier.run_id]), chosen)
    if not earlier.is_complete():
        raise UsageError(
            f"run `{earlier.run_id}` is not finished",
            code="unfinished_run",
            hint=f"`reqflo-ray resume {earlier.run_id}` goes on with it",
        )
    statuses = statuses_to_rerun(failed=failed, include_inconclusive=include_inconclusive)
    need_open_rows(earlier, statuses)
    now = datetime.now(UTC)
    folder = RunFolder(storage, new_run_id(now, secrets.token_bytes(8)))
    record = _record_of_rerun(earlier, folder.run_id, now, workers)
    worker_range = parse_workers(record.options.workers)
    listener = listener or SilentListener()
    folder.create_run(record)
    return drive(
        folder,
        choose_backend=backend_chooser(backend, address, worker_range, chosen),
        stage=staging_again(
            folder, earlier, statuses, worker_range, executor=staging_executor(backend, address), listener=listener
        ),
        listener=listener,
        clock=SystemClock(),
        resumed=False,
    )


def open_store(store: str | None = None) -> Store:
    """Open a store for reading: a path or URI, else `REQFLO_STORE`, else `./.reqflo`."""
    return Store(opened(chosen_store(store)))


def write_reports(
    run: str,
    reports: Iterable[tuple[str, Path | str]],
    *,
    store: str | None = None,
    verdict: Verdict | None = None,
    damaged: str = Damaged.REFUSE,
) -> None:
    """Write reports of a run to files, as in `write_reports("latest", [("junit", "junit.xml"), ("html", "run.html")])`.

    Of an unfinished run they tell what is committed so far, and say so.

    Args:
        run: the run's id, a unique beginning of it, or `latest`.
        verdict: that of the `RunOutcome`, if the run was just carried out: of an unfinished run it counts and names
            rows that are not committed.
        reports: pairs of format and file; formats are those of `reqflo_ray._internal.reports.formats.FORMATS`.
        damaged: `skip` leaves files of results out that are not what was written, and every report says so; else they
            refuse all reports.

    Raises:
        UsageError: there is no such run or format, or a file cannot be there, or the run has read it.
        IntegrityError: `damaged_file`, which names the files.
        StoreError: the run cannot be read.
        ReqfloError: a file could not be written; the others are.
    """
    from reqflo_ray._internal.reports import formats

    asked = formats.check_reports(formats.Report(format_, Path(path)) for format_, path in reports)
    chosen = chosen_store(store)
    storage = opened(chosen)
    need_free([report.path for report in asked], files_of_runs(storage, [run]), chosen)
    formats.write_reports(storage, run, asked, verdict, Damaged(damaged))


def schema() -> dict[str, Any]:
    """The JSON Schema of the files that people write."""
    return authoring_workspace.schema()


def _record_of_rerun(earlier: RunFolder, run_id: str, now: datetime, workers: int | str | None) -> RunRecord:
    import msgspec

    old = earlier.load_proven_run()
    return msgspec.structs.replace(
        old,
        run_id=run_id,
        nonce=secrets.token_hex(16),
        created_at=now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        options=msgspec.structs.replace(old.options, workers=workers or old.options.workers),
        rerun_of=earlier.run_id,
    )
