"""How many rows each shard of a run gets, so that what is asked for in flight is in flight. Pure; it must not know how
shards are written, nor who executes them.

A worker has a few shards open at once and takes rows from them until its concurrency is reached. So a shard has at
least as many rows as that, and all workers get as many shards as each other: then none runs out of rows before the
rest, and what is left at the end is under way.
"""

from __future__ import annotations

from typing import Final, Self

import msgspec

from reqflo_ray._internal.model.workers import Room

_FEWEST_ROWS: Final = 10
_MOST_ROWS: Final = 1_000
# Ten seconds of work for 64 rows in flight, if a step takes 0.2 s: it is judged before anything was measured.
_MOST_STEPS: Final = 3_200
# With so many a worker, those that are quicker take over from the others.
_SHARDS_PER_WORKER: Final = 8
# So many cost little against the start of a run; of more, each has enough steps to be worth its cost.
_FEW_SHARDS: Final = 16
_WORTHWHILE_STEPS: Final = 1_500


class ShardSizes(msgspec.Struct, frozen=True):
    """Shards in their order, so many `rows` to so many `shards`: each begins where its share of the rows does, so that
    any that follow each other have as many rows as any others, but for one."""

    rows: int
    shards: int = 1

    @classmethod
    def even(cls, rows: int, shards: int) -> Self:
        """`rows` in so many shards; in one for each row if there are fewer."""
        return cls(max(1, rows), max(1, min(rows, shards)))

    def of(self, shard: int) -> int:
        """How many rows that shard has; the last one may have fewer."""
        return self.first_row(shard + 1) - self.first_row(shard)

    def first_row(self, shard: int) -> int:
        """The row with which that shard begins."""
        return shard * self.rows // self.shards

    def first_shard(self, row: int) -> int:
        """The first shard that begins with that row or a later one: also how many shards so many rows make."""
        return -(-row * self.shards // self.rows)


def choose_sizes(rows: int, *, steps: int, concurrency: int, room: Room) -> ShardSizes:
    """Share out so many `rows`, of so many `steps` each, for workers that take `concurrency` rows at once.

    Workers that have room now decide. Those that may come later find shards to take as long as these are worth their
    cost.
    """
    steps = max(1, steps)
    worth = min(_MOST_ROWS, _WORTHWHILE_STEPS // steps)
    least = max(concurrency, _FEWEST_ROWS, min(worth, -(-rows // _FEW_SHARDS)))
    most = max(least, min(_MOST_ROWS, _MOST_STEPS // steps))
    size = min(most, max(least, rows // (_SHARDS_PER_WORKER * max(room.now, room.later))))
    # Of few rows, as many workers get some as it takes to have all of them in flight, or as they keep busy.
    workers = max(1, min(room.now, max(-(-rows // concurrency), -(-rows // max(1, worth)))))
    return ShardSizes.even(rows, workers * -(-rows // (workers * size)))
