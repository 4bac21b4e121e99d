"""The disk is full from some write on: what is acknowledged stays, and with room again the run ends as it should."""

from __future__ import annotations

import errno
import os
import resource
import signal
import threading
from collections import Counter

import pytest
from disturbed_fixtures import MakeRun, NoteFault, Undisturbed
from disturbed_run import RUN_ID, eventually, everybody
from example_workspace import CLIENT_SECRET
from simulated_run import SimulatedRun
from simulation import Bomb, FullDisk

import reqflo_ray
from reqflo_ray import Dataset, Execution, Journey, Target
from reqflo_ray._internal.demo.process import DemoServer
from reqflo_ray._internal.demo.server import ServerOptions
from reqflo_ray._internal.errors import Problem
from reqflo_ray._internal.model.results import ShardOutcome
from reqflo_ray._internal.runner.progress.listener import SilentListener

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


def test_a_journal_that_may_not_grow_ends_the_run_with_3_and_it_can_be_resumed(
    make_run: MakeRun, undisturbed: Undisturbed, note_fault: NoteFault
) -> None:
    run = make_run()
    process = run.start(run.command(), limits={resource.RLIMIT_FSIZE: 12_000})
    ended = run.wait(process)
    assert ended.code == 3, ended
    assert "could not be finished" in ended.stderr and "Traceback" not in ended.stderr, ended
    # Each shard met the limit by itself.
    run.faults = len(list(run.root.glob("attempts/*/*")))
    run.oracle.note(struck=everybody)
    resumed = run.complete(run.resume_command())
    assert resumed.code == 0, resumed
    note_fault("a file may not grow any more (EFBIG), in every shard", run.judge(undisturbed(run.rows)))


class _Warnings(SilentListener):
    def __init__(self) -> None:
        self.told: list[Problem] = []

    def warning(self, problem: Problem) -> None:
        self.told.append(problem)


def test_a_run_that_cannot_write_its_stop_marker_drains_all_the_same_and_says_so(
    make_run: MakeRun, undisturbed: Undisturbed, note_fault: NoteFault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_CLIENT_SECRET", CLIENT_SECRET)
    run, warnings = make_run(rows=8, in_flight=4), _Warnings()
    link = os.link

    def no_room_for_a_stop(source: str, target: str) -> None:
        if "/stop/" in target:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        link(source, target)

    def strike() -> None:
        eventually(lambda: list(run.root.glob("journal/*/*")) and run.oracle.note().in_flight, "a request in flight")
        os.kill(os.getpid(), signal.SIGTERM)

    with DemoServer(ServerOptions(port=0, latency_ms=300)) as slow:
        run.use(slow)
        with monkeypatch.context() as full:
            full.setattr("os.link", no_room_for_a_stop)
            threading.Thread(target=strike, daemon=True).start()
            outcome = reqflo_ray.run(
                Journey("place-order", workspace=run.workspace),
                Dataset(run.data, key="order_ref"),
                execution=Execution(concurrency=run.in_flight),
                target=Target(store=run.place, backend="local"),
                run_id=RUN_ID,
                listener=warnings,
            )
        assert (outcome.exit_code, outcome.complete) == (143, False)
        [warning] = [problem for problem in warnings.told if problem.code == "stop_not_written"]
        assert os.strerror(errno.ENOSPC) in warning.cause
        run.faults += 1
        assert not run.oracle.note().in_flight, "a request that was in flight was not let finish"
        assert reqflo_ray.resume(RUN_ID, target=Target(store=run.place)).exit_code == 0
        note_fault("SIGTERM on a full disk, then resumed", run.judge(undisturbed(run.rows), drained=True))
