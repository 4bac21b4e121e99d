"""What the driver remembers of what shards report: sums, a few failures, and each reason for an error once."""

from __future__ import annotations

import asyncio
import random
from functools import partial

import pytest
from simulation import SimulatedClock

from reqflo_ray._internal.errors import Problem
from reqflo_ray._internal.model.results import (
    ROW_STATUSES,
    Counts,
    Failure,
    RowResult,
    ShardOutcome,
    ShardProgress,
    ShardReport,
    ShardSummary,
    Status,
)
from reqflo_ray._internal.runner.progress.listener import Progress, SilentListener
from reqflo_ray._internal.runner.progress.run import RunProgress
from reqflo_ray._internal.runner.progress.shard import ShardCounter


class Heard(SilentListener):
    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.failures: list[int] = []
        self.told: list[Progress] = []
        self.stops = 0

    def warning(self, problem: Problem) -> None:
        self.warnings.append(problem.code)

    def failure(self, failure: Failure) -> None:
        self.failures.append(failure.row_index)

    def progress(self, progress: Progress) -> None:
        self.told.append(progress)

    def stop(self) -> None:
        self.stops += 1


def _run_progress(heard: Heard, max_failures: int | None = None) -> RunProgress:
    return RunProgress(
        listener=heard, clock=SimulatedClock(), rows_total=10_000, max_failures=max_failures, stop=heard.stop
    )


def _progress(shard: int, rows: int, *, failed: int = 0, earlier: int = 0) -> ShardProgress:
    """Of a shard whose first `earlier` rows ended under an earlier driver, and whose last `failed` did not pass."""
    counter = ShardCounter(shard)
    for row in range(rows):
        status = Status.FAILED if row >= rows - failed else Status.PASSED
        counter.add(RowResult(row_index=1000 * shard + row, row_key="", status=status), steps=3, earlier=row < earlier)
    return counter.progress()


def _committed(shard: int, rows: int, *, failed: int = 0, earlier: int = 0) -> ShardReport:
    progress = _progress(shard, rows, failed=failed, earlier=earlier)
    summary = ShardSummary(shard=shard, attempt=1, counts=progress.counts, failures=progress.failures)
    return ShardReport(shard=shard, outcome=ShardOutcome.COMMITTED, summary=summary, progress=progress)


def test_a_reason_for_which_many_shards_fail_is_told_and_kept_once() -> None:
    heard = Heard()
    progress = _run_progress(heard)
    for shard in range(1000):
        code = "disk_full" if shard % 2 else "secret_missing"
        progress.report(ShardReport(shard=shard, outcome=ShardOutcome.ERROR, error_code=code, message="m"))
    assert heard.warnings == ["secret_missing", "disk_full"]
    assert [report.shard for report in progress.errors] == [0, 1]


def test_of_many_failures_all_are_counted_and_a_few_are_kept() -> None:
    heard = Heard()
    progress = _run_progress(heard)
    for shard in range(1000):
        failed = partial(Failure, row_key="", status=Status.FAILED, step="get", code="assertion_failed", message="m")
        failures = tuple(failed(row_index=5 * shard + at) for at in range(5))
        counts = Counts(rows=10, passed=5, failed=5, steps=10)
        summary = ShardSummary(shard=shard, attempt=1, counts=counts, failures=failures)
        progress.report(ShardReport(shard=shard, outcome=ShardOutcome.COMMITTED, summary=summary))
    assert (progress.counts.rows, progress.counts.failed, progress.counts.steps) == (10_000, 5000, 10_000)
    assert heard.failures == [failure.row_index for failure in progress.failures] == list(range(10))


def test_the_failures_that_are_kept_are_the_first_rows_not_those_that_ended_first() -> None:
    heard = Heard()
    progress = _run_progress(heard)
    for shard in (3, 1, 2, 0):
        progress.report(_committed(shard, 4, failed=4))
    assert [failure.row_index for failure in progress.failures] == [0, 1, 2, 3, 1000, 1001, 1002, 1003, 2000, 2001]
    assert heard.failures == [3000, 3001, 3002, 3003, 1000, 1001, 1002, 1003, 2000, 2001], "told as they come"


def test_a_shard_names_its_first_rows_in_whatever_order_they_ended() -> None:
    rows = random.Random(1).sample(range(40), 40)
    counter = ShardCounter(0)
    for row in rows:
        counter.add(RowResult(row_index=row, row_key="", status=Status.FAILED), steps=1, earlier=False)
    assert [failure.row_index for failure in counter.progress().failures] == list(range(10))


def test_of_a_resumed_run_too_the_first_rows_are_kept() -> None:
    heard = Heard()
    progress = _run_progress(heard)
    for shard in (0, 2):
        summary = _committed(shard, 6, failed=6).summary
        assert summary is not None
        progress.add_earlier(summary)
    progress.report(_committed(1, 6, failed=6))
    assert [failure.row_index for failure in progress.failures] == [*range(6), *range(1000, 1004)]


