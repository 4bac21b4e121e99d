"""Which runs there are, which one is meant, and which may go."""

from __future__ import annotations

from pathlib import Path

import pytest
from run_owners import NOW, NOW_US, at, dead, driven_by, elsewhere
from sample_runs import RunMaker

from reqflo_ray._internal.errors import UsageError
from reqflo_ray._internal.model.plan import Environment
from reqflo_ray._internal.model.results import Status
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.runs.folder.claims import Beat
from reqflo_ray._internal.runs.folder.owner import this_process
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.runs.upkeep.history import RunState, list_runs, resolve_run, run_ids, summarize
from reqflo_ray._internal.storage.local import LocalStorage


def state(folder: RunFolder) -> RunState:
    return summarize(folder, NOW).state


def test_a_store_without_runs_has_none(runs: RunMaker) -> None:
    assert list_runs(runs.storage, NOW) == []


def test_a_run_that_verified_no_certificate_says_so(runs: RunMaker) -> None:
    runs.finish("careless", environment=Environment(name="lab", insecure=True))
    runs.finish("careful")
    assert {run.run_id: run.insecure for run in list_runs(runs.storage, NOW)} == {"careless": True, "careful": False}


def test_runs_are_listed_newest_first(runs: RunMaker) -> None:
    runs.begin("c", created_at=at(3))
    runs.finish("b", created_at=at(2))
    runs.finish("a", created_at=at(1), fail_every=2)
    assert [run.run_id for run in list_runs(runs.storage, NOW)] == ["a", "b", "c"]
    first = list_runs(runs.storage, NOW)[0]
    assert (first.journey, first.rows, first.counts.failed, first.state) == ("place-order", 10, 5, RunState.FINISHED)
    assert first.verdict is not None
    assert first.verdict.status is Status.FAILED


def test_a_folder_without_a_record_is_no_run(runs: RunMaker) -> None:
    runs.storage.write("runs/ghost/rows/shard-00000.parquet", b"")
    assert run_ids(runs.storage) == []


def test_a_run_of_a_living_driver_is_running(runs: RunMaker) -> None:
    assert state(runs.begin("r1", created_at=at(50))) is RunState.RUNNING


def test_a_run_of_a_dead_driver_is_interrupted(runs: RunMaker) -> None:
    folder = driven_by(runs, "r1", dead(), created_at=at(0))
    runs.commit(folder, 0, 4)
    summary = summarize(folder, NOW)
    assert (summary.state, summary.rows, summary.verdict) == (RunState.INTERRUPTED, 4, None)


def test_a_run_of_a_driver_elsewhere_is_running_while_it_beats(runs: RunMaker) -> None:
    folder = driven_by(runs, "r1", elsewhere(), created_at=at(5))
    assert state(folder) is RunState.INTERRUPTED
    folder.write_beat(2, Beat(count=9, at_us=NOW_US - 5_000_000))
    assert state(folder) is RunState.RUNNING
    folder.write_beat(2, Beat(count=9, at_us=NOW_US - 500_000_000))
    assert state(folder) is RunState.INTERRUPTED


def test_a_run_that_its_living_driver_let_go_is_interrupted(runs: RunMaker) -> None:
    folder = runs.begin("r1", created_at=at(0))
    folder.write_beat(1, Beat(count=-1, at_us=NOW_US))
    assert state(folder) is RunState.INTERRUPTED


def test_a_run_that_has_just_begun_is_running(runs: RunMaker) -> None:
    assert state(driven_by(runs, "r1", elsewhere(), created_at=at(0))) is RunState.RUNNING


def test_a_sign_of_life_from_the_future_is_none(runs: RunMaker) -> None:
    folder = driven_by(runs, "r1", elsewhere(), created_at=at(-40_000))
    assert state(folder) is RunState.INTERRUPTED
    folder.write_beat(2, Beat(count=9, at_us=NOW_US + 10**15))
    assert state(folder) is RunState.INTERRUPTED


def test_a_damaged_run_is_listed_as_such(runs: RunMaker) -> None:
    folder = runs.finish("r1")
    folder.write_file(layout.RECORD, b"{")
    summary = summarize(folder, NOW)
    assert summary.state is RunState.DAMAGED
    assert "`run.json`" in summary.problem


@pytest.mark.parametrize("name", [layout.VERDICT, layout.RECORD])
def test_what_is_of_a_run_with_the_same_id_in_another_store_is_not_believed(
    runs: RunMaker, run_maker: type[RunMaker], tmp_path: Path, name: str
) -> None:
    folder = runs.finish("r1", rows=5)
    twin = run_maker(LocalStorage(tmp_path / "another")).finish("r1", rows=3, created_at=at(5))
    folder.write_file(name, twin.read_file(name))
    summary = summarize(RunFolder(folder.storage, "r1"), NOW)
    assert (summary.state, summary.verdict) == (RunState.DAMAGED, None)
    assert f"`{name}`" in summary.problem


def test_a_claim_of_a_run_with_the_same_id_in_another_store_is_told_with_the_record(
    runs: RunMaker, run_maker: type[RunMaker], tmp_path: Path
) -> None:
    folder = runs.begin("r1", created_at=at(1))
    folder.claim_epoch(this_process(), after=1, record_sha256=folder.record_sha256())
    twin = run_maker(LocalStorage(tmp_path / "another")).begin("r1", created_at=at(5))
    folder.write_file(layout.RECORD, twin.read_file(layout.RECORD))
    summary = summarize(RunFolder(folder.storage, "r1"), NOW)
    assert summary.state is RunState.DAMAGED
    assert f"`{layout.RECORD}`" in summary.problem and f"`{layout.epoch(2)}`" in summary.problem


