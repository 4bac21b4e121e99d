"""Counts what a worker does, in plain numbers and at a negligible cost per step. It must not know who shows them.

The numbers are those of this process and this run, and end with the process: results are in the store.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from reqflo_ray._internal.model.clock import Clock
from reqflo_ray._internal.model.results import ROW_STATUSES, Status
from reqflo_ray._internal.storage.protocol import LogFile

# Upper bounds of buckets, in milliseconds: from a cached response to the longest step, and from a fast disk to a faulty
# one.
REQUEST_BOUNDS: Final = (1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1e3, 2.5e3, 5e3, 1e4, 3e4, 6e4)
_NO_FAILURES: Final = frozenset({Status.PASSED, Status.SKIPPED, Status.WAITING})
SYNC_BOUNDS: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 1e3)


class Distribution:
    """The number of durations per bucket, and their sum in milliseconds."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._numbers = [0] * (len(bounds) + 1)
        self.sum_ms = 0.0

    @property
    def count(self) -> int:
        """The number of durations."""
        return sum(self._numbers)

    def add(self, duration_ms: float) -> None:
        """Count one duration."""
        self._numbers[bisect_left(self._bounds, duration_ms)] += 1
        self.sum_ms += duration_ms

    def cumulative(self) -> Iterator[tuple[str, int]]:
        """Yield each upper bound, as Prometheus writes it, with the number of durations up to it."""
        total = 0
        for bound, number in zip((*self._bounds, float("inf")), self._numbers, strict=True):
            total += number
            yield ("+Inf" if bound == float("inf") else str(bound)), total


def _by_status() -> dict[Status, int]:
    return dict.fromkeys(ROW_STATUSES, 0)


@dataclass(slots=True)
class WorkerMetrics:
    """The counts of one worker. Everything except `synced` is used only on the worker's event loop.

    `failures` counts attempts of steps that did not pass, including those that were retried; `resends` counts requests
    that were sent again after an interruption.
    """

    rows: dict[Status, int] = field(default_factory=_by_status)
    steps: dict[Status, int] = field(default_factory=_by_status)
    failures: int = 0
    retries: int = 0
    resends: int = 0
    rows_in_flight: int = 0
    requests_in_flight: int = 0
    request_ms: Distribution = field(default_factory=lambda: Distribution(REQUEST_BOUNDS))
    sync_ms: Distribution = field(default_factory=lambda: Distribution(SYNC_BOUNDS))
    _sync_lock: threading.Lock = field(default_factory=threading.Lock)

    def attempt_ended(self, status: Status, *, ends_step: bool) -> None:
        """Count an attempt of a step."""
        if status not in _NO_FAILURES:
            self.failures += 1
        if ends_step:
            self.steps[status] += 1

    def synced(self, duration_ms: float) -> None:
        """Count a sync of a journal. May be called on any thread."""
        with self._sync_lock:
            self.sync_ms.add(duration_ms)


class MeasuredLog:
    """The log file of a journal, with its syncs counted."""

    def __init__(self, log: LogFile, metrics: WorkerMetrics, clock: Clock) -> None:
        self._log = log
        self._metrics = metrics
        self._clock = clock
        self.outlives_process = log.outlives_process
        self.append = log.append
        self.close = log.close

    def sync(self) -> None:
        """See `LogFile.sync`."""
        began = self._clock.monotonic()
        self._log.sync()
        self._metrics.synced((self._clock.monotonic() - began) * 1000)
