"""The table of metrics: legal names, a series for each value of a label, and what Prometheus takes for a histogram."""

from __future__ import annotations

import re

import pytest

from reqflo_ray._internal.model.results import ROW_STATUSES, Status
from reqflo_ray._internal.ray_cluster.metrics import LABELS, METRICS, Metric
from reqflo_ray._internal.runner.progress.metrics import REQUEST_BOUNDS, SYNC_BOUNDS, WorkerMetrics

BY_NAME = {metric.name: metric for metric in METRICS}
HISTOGRAMS = sorted(name.removesuffix("_bucket") for name in BY_NAME if name.endswith("_bucket"))


def test_every_name_is_there_once_and_is_one_that_prometheus_takes() -> None:
    assert len(BY_NAME) == len(METRICS)
    assert [name for name in BY_NAME if not re.fullmatch(r"reqflo_[a-z_]+", name)] == []
    assert all(metric.description for metric in METRICS)


def test_labels_are_a_few_known_values_only() -> None:
    assert LABELS == ("journey", "run_id")
    assert {metric.label for metric in METRICS} == {"", "status", "le"}
    series = [label for metric in METRICS for label, _ in metric.read(WorkerMetrics())]
    assert len(series) == 2 * len(ROW_STATUSES) + 5 + (len(REQUEST_BOUNDS) + 1 + 2) + (len(SYNC_BOUNDS) + 1 + 2)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_all_series_are_there_before_anything_has_happened(metric: Metric) -> None:
    """A rate is that of what came after the first value: a series that begins with its first event loses it."""
    found = list(metric.read(WorkerMetrics()))
    assert found and {value for _, value in found} == {0}
    assert len({label for label, _ in found}) == len(found)
    assert all(bool(label) == bool(metric.label) for label, _ in found)


def test_counts_are_shown_where_they_belong() -> None:
    metrics = WorkerMetrics(failures=1, retries=2, resends=3, rows_in_flight=4, requests_in_flight=5)
    metrics.rows[Status.FAILED] = 6
    metrics.steps[Status.SKIPPED] = 7
    metrics.request_ms.add(12.0)
    metrics.synced(0.3)
    shown = {
        (name, label): value for name, metric in BY_NAME.items() for label, value in metric.read(metrics) if value != 0
    }
    buckets = {key: value for key, value in shown.items() if key[0].endswith("_bucket")}
    assert {key: value for key, value in shown.items() if key not in buckets} == {
        ("reqflo_rows_total", "failed"): 6,
        ("reqflo_steps_total", "skipped"): 7,
        ("reqflo_failures_total", ""): 1,
        ("reqflo_retries_total", ""): 2,
        ("reqflo_resends_total", ""): 3,
        ("reqflo_rows_in_flight", ""): 4,
        ("reqflo_requests_in_flight", ""): 5,
        ("reqflo_request_duration_ms_sum", ""): 12.0,
        ("reqflo_request_duration_ms_count", ""): 1,
        ("reqflo_journal_sync_duration_ms_sum", ""): 0.3,
        ("reqflo_journal_sync_duration_ms_count", ""): 1,
    }
    assert ("reqflo_request_duration_ms_bucket", "10.0") not in buckets
    assert buckets["reqflo_request_duration_ms_bucket", "25.0"] == 1


def test_a_histogram_has_all_its_parts_and_ends_with_all() -> None:
    assert HISTOGRAMS == ["reqflo_journal_sync_duration_ms", "reqflo_request_duration_ms"]
    for name in HISTOGRAMS:
        assert {f"{name}_sum", f"{name}_count"} <= BY_NAME.keys()
        bounds = [label for label, _ in BY_NAME[f"{name}_bucket"].read(WorkerMetrics())]
        assert bounds[-1] == "+Inf"
        assert [float(bound) for bound in bounds] == sorted({float(bound) for bound in bounds})
