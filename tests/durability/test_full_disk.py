"""The disk is full from some write on: what is acknowledged stays, and with room again the run ends as it should."""

from __future__ import annotations

import resource
from collections import Counter

import pytest
from disturbed_fixtures import MakeRun, NoteFault, Undisturbed
from simulated_run import SimulatedRun
from simulation import Bomb, FullDisk

from reqflo_ray.model.results import ShardOutcome

pytestmark = pytest.mark.timeout(300)

_STEPS = {"/auth/token": "token", "/orders": "create"}


def test_a_disk_that_is_full_from_any_write_on_loses_nothing_that_was_acknowledged() -> None:
    undisturbed, counted = SimulatedRun(), Bomb()
    undisturbed.process(counted)
    struck = 0
    for at in range(counted.count):
        run, full = SimulatedRun(), FullDisk(at=at)
        report = run.process(full)
        if not full.struck:
            continue
        struck += 1
        assert report is not None, f"operation {at}"
        assert (report.outcome, report.error_code) == (ShardOutcome.ERROR, "disk_full"), f"operation {at}: {report}"
        assert "space" in report.message + report.hint or "room" in report.hint, f"operation {at}: {report}"
        finished, _ = run.journaled()
        seen = len(run.shop.ledger)

        again = run.process()

        assert again is not None and again.outcome is ShardOutcome.COMMITTED, f"operation {at}: {again}"
        orders = sum(arrival.path == "/orders" for arrival in run.shop.ledger[seen:])
        assert orders <= run.rows - sum((row, "create") in finished for row in range(run.rows)), f"operation {at}"
        keys = Counter(arrival.key for arrival in run.shop.ledger if arrival.key)
        assert len(keys) == len(run.shop.orders) == run.rows and max(keys.values()) <= 2, f"operation {at}"
        assert run.results() == undisturbed.results(), f"operation {at}"
        assert run.steps() == undisturbed.steps(), f"operation {at}"
    assert struck > 10, "the disk was hardly ever full: this test has tested nothing"


def test_a_file_system_that_refuses_to_let_a_journal_grow_ends_the_run_with_3_and_it_can_be_resumed(
    make_run: MakeRun, undisturbed: Undisturbed, note_fault: NoteFault
) -> None:
    run = make_run()
    process = run.start(run.command(), limits={resource.RLIMIT_FSIZE: 12_000})
    ended = run.wait(process)
    assert ended.code == 3, ended
    assert "could not be finished" in ended.stderr and "Traceback" not in ended.stderr, ended
    # Each shard met the limit by itself.
    run.faults = len(list(run.root.glob("attempts/*/*")))
    run.oracle.note()
    resumed = run.complete(run.resume_command())
    assert resumed.code == 0, resumed
    note_fault("a file may not grow any more (EFBIG), in every shard", run.judge(undisturbed(run.rows)))
