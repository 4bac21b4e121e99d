"""Runs on a remote cluster, as the submitting side sees them: `submit`, and `Submission`. It must not know what the job
itself does: `submitted_run` does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reqflo_ray._internal.api.config import find_store_of_cluster
from reqflo_ray._internal.errors import UsageError
from reqflo_ray._internal.model.results import Verdict
from reqflo_ray._internal.runner.prepare.files_read import files_of_request, need_free
from reqflo_ray._internal.runner.prepare.preparation import prepare
from reqflo_ray._internal.runner.prepare.record import make_record
from reqflo_ray._internal.runner.prepare.request import Backend, Dataset, Execution, File, Journey, Target, paths
from reqflo_ray._internal.runner.prepare.rows.on_disk import is_on_disk, on_disk
from reqflo_ray._internal.runner.progress.listener import Listener, SilentListener

if TYPE_CHECKING:
    from reqflo_ray._internal.ray_cluster.jobs import Job, Jobs
    from reqflo_ray._internal.ray_cluster.submit import Followed

_SILENT = SilentListener()


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionStatus:
    """The state of a submitted run: `state` is `pending`, `running`, `stopped`, `succeeded`, or `failed`. `started_at`
    and `ended_at` are in RFC 3339.

    After the job has ended, `exit_code` is that of the run, and `verdict` is the verdict of the run, or None if the job
    ended without one; `message` is then the message of Ray. `is_complete`: every row has ended, and the verdict is
    final.
    """

    run_id: str
    job: str
    state: str
    has_ended: bool
    started_at: str | None
    ended_at: str | None
    exit_code: int | None
    verdict: Verdict | None
    is_complete: bool
    results_path: str | None
    message: str


class Submission:
    """A run that was submitted to a remote cluster. The run does not depend on this object or its process.

    Every method raises `ClusterError` if the cluster does not answer or refuses.

        submission = reqflo_ray.submit("place-order", "data/orders.csv", target=target, run_id="nightly-0412")
        followed = submission.wait(show=print)
        print(followed.exit_code)
    """

    def __init__(self, jobs: Jobs, job: Job, *, is_new: bool) -> None:
        self._jobs = jobs
        self._job = job
        self.is_new = is_new
        """False if the job existed before the call."""

    @property
    def run_id(self) -> str:
        """The ID of the run."""
        return self._job.run_id

    @property
    def job(self) -> str:
        """The name of its job on the cluster."""
        return self._job.submission_id

    @property
    def url(self) -> str:
        """The URL of the cluster's dashboard."""
        return self._jobs.url

    @property
    def has_ended(self) -> bool:
        """Whether the job had ended when the cluster was last asked."""
        return self._job.state.has_ended

    @property
    def state(self) -> str:
        """The state of the job when the cluster was last asked, as in `SubmissionStatus`."""
        return self._job.state.value.lower()

    def status(self) -> SubmissionStatus:
        """Ask the cluster for the current state of the run."""
        from reqflo_ray._internal.ray_cluster.submit import exit_code_of, outcome_of

        job = self._job = self._jobs.look(self._job)
        outcome = outcome_of(self._jobs, job) if job.state.has_ended else None
        return SubmissionStatus(
            run_id=job.run_id,
            job=job.submission_id,
            state=self.state,
            has_ended=job.state.has_ended,
            started_at=job.started_at,
            ended_at=job.ended_at,
            exit_code=exit_code_of(job, outcome) if job.state.has_ended else None,
            verdict=outcome.verdict if outcome else None,
            is_complete=bool(outcome and outcome.complete),
            results_path=outcome.results_path if outcome else None,
            message=job.message,
        )

    def logs(self, *, follow: bool = False) -> Iterator[str]:
        """Yield the lines that the job has printed; with `follow`, continue until it ends."""
        from reqflo_ray._internal.ray_cluster.submit import printed

        return printed(self._jobs, self._job, until_it_ends=follow)

    def stop(self, *, wait: bool = True) -> None:
        """Stop the run: requests in flight are completed, finished work is kept, and the run can be resumed.

        Args:
            wait: return only when the job has ended.
        """
        from reqflo_ray._internal.ray_cluster.submit import stop_and_wait

        if wait:
            self._job = stop_and_wait(self._jobs, self._job)
        else:
            self._jobs.stop(self._job)

    def wait(
        self, *, show: Callable[[str], None] | None = None, notice: Callable[[str], None] | None = None
    ) -> Followed:
        """Follow the job until it ends. On the main thread, the first signal asks the job to stop; another interrupt
        returns without waiting for it.

        Args:
            show: called with each line of the log, once.
            notice: called with messages of this program, such as a lost connection.

        Returns:
            The outcome of the run and its reports.

        Raises:
            ClusterError: the cluster did not answer for five minutes; the job may still be running.
            InterruptedRunError: a second interrupt ended the wait; the job may still be running.
        """
        from reqflo_ray._internal.ray_cluster.submit import follow

        followed = follow(self._jobs, self._job, show or _ignore, notice or _ignore)
        self._job = followed.job
        return followed


