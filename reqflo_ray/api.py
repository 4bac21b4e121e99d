"""The Python face of the project: compile, check, run, resume, rerun, open a store. The command line is a thin layer
over these functions; `import reqflo_ray` offers the same names.

Nothing is loaded before it is needed: checking a journey imports neither Ray nor Arrow.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from reqflo_ray.compiler import authoring_workspace
from reqflo_ray.compiler.compile import Compilation
from reqflo_ray.compiler.workspace import load_workspace
from reqflo_ray.errors import DatasetError, DefinitionError, NothingSelectedError, Problem, UsageError
from reqflo_ray.model.artifact import Artifact
from reqflo_ray.model.plan import RunRecord
from reqflo_ray.model.workers import WorkerRange, parse_workers
from reqflo_ray.runner.backend import Backend, LocalBackend
from reqflo_ray.runner.clock import SystemClock
from reqflo_ray.runner.dispatch import dispatch
from reqflo_ray.runner.drive import drive
from reqflo_ray.runner.launch import (
    Prepared,
    RunRequest,
    check_rows,
    compile_from_here,
    inside_ray_job,
    make_record,
    most_workers,
    prepare,
    staging,
)
from reqflo_ray.runner.listener import Listener, Progress, RunOutcome, SilentListener
from reqflo_ray.runner.opened_store import RowView, Store
from reqflo_ray.runner.rerun import need_open_rows, stage_rows_again, statuses_to_rerun
from reqflo_ray.store.artifacts import save_artifact
from reqflo_ray.store.history import resolve_run
from reqflo_ray.store.layout import check_run_id, new_run_id
from reqflo_ray.store.parallel_staging import Crew
from reqflo_ray.store.run_folder import RunFolder
from reqflo_ray.store.staging import RowSink, choose_rows_per_shard, write_plan
from reqflo_ray.store.storage import Storage, open_storage

if TYPE_CHECKING:
    from reqflo_ray.distributed.jobs import Jobs
    from reqflo_ray.distributed.submit import Started

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
]

DEFAULT_STORE: Final = ".reqflo"
# Starting Ray takes about ten seconds: fewer rows than this are done sooner without it.
RAY_FROM_ROWS: Final = 5_000


def compile(journey: str, *, workspace: Path | str = ".", overlays: tuple[str, ...] = ()) -> Compilation:
    """Compile a journey of a workspace to its artifact; `problems` of the result are warnings.

    Raises:
        DefinitionError: with everything that is wrong, each at its place.
    """
    return compile_from_here(load_workspace(Path(workspace)), journey, overlays)


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
        RunConflictError: the run exists with other inputs, or another driver owns it.
        StoreError, ClusterError: it could not go on; it can be resumed.
    """
    listener = listener or SilentListener()
    prepared = prepare(request, workers_are_local=request.address is None)
    now = datetime.now(UTC)
    run_id = request.run_id or new_run_id(now, secrets.token_bytes(8))
    record = make_record(request, prepared, run_id=run_id, nonce=secrets.token_hex(16), now=now)
    for problem in prepared.problems:
        listener.warning(problem)
    chosen = _chosen_store(request.store, prepared)
    storage = _opened(chosen)
    folder = RunFolder(storage, run_id)
    save_artifact(storage, prepared.artifact)
    created = dispatch(folder, record, prepared.artifact)
    address = request.address or prepared.checked.runner.address
    workers = parse_workers(record.options.workers)
    return drive(
        folder,
        choose_backend=_chooser(request.backend, address, workers, chosen),
        stage=staging(folder, workers, crew=_crew(request.backend, address), listener=listener),
        listener=listener,
        clock=SystemClock(),
        resumed=not created,
        take_over=request.take_over,
    )


