"""How many rows a shard gets: what is asked for in flight is in flight, whoever is ready first, at the end too.

The runs here are simulated in turns: in each, every worker takes as many rows as it may of the shards that it has open,
in their order, and all of them end together.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reqflo_ray._internal.model.workers import Room
from reqflo_ray._internal.ray_cluster.pool import shards_at_once
from reqflo_ray._internal.runner.drive.backend import SHARDS_IN_FLIGHT, LocalBackend
from reqflo_ray._internal.runs.staging.sizes import ShardSizes, choose_sizes


def shards_of(sizes: ShardSizes, rows: int) -> list[int]:
    return [min(sizes.of(shard), rows - sizes.first_row(shard)) for shard in range(sizes.first_shard(rows))]


def turns(shards: list[int], *, workers: int, at_once: int, concurrency: int) -> Iterator[tuple[int, int]]:
    """Rows left and rows in flight in every turn. The first worker takes all that it may before there are others."""
    waiting, left = deque(shards), sum(shards)
    opened: list[list[int]] = [[] for _ in range(workers)]
    while left:
        for shards_of_worker in opened:
            while waiting and len(shards_of_worker) < at_once:
                shards_of_worker.append(waiting.popleft())
        flying = 0
        for worker, shards_of_worker in enumerate(opened):
            places = concurrency
            for place, rows in enumerate(shards_of_worker):
                taken = min(places, rows)
                shards_of_worker[place] -= taken
                places -= taken
            flying += concurrency - places
            opened[worker] = [rows for rows in shards_of_worker if rows]
        yield left, flying
        left -= flying


ROWS = st.integers(1, 12_000)
STEPS = st.integers(0, 120)
WORKERS = st.integers(1, 40)
CONCURRENCY = st.integers(1, 40) | st.sampled_from([64, 100, 256, 1_000, 4_000])


@given(ROWS, STEPS, WORKERS, CONCURRENCY)
@example(40, 3, 2, 40)
@example(100, 3, 2, 64)
@example(7, 3, 3, 2)
@example(20_000, 3, 28, 64)
def test_what_is_asked_for_in_flight_is_in_flight(rows: int, steps: int, workers: int, concurrency: int) -> None:
    sizes = choose_sizes(rows, steps=steps, concurrency=concurrency, room=Room(workers, workers))
    shards = shards_of(sizes, rows)
    assert sum(shards) == rows and min(shards) > 0
    at_once = shards_at_once(len(shards), workers)
    asked = concurrency * workers
    # Where workers get many, one by one, one of them may in the end be a shard ahead of the others for a moment.
    last = 0 if len(shards) <= at_once * workers else workers * max(shards) + asked
    needed = 0
    for left, flying in turns(shards, workers=workers, at_once=at_once, concurrency=concurrency):
        assert flying >= 0.9 * min(left, asked) or left < last
        needed += 1
    ideal = -(-rows // asked)
    assert needed <= 1.05 * ideal + 1


@given(ROWS, STEPS, CONCURRENCY)
@example(10, 1, 40)
@example(40, 1, 40)
@example(100, 1, 64)
@example(400, 1, 64)
@example(5_000, 100, 64)
def test_in_one_process_all_are_in_flight_at_any_moment(rows: int, steps: int, concurrency: int) -> None:
    shards = shards_of(choose_sizes(rows, steps=steps, concurrency=concurrency, room=LocalBackend().room()), rows)
    for left, flying in turns(shards, workers=1, at_once=SHARDS_IN_FLIGHT, concurrency=concurrency):
        assert flying == min(left, concurrency)


@given(ROWS, STEPS, WORKERS, st.integers(1, 256), st.integers(1, 10**6))
def test_workers_that_are_only_asked_for_make_few_shards_or_ones_of_worth(
    rows: int, steps: int, now: int, concurrency: int, later: int
) -> None:
    fixed, asked = (
        shards_of(choose_sizes(rows, steps=steps, concurrency=concurrency, room=room), rows)
        for room in (Room(now, now), Room(now, now + later))
    )
    worth = min(1_000, 1_500 // max(1, steps))
    assert len(asked) <= max(len(fixed), 16 + now) or 2 * min(asked) >= worth


@pytest.mark.parametrize(
    ("rows", "steps", "concurrency", "room", "shards"),
    [
        (0, 3, 64, Room(2, 2), 0),
        (1, 3, 64, Room(2, 2), 1),
        (40, 3, 64, Room(2, 2), 1),
        (100, 3, 64, Room(2, 2), 2),
        (1_000, 3, 64, Room(2, 2), 16),
        (10_000, 3, 64, Room(2, 2), 16),
        (20_000, 3, 64, Room(2, 2), 20),
        (20_000, 3, 64, Room(2, 128), 40),
        (20_000, 3, 64, Room(2, 10**6), 40),
        (10_000, 3, 64, Room(100, 100), 100),
        (1_000_000, 3, 64, Room(2, 2), 1_000),
        (1_000_000, 10, 64, Room(2, 2), 3_126),
        (100, 3, 1, Room(1, 1), 9),
        (100, 3, 64, Room(1, 1), 2),
        (10_000, 3, 64, Room(1, 1), 10),
        (10_000, 100, 256, Room(1, 1), 40),
    ],
)
def test_shards_are_few_and_even(rows: int, steps: int, concurrency: int, room: Room, shards: int) -> None:
    sizes = shards_of(choose_sizes(rows, steps=steps, concurrency=concurrency, room=room), rows)
    assert len(sizes) == shards
    assert not sizes or max(sizes) - min(sizes) <= 1


@given(st.integers(1, 10**6), st.integers(1, 10**4), st.integers(0, 10**4), st.integers(0, 10**7))
def test_a_shard_is_found_by_its_first_row(rows: int, shards: int, shard: int, row: int) -> None:
    sizes = ShardSizes.even(rows, shards)
    assert sizes.of(shard) in (sizes.of(0), sizes.of(0) + 1)
    assert sizes.first_row(shard) + sizes.of(shard) == sizes.first_row(shard + 1)
    assert sizes.first_shard(sizes.first_row(shard)) == shard
    found = sizes.first_shard(row)
    assert sizes.first_row(found) >= row and (not found or sizes.first_row(found - 1) < row)


def test_a_fixed_size_holds_for_any_number_of_rows() -> None:
    assert shards_of(ShardSizes(10), 25) == [10, 10, 5]
    assert shards_of(ShardSizes(10), 30) == [10, 10, 10]
