"""What a worker counts while it runs rows, and that it counts nothing twice."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from scripted import Journey, ok, refused
from simulated_run import SimulatedRun
from simulation import Bomb, SimulatedClock

from reqflo_ray._internal.errors import StoreError
from reqflo_ray._internal.model.results import ROW_STATUSES, ShardOutcome, Status
from reqflo_ray._internal.runner.execute.row.context import Suspended
from reqflo_ray._internal.runner.execute.shard import run_shard
from reqflo_ray._internal.runner.progress.metrics import Distribution, MeasuredLog, WorkerMetrics

JOURNEY = """\
journey:
  name: two
  inputs: [{name: item}]
  steps:
    - id: make
      request: {service: api, url: /items, query: {item: "{{ inputs.item }}"}}
      retry: {count: 1, delay: 1ms, causes: [error]}
      outputs: {made: {path: "$.body.id", sensitive: true}}
    - id: read
      request: {service: api, url: "/items/{{ steps.make.outputs.made }}"}
    - {id: told, type: note, text: "it is {{ inputs.item }}"}
"""


def _counted(counts: dict[Status, int]) -> dict[str, int]:
    return {status.value: number for status, number in counts.items() if number}


def test_steps_requests_and_retries_are_counted_while_a_row_runs(tmp_path: Path) -> None:
    journey = Journey(tmp_path, JOURNEY)
    journey.run(refused(), ok({"id": "i-7"}), ok(), row={"item": "a"})
    metrics = journey.metrics
    assert _counted(metrics.steps) == {"passed": 3}
    assert (metrics.failures, metrics.retries, metrics.resends) == (1, 1, 0)
    assert metrics.request_ms.count == 3
    assert metrics.requests_in_flight == 0


def test_a_step_that_is_skipped_is_counted_and_is_no_failure(tmp_path: Path) -> None:
    journey = Journey(tmp_path, JOURNEY)
    journey.run(refused())
    assert _counted(journey.metrics.steps) == {"error": 1, "skipped": 2}
    assert journey.metrics.failures == 2 and journey.metrics.retries == 1


def test_a_step_that_is_sent_again_for_a_value_whose_key_is_gone_is_counted_once(tmp_path: Path) -> None:
    journey = Journey(tmp_path, JOURNEY)
    journey.sealer = None
    fence = iter((True, False))
    with pytest.raises(Suspended):
        journey.run(ok({"id": "i-7"}), row={"item": "a"}, may_send=lambda: next(fence))
    assert _counted(journey.metrics.steps) == {"passed": 1}
    journey.run(ok({"id": "i-7"}), ok(), row={"item": "a"}, history=journey.history())
    assert _counted(journey.metrics.steps) == {"passed": 3}
    assert journey.metrics.resends == 1
    assert journey.metrics.request_ms.count == 3


def test_a_row_that_is_suspended_has_not_ended_and_is_not_in_flight_any_more() -> None:
    run = SimulatedRun(rows=3)

    async def main() -> tuple[ShardOutcome, WorkerMetrics]:
        worker = run.worker(Bomb())
        worker.stopping.set()
        return (await run_shard(worker, run.plan, 1)).outcome, worker.metrics

    outcome, metrics = asyncio.run(main())
    assert outcome is ShardOutcome.SUSPENDED
    assert _counted(metrics.rows) == {} and metrics.rows_in_flight == 0


def test_a_shard_counts_its_rows_and_the_syncs_of_its_journal() -> None:
    run = SimulatedRun(rows=3)

    async def main() -> WorkerMetrics:
        worker = run.worker(Bomb())
        report = await run_shard(worker, run.plan, 1)
        assert report.summary is not None
        assert worker.metrics.rows == {status: getattr(report.summary.counts, status.value) for status in ROW_STATUSES}
        assert sum(worker.metrics.steps.values()) == report.summary.counts.steps
        assert worker.metrics.request_ms.count == report.summary.counts.requests
        return worker.metrics

    metrics = asyncio.run(main())
    assert sum(metrics.rows.values()) == 3 and metrics.rows_in_flight == 0
    assert metrics.sync_ms.count > 0


def test_a_bucket_holds_what_is_not_longer_than_its_bound() -> None:
    times = Distribution((1.0, 2.5))
    for duration in (0.0, 1.0, 1.1, 2.5, 2.6, 1e9):
        times.add(duration)
    assert list(times.cumulative()) == [("1.0", 2), ("2.5", 4), ("+Inf", 6)]
    assert times.count == 6 and times.sum_ms == pytest.approx(1e9 + 7.2)


def test_syncs_of_many_threads_are_all_counted() -> None:
    metrics = WorkerMetrics()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(metrics.synced, [0.2] * 4000))
    assert metrics.sync_ms.count == 4000
    assert metrics.sync_ms.sum_ms == pytest.approx(800)


def test_a_sync_that_fails_is_no_sync_and_its_error_is_kept() -> None:
    class Full:
        outlives_process = True

        def append(self, data: bytes) -> None:
            self.data = data

        def sync(self) -> None:
            raise StoreError("the disk is full", code="journal_unwritable")

        def close(self) -> None:
            self.data = b""

    metrics, full = WorkerMetrics(), Full()
    log = MeasuredLog(full, metrics, SimulatedClock())
    log.append(b"record")
    with pytest.raises(StoreError, match="the disk is full"):
        log.sync()
    assert full.data == b"record" and metrics.sync_ms.count == 0
    log.close()
    assert full.data == b""
