"""Checks whether an attempt may still send requests, as often as rows need it and no faster than the store answers.

A check that started before the intent of a row was written must not count for that row. Callers therefore share a check
that starts after all of them have called. Where a check takes no time, all callers in one turn of the event loop share
the first one, because no writer wakes a caller before the next turn.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable

from reqflo_ray._internal.errors import ReqfloError


class Fence:
    """The fence of an attempt, shared by many tasks of the event loop that creates it. Once closed, it stays closed.

    Args:
        look: returns whether it is open now; raises `StoreError`.
        is_near: whether a check takes only microseconds and needs no thread.
    """

    def __init__(self, look: Callable[[], bool], *, is_near: bool) -> None:
        self._loop = asyncio.get_running_loop()
        self._look = look
        self._is_near = is_near
        self._closed = False
        self._looked = False  # in this turn of the loop
        self._waiting: list[asyncio.Future[bool]] = []
        self._looking: asyncio.Task[None] | None = None

    async def is_open(self) -> bool:
        """Return the result of a check that started after the last turn of the loop. Raises `StoreError`."""
        if self._closed:
            return False
        if self._is_near:
            if not self._looked:
                self._closed = not self._look()
                self._looked = True
                # This runs before any task that a later write wakes, because the loop calls in order.
                self._loop.call_soon(self._forget)
            return not self._closed
        waiter: asyncio.Future[bool] = self._loop.create_future()
        self._waiting.append(waiter)
        if self._looking is None:
            self._looking = self._loop.create_task(self._look_while_needed())
        return await waiter

    def _forget(self) -> None:
        self._looked = False

    async def _look_while_needed(self) -> None:
        asked: list[asyncio.Future[bool]] = []
        try:
            while self._waiting:
                asked, self._waiting = self._waiting, []
                is_open = await asyncio.to_thread(self._look)
                self._closed = not is_open
                for waiter in asked:
                    if not waiter.done():
                        waiter.set_result(is_open)
        except ReqfloError as problem:
            self._refuse([*asked, *self._waiting], problem)
        except BaseException:
            for waiter in [*asked, *self._waiting]:
                waiter.cancel()
            raise
        finally:
            self._waiting = []
            self._looking = None

    @staticmethod
    def _refuse(asked: list[asyncio.Future[bool]], problem: ReqfloError) -> None:
        for waiter in asked:
            if not waiter.done():
                # A copy for each waiter, because a shared exception would collect all their tracebacks.
                waiter.set_exception(copy.copy(problem))
