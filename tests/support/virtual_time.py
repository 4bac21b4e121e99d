"""An asyncio loop whose time jumps to whatever is due next: an hour of waiting takes no time."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")


class _Jump(selectors.SelectSelector):
    """Nothing comes from outside: instead of waiting for it, let that time be over."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        assert timeout is not None, "everything waits, and nothing is due"
        self.now += max(0.0, timeout)
        return super().select(0)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        return self._jump.now


class VirtualClock:
    """The clock of one process in the loop; `ahead` is how far it is ahead of another's."""

    def __init__(self, ahead: float = 0.0) -> None:
        self._ahead = ahead

    def now_us(self) -> int:
        return int(self.monotonic() * 1e6)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time() + self._ahead

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))


def run_in_virtual_time(main: Coroutine[Any, Any, _T]) -> _T:
    """Like `asyncio.run`."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(main)
