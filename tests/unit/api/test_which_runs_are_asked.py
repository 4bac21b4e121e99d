"""Which runs a question is put to: the latest, unless it is said otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest
from sample_runs import RunMaker

from reqflo_ray import IntegrityError, Store, UsageError
from reqflo_ray._internal.storage.local import LocalStorage

ASKED = "select run_id, count(*) from results group by 1 order by 1"
VIEWS = ("assertions", "results", "runs", "steps")


def with_two_runs(runs: RunMaker) -> Store:
    """A store with two finished runs, the later one of another journey and with an earlier id."""
    runs.finish("second", shards=1, rows=1)
    runs.finish("first", shards=1, rows=2, journey="other", created_at="2026-11-22T11:45:00+01:00")
    return Store(runs.storage)


@pytest.fixture(scope="module")
def store(run_maker: type[RunMaker], tmp_path_factory: pytest.TempPathFactory) -> Store:
    """One that tests leave as it is."""
    return with_two_runs(run_maker(LocalStorage(tmp_path_factory.mktemp("two-runs") / "store")))


def test_a_question_without_a_run_is_put_to_the_latest_and_the_answer_says_so(store: Store) -> None:
    answer = store.query(ASKED)
    assert list(answer.rows()) == [("first", 2)]
    [run] = answer.runs
    assert (run.run_id, run.journey) == ("first", "other")
    assert run.created_at is not None and run.created_at.isoformat() == "2026-11-22T10:45:00+00:00"


@pytest.mark.parametrize(
    ("runs_asked", "found"),
    [
        ("all", ["first", "second"]),
        (["all"], ["first", "second"]),
        (["second", "all"], ["first", "second"]),
        ("latest", ["first"]),
        ("second", ["second"]),
        (["first", "sec"], ["first", "second"]),
        ([], ["first"]),
    ],
)
def test_every_view_is_of_the_runs_that_are_asked(store: Store, runs_asked: str | list[str], found: list[str]) -> None:
    views = " union all ".join(f"select distinct '{view}', run_id from {view}" for view in VIEWS)
    answer = store.query(f"{views} order by all", runs_asked)
    assert list(answer.rows()) == [(view, run_id) for view in VIEWS for run_id in found]
    assert sorted(run.run_id for run in answer.runs) == found


def test_a_store_without_runs_has_empty_views(runs: RunMaker) -> None:
    answer = Store(runs.storage).query("select count(*) from runs")
    assert list(answer.rows()) == [(0,)] and answer.runs == ()


def test_a_store_without_runs_has_no_latest_one(runs: RunMaker) -> None:
    with pytest.raises(UsageError, match="there is no run in"):
        Store(runs.storage).query("select 1", "latest")


def test_no_earlier_run_stands_in_for_a_latest_one_that_cannot_be_read(runs: RunMaker) -> None:
    store = with_two_runs(runs)
    Path(store.uri, "runs", "first", "run.json").write_bytes(b"{")
    with pytest.raises(IntegrityError, match="first"):
        store.query(ASKED)
    assert list(store.query(ASKED, "all").rows()) == [("second", 1)]


def test_an_unfinished_run_is_the_latest_one_too(runs: RunMaker) -> None:
    store = with_two_runs(runs)
    folder = runs.begin("third")
    runs.stage(folder, 2)
    runs.commit(folder, 0, 3)
    assert list(store.query(ASKED).rows()) == [("third", 3)]
