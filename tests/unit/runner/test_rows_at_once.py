"""A worker takes as many rows at once as it was asked to, unless there are no descriptors for them: then it says so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqflo_ray._internal.runner.execute.worker import rows_at_once as module
from reqflo_ray._internal.runner.execute.worker.rows_at_once import rows_at_once


@pytest.fixture(autouse=True)
def limit_of_this_process_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "raise_descriptor_limit", lambda needed: None)


def test_nothing_is_said_where_all_rows_have_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "free_descriptors", lambda: 1000)
    assert rows_at_once(64) == (64, None)


def test_fewer_rows_come_with_a_warning_that_says_how_many_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "free_descriptors", lambda: 100)
    rows, problem = rows_at_once(64)
    assert rows == 52 and problem is not None
    assert problem.message == "a worker executes 52 rows at a time instead of 64"
    assert "100 file descriptors" in problem.cause and "ulimit -n" in problem.hint


@given(wanted=st.integers(1, 10_000), free=st.integers(0, 20_000))
def test_at_least_one_row_runs_and_half_of_what_is_free_is_enough_for_files(wanted: int, free: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "free_descriptors", lambda: free)
        rows, problem = rows_at_once(wanted)
    assert 1 <= rows <= wanted and (rows < wanted) == (problem is not None)
    assert rows == 1 or rows <= free - min(48, free // 2)
