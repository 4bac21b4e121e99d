"""What is asked for, as data: what makes sense is kept as it will be recorded, what makes none is refused at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reqflo_ray import Backend, Dataset, Durability, Evidence, Execution, Journey, Target, UsageError
from reqflo_ray.testing import FakeApi


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (4, 4),
        ("4", 4),
        (" 4 ", 4),
        ("4:4", 4),
        ("2:8", "2:8"),
        (" 2:8", "2:8"),
        ("auto", "auto"),
        (None, None),
        (0, "auto"),
    ],
)
def test_workers_are_kept_as_a_record_holds_them(given: int | str | None, kept: int | str | None) -> None:
    assert Target(workers=given).workers == kept


@pytest.mark.parametrize("given", ["", " ", "0", "-2", -2, "many", "8:2", "0:3", "1:2:3", "1:", "1.5", 1.5])
def test_what_is_no_number_of_workers_is_refused(given: Any) -> None:
    with pytest.raises(UsageError) as refused:
        Target(workers=given)
    assert (refused.value.code, refused.value.exit_code) == ("invalid_workers", 2)
    assert "`4`" in refused.value.hint


@pytest.mark.parametrize("backend", [*Backend, *map(str, Backend)])
def test_a_backend_may_be_named_by_its_text(backend: str) -> None:
    assert Target(backend=backend).backend == backend


@pytest.mark.parametrize("backend", ["spark", "", "RAY", "Local"])
def test_a_backend_that_is_none_is_refused_with_those_that_are(backend: str) -> None:
    with pytest.raises(UsageError, match="no backend") as refused:
        Target(backend=backend)
    assert refused.value.code == "unknown_backend" and "`auto`, `ray`, `local`" in refused.value.hint


def test_a_cluster_is_not_joined_by_what_runs_in_this_process() -> None:
    with pytest.raises(UsageError) as refused:
        Target(backend="local", address="auto")
    assert refused.value.code == "address_without_cluster"
    assert Target(backend="ray", address="auto").address == "auto"


@pytest.mark.parametrize("rate", [0, -3, float("nan"), float("inf"), float("-inf")])
def test_a_rate_is_a_number_above_0(rate: float) -> None:
    with pytest.raises(UsageError) as refused:
        Execution(rate=rate)
    assert refused.value.code == "invalid_rate"


@pytest.mark.parametrize("rate", [None, 0.5, 1, 1e6])
def test_a_rate_is_kept(rate: float | None) -> None:
    assert Execution(rate=rate).rate == rate


@pytest.mark.parametrize("source", ["a.csv", Path("a.csv"), ["a.csv"], (Path("a.csv"),)])
def test_a_dataset_of_files_knows_their_names(source: Any) -> None:
    assert Dataset(source).files == ("a.csv",) and not Dataset(source).is_in_memory


@pytest.mark.parametrize("source", [[{"a": 1}], iter(["a.csv"]), ({"a": 1},), ["a.csv", {"a": 1}]])
def test_rows_are_no_files(source: Any) -> None:
    assert Dataset(source).files == () and Dataset(source).is_in_memory


def test_a_name_or_nothing_is_enough() -> None:
    assert Journey.of("place-order") == Journey("place-order")
    assert Journey.of(Path("place-order.yaml")) == Journey("place-order.yaml")
    assert Dataset.of("a.csv") == Dataset("a.csv")
    none = Dataset.of(None)
    assert none.files == () and not none.is_in_memory
    asked = Dataset("a.csv", key="k")
    assert Dataset.of(asked) is asked


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"concurrency": 0}, "`concurrency` cannot be `0`"),
        ({"concurrency": -1}, "`concurrency` cannot be `-1`"),
        ({"max_failures": 0}, "`max_failures` cannot be `0`"),
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


@pytest.mark.parametrize(
    ("make", "facts", "told"),
    [
        (Execution, {"concurrency": "64"}, "`concurrency` cannot be `64`"),
        (Execution, {"concurrency": 2.5}, "`concurrency` cannot be `2.5`"),
        (Execution, {"max_failures": 1.5}, "`max_failures` cannot be `1.5`"),
        (Execution, {"max_failures": True}, "`max_failures` cannot be `True`"),
        (Execution, {"rate": "10/s"}, "`rate` cannot be `10/s`"),
        (Journey, {"environment": 3}, "`environment` cannot be `3`"),
        (Journey, {"workspace": 3}, "`workspace` cannot be `3`"),
        (Journey, {"presets": None}, "`presets` cannot be `None`"),
        (Journey, {"overrides": ["total=3"]}, "`overrides` cannot be `['total=3']`"),
        (Target, {"address": 6379}, "`address` cannot be `6379`"),
        (Target, {"store": 5}, "`store` cannot be `5`"),
        (Target, {"transport": 5}, "`transport` cannot be `5`"),
        (Target, {"transport": FakeApi}, "`transport` cannot be `FakeApi`"),
    ],
)
def test_what_is_of_another_type_is_refused_at_once(make: Any, facts: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError) as refused:
        make(**facts)
    assert (refused.value.code, refused.value.message) == ("invalid_option", told) and refused.value.hint


@pytest.mark.parametrize("facts", [{"key": None}, {"key": 3}, {"encoding": None}])
def test_a_dataset_names_its_key_and_encoding_by_text(facts: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as refused:
        Dataset("a.csv", **facts)
    assert refused.value.code == "invalid_option"


@pytest.mark.parametrize("journey", [3, None, ["place-order"]])
def test_what_is_no_journey_is_refused(journey: Any) -> None:
    with pytest.raises(UsageError, match="`journey` cannot be"):
        Journey.of(journey)
