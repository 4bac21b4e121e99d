"""Adds up the reports of shards and passes the sums to the listener. It is all that the driver holds about the rows,
and its size does not depend on their number.

No row is counted twice, even if reports arrive late, twice, or from an attempt that has died. A row that has ended is
in the journal, and every later attempt of its shard counts it again. So of two counters of a shard, the one with more
rows includes the other, and the commit includes all of them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter

from reqflo_ray._internal.errors import Problem
from reqflo_ray._internal.model.clock import Clock
from reqflo_ray._internal.model.results import (
    NAMED_FAILURES,
    Counts,
    Failure,
    ShardOutcome,
    ShardProgress,
    ShardReport,
    ShardSummary,
)
from reqflo_ray._internal.runner.progress.listener import Listener, Progress


class RunProgress:
    """The `Observer` of a run.

    Args:
        stop: called when `max_failures` rows have not passed under this driver; a resume counts anew.
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
        self._before = Counts()  # what had ended when this driver started
        self._committed = bytearray()  # by number, 1 for each committed shard: there may be a million
        self._running: dict[int, ShardProgress] = {}
        self.counts = Counts()
        self.failures: list[Failure] = []  # the first rows of all that are known
        self._told: set[int] = set()  # the rows that were reported to the listener
        self.errors: list[ShardReport] = []
        self._warned: set[str] = set()
        self.stopped_by_failures = False

    @property
    def journaled(self) -> int:
        """The number of rows that have ended in shards without a commit."""
        return sum(progress.counts.rows for progress in self._running.values())

    def add_earlier(self, summary: ShardSummary) -> None:
        """Count a shard that was committed before this driver started."""
        self._note(summary.shard)
        self.counts = self._before = self.counts.plus(summary.counts)
        for failure in summary.failures:
            self._keep(failure)

    def misses(self, shard: int) -> bool:
        """Whether the commit of a shard has not been counted."""
        return shard >= len(self._committed) or not self._committed[shard]

    def add(self, summary: ShardSummary) -> None:
        """Count a committed shard, unless it is counted already."""
        if not self.misses(summary.shard):
            return
        self._note(summary.shard)
        running = self._running.pop(summary.shard, None)
        if running is not None:
            self.counts = self.counts.minus(running.counts)
        self.counts = self.counts.plus(summary.counts)
        self._name(summary.failures)

    def progress(self, shards: Sequence[ShardProgress]) -> None:
        """Count the rows that have ended in running shards."""
        for progress in shards:
            for problem in progress.warnings:
                self._warn_once(problem)
            self._advance(progress)
        self._stop_after_failures()

    def report(self, report: ShardReport) -> None:
        """Count a shard that has just ended."""
        if report.outcome is ShardOutcome.ERROR:
            self._report_error(report)
        if report.progress is not None:
            self._advance(report.progress)
        if report.summary is not None:
            self.add(report.summary)
        self._stop_after_failures()

    def tick(self) -> None:
        """Report the progress of the run to the listener."""
        elapsed = self._clock.monotonic() - self._started
        new = self.counts.minus(self._before)
        rate = new.rows / elapsed if elapsed > 0 else 0.0
        self._listener.progress(
            Progress(
                rows_total=self._rows_total,
                counts=self.counts,
                elapsed_s=elapsed,
                rows_per_second=rate,
                steps_per_second=new.steps / elapsed if elapsed > 0 else 0.0,
                remaining_s=(self._rows_total - self.counts.rows) / rate if rate > 0 else None,
            )
        )

    def warn(self, problem: Problem) -> None:
        """Pass a warning to the listener."""
        self._listener.warning(problem)

    def _warn_once(self, problem: Problem) -> None:
        # Every worker reports the same warning repeatedly.
        if problem.code not in self._warned:
            self._warned.add(problem.code)
            self.warn(problem)

    def _note(self, shard: int) -> None:
        self._committed.extend(bytes(max(0, shard + 1 - len(self._committed))))
        self._committed[shard] = 1

    def _advance(self, progress: ShardProgress) -> None:
        last = self._running.get(progress.shard, ShardProgress(shard=progress.shard))
        if not self.misses(progress.shard) or progress.counts.rows <= last.counts.rows:
            return
        self._running[progress.shard] = progress
        self.counts = self.counts.minus(last.counts).plus(progress.counts)
        self._before = self._before.minus(last.earlier).plus(progress.earlier)
        self._name(progress.failures)

    def _stop_after_failures(self) -> None:
        new = self.counts.minus(self._before)
        enough = self._max_failures is not None and new.rows - new.passed >= self._max_failures
        if enough and not self.stopped_by_failures:
            self.stopped_by_failures = True
            self._stop()

    def _name(self, failures: Iterable[Failure]) -> None:
        """Keep the first rows, and report a few to the listener as they arrive, each once: a commit may repeat what was
        reported while its shard was running."""
        for failure in failures:
            self._keep(failure)
            if len(self._told) < NAMED_FAILURES and failure.row_index not in self._told:
                self._told.add(failure.row_index)
                self._listener.failure(failure)

    def _keep(self, failure: Failure) -> None:
        at = bisect_left(self.failures, failure.row_index, key=attrgetter("row_index"))
        if [other.row_index for other in self.failures[at : at + 1]] != [failure.row_index]:
            self.failures.insert(at, failure)
            del self.failures[NAMED_FAILURES:]

    def _report_error(self, report: ShardReport) -> None:
        # Many shards may fail for one reason, such as a full disk: it is reported and kept once.
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
