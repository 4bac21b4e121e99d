"""Limits the rows in flight in a worker to a number of places, shared by its shards. It must not know what rows or
shards are.

Rows that were in flight when an earlier worker died come first, because they have already waited for a new worker. A
task that keeps its place from row to row therefore checks after each row whether such a row is waiting.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sized
from contextlib import asynccontextmanager
from typing import Final

_SOMETHING: Final = (None,)
_Waiting = deque[tuple[asyncio.Future[bool], Sized]]


class RowPlaces:
    """A number of places, used by tasks of one event loop. Tasks get places in the order of their calls, those with
    `first` before all others."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._free = count
        self._surplus = 0  # places in use that are removed when they are given back
        self._first: _Waiting = deque()
        self._others: _Waiting = deque()

    @property
    def is_wanted_first(self) -> bool:
        """Whether a task with `first` is waiting for a place."""
        return any(not place.done() for place, _ in self._first)

    async def take(self, waiting: Sized = _SOMETHING, *, first: bool = False) -> bool:
        """Wait for a place, which must be given back. Return False, without a place, once `waiting` is empty."""
        if self._free and not self._first and (first or not self._others):
            self._free -= 1
            return True
        place: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        (self._first if first else self._others).append((place, waiting))
        try:
            return await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.result():
                self.give_back()  # the place was assigned at the same moment
            raise

    def lower(self, count: int) -> bool:
        """Lower the number of places to `count`, but at least one. Return False if there were no more before."""
        fewer = self.count - max(1, count)
        if fewer <= 0:
            return False
        self.count -= fewer
        gone = min(self._free, fewer)
        self._free -= gone
        self._surplus += fewer - gone
        return True

    def give_back(self) -> None:
        """Give back a place, and assign it to the next task."""
        if self._surplus:
            self._surplus -= 1
        else:
            self._free += 1
        for queue in (self._first, self._others):
            for place, waiting in tuple(queue):
                if place.done() or not waiting:
                    queue.remove((place, waiting))
                    if not place.done():
                        place.set_result(False)
            while queue and self._free:
                place, _ = queue.popleft()
                self._free -= 1
                place.set_result(True)

    @asynccontextmanager
    async def place(self, *, first: bool = False) -> AsyncIterator[None]:
        """Hold a place while the block runs."""
        await self.take(first=first)
        try:
            yield
        finally:
            self.give_back()