def test_rows_count_while_their_shard_runs_and_not_again_with_its_commit() -> None:
    progress = _run_progress(Heard())
    progress.progress([_progress(0, 10), _progress(1, 5, failed=2)])
    assert (progress.counts.rows, progress.counts.failed, progress.counts.steps, progress.journaled) == (15, 2, 45, 15)
    progress.progress([_progress(0, 12)])
    progress.report(_committed(1, 20, failed=3))
    assert (progress.counts.rows, progress.counts.failed, progress.counts.steps, progress.journaled) == (32, 3, 96, 12)


def test_rows_that_the_next_attempt_counts_again_are_counted_once() -> None:
    progress = _run_progress(Heard())
    progress.progress([_progress(0, 30)])  # its worker dies
    seen = []
    for rows in (1, 12, 30, 31):
        progress.progress([_progress(0, rows)])
        seen.append(progress.counts.rows)
    assert seen == [30, 30, 30, 31]


def test_what_is_told_late_or_again_of_a_shard_that_is_committed_counts_nothing() -> None:
    progress = _run_progress(Heard())
    progress.report(_committed(0, 20))
    progress.progress([_progress(0, 19)])
    progress.report(_committed(0, 20))
    progress.add_earlier(ShardSummary(shard=1, attempt=1, counts=Counts(rows=5, passed=5)))
    progress.progress([_progress(1, 5)])
    assert progress.counts.rows == 25 and progress.journaled == 0


@pytest.mark.parametrize("seed", range(20))
def test_in_whatever_order_accounts_arrive_the_sum_is_that_of_the_shards(seed: int) -> None:
    order = random.Random(seed)
    told: list[ShardReport | ShardProgress] = [_committed(shard, 10, failed=shard) for shard in range(3)]
    told += [_progress(shard, order.randint(1, 10), failed=1) for shard in range(5) for _ in range(4)]
    told += [_progress(shard, 10, failed=shard) for shard in (3, 4)]
    order.shuffle(told)
    progress = _run_progress(Heard())
    for each in (*told, *order.choices(told, k=10)):
        if isinstance(each, ShardReport):
            progress.report(each)
        else:
            progress.progress([each])
    assert (progress.counts.rows, progress.counts.steps, progress.journaled) == (50, 150, 20)
    assert sum(getattr(progress.counts, status) for status in ROW_STATUSES) == 50


def test_a_shard_that_is_suspended_brings_its_last_rows_along() -> None:
    progress = _run_progress(Heard())
    progress.progress([_progress(0, 7)])
    progress.report(ShardReport(shard=0, outcome=ShardOutcome.SUSPENDED, progress=_progress(0, 9)))
    assert progress.counts.rows == progress.journaled == 9


def test_the_run_is_stopped_once_as_soon_as_enough_rows_have_failed_anywhere() -> None:
    heard = Heard()
    progress = _run_progress(heard, max_failures=4)
    progress.progress([_progress(0, 100, failed=2), _progress(1, 50, failed=1)])
    assert (heard.stops, progress.stopped_by_failures) == (0, False)
    progress.progress([_progress(1, 60, failed=2)])
    assert heard.stops == 1 and progress.stopped_by_failures
    progress.report(_committed(1, 60, failed=2))
    assert heard.stops == 1


def test_failures_under_an_earlier_driver_do_not_stop_a_resume() -> None:
    heard = Heard()
    progress = _run_progress(heard, max_failures=2)
    failed = Counts(rows=9, passed=0, failed=9)
    progress.add_earlier(ShardSummary(shard=0, attempt=1, counts=failed))
    progress.progress([_progress(1, 5, failed=5, earlier=5)])
    progress.progress([_progress(1, 6, failed=6, earlier=5)])
    assert heard.stops == 0
    progress.progress([_progress(1, 7, failed=7, earlier=5)])
    assert heard.stops == 1 and progress.counts.failed == 16


def test_rates_are_of_what_this_driver_has_run() -> None:
    heard = Heard()
    clock = SimulatedClock()
    progress = RunProgress(listener=heard, clock=clock, rows_total=200, max_failures=None, stop=heard.stop)
    progress.add_earlier(ShardSummary(shard=0, attempt=1, counts=Counts(rows=50, passed=50, steps=150)))
    progress.progress([_progress(1, 60, earlier=50)])
    asyncio.run(clock.sleep(2.0))
    progress.tick()
    [told] = heard.told
    assert (told.counts.rows, told.rows_per_second, told.steps_per_second) == (110, 5.0, 15.0)
    assert told.remaining_s == 18.0


def test_a_row_that_was_told_while_its_shard_ran_is_not_told_again_at_its_commit() -> None:
    heard = Heard()
    progress = _run_progress(heard)
    progress.progress([_progress(0, 3, failed=2)])
    progress.report(_committed(0, 3, failed=2))
    assert heard.failures == [1, 2]
