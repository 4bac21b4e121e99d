"""Workers of a real cluster die while a thousand orders are placed: every order is placed once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from disturbed_fixtures import MakeRun, NoteFault, Undisturbed
from disturbed_run import DisturbedRun, eventually, everybody

from reqflo_ray._internal.runs.folder.owner import Liveness, liveness

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]

ROWS = 1000


def _kill_a_worker_between_token_and_create(run: DisturbedRun, chance: random.Random) -> None:
    """SIGKILL one of the run's workers when some row has its token and its order is not acknowledged."""

    def strike() -> bool:
        owners = sorted(run.owners())
        if not owners:
            return False
        moment = run.oracle.note()
        have_token = {row for row, step in moment.finished if step == "token"}
        ordered = {row for row, step in moment.finished if step == "create"}
        if not have_token - ordered:
            return False
        run.kill_worker(chance.choice(owners))
        return run.faults > 0

    eventually(strike, "a row between its token and its order")


def test_a_worker_that_is_killed_between_token_and_order_places_no_order_twice(
    make_run: MakeRun, cluster: str, undisturbed: Undisturbed, note_fault: NoteFault
) -> None:
    run = _on(cluster, make_run)
    process = run.start(run.command())
    assert run.wait_for_arrivals(process, 300), run.wait(process)
    _kill_a_worker_between_token_and_create(run, random.Random(1))
    ended = run.wait(process)
    assert ended.code == 0, ended
    note_fault("Ray worker killed between two steps", run.judge(undisturbed(ROWS)))


@pytest.mark.chaos
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(3))
def test_workers_that_are_killed_again_and_again_lose_and_repeat_nothing(
    make_run: MakeRun, cluster: str, undisturbed: Undisturbed, note_fault: NoteFault, seed: int
) -> None:
    run, chance = _on(cluster, make_run), random.Random(seed)
    process = run.start(run.command())
    for _ in range(20):
        if not run.wait_for_arrivals(process, run.oracle.arrived() + chance.randint(1, 200)):
            break
        owners = sorted(run.owners())
        if owners:
            run.kill_worker(chance.choice(owners))
    ended = run.wait(process)
    assert ended.code == 0, ended
    assert run.faults >= 5
    note_fault(f"Ray workers killed at random, 20 times in one run (seed {seed})", run.judge(undisturbed(ROWS)))


@pytest.mark.chaos
@pytest.mark.timeout(1800)
def test_a_driver_that_is_killed_again_and_again_on_a_cluster_goes_on(
    make_run: MakeRun, cluster: str, undisturbed: Undisturbed, note_fault: NoteFault
) -> None:
    run = _on(cluster, make_run)
    run.kill_again_and_again(6, random.Random(5), [run.command(), run.resume_command()])
    ended = run.complete(run.resume_command())
    assert ended.code == 0, ended
    assert run.faults >= 3
    # Both workers are cut off by the death of their driver.
    note_fault("Ray driver killed, 6 times in one run", run.judge(undisturbed(ROWS)))


@pytest.mark.chaos
@pytest.mark.timeout(1800)
def test_a_worker_that_wakes_up_without_its_shard_sends_and_judges_nothing(
    make_run: MakeRun, cluster: str, undisturbed: Undisturbed, note_fault: NoteFault
) -> None:
    run = _on(cluster, make_run)
    driver = run.start(run.command())
    assert run.wait_for_arrivals(driver, ROWS), run.wait(driver)
    asleep = sorted(run.owners())
    assert asleep, "no worker has a shard"
    for pid in (driver.pid, *asleep):
        os.kill(pid, signal.SIGSTOP)
    run.faults += 1
    run.oracle.note(struck=everybody)
    try:
        taken = run.complete(run.resume_command("--take-over"))
        assert taken.code == 0, taken
        sent = run.oracle.arrived()
    finally:
        for pid in (driver.pid, *asleep):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
    woken = run.wait(driver)
    assert woken.code in (0, 3), woken
    assert run.oracle.arrived() <= sent + run.in_flight
    note_fault("Ray worker and driver asleep, run taken over", run.judge(undisturbed(ROWS)))


@pytest.mark.chaos
@pytest.mark.timeout(1800)
def test_a_node_that_is_killed_loses_no_row(
    make_run: MakeRun, cluster_environment: dict[str, str], undisturbed: Undisturbed, note_fault: NoteFault
) -> None:
    script = Path(__file__).parent.parent / "apps" / "ray_nodes.py"
    nodes = subprocess.Popen([sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert nodes.stdin and nodes.stdout
    try:
        address = nodes.stdout.readline().strip()
        # One for each node, so that the node which dies has one.
        run = _on(address, make_run, workers=3)
        process = run.start(run.command())
        assert run.wait_for_arrivals(process, ROWS), run.wait(process)
        alive = run.owners()
        print("kill", file=nodes.stdin, flush=True)
        assert nodes.stdout.readline().strip() == "killed"
        run.faults += 1
        eventually(lambda: alive - run.owners(), "the end of the workers on that node")
        run.oracle.note(struck=lambda owner: liveness(owner) is Liveness.GONE)
        ended = run.wait(process, timeout=300)
        assert ended.code == 0, ended
        note_fault("Ray node killed", run.judge(undisturbed(ROWS)))
    finally:
        nodes.stdin.close()
        nodes.wait(timeout=60)
        nodes.stdout.close()


def _on(address: str, make_run: MakeRun, workers: int = 2) -> DisturbedRun:
    where = ("--address", address, "--workers", str(workers))
    return make_run(rows=ROWS, in_flight=16 * workers, workers=workers, where=where)
