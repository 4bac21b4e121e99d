"""Runs on a remote cluster: `submit`, on the machine of whoever wants one, and `run_submitted`, in the job itself."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from reqflo_ray._internal.config import backend_chooser, chosen_store, opened, staging_executor, store_of_cluster
from reqflo_ray._internal.model.workers import parse_workers
from reqflo_ray._internal.runner.drive.drive import drive
from reqflo_ray._internal.runner.execute.worker.clock import SystemClock
from reqflo_ray._internal.runner.prepare.dispatch import dispatch
from reqflo_ray._internal.runner.prepare.files_read import files_of_request, need_free
from reqflo_ray._internal.runner.prepare.launch import RunRequest, installed_versions, make_record, prepare, staging
from reqflo_ray._internal.runner.progress.listener import Listener, RunOutcome, SilentListener
from reqflo_ray._internal.runs.folder.artifacts import save_artifact
from reqflo_ray._internal.runs.folder.layout import check_run_id, new_run_id
from reqflo_ray._internal.runs.folder.run_folder import RunFolder

if TYPE_CHECKING:
    from reqflo_ray._internal.ray_cluster.jobs import Jobs
    from reqflo_ray._internal.ray_cluster.submit import Started


def submit(
    request: RunRequest,
    *,
    shared_data: bool = False,
    reports: Iterable[str] = (),
    quiet: bool = False,
    allow_unauthenticated: bool = False,
    listener: Listener | None = None,
) -> tuple[Jobs, Started]:
    """Start a run as a job on the remote cluster whose dashboard is at `request.address`, compiled and checked here.

    Submitting the same run twice does not run it twice: the job that is there is returned. `distributed.submit.follow`
    follows it to its end.

    Args:
        shared_data: local dataset paths mean the same files on the cluster; else they travel in the job.
        reports: formats of the reports that the job sends back.
        quiet: the job prints no progress.
        allow_unauthenticated: also to another machine without TLS and without a token.

    Raises:
        UsageError, DefinitionError, DatasetError: nothing was sent to the cluster.
        RunConflictError: a job runs under this id with other inputs.
        ClusterError: the cluster cannot be reached, refuses, or runs another version of Ray.
    """
    from reqflo_ray._internal.ray_cluster.address import find_cluster
    from reqflo_ray._internal.ray_cluster.jobs import Jobs
    from reqflo_ray._internal.ray_cluster.submit import start
    from reqflo_ray._internal.runner.prepare.submission import Order, Submission, own_version

    listener = listener or SilentListener()
    cluster = find_cluster(request.address, allow_unauthenticated=allow_unauthenticated)
    prepared = prepare(request, workers_are_local=False)
    store = store_of_cluster(request.store, prepared)
    need_free(request.outputs, files_of_request(request, prepared.workspace), store)
    now = datetime.now(UTC)
    run_id = check_run_id(request.run_id) if request.run_id else new_run_id(now, secrets.token_bytes(8))
    record = make_record(request, prepared, run_id=run_id, nonce=secrets.token_hex(16), now=now)
    for problem in prepared.problems:
        listener.warning(problem)
    order = Order(
        store=store,
        version=own_version(),
        reports=tuple(dict.fromkeys(reports)),
        quiet=quiet,
        take_over=request.take_over,
    )
    jobs = Jobs.of(cluster)
    submission = Submission(order=order, record=record, artifact=prepared.artifact)
    return jobs, start(jobs, submission, ship_data=not shared_data)


def run_submitted(listener: Listener | None = None) -> RunOutcome:
    """Carry out, on the cluster, the run that `submit` put into the folder of this job.

    Raises:
        UsageError: there is none, or another version submitted it.
        DatasetError, NothingSelectedError, RunConflictError, SecretError, StoreError, ClusterError: see `run`.
    """
    from reqflo_ray._internal.runner.prepare.submission import unpack

    submission = unpack(Path("."))
    # The cluster may have another Ray than whoever submitted.
    record = msgspec.structs.replace(submission.record, versions=installed_versions())
    storage = opened(chosen_store(submission.order.store))
    folder = RunFolder(storage, record.run_id)
    save_artifact(storage, submission.artifact)
    created = dispatch(folder, record, submission.artifact)
    listener = listener or SilentListener()
    workers = parse_workers(record.options.workers)
    return drive(
        folder,
        choose_backend=backend_chooser("ray", "auto", workers, submission.order.store),
        stage=staging(folder, workers, executor=staging_executor("ray", "auto"), listener=listener),
        listener=listener,
        clock=SystemClock(),
        resumed=not created,
        take_over=submission.order.take_over,
    )
