"""What people write for the number of workers."""

from __future__ import annotations

import pytest

from reqflo_ray._internal.errors import UsageError
from reqflo_ray._internal.model.workers import parse_workers


@pytest.mark.parametrize(
    ("given", "least", "most"),
    [
        (4, 4, 4),
        ("4", 4, 4),
        (" 2:8 ", 2, 8),
        ("3:3", 3, 3),
        ("auto", 0, 0),
        (None, 0, 0),
        (0, 0, 0),  # as runs recorded it before
    ],
)
def test_a_number_a_range_and_auto_are_understood(given: int | str | None, least: int, most: int) -> None:
    workers = parse_workers(given)
    assert (workers.least, workers.most, workers.follows_cores) == (least, most, most == 0)


@pytest.mark.parametrize(
    "given",
    [
        "0",
        "-1",
        -1,
        "1.5",
        "many",
        " ",
        "0:4",
        "4:2",
        ":4",
        "4:",
        "1:2:3",
        "1-4",
        "AUTO",
        "٣",
        "1e3",
        "9" * 7,
        "1:auto",
    ],
)
def test_anything_else_is_refused_with_what_to_write_instead(given: int | str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_workers(given)
    assert caught.value.code == "invalid_workers" and caught.value.cause and "2:8" in caught.value.hint
