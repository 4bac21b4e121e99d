"""Stages a dataset in parallel: splits the work into jobs, numbers rows and shards, and joins the reports. It must not
know who carries out the jobs.

The shards have the same bytes as those that `rows.stage` writes, whoever carries out which job, because a shard depends
only on its rows and their numbers. Memory grows with files and row groups, and by 56 bytes per shard; not with rows.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import accumulate
from types import TracebackType
from typing import Final, Protocol, Self

import msgspec

from reqflo_ray._internal.datasets.faults import Faults, Findings, PassedOver
from reqflo_ray._internal.datasets.keys import MOST_PARTS
from reqflo_ray._internal.datasets.pieces import DatasetPieces, Piece
from reqflo_ray._internal.datasets.rows import report_repeated
from reqflo_ray._internal.errors import DatasetError, Problem, StoreError
from reqflo_ray._internal.model.plan import DatasetSource, Plan, ShardPlan
from reqflo_ray._internal.model.results import Status
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.runs.staging.jobs import AgainJob, CountJob, Job, KeysJob, Report, RowsJob, run_job
from reqflo_ray._internal.runs.staging.sizes import ShardSizes

# Keys of this many rows are compared together, in about 100 MB.
ROWS_PER_KEY_PART: Final = 2_000_000
# A driver waits for all jobs, and keeps a report of each.
_MOST_JOBS: Final = 4_000
_DIGEST_BYTES: Final = 32
# The approximate size of a row in a dataset, for rows that are in no dataset.
BYTES_OF_ROW: Final = 256


class StagingExecutor(Protocol):
    """Carries out staging jobs elsewhere. Entering it starts or joins what it needs, and leaving it ends only that.

    `least_bytes`: a smaller dataset is staged faster without it. `job_bytes`: about how many bytes one job should read.
    """

    least_bytes: int
    job_bytes: int

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def carry_out(self, folder: RunFolder, jobs: Sequence[Job]) -> Iterable[Report]:
        """Call `run_job` for each of `jobs`, in any order, perhaps more than once; yield one report of each, in any
        order.

        Raises:
            ClusterError: it could not continue.
        """
        ...


class LocalStagingExecutor:
    """An executor that carries out the jobs in this process, one after another, and as few as possible."""

    least_bytes = 0
    job_bytes = sys.maxsize

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def carry_out(self, folder: RunFolder, jobs: Sequence[Job]) -> Iterator[Report]:
        """See `StagingExecutor.carry_out`."""
        return (run_job(folder, job) for job in jobs)


class OutOfSight(Exception):
    """The executor does not find `place`: a file of the dataset, or the store."""

    def __init__(self, place: str) -> None:
        super().__init__(place)
        self.place = place


def stage_with(
    executor: StagingExecutor,
    folder: RunFolder,
    source: DatasetSource,
    dataset: DatasetPieces,
    *,
    choose: Callable[[int], ShardSizes],
    show_text: bool,
    notice: Callable[[Problem], None],
) -> Plan:
    """Stage all of `dataset`, which is `source` in pieces, into `folder`. The plan is not written.

    Args:
        choose: returns the sizes of the shards for a number of rows.
        show_text: findings may quote the dataset.
        notice: takes warnings, which block nothing.

    Raises:
        DatasetError: rows that cannot be used, as in `rows.stage`; nothing stays stored.
        OutOfSight: the executor does not find the dataset or the store; nothing stays stored.
        StoreError, ClusterError: staging could not be carried out.
    """
    folder.storage.remove_tree(folder.path(layout.STAGING))
    faults = Faults(show_text=show_text)
    faults.take(dataset.findings)
    try:
        # Leaving the executor ends jobs that still run, before their files are removed.
        with executor:
            pieces = _counted(executor, folder, dataset.pieces)
            sizes = choose(sum(piece.rows or 0 for piece in pieces))
            jobs = _rows_jobs(executor, dataset, pieces, sizes)
            staged, passed_over = _write(executor, folder, jobs, sizes, faults)
            if source.key_column:
                _compare_keys(executor, folder, source.key_column, dataset, jobs, faults)
        faults.raise_any()
        for remark in passed_over.remarks():
            notice(remark)
    except (DatasetError, OutOfSight):
        folder.storage.remove_tree(folder.path(layout.ROWS))
        raise
    finally:
        folder.storage.remove_tree(folder.path(layout.STAGING))
    return staged


def stage_again(
    executor: StagingExecutor,
    folder: RunFolder,
    earlier: RunFolder,
    statuses: Collection[Status] | None,
    counts: Sequence[int],
    *,
    sizes: ShardSizes,
) -> Plan:
    """Stage the rows of `earlier` that ended with one of `statuses` into `folder`, with new numbers. The plan is not
    written.

    Args:
        counts: how many rows of each shard these are, from `count_chosen`.

    Raises:
        OutOfSight: the executor does not find the store; nothing stays stored.
        StoreError, ClusterError: staging could not be carried out.
    """
    chosen = None if statuses is None else tuple(sorted(statuses))
    jobs = list(_again_jobs(executor, earlier, chosen, counts, sizes))
    try:
        with executor:
            return _write(executor, folder, jobs, sizes, Faults(show_text=False))[0]
    except OutOfSight:
        folder.storage.remove_tree(folder.path(layout.ROWS))
        raise


def _again_jobs(
    executor: StagingExecutor,
    earlier: RunFolder,
    statuses: tuple[Status, ...] | None,
    counts: Sequence[int],
    sizes: ShardSizes,
) -> Iterator[AgainJob]:
    rows = sum(counts)
    shards = sizes.first_shard(rows)
    of_a_job = max(1, executor.job_bytes // (BYTES_OF_ROW * sizes.of(0)), -(-shards // _MOST_JOBS))
    shard = before = 0  # selected rows before that shard
    for number, first in enumerate(range(0, shards, of_a_job)):
        first_row, end = sizes.first_row(first), min(rows, sizes.first_row(first + of_a_job))
        while before + counts[shard] <= first_row:
            before += counts[shard]
            shard += 1
        yield AgainJob(
            number=number,
            earlier=earlier.run_id,
            statuses=statuses,
            shard=shard,
            skipped=first_row - before,
            first_row=first_row,
            rows=end - first_row,
            sizes=sizes,
        )


def _counted(executor: StagingExecutor, folder: RunFolder, pieces: Sequence[Piece]) -> list[Piece]:
    """Return `pieces` with the number of rows of each."""
    unknown = [piece for piece in pieces if piece.rows is None]
    jobs = [CountJob(number=number, pieces=part) for number, part in enumerate(_grouped(executor, unknown))]
    found = {report.number: report.rows for report in _reports(executor, folder, jobs)}
    counts = (rows for job in jobs for rows in found[job.number])
    return [piece if piece.rows is not None else msgspec.structs.replace(piece, rows=next(counts)) for piece in pieces]


def _grouped(executor: StagingExecutor, pieces: Sequence[Piece]) -> Iterator[tuple[Piece, ...]]:
    """Yield groups of consecutive pieces, each as large as one job reads."""
    most = max(executor.job_bytes, sum(piece.size for piece in pieces) // _MOST_JOBS)
    group: list[Piece] = []
    size = 0
    for piece in pieces:
        group.append(piece)
        size += piece.size
        if size >= most:
            yield tuple(group)
            group, size = [], 0
    if group:
        yield tuple(group)


def _rows_jobs(
    executor: StagingExecutor, dataset: DatasetPieces, pieces: Sequence[Piece], sizes: ShardSizes
) -> list[RowsJob]:
    starts = list(accumulate((piece.rows or 0 for piece in pieces), initial=0))
    key_parts = min(MOST_PARTS, 1 + starts[-1] // ROWS_PER_KEY_PART)
    jobs: list[RowsJob] = []
    end = 0
    for number, group in enumerate(_grouped(executor, pieces)):
        begin, end = end, end + len(group)
        # The last shard that begins in this job ends before this row, if there are that many rows.
        shard_end = sizes.first_row(sizes.first_shard(starts[end]))
        last = end
        while last < len(pieces) and starts[last] < shard_end:
            last += 1
        jobs.append(
            RowsJob(
                number=number,
                pieces=group,
                following=tuple(pieces[end:last]),
                first_row=starts[begin],
                sizes=sizes,
                header=dataset.header,
                key_parts=key_parts,
            )
        )
    return jobs


def _write(
    executor: StagingExecutor,
    folder: RunFolder,
    jobs: Sequence[RowsJob | AgainJob],
    sizes: ShardSizes,
    faults: Faults,
) -> tuple[Plan, PassedOver]:
    """Carry out the jobs; return the plan of the shards that they wrote, and the rows that they skipped."""
    rows = sum(job.rows for job in jobs)
    shards = sizes.first_shard(rows)
    digests = bytearray(shards * _DIGEST_BYTES)
    written, found, passed_over = 0, set[int](), dict[int, PassedOver]()
    for report in _reports(executor, folder, jobs):
        at = sizes.first_shard(jobs[report.number].first_row) * _DIGEST_BYTES
        digests[at : at + len(report.digests)] = report.digests
        written += len(report.digests)
        passed_over[report.number] = report.passed_over
        if report.findings:
            found.add(report.number)
    for number in sorted(found):
        name = layout.staging_findings(number)
        faults.take(folder.decode(name, folder.read_file(name), Findings))
    if written != len(digests) and not faults.count:
        raise StoreError(
            f"{written // _DIGEST_BYTES} of {len(digests) // _DIGEST_BYTES} shards were staged",
            code="staging_incomplete",
            hint="resume the run, which stages its rows again",
        )
    plan = Plan(
        ShardPlan(
            shard=shard,
            first_row=sizes.first_row(shard),
            rows=min(sizes.of(shard), rows - sizes.first_row(shard)),
            sha256=digests[shard * _DIGEST_BYTES : (shard + 1) * _DIGEST_BYTES].hex(),
        )
        for shard in range(shards)
    )
    return plan, sum((passed_over[number] for number in sorted(passed_over)), PassedOver())


def _compare_keys(
    executor: StagingExecutor,
    folder: RunFolder,
    column: str,
    dataset: DatasetPieces,
    writers: Sequence[RowsJob],
    faults: Faults,
) -> None:
    parts = writers[0].key_parts if writers else 0
    jobs = [KeysJob(number=part, writers=len(writers)) for part in range(parts)]
    for report in sorted(_reports(executor, folder, jobs), key=lambda report: report.number):
        report_repeated(report.first_repeated, column, dataset.files, faults)
        faults.take(Findings(count=report.repeated - len(report.first_repeated)))


def _reports(executor: StagingExecutor, folder: RunFolder, jobs: Sequence[Job]) -> Iterator[Report]:
    for report in executor.carry_out(folder, jobs) if jobs else ():
        if report.unseen:
            raise OutOfSight(report.unseen)
        if report.refused is not None:
            refused = report.refused
            raise StoreError(refused.message, code=refused.code, cause=refused.cause, hint=refused.hint)
        yield report