# In which order they were made


IN_2030, IN_1970 = "2030-01-01T00:00:00Z", "1970-01-01T00:00:03Z"


def forget_numbers(runs: RunMaker) -> None:
    """As in a store of 0.1.0, where runs have no numbers."""
    runs.storage.remove_tree("order")


def order(runs: RunMaker) -> list[str]:
    listed = [run.run_id for run in list_runs(runs.storage, NOW)]
    assert not listed or resolve_run(runs.storage, "latest").run_id == listed[0]
    return listed


@pytest.mark.parametrize(
    "instants",
    [
        [IN_2030, at(2), at(1)],
        [at(2), IN_1970, at(1)],
        [at(2), at(1), IN_1970],
        [IN_2030, at(1), IN_1970],
        [at(1), at(2), at(3)],
        [at(1), at(1), at(1)],
        ["no instant", "", at(1)],
    ],
)
def test_the_run_that_was_made_last_is_the_latest_whatever_the_clock_said(runs: RunMaker, instants: list[str]) -> None:
    for run_id, instant in zip(("x", "z", "y"), instants, strict=True):
        runs.begin(run_id, created_at=instant)
    assert order(runs) == ["y", "z", "x"]


def test_runs_of_a_version_without_numbers_are_older_and_in_order_of_instants(runs: RunMaker) -> None:
    for run_id, instant in (("future", IN_2030), ("a", at(3)), ("b", at(2))):
        runs.begin(run_id, created_at=instant)
    forget_numbers(runs)
    assert order(runs) == ["future", "b", "a"]
    runs.begin("new", created_at=at(1))
    assert order(runs) == ["new", "future", "b", "a"], "not the latest for ever"


def test_a_run_that_is_gone_on_with_is_not_made_anew(runs: RunMaker) -> None:
    first = runs.begin("first", created_at=at(2))
    runs.begin("second", created_at=at(1))
    assert not first.create_run(first.load_run())
    assert order(runs) == ["second", "first"]


def test_an_id_that_is_used_again_counts_from_then_on(runs: RunMaker) -> None:
    runs.begin("again", created_at=at(3))
    runs.begin("other", created_at=at(2))
    runs.storage.remove_tree("runs/again")
    assert order(runs) == ["other"]
    runs.begin("again", created_at=at(1))
    assert order(runs) == ["again", "other"]


@pytest.mark.parametrize("stray", [".DS_Store", "0-r1", "00000009", "x-a", "00000009-.hidden", "00000009-ghost"])
def test_what_is_no_number_of_a_run_is_passed_over(runs: RunMaker, stray: str) -> None:
    runs.begin("a", created_at=at(2))
    runs.storage.write(f"order/{stray}", b"")
    runs.begin("b", created_at=at(1))
    assert order(runs) == ["b", "a"]


def test_the_latest_run_is_the_latest_also_if_it_is_damaged(runs: RunMaker) -> None:
    runs.finish("whole", created_at=at(2))
    runs.finish("broken", created_at=at(1)).write_file(layout.RECORD, b"{")
    assert order(runs) == ["broken", "whole"]


# What a word means


@pytest.fixture
def three(runs: RunMaker) -> LocalStorage:
    runs.finish("20261121-100000-aaaaaa", created_at=at(30))
    runs.finish("20261122-100000-bbbbbb", created_at=at(2))
    runs.finish("20261122-090000-cccccc", created_at=at(1))
    return runs.storage


@pytest.mark.parametrize(
    ("name", "run_id"),
    [
        ("latest", "20261122-090000-cccccc"),
        ("20261121", "20261121-100000-aaaaaa"),
        ("20261122-10", "20261122-100000-bbbbbb"),
        ("20261122-100000-bbbbbb", "20261122-100000-bbbbbb"),
    ],
)
def test_a_run_is_found(three: LocalStorage, name: str, run_id: str) -> None:
    assert resolve_run(three, name).run_id == run_id


def test_an_exact_id_wins_over_longer_ones(runs: RunMaker) -> None:
    runs.finish("nightly")
    runs.finish("nightly-2")
    assert resolve_run(runs.storage, "nightly").run_id == "nightly"


def test_an_ambiguous_beginning_names_the_candidates(three: LocalStorage) -> None:
    with pytest.raises(UsageError) as caught:
        resolve_run(three, "20261122")
    assert caught.value.code == "ambiguous_run"
    assert "20261122-100000-bbbbbb, 20261122-090000-cccccc" in caught.value.message


@pytest.mark.parametrize("name", ["", "2027", "20261122-100000-bbbbbx", "../x", "a/b", "*"])
def test_an_unknown_run_names_the_candidates(three: LocalStorage, name: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolve_run(three, name)
    assert caught.value.code == "unknown_run"
    assert "20261122-100000-bbbbbb" in caught.value.hint


@pytest.mark.parametrize("name", ["latest", "x"])
def test_an_empty_store_says_so(runs: RunMaker, name: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolve_run(runs.storage, name)
    assert caught.value.code == "unknown_run"
