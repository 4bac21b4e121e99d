"""Every process dies as soon as it has finished one step, and the next one goes on: all state comes from the journal.

Every journey of the examples must end exactly as if one process had run it.
"""

from __future__ import annotations

from collections import Counter

import pytest
from simulated_example import JOURNEYS, SimulatedExample
from simulated_run import SimulatedRun, artifact_that_must_not_repeat

from reqflo_ray._internal.model.results import ShardOutcome


def _always_replay(run: SimulatedRun) -> int:
    """Finish the run with one process for every attempt of a step; how many died."""
    for deaths in range(2000):
        report = run.process_that_dies_after_a_step()
        if report is not None:
            assert report.outcome is ShardOutcome.COMMITTED, report
            return deaths
    raise AssertionError("the run does not get on")


@pytest.mark.parametrize(("example", "journey"), JOURNEYS)
def test_a_journey_whose_process_dies_after_every_step_ends_as_if_it_had_not(
    example: str, journey: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQFLO_ME_USER", "nobody")
    undisturbed = SimulatedExample(example=example, journey=journey)
    assert undisturbed.process() is not None

    run = SimulatedExample(example=example, journey=journey)
    deaths = _always_replay(run)

    assert deaths >= len(undisturbed.steps()) > 0
    assert run.results() == undisturbed.results()
    assert run.steps() == undisturbed.steps()


def test_a_step_that_must_not_be_repeated_is_sent_once_by_a_process_for_every_step() -> None:
    run = SimulatedRun(artifact=artifact_that_must_not_repeat(), rows=5, concurrency=1)
    _always_replay(run)
    assert {row["status"] for row in run.results()} == {"passed"}
    assert set(Counter((arrival.method, arrival.path, arrival.body) for arrival in run.shop.ledger).values()) <= {1, 5}
    assert sum(arrival.path == "/orders" for arrival in run.shop.ledger) == 5
    assert len(run.shop.ledger) == 15, "a finished step was sent again"
