"""Files of every version of the tables answer alike, alone and together; what a version lacks is null."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sample_runs import RunMaker

from reqflo_ray._internal.analysis.session import Session, open_session
from reqflo_ray._internal.storage.local import LocalStorage

STORE_OF_1 = Path(__file__).parents[2] / "data" / "stores" / "v0.1.0" / "finished"
NOW = datetime(2026, 11, 29, tzinfo=UTC)
VIEWS = ("runs", "results", "steps", "assertions", "logs")


def opened(versions: str, tmp_path: Path) -> Session:
    """A session on a store with a run of version 1 of the tables, or of version 2, or both."""
    store = tmp_path / "store"
    if "1" in versions:
        shutil.copytree(STORE_OF_1, store)
    runs = RunMaker(LocalStorage(store))
    if "2" in versions:
        runs.finish("new", rows=5, fail_every=5, journey="other")
    return open_session(runs.storage, now=NOW)


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_has_the_same_columns_whatever_the_files_are(view: str, tmp_path: Path) -> None:
    told = []
    for versions in ("1", "2", "12", ""):
        with opened(versions, tmp_path / f"of-{versions}") as session:
            told.append(list(session.query(f"describe {view}").rows()))
    assert told[0] == told[1] == told[2] == told[3]


@pytest.mark.parametrize(("versions", "rows"), [("1", 24), ("12", 34)])
def test_a_file_of_version_1_knows_its_run_and_journey(versions: str, rows: int, tmp_path: Path) -> None:
    with opened(versions, tmp_path) as session:
        for view in ("results", "steps"):
            answer = session.query(f"select distinct journey from {view} where run_id = 'nightly-1'")
            assert list(answer.rows()) == [("place-order",)]
        assert list(session.query("select count(*) from results").rows()) == [(rows,)]


def test_what_version_1_did_not_tell_is_null(tmp_path: Path) -> None:
    with opened("12", tmp_path) as session:
        answer = session.query(
            "select run_id, bool_or(last_attempt), max(known_flaky), max(trace_id), count(*) filter (last_attempt)"
            " from steps group by all order by all"
        )
        assert list(answer.rows()) == [("new", True, False, None, 30), ("nightly-1", None, None, None, 0)]
        answer = session.query("select run_id, max(soft_failures), max(flaky) from results group by all order by all")
        assert list(answer.rows()) == [("new", 0, False), ("nightly-1", None, None)]


@pytest.mark.parametrize("versions", ["1", "2", "12"])
def test_durations_have_the_digits_that_were_measured(versions: str, tmp_path: Path) -> None:
    with opened(versions, tmp_path) as session:
        answer = session.query("select distinct duration_ms from results union all select wait_ms from steps")
        found = [duration for (duration,) in answer.rows() if duration is not None]
        assert found and all(duration == round(duration, 3) for duration in found)


def test_rows_of_all_versions_come_in_their_order(tmp_path: Path) -> None:
    with opened("12", tmp_path) as session:
        answer = session.query("select run_id, row_index from results")
        found = list(answer.rows())
        assert found == sorted(found, key=lambda line: (found.index((line[0], 0)), line[1]))
