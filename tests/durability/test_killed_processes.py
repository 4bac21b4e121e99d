"""Real processes that really die, against an API that keeps a ledger: the run goes on with one command."""

from __future__ import annotations

import random

import pytest
from disturbed_fixtures import MakeRun, NoteFault, Undisturbed

pytestmark = pytest.mark.timeout(300)


def test_a_run_that_is_killed_again_and_again_ends_like_an_undisturbed_one(
    make_run: MakeRun, undisturbed: Undisturbed, note_fault: NoteFault
) -> None:
    run = make_run()
    run.kill_again_and_again(5, random.Random(11), [run.command(), run.resume_command()])
    ended = run.complete(run.resume_command())
    assert ended.code == 0, ended
    assert run.faults >= 3
    note_fault("process killed, 5 times in one run", run.judge(undisturbed(run.rows)))


@pytest.mark.chaos
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(5))
def test_fifty_kills_lose_and_repeat_nothing(
    make_run: MakeRun, undisturbed: Undisturbed, note_fault: NoteFault, seed: int
) -> None:
    run = make_run(rows=1000, in_flight=16)
    run.kill_again_and_again(50, random.Random(seed), [run.command(), run.resume_command()])
    ended = run.complete(run.resume_command())
    assert ended.code == 0, ended
    assert run.faults >= 25
    note_fault(f"process killed, 50 times in one run (seed {seed})", run.judge(undisturbed(run.rows)))
