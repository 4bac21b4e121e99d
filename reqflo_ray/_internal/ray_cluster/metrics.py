"""Exports a worker's counts as metrics of Ray, which appear in Prometheus format on the metrics port of its node.

A step only counts; once per second the counts go to Ray, which reports them every ten seconds. It must not know rows,
steps, or values: the labels are the journey and the run, a status, and the bound of a bucket.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from reqflo_ray._internal.runner.progress.metrics import Distribution, WorkerMetrics

_SECONDS_BETWEEN_FLUSHES: Final = 1.0
# Ray puts this before the name of every metric.
PREFIX: Final = "ray_"
LABELS: Final = ("journey", "run_id")


@dataclass(frozen=True, slots=True)
class Metric:
    """One name on the metrics port, without Ray's prefix. `label` distinguishes its series, "" if there is only one;
    `read` returns a value for each of them."""

    name: str
    description: str
    label: str
    read: Callable[[WorkerMetrics], Iterable[tuple[str, float]]]


def _single(read: Callable[[WorkerMetrics], float]) -> Callable[[WorkerMetrics], Iterable[tuple[str, float]]]:
    return lambda metrics: (("", read(metrics)),)


def _histogram(name: str, description: str, read: Callable[[WorkerMetrics], Distribution]) -> tuple[Metric, ...]:
    return (
        Metric(f"{name}_bucket", description, "le", lambda metrics: read(metrics).cumulative()),
        Metric(f"{name}_sum", f"{description}: the sum", "", _single(lambda metrics: read(metrics).sum_ms)),
        Metric(f"{name}_count", f"{description}: the count", "", _single(lambda metrics: read(metrics).count)),
    )


METRICS: Final = (
    Metric("reqflo_rows_total", "rows that ended in this worker", "status", lambda metrics: metrics.rows.items()),
    Metric("reqflo_steps_total", "steps that ended in this worker", "status", lambda metrics: metrics.steps.items()),
    Metric(
        "reqflo_failures_total", "attempts of steps that did not pass", "", _single(lambda metrics: metrics.failures)
    ),
    Metric("reqflo_retries_total", "attempts that followed another one", "", _single(lambda metrics: metrics.retries)),
    Metric(
        "reqflo_resends_total",
        "requests sent again after a crash",
        "",
        _single(lambda metrics: metrics.resends),
    ),
    Metric("reqflo_rows_in_flight", "rows being run", "", _single(lambda metrics: metrics.rows_in_flight)),
    Metric("reqflo_requests_in_flight", "requests not answered yet", "", _single(lambda m: m.requests_in_flight)),
    *_histogram("reqflo_request_duration_ms", "HTTP exchanges in ms", lambda metrics: metrics.request_ms),
    *_histogram("reqflo_journal_sync_duration_ms", "syncs of the journal in ms", lambda metrics: metrics.sync_ms),
)


class MetricsExport:
    """Sends the counts of one worker to Ray.

    All are gauges of Ray, set to the whole count: the agent of a node drops a gauge that is no longer set, while it
    keeps the counters of every worker of every run until the node ends. Ray's histogram would need one call per
    request, and another in the agent, and has no exact sum.
    """

    def __init__(self, metrics: WorkerMetrics, *, journey: str, run_id: str) -> None:
        from ray.util.metrics import Gauge

        self._metrics = metrics
        tags = dict(zip(LABELS, (journey, run_id), strict=True))
        self._gauges = [
            (metric, Gauge(metric.name, metric.description, _keys(metric)).set_default_tags(tags)) for metric in METRICS
        ]

    def flush(self) -> None:
        """Send the counts so far. Never raises: a run does not fail because a metric cannot be shown."""
        with suppress(Exception):
            for metric, gauge in self._gauges:
                for value_of_label, value in metric.read(self._metrics):
                    gauge.set(value, {metric.label: value_of_label} if metric.label else None)

    async def flush_for_ever(self) -> None:
        """Send the counts about once per second."""
        while True:
            self.flush()
            await asyncio.sleep(_SECONDS_BETWEEN_FLUSHES)


def _keys(metric: Metric) -> tuple[str, ...]:
    return (*LABELS, metric.label) if metric.label else LABELS
