"""Chooses how many rows each shard of a run gets, so that the requested concurrency is reached. Pure; it must not know
how shards are written, nor who executes them.

A worker has a few shards open at the same time and takes rows from them up to its concurrency. So a shard has at least
that many rows, and all workers get the same number of shards: none runs out of rows before the others, and the last
rows are all in flight together.
"""

from __future__ import annotations

from typing import Final, Self

import msgspec

from reqflo_ray._internal.model.workers import Room

_FEWEST_ROWS: Final = 10
_MOST_ROWS: Final = 1_000
# Ten seconds of work for 64 rows in flight, if a step takes 0.2 s: an assumption, because nothing is measured yet.
_MOST_STEPS: Final = 3_200
# With this many shards per worker, faster workers take work from slower ones.
_SHARDS_PER_WORKER: Final = 8
# This many cost little compared to the start of a run; beyond that, each must have enough steps to be worth its cost.
_FEW_SHARDS: Final = 16
_WORTHWHILE_STEPS: Final = 1_500


class ShardSizes(msgspec.Struct, frozen=True):
    """Shards in their order, with `rows` rows per `shards` shards: each begins where its share of the rows does, so
    that the same number of consecutive shards always has the same number of rows, give or take one."""

    rows: int
    shards: int = 1

    @classmethod
    def even(cls, rows: int, shards: int) -> Self:
        """Return sizes for `rows` rows in `shards` shards, or in one per row if there are fewer rows."""
        return cls(max(1, rows), max(1, min(rows, shards)))

    def of(self, shard: int) -> int:
        """Return how many rows the shard has; the last shard may have fewer."""
        return self.first_row(shard + 1) - self.first_row(shard)

    def first_row(self, shard: int) -> int:
        """Return the first row of the shard."""
        return shard * self.rows // self.shards

    def first_shard(self, row: int) -> int:
        """Return the first shard that begins at `row` or later, which is also the number of shards that `row` rows
        make."""
        return -(-row * self.shards // self.rows)


def choose_sizes(rows: int, *, steps: int, concurrency: int, room: Room) -> ShardSizes:
    """Divide `rows` rows of `steps` steps each into shards for workers with `concurrency` rows in flight.

    It is based on the workers that have room now. Workers that come later find shards to take if these are worth their
    cost.
    """
    steps = max(1, steps)
    worth = min(_MOST_ROWS, _WORTHWHILE_STEPS // steps)
    least = max(concurrency, _FEWEST_ROWS, min(worth, -(-rows // _FEW_SHARDS)))
    most = max(least, min(_MOST_ROWS, _MOST_STEPS // steps))
    size = min(most, max(least, rows // (_SHARDS_PER_WORKER * max(room.now, room.later))))
    # Few rows go to as many workers as it takes to have all of them in flight, or as they keep busy.
    workers = max(1, min(room.now, max(-(-rows // concurrency), -(-rows // max(1, worth)))))
    return ShardSizes.even(rows, workers * -(-rows // (workers * size)))
