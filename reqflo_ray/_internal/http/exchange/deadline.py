"""Limits the time of a block of code. It does what `asyncio.timeout` does, without its four searches for the running
loop: each is a system call on Python 3.11, and every request has a deadline."""

from __future__ import annotations

import asyncio
from types import TracebackType


class Deadline:
    """A context manager that raises `TimeoutError` out of its block after `seconds`. `loop` is the running one."""

    __slots__ = ("_cancelling", "_handle", "_loop", "_passed", "_seconds", "_task")

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._loop = loop
        self._seconds = seconds
        self._passed = False

    def __enter__(self) -> None:
        task = asyncio.current_task(self._loop)
        assert task is not None
        self._task = task
        self._cancelling = task.cancelling()
        self._handle = self._loop.call_later(self._seconds, self._pass)

    def _pass(self) -> None:
        self._passed = True
        self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._handle.cancel()
        # A cancellation from elsewhere takes precedence.
        if self._passed and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error