def submit(
    request: RunRequest,
    *,
    shared_data: bool = False,
    document: bool = False,
    quiet: bool = False,
    allow_unauthenticated: bool = False,
    listener: Listener | None = None,
) -> tuple[Jobs, Started]:
    """Start a run as a job on the remote cluster whose dashboard is at `request.address`, compiled and checked here.

    Submitting the same run twice does not run it twice: the job that is there is returned. `distributed.submit.follow`
    follows it to its end.

    Args:
        shared_data: local dataset paths mean the same files on the cluster; else they travel in the job.
        document: the job sends back the document of `--output`.
        quiet: the job prints no progress.
        allow_unauthenticated: also to another machine without TLS and without a token.

    Raises:
        UsageError, DefinitionError, DatasetError: nothing was sent to the cluster.
        RunConflictError: a job runs under this id with other inputs.
        ClusterError: the cluster cannot be reached, refuses, or runs another version of Ray.
    """
    from reqflo_ray.distributed.cluster_address import find_cluster
    from reqflo_ray.distributed.jobs import Jobs
    from reqflo_ray.distributed.submit import start
    from reqflo_ray.runner.submission import Order, Submission, own_version

    listener = listener or SilentListener()
    cluster = find_cluster(request.address, allow_unauthenticated=allow_unauthenticated)
    prepared = prepare(request, workers_are_local=False)
    store = _store_of_cluster(request.store, prepared)
    now = datetime.now(UTC)
    run_id = check_run_id(request.run_id) if request.run_id else new_run_id(now, secrets.token_bytes(8))
    record = make_record(request, prepared, run_id=run_id, nonce=secrets.token_hex(16), now=now)
    for problem in prepared.problems:
        listener.warning(problem)
    order = Order(store=store, version=own_version(), document=document, quiet=quiet, take_over=request.take_over)
    jobs = Jobs.of(cluster)
    submission = Submission(order=order, record=record, artifact=prepared.artifact)
    return jobs, start(jobs, submission, ship_data=not shared_data)


def run_submitted(listener: Listener | None = None) -> RunOutcome:
    """Carry out, on the cluster, the run that `submit` put into the folder of this job.

    Raises:
        UsageError: there is none, or another version submitted it.
        DatasetError, NothingSelectedError, RunConflictError, SecretError, StoreError, ClusterError: see `run`.
    """
    from reqflo_ray.runner.submission import unpack

    submission = unpack(Path("."))
    record = submission.record
    storage = _opened(_chosen_store(submission.order.store))
    folder = RunFolder(storage, record.run_id)
    save_artifact(storage, submission.artifact)
    created = dispatch(folder, record, submission.artifact)
    listener = listener or SilentListener()
    workers = parse_workers(record.options.workers)
    return drive(
        folder,
        choose_backend=_chooser("ray", "auto", workers, submission.order.store),
        stage=staging(folder, workers, crew=_crew("ray", "auto"), listener=listener),
        listener=listener,
        clock=SystemClock(),
        resumed=not created,
        take_over=submission.order.take_over,
    )


def resume(
    run: str,
    *,
    store: str | None = None,
    backend: str = "auto",
    address: str | None = None,
    workers: int | str | None = None,
    take_over: bool = False,
    listener: Listener | None = None,
) -> RunOutcome:
    """Go on with an unfinished run, as it was recorded: neither the workspace nor the dataset is looked at again.

    A finished run sends nothing; its outcome is that of its verdict.

    Args:
        run: the run's id, a unique beginning of it, or `latest`.

    Raises:
        UsageError: there is no such run.
        RunConflictError: another driver owns it.
        StoreError, ClusterError: it could not go on.
    """
    chosen = _chosen_store(store)
    storage = _opened(chosen)
    folder = resolve_run(storage, run)
    record = folder.load_run()
    hands = parse_workers(workers or record.options.workers)
    listener = listener or SilentListener()
    return drive(
        folder,
        choose_backend=_chooser(backend, address, hands, chosen),
        stage=staging(folder, hands, crew=_crew(backend, address), listener=listener),
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
    listener: Listener | None = None,
) -> RunOutcome:
    """A new run of an earlier one's rows, all or only those that failed: the same artifact, environment and values.

    Idempotency keys are new, so requests take effect again; rows with an unknown outcome are included only when that
    is asked for.

    Raises:
        UsageError: there is no such run, it is not finished, or it had sensitive values, which are gone.
        NothingSelectedError: no row ended so.
        StoreError, ClusterError: it could not go on.
    """
    chosen = _chosen_store(store)
    storage = _opened(chosen)
    earlier = resolve_run(storage, run)
    if not earlier.is_complete():
        raise UsageError(
            f"run `{earlier.run_id}` is not finished",
            code="unfinished_run",
            hint=f"`reqflo-ray resume {earlier.run_id}` goes on with it",
        )
    statuses = statuses_to_rerun(failed=failed, include_inconclusive=include_inconclusive)
    need_open_rows(storage, earlier, statuses)
    now = datetime.now(UTC)
    folder = RunFolder(storage, new_run_id(now, secrets.token_bytes(8)))
    record = _record_of_rerun(earlier, folder.run_id, now, workers)
    hands = parse_workers(record.options.workers)

    def stage(record: RunRecord, artifact: Artifact) -> None:
        per_shard = choose_rows_per_shard(None, len(artifact.steps), most_workers(hands))
        shards = stage_rows_again(storage, earlier, RowSink(storage, folder.run_id), statuses, per_shard)
        if not shards:
            raise NothingSelectedError(
                f"no row of run `{earlier.run_id}` is to run again",
                hint=f"`reqflo-ray show {earlier.run_id}` tells how its rows ended",
            )
        write_plan(storage, folder.run_id, shards)

    folder.create_run(record)
    return drive(
        folder,
        choose_backend=_chooser(backend, address, hands, chosen),
        stage=stage,
        listener=listener or SilentListener(),
        clock=SystemClock(),
        resumed=False,
    )


