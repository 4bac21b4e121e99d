"""Workers of a real cluster die while a thousand orders are placed: every order is placed once."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import suppress

import pytest
from disturbed_fixtures import MakeRun, NoteFault, Undisturbed
from disturbed_run import DisturbedRun, eventually

pytestmark = pytest.mark.ray

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
        with suppress(ProcessLookupError):
            os.kill(chance.choice(owners), signal.SIGKILL)
            run.faults += 1
            run.oracle.note()
            return True
        return False

    eventually(strike, "a row between its token and its order")


def test_a_worker_that_is_killed_between_token_and_order_places_no_order_twice(
    make_run: MakeRun, cluster: str, undisturbed: Undisturbed, note_fault: NoteFault
) -> None:
    run = make_run(rows=ROWS, in_flight=32, workers=2, where=("--address", cluster, "--workers", "2"))
    process = run.start(run.command())
    assert run.wait_for_arrivals(process, 300), run.wait(process)
    _kill_a_worker_between_token_and_create(run, random.Random(1))
    ended = run.wait(process)
    assert ended.code == 0, ended
    note_fault("Ray worker killed between two steps", run.judge(undisturbed(ROWS)))
