"""Adds up what shards report and tells the listener: the driver's only memory of the rows, and it does not grow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from reqflo_ray.errors import Problem
from reqflo_ray.model.clock import Clock
from reqflo_ray.model.results import Counts, Failure, ShardOutcome, ShardReport, ShardSummary
from reqflo_ray.runner.listener import Listener, Progress

_NAMED_FAILURES: Final = 10


class Tally:
    """The `Observer` of a run.

    Args:
        stop: called when `max_failures` rows have not passed.
    """

    def __init__(
        self, *, listener: Listener, clock: Clock, rows_total: int, max_failures: int | None, stop: Callable[[], None]
    ) -> None:
        self._listener = listener
        self._clock = clock
        self._rows_total = rows_total
        self._max_failures = max_failures
        self._stop = stop
        self._started = clock.monotonic()
        self._before = Counts()
        self.counts = Counts()
        self.failures: list[Failure] = []
        self.errors: list[ShardReport] = []
        self.stopped_by_failures = False

    def add_earlier(self, summary: ShardSummary) -> None:
        """Count a shard that was committed before this driver began."""
        self._add(summary)
        self._before = self.counts

    def report(self, report: ShardReport) -> None:
        """Count a shard that has just ended."""
        if report.outcome is ShardOutcome.ERROR:
            self._report_error(report)
        if report.summary is None:
            return
        named = len(self.failures)
        self._add(report.summary)
        for failure in self.failures[named:]:
            self._listener.failure(failure)
        not_passed = self.counts.rows - self.counts.passed
        if self._max_failures is not None and not_passed >= self._max_failures and not self.stopped_by_failures:
            self.stopped_by_failures = True
            self._stop()

    def tick(self) -> None:
        """Tell how far the run is."""
        elapsed = self._clock.monotonic() - self._started
        rows, steps = self.counts.rows - self._before.rows, self.counts.steps - self._before.steps
        rate = rows / elapsed if elapsed > 0 else 0.0
        self._listener.progress(
            Progress(
                rows_total=self._rows_total,
                counts=self.counts,
                elapsed_s=elapsed,
                rows_per_second=rate,
                steps_per_second=steps / elapsed if elapsed > 0 else 0.0,
                remaining_s=(self._rows_total - self.counts.rows) / rate if rate > 0 else None,
            )
        )

    def warn(self, problem: Problem) -> None:
        """Pass it on."""
        self._listener.warning(problem)

    def _add(self, summary: ShardSummary) -> None:
        self.counts = self.counts.plus(summary.counts)
        self.failures += summary.failures[: _NAMED_FAILURES - len(self.failures)]

    def _report_error(self, report: ShardReport) -> None:
        # Many shards fail for one reason, such as a full disk: say it, and keep it, once.
        if any(report.error_code == other.error_code for other in self.errors):
            return
        self.errors.append(report)
        self._listener.warning(
            Problem(
                code=report.error_code,
                message=f"shard {report.shard} could not be finished: {report.message}",
                hint=report.hint,
            )
        )