def open_store(store: str | None = None) -> Store:
    """Open a store for reading: a path or URI, else `REQFLO_STORE`, else `./.reqflo`."""
    return Store(_opened(_chosen_store(store)))


def schema() -> dict[str, Any]:
    """The JSON Schema of the files that people write."""
    return authoring_workspace.schema()


def _record_of_rerun(earlier: RunFolder, run_id: str, now: datetime, workers: int | str | None) -> RunRecord:
    import msgspec

    old = earlier.load_run()
    return msgspec.structs.replace(
        old,
        run_id=run_id,
        nonce=secrets.token_hex(16),
        created_at=now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        options=msgspec.structs.replace(old.options, workers=workers or old.options.workers),
        rerun_of=earlier.run_id,
    )


def _chosen_store(given: str | None, prepared: Prepared | None = None) -> str:
    """The store that was asked for, as it was written. Raises `UsageError` for one that would vanish."""
    chosen = given or os.environ.get("REQFLO_STORE")
    if not chosen and prepared is not None:
        chosen = prepared.checked.runner.store
    chosen = os.path.expanduser(chosen or DEFAULT_STORE)
    if _is_relative(chosen) and inside_ray_job():
        raise UsageError(
            f"the store `{chosen}` is a relative path, and a Ray job's folder is a copy that vanishes with it",
            code="relative_store",
            hint="give --store (or REQFLO_STORE) an absolute path that every node mounts, or a bucket",
        )
    return chosen


def _store_of_cluster(given: str | None, prepared: Prepared) -> str:
    """The store of a submitted run: a place that means the same on the cluster as here."""
    chosen = given or os.environ.get("REQFLO_STORE") or prepared.checked.runner.store or DEFAULT_STORE
    if _is_relative(chosen):
        raise UsageError(
            f"the store `{chosen}` is relative to a folder of this machine",
            code="relative_store",
            hint="give --store (or REQFLO_STORE) an absolute path that every node of the cluster mounts, or a bucket",
        )
    return open_storage(chosen).uri


def _is_relative(store: str) -> bool:
    return "://" not in store and not os.path.isabs(store)


def _opened(store: str) -> Storage:
    # Workers may run in another folder, so they are told an absolute one.
    return open_storage(os.path.abspath(store) if _is_relative(store) else store)


def _crew(backend: str, address: str | None) -> Crew | None:
    """Who can stage a large dataset: a cluster that the run joins. An embedded one has the cores of this machine only,
    and takes as long to start as it would save."""
    if address is None and inside_ray_job():
        address = "auto"
    if address is None or backend == "local":
        return None
    from reqflo_ray.distributed.driver import RayBackend
    from reqflo_ray.distributed.staging import RayCrew

    return RayCrew(RayBackend(address=address, workers=WorkerRange(0, 0)))


def _chooser(
    backend: str, address: str | None, workers: WorkerRange, store: str
) -> Callable[[int], tuple[Backend, str]]:
    """Chooses the backend once the number of rows is known, and says why that one."""

    def ray(reason: str, address: str | None = address) -> tuple[Backend, str]:
        from reqflo_ray.distributed.driver import RayBackend

        return RayBackend(address=address, workers=workers, store_is_relative=_is_relative(store)), reason

    def choose(rows: int) -> tuple[Backend, str]:
        if backend == "local":
            return LocalBackend(), "as asked for"
        if address is not None:
            return ray(f"the cluster at {address}")
        if inside_ray_job():
            return ray("this is a Ray job", "auto")
        if backend == "ray":
            return ray("an embedded cluster, as asked for")
        if rows >= RAY_FROM_ROWS:
            return ray(f"{rows} rows repay the start of an embedded cluster")
        counted = "1 row is" if rows == 1 else f"{rows} rows are"
        return LocalBackend(), f"{counted} done sooner without a cluster"

    return choose
