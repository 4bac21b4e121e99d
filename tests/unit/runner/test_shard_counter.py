"""How far a shard is said to be before its commit: what a new attempt takes over, and from whom."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from simulated_run import SimulatedRun
from simulation import Bomb

from reqflo_ray._internal.model.results import RowResult, ShardOutcome, ShardReport, Status
from reqflo_ray._internal.runner.execute.shard import run_shard, suspended
from reqflo_ray._internal.runner.progress.shard import ShardCounter


def _run_with_one_row_done() -> SimulatedRun:
    """Its workers died; row 0 has ended, row 1 has begun."""
    run = SimulatedRun(rows=3, concurrency=1)
    while not {(0, "read"), (1, "token")} <= run.journaled()[0]:
        run.process_that_dies_after_a_step()
    return run


@pytest.mark.parametrize(("epoch", "earlier"), [(1, 0), (2, 1)], ids=["same driver", "later driver"])
def test_rows_that_an_earlier_driver_has_finished_are_told_apart(epoch: int, earlier: int) -> None:
    report = _run_with_one_row_done().process(epoch=epoch)
    assert report is not None and report.summary is not None and report.progress is not None
    assert report.progress.counts == report.summary.counts
    assert (report.progress.counts.rows, report.progress.counts.resumed) == (3, 2)
    assert (report.progress.earlier.rows, report.progress.earlier.passed) == (earlier, earlier)


def test_a_stopped_shard_tells_the_rows_that_ended_and_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = SimulatedRun(rows=3, concurrency=1)
    add = ShardCounter.add

    async def main() -> ShardReport:
        worker = run.worker(Bomb())

        def add_and_stop(counter: ShardCounter, *what: Any, **how: Any) -> None:
            add(counter, *what, **how)
            assert worker.counters[0].progress().counts.passed == 1
            worker.stopping.set()

        monkeypatch.setattr(ShardCounter, "add", add_and_stop)
        report = await run_shard(worker, run.plan, 1)
        assert worker.counters == {}
        return report

    report = asyncio.run(main())
    assert report.outcome is ShardOutcome.SUSPENDED and report.progress is not None
    assert report.progress.counts.rows == report.progress.counts.passed == 1


def test_a_shard_that_was_cut_short_is_told_as_far_as_it_came() -> None:
    worker = SimulatedRun().worker(Bomb())
    assert suspended(worker, 7).progress is None
    worker.counters[7] = ShardCounter(7, quarantined=2)
    report = suspended(worker, 7)
    assert report.progress is not None and report.progress.counts.quarantined == 2
    assert worker.counters == {}


def test_soft_failures_and_flaky_rows_are_summed() -> None:
    counter = ShardCounter(0)
    for row, (soft, flaky) in enumerate([(2, False), (0, True), (1, True), (0, False)]):
        result = RowResult(row_index=row, row_key="", status=Status.PASSED, soft_failures=soft, flaky=flaky)
        counter.add(result, steps=1, earlier=False)
    assert (counter.counts.rows, counter.counts.soft_failures, counter.counts.flaky) == (4, 3, 2)
