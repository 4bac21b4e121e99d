"""A name that a person has typed is found in one way."""

from __future__ import annotations

import pytest

from reqflo_ray._internal.model.names import closest, did_you_mean, meant_by, suggestion

RUNS = ["nightly-2", "nightly-1", "nightly", "smoke"]


@pytest.mark.parametrize(
    ("beginning", "meant"),
    [
        ("sm", ["smoke"]),
        ("nightly-", ["nightly-1", "nightly-2"]),
        ("nightly", ["nightly"]),
        ("moke", []),
        ("", []),
    ],
)
def test_a_name_is_meant_by_itself_or_by_its_beginning(beginning: str, meant: list[str]) -> None:
    assert meant_by(beginning, RUNS) == meant


def test_a_misspelt_name_is_like_the_known_one() -> None:
    assert closest("smoek", RUNS) == "smoke"
    assert did_you_mean("SMOKE", RUNS) == "did you mean `smoke`?"


def test_nothing_is_suggested_for_a_name_that_is_like_none() -> None:
    assert closest("weekly-report", RUNS) is None
    assert did_you_mean("weekly-report", RUNS) == ""
    assert closest("smok", RUNS, likeness=0.95) is None


def test_where_no_name_is_alike_all_are_told() -> None:
    assert suggestion("x", ["b", "a"]) == "known: `a`, `b`"
    assert suggestion("x", []) == ""
    assert suggestion("x", map(str, range(100))).count("`") == 200
    assert suggestion("x", map(str, range(1_302))).endswith(" and 1,202 more in the files of the workspace")
