"""What a person asks for is refused where it means nothing, before anything is looked at."""

from __future__ import annotations

from typing import Any

import pytest

from reqflo_ray._internal.errors import UsageError
from reqflo_ray._internal.model.plan import Durability, Evidence
from reqflo_ray._internal.runner.prepare.request import Execution, Journey


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"concurrency": 0}, "`concurrency` cannot be `0`"),
        ({"concurrency": -1}, "`concurrency` cannot be `-1`"),
        ({"max_failures": 0}, "`max_failures` cannot be `0`"),
        ({"rate": 0}, "`rate` cannot be `0`"),
        ({"rate": -0.5}, "`rate` cannot be `-0.5`"),
        ({"rate": float("inf")}, "`rate` cannot be `inf`"),
        ({"rate": float("nan")}, "`rate` cannot be `nan`"),
        ({"evidence": "nothing"}, "`evidence` cannot be `nothing`"),
        ({"evidence": None}, "`evidence` cannot be `None`"),
        ({"durability": "disk"}, "`durability` cannot be `disk`"),
    ],
)
def test_an_execution_that_means_nothing_is_refused(facts: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError) as refused:
        Execution(**facts)
    assert (refused.value.code, refused.value.message) == ("invalid_option", told)
    assert refused.value.hint


def test_an_execution_takes_names_for_what_they_name() -> None:
    facts: dict[str, Any] = {"evidence": "none", "durability": "process"}
    execution = Execution(concurrency=1, max_failures=1, rate=0.5, **facts)
    assert execution.evidence is Evidence.NONE and execution.durability is Durability.PROCESS


@pytest.mark.parametrize("given", ["gift", ["gift"], ("gift",)])
def test_a_name_alone_is_not_taken_for_its_letters(given: Any) -> None:
    journey = Journey("order", presets=given, overlays=given)
    assert journey.presets == journey.overlays == ("gift",)
