"""Which runs there are, which one is meant, and which may go."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from reqflo_ray.errors import UsageError
from reqflo_ray.model.plan import Environment
from reqflo_ray.model.results import Status
from reqflo_ray.store import layout
from reqflo_ray.store.claims import Beat
from reqflo_ray.store.history import RunState, list_runs, prune, resolve_run, run_ids, summarize
from reqflo_ray.store.owner import Owner, this_process
from reqflo_ray.store.run_folder import RunFolder

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
NOW_US = int(NOW.timestamp()) * 1_000_000


def at(hours: float) -> str:
    """So many hours before now."""
    return (NOW - timedelta(hours=hours)).isoformat()


def orphan(runs: Any, run_id: str, owner: Owner, **fields: Any) -> RunFolder:
    """An unfinished run, driven by `owner`."""
    folder: RunFolder = runs.begin(run_id, **fields)
    assert folder.claim_epoch(owner, after=1) == 2
    return folder


def elsewhere() -> Owner:
    return Owner(host="other", boot_id="other", pid=1, process_started=1)


def dead() -> Owner:
    me = this_process()
    return msgspec.structs.replace(me, process_started=me.process_started - 1)


def state(folder: RunFolder) -> RunState:
    return summarize(folder, NOW).state


def test_a_store_without_runs_has_none(runs: Any) -> None:
    assert list_runs(runs.storage, NOW) == []


def test_a_run_that_verified_no_certificate_says_so(runs: Any) -> None:
    runs.finish("careless", environment=Environment(name="lab", insecure=True))
    runs.finish("careful")
    assert {run.run_id: run.insecure for run in list_runs(runs.storage, NOW)} == {"careless": True, "careful": False}


def test_runs_are_listed_newest_first(runs: Any) -> None:
    runs.finish("b", created_at=at(2))
    runs.finish("a", created_at=at(1), fail_every=2)
    runs.begin("c", created_at=at(3))
    assert [run.run_id for run in list_runs(runs.storage, NOW)] == ["a", "b", "c"]
    first = list_runs(runs.storage, NOW)[0]
    assert (first.journey, first.rows, first.counts.failed, first.state) == ("place-order", 10, 5, RunState.FINISHED)
    assert first.verdict is not None
    assert first.verdict.status is Status.FAILED


def test_a_folder_without_a_record_is_no_run(runs: Any) -> None:
    runs.storage.write("runs/ghost/rows/shard-00000.parquet", b"")
    assert run_ids(runs.storage) == []


def test_a_run_of_a_living_driver_is_running(runs: Any) -> None:
    assert state(runs.begin("r1", created_at=at(50))) is RunState.RUNNING


def test_a_run_of_a_dead_driver_is_interrupted(runs: Any) -> None:
    folder = orphan(runs, "r1", dead(), created_at=at(0))
    runs.commit(folder, 0, 4)
    summary = summarize(folder, NOW)
    assert (summary.state, summary.rows, summary.verdict) == (RunState.INTERRUPTED, 4, None)


def test_a_run_of_a_driver_elsewhere_is_running_while_it_beats(runs: Any) -> None:
    folder = orphan(runs, "r1", elsewhere(), created_at=at(5))
    assert state(folder) is RunState.INTERRUPTED
    folder.write_beat(2, Beat(count=9, at_us=NOW_US - 5_000_000))
    assert state(folder) is RunState.RUNNING
    folder.write_beat(2, Beat(count=9, at_us=NOW_US - 500_000_000))
    assert state(folder) is RunState.INTERRUPTED


def test_a_run_that_its_living_driver_let_go_is_interrupted(runs: Any) -> None:
    folder = runs.begin("r1", created_at=at(0))
    folder.write_beat(1, Beat(count=-1, at_us=NOW_US))
    assert state(folder) is RunState.INTERRUPTED
    assert prune(runs.storage, NOW, keep=0).runs == ("r1",)


def test_a_run_that_has_just_begun_is_running(runs: Any) -> None:
    assert state(orphan(runs, "r1", elsewhere(), created_at=at(0))) is RunState.RUNNING


def test_a_damaged_run_is_listed_as_such(runs: Any) -> None:
    folder = runs.finish("r1")
    folder.write_file(layout.RECORD, b"{")
    summary = summarize(folder, NOW)
    assert summary.state is RunState.DAMAGED
    assert "`run.json`" in summary.problem


# What a word means


@pytest.fixture
def three(runs: Any) -> Any:
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
def test_a_run_is_found(three: Any, name: str, run_id: str) -> None:
    assert resolve_run(three, name).run_id == run_id


def test_an_exact_id_wins_over_longer_ones(runs: Any) -> None:
    runs.finish("nightly")
    runs.finish("nightly-2")
    assert resolve_run(runs.storage, "nightly").run_id == "nightly"


def test_an_ambiguous_beginning_names_the_candidates(three: Any) -> None:
    with pytest.raises(UsageError) as caught:
        resolve_run(three, "20261122")
    assert caught.value.code == "ambiguous_run"
    assert "20261122-100000-bbbbbb, 20261122-090000-cccccc" in caught.value.message


@pytest.mark.parametrize("name", ["", "2027", "20261122-100000-bbbbbx", "../x", "a/b", "*"])
def test_an_unknown_run_names_the_candidates(three: Any, name: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolve_run(three, name)
    assert caught.value.code == "unknown_run"
    assert "20261122-100000-bbbbbb" in caught.value.hint


@pytest.mark.parametrize("name", ["latest", "x"])
def test_an_empty_store_says_so(runs: Any, name: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolve_run(runs.storage, name)
    assert caught.value.code == "unknown_run"


# Deleting


def test_prune_keeps_the_newest(three: Any) -> None:
    pruned = prune(three, NOW, keep=1)
    assert set(pruned.runs) == {"20261121-100000-aaaaaa", "20261122-100000-bbbbbb"}
    assert run_ids(three) == ["20261122-090000-cccccc"]
    assert three.list("runs") == ["20261122-090000-cccccc"]


def test_prune_by_age(three: Any) -> None:
    assert prune(three, NOW, older_than_s=86_400).runs == ("20261121-100000-aaaaaa",)


def test_prune_by_both_takes_what_is_both(three: Any) -> None:
    assert prune(three, NOW, keep=0, older_than_s=3 * 3600).runs == ("20261121-100000-aaaaaa",)
    assert prune(three, NOW, keep=2, older_than_s=1).runs == ()


def test_a_dry_run_changes_nothing(three: Any) -> None:
    assert len(prune(three, NOW, keep=0, dry_run=True).runs) == 3
    assert len(run_ids(three)) == 3


def test_an_artifact_stays_as_long_as_a_run_names_it(runs: Any) -> None:
    runs.finish("a", created_at=at(3))
    runs.finish("b", created_at=at(2))
    runs.finish("c", created_at=at(1), journey="other")
    shared, other = (RunFolder(runs.storage, run_id).load_run().artifact for run_id in ("a", "c"))
    assert prune(runs.storage, NOW, keep=2).artifacts == ()
    assert runs.storage.exists(layout.artifact(shared))
    assert prune(runs.storage, NOW, keep=1).artifacts == (shared,)
    assert runs.storage.list("artifacts") == [f"{other}.json"]


def test_a_running_run_is_never_deleted(runs: Any) -> None:
    runs.begin("mine", created_at=at(100))
    other = orphan(runs, "theirs", elsewhere(), created_at=at(100))
    other.write_beat(2, Beat(count=1, at_us=NOW_US - 1_000_000_000))
    orphan(runs, "dead", dead(), created_at=at(100))
    assert summarize(other, NOW).state is RunState.INTERRUPTED
    assert prune(runs.storage, NOW, keep=0).runs == ("dead",), "a silent driver elsewhere is given an hour"


def test_a_run_that_was_half_deleted_is_deleted_next_time(runs: Any) -> None:
    folder = runs.finish("r1")
    for name in (layout.MANIFEST, layout.VERDICT):
        runs.storage.remove(folder.path(name))
    runs.storage.remove_tree(folder.path(layout.RESULTS))
    assert prune(runs.storage, datetime.now(UTC) + timedelta(days=1), keep=0).runs == ("r1",)
    assert runs.storage.list("runs") == []


@pytest.mark.parametrize(
    ("arguments", "code"),
    [({}, "nothing_to_prune_by"), ({"keep": -1}, "invalid_prune"), ({"older_than_s": -1.0}, "invalid_prune")],
)
def test_prune_needs_to_know_what(runs: Any, arguments: dict[str, Any], code: str) -> None:
    with pytest.raises(UsageError) as caught:
        prune(runs.storage, NOW, **arguments)
    assert caught.value.code == code
