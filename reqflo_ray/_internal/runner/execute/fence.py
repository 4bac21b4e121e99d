"""Looks whether an attempt may go on, as often as rows ask and no more often than the store can answer.

A look that began before a row's intent was written must not count for that row. So callers share one that they all
came before; where it takes no time, all callers of one turn of the event loop share the first one's, since what is
written after it wakes nobody before the next turn.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable

from reqflo_ray._internal.errors import ReqfloError


class Fence:
    """Asked by many tasks of the event loop that it is made in. Once it was found closed it stays closed.

    Args:
        look: whether it is open now; raises `StoreError`.
        is_near: a look takes microseconds, and needs no thread.
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
        """What a look finds that began after the last turn of the loop. Raises `StoreError`."""
        if self._closed:
            return False
        if self._is_near:
            if not self._looked:
                self._closed = not self._look()
                self._looked = True
                # Before anybody whom a later write wakes: the loop calls in the order of asking.
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
                # A copy for each: a shared exception would collect the tracebacks of all of them.
                waiter.set_exception(copy.copy(problem))
