"""Runs on a remote cluster, as whoever wants one sees them: `submit`, and `Submission`, what becomes of it. What the
job itself does, `submitted_run` knows."""

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
    """The state of a submitted run: `pending`, `running`, `stopped`, `succeeded` or `failed`. Instants are RFC 3339.

    Once its job has ended, `exit_code` is that of the run, and `verdict` what the run said of itself: None if it could
    not, and `message` is what Ray knows. `is_complete`: every row has ended, and the verdict is final.
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
    """A run that was submitted to a remote cluster. It goes on whether or not this object does.

    Every method raises `ClusterError` where the cluster does not answer or refuses.
    """

    def __init__(self, jobs: Jobs, job: Job, *, is_new: bool) -> None:
        self._jobs = jobs
        self._job = job
        self.is_new = is_new
        """False if the job was there before."""

    @property
    def run_id(self) -> str:
        """The run."""
        return self._job.run_id

    @property
    def job(self) -> str:
        """What its job is called on the cluster."""
        return self._job.submission_id

    @property
    def url(self) -> str:
        """The cluster's dashboard."""
        return self._jobs.url

    @property
    def has_ended(self) -> bool:
        """Whether the job had ended when the cluster was last asked."""
        return self._job.state.has_ended

    @property
    def state(self) -> str:
        """How the job was when the cluster was last asked."""
        return self._job.state.value.lower()

    def status(self) -> SubmissionStatus:
        """Ask the cluster how the run is now."""
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
        """The lines that the job has printed; with `follow`, all until it ends."""
        from reqflo_ray._internal.ray_cluster.submit import printed

        return printed(self._jobs, self._job, until_it_ends=follow)

    def stop(self, *, wait: bool = True) -> None:
        """Stop the run: requests in flight end, what is finished is kept, and the run can be resumed.

        Args:
            wait: return when the job has ended.
        """
        from reqflo_ray._internal.ray_cluster.submit import stop_and_wait

        if wait:
            self._job = stop_and_wait(self._jobs, self._job)
        else:
            self._jobs.stop(self._job)

    def wait(
        self, *, show: Callable[[str], None] | None = None, notice: Callable[[str], None] | None = None
    ) -> Followed:
        """Follow the job to its end. On the main thread, the first signal asks it to stop, and an interrupt after that
        leaves it.

        Args:
            show: takes the lines of the log, each once.
            notice: takes what this program has to say, such as a lost connection.

        Raises:
            ClusterError: the cluster did not answer for five minutes; the job may go on.
            InterruptedRunError: it was left; the job may go on.
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
    """Start a run as a job on the remote cluster whose dashboard is at `target.address`, compiled and checked here.

    Submitting the same run twice does not run it twice: the job that is there is returned.

    Args:
        journey, data, execution, run_id, take_over, outputs: see `run`.
        shared_data: local dataset paths mean the same files on the cluster; else they travel in the job.
        reports: formats of the reports that the job sends back.
        quiet: the job prints no progress.
        allow_unauthenticated: also to another machine without TLS and without a token.
        listener: is told the warnings of the check.

    Raises:
        UsageError, DefinitionError, DatasetError: nothing was sent to the cluster.
        RunConflictError: a job runs under this id with other inputs.
        ClusterError: the cluster cannot be reached, refuses, or runs another version of Ray.
    """
    from reqflo_ray._internal.ray_cluster.address import find_cluster
    from reqflo_ray._internal.ray_cluster.jobs import Jobs
    from reqflo_ray._internal.ray_cluster.submit import start
    from reqflo_ray._internal.reports.formats import check_formats
    from reqflo_ray._internal.runner.prepare.job_bundle import JobBundle, Order, own_version

    asked = Journey.of(journey)
    if target.transport is not None:
        raise UsageError(
            "a fake API answers in this process only, and a job runs in another",
            code="transport_is_local",
            hint="leave `transport` out, or `run` the journey here",
        )
    if target.backend == Backend.LOCAL:
        raise UsageError(
            "the backend `local` is this process, and a job runs on a cluster",
            code="address_without_cluster",
            hint="leave `backend` out, or `run` the journey here",
        )
    asked_reports = tuple(dict.fromkeys((reports,) if isinstance(reports, str) else reports))
    check_formats(asked_reports)
    cluster = find_cluster(target.address, allow_unauthenticated=allow_unauthenticated)
    given = Dataset.of(data)
    if shared_data and not is_on_disk(given):
        raise UsageError(
            "rows from memory or from a pipe are not on the cluster",
            code="rows_not_shared",
            hint="leave `shared_data` out: they travel in the job",
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
    """A run that was submitted before: its id, a unique beginning of it, or `latest`.

    Raises:
        UsageError: `unknown_job`, `ambiguous_run`.
        ClusterError: the cluster cannot be reached, refuses, or runs another version of Ray.
    """
    from reqflo_ray._internal.ray_cluster.address import find_cluster
    from reqflo_ray._internal.ray_cluster.jobs import Jobs

    jobs = Jobs.of(find_cluster(address, allow_unauthenticated=allow_unauthenticated))
    return Submission(jobs, jobs.find(run), is_new=False)


def _ignore(line: str) -> None:
    pass