def submit(
    journey: Journey | File,
    data: Dataset | Any = None,
    *,
    execution: Execution = Execution(),
    target: Target = Target(),
    run_id: str | None = None,
    take_over: bool = False,
    outputs: File | Iterable[File] = (),
    shared_data: bool = False,
    reports: str | Iterable[str] = (),
    quiet: bool = False,
    allow_unauthenticated: bool = False,
    listener: Listener = _SILENT,
) -> Submission:
    """Compile and check a journey here, and run it as a job on a remote Ray cluster.

    Submitting the same run twice does not run it twice: the existing job is returned.

        target = reqflo_ray.Target(address="http://head:8265", store="/mnt/runs")
        submission = reqflo_ray.submit("place-order", "data/orders.csv", target=target)

    Args:
        journey, data, execution, run_id, take_over, outputs: see `run`.
        target: its `address` is the URL of the cluster's dashboard (default: `RAY_API_SERVER_ADDRESS`), and its `store`
            a place that every node can reach.
        shared_data: upload no data, because local dataset paths lead to the same files on the cluster.
        reports: the formats of the reports that the job sends back.
        quiet: print no progress in the job.
        allow_unauthenticated: allow a cluster on another machine that has neither TLS nor a token.
        listener: receives the warnings of the check.

    Raises:
        UsageError, DefinitionError, DatasetError: nothing was sent to the cluster.
        RunConflictError: a job with this run ID has other inputs.
        ClusterError: the cluster cannot be reached, refuses, or runs an unsupported version of Ray.
    """
    from reqflo_ray._internal.ray_cluster.address import find_cluster
    from reqflo_ray._internal.ray_cluster.jobs import Jobs
    from reqflo_ray._internal.ray_cluster.submit import start
    from reqflo_ray._internal.reports.formats import check_formats
    from reqflo_ray._internal.runner.prepare.job_bundle import JobBundle, Order, own_version

    asked = Journey.of(journey)
    if target.transport is not None:
        raise UsageError(
            "a job cannot use a `transport`: a fake API answers in this process only",
            code="transport_is_local",
            hint="remove `transport`, or use `run`",
        )
    if target.backend == Backend.LOCAL:
        raise UsageError(
            "a job cannot use the backend `local`, which is this process",
            code="address_without_cluster",
            hint="remove `backend`, or use `run`",
        )
    asked_reports = tuple(dict.fromkeys((reports,) if isinstance(reports, str) else reports))
    check_formats(asked_reports)
    cluster = find_cluster(target.address, allow_unauthenticated=allow_unauthenticated)
    given = Dataset.of(data)
    if shared_data and not is_on_disk(given):
        raise UsageError(
            "`shared_data` needs files: rows from memory or from a pipe are not on the cluster",
            code="rows_not_shared",
            hint="remove `shared_data`: the rows are then uploaded with the job",
        )
    with on_disk(given) as dataset:
        prepared = prepare(asked, dataset, joins_cluster=True)
        store = find_store_of_cluster(target.store, prepared.checked.runner.store or "")
        need_free(paths(outputs), files_of_request(asked, dataset, prepared.workspace), store)
        record = make_record(
            asked,
            dataset,
            execution,
            prepared,
            run_id=run_id,
            workers=target.workers,
        )
        for problem in prepared.problems:
            listener.warning(problem)
        order = Order(
            store=store,
            version=own_version(),
            reports=asked_reports,
            quiet=quiet,
            take_over=take_over,
        )
        jobs = Jobs.of(cluster)
        bundle = JobBundle(order=order, record=record, artifact=prepared.artifact)
        started = start(jobs, bundle, ship_data=not shared_data)
    return Submission(jobs, started.job, is_new=not started.attached)


def find_submission(run: str, *, address: str | None = None, allow_unauthenticated: bool = False) -> Submission:
    """Find a run that was submitted before.

    Args:
        run: the run's ID, a unique beginning of it, or `latest`.
        address: the URL of the cluster's dashboard; None: `RAY_API_SERVER_ADDRESS`.
        allow_unauthenticated: allow a cluster on another machine that has neither TLS nor a token.

    Raises:
        UsageError: `unknown_job`, `ambiguous_run`.
        ClusterError: the cluster cannot be reached, refuses, or runs an unsupported version of Ray.
    """
    from reqflo_ray._internal.ray_cluster.address import find_cluster
    from reqflo_ray._internal.ray_cluster.jobs import Jobs

    jobs = Jobs.of(find_cluster(address, allow_unauthenticated=allow_unauthenticated))
    return Submission(jobs, jobs.find(run), is_new=False)


def _ignore(line: str) -> None:
    pass
