"""Journals that earlier versions wrote are read for ever, to the last field.

Each folder of `tests/data/journals/` was written once and is never written again: a change that cannot read it needs a
new format.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from reqflo_ray._internal.engine.identity import journal_name
from reqflo_ray._internal.journal.reader import read_journal
from reqflo_ray._internal.journal.replay import replay

GOLDEN = Path(__file__).parents[2] / "data" / "journals"
JOURNALS = sorted(GOLDEN.glob("v*/*.log"))
STEMS = ["damaged", "every-kind", "two-attempts-1", "two-attempts-2"]
NONCE = "00112233445566778899aabbccddeeff"
CANONICAL = msgspec.json.Encoder(decimal_format="number")


def test_there_are_golden_journals() -> None:
    assert [(path.parent.name, path.stem) for path in JOURNALS] == [(v, stem) for v in ("v1", "v2") for stem in STEMS]


def begins_with(found: Any, expected: Any) -> bool:
    """Whether `found` is `expected`, but for fields that were added to records since, at their ends."""
    if isinstance(found, list) and isinstance(expected, list):
        return len(found) >= len(expected) and all(map(begins_with, found, expected))
    if isinstance(found, dict) and isinstance(expected, dict):
        return found.keys() == expected.keys() and all(begins_with(found[key], expected[key]) for key in expected)
    return bool(found == expected)


@pytest.mark.parametrize("path", JOURNALS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_golden_journal_is_read_as_it_was_when_it_was_written(path: Path) -> None:
    found = msgspec.json.decode(CANONICAL.encode(read_journal(path.read_bytes())))
    expected = msgspec.json.decode(path.with_suffix(".json").read_bytes())
    assert len(found["records"]) == len(expected["records"])
    assert begins_with(found, expected)


@pytest.mark.parametrize("first", ["v1", "v2"])
@pytest.mark.parametrize("second", ["v1", "v2"])
def test_two_golden_journals_give_the_history_that_they_gave(first: str, second: str) -> None:
    paths = (GOLDEN / first / "two-attempts-1.log", GOLDEN / second / "two-attempts-2.log")
    names = [journal_name(NONCE, 0, attempt) for attempt in (1, 2)]
    journals = [
        (attempt, read_journal(path.read_bytes(), name=name))
        for attempt, (path, name) in enumerate(zip(paths, names, strict=True), 1)
    ]
    row = replay(journals, steps=("login", "order", "pay"), died={1}).row(5)
    login, order = row.steps["login"].final, row.steps["order"].final
    assert login is not None and login.captures == {"outputs.user": "u-5"} and login.withheld == ("outputs.token",)
    assert order is not None and order.captures == {"outputs.id": 2**65}
    assert row.steps["order"].resend_count == 1
    in_doubt = row.steps["pay"].in_doubt
    assert in_doubt is not None and in_doubt.idempotency_key == "PAYKEY" and row.steps["pay"].attempts_used == 1
