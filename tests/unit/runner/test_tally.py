"""What the driver remembers of what shards report: sums, a few failures, and each reason for an error once."""

from __future__ import annotations

from simulation import SimulatedClock

from reqflo_ray.errors import Problem
from reqflo_ray.model.results import Counts, Failure, ShardOutcome, ShardReport, ShardSummary, Status
from reqflo_ray.runner.listener import SilentListener
from reqflo_ray.runner.tally import Tally


class Heard(SilentListener):
    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.failures: list[int] = []

    def warning(self, problem: Problem) -> None:
        self.warnings.append(problem.code)

    def failure(self, failure: Failure) -> None:
        self.failures.append(failure.row_index)


def _tally(heard: Heard) -> Tally:
    return Tally(listener=heard, clock=SimulatedClock(), rows_total=10_000, max_failures=None, stop=lambda: None)


def test_a_reason_for_which_many_shards_fail_is_told_and_kept_once() -> None:
    heard = Heard()
    tally = _tally(heard)
    for shard in range(1000):
        code = "disk_full" if shard % 2 else "secret_missing"
        tally.report(ShardReport(shard=shard, outcome=ShardOutcome.ERROR, error_code=code, message="m"))
    assert heard.warnings == ["secret_missing", "disk_full"]
    assert [report.shard for report in tally.errors] == [0, 1]


def test_of_many_failures_all_are_counted_and_a_few_are_kept() -> None:
    heard = Heard()
    tally = _tally(heard)
    for shard in range(1000):
        failed = {"row_key": "", "status": Status.FAILED, "step": "get", "code": "assertion_failed", "message": "m"}
        failures = tuple(Failure(row_index=5 * shard + at, **failed) for at in range(5))
        counts = Counts(rows=10, passed=5, failed=5, steps=10)
        summary = ShardSummary(shard=shard, attempt=1, counts=counts, failures=failures)
        tally.report(ShardReport(shard=shard, outcome=ShardOutcome.COMMITTED, summary=summary))
    assert (tally.counts.rows, tally.counts.failed, tally.counts.steps) == (10_000, 5000, 10_000)
    assert heard.failures == [failure.row_index for failure in tally.failures] == list(range(10))
