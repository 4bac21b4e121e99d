"""The real clock. The rest of the runner takes a `Clock`, so that a test can pass another one."""

from __future__ import annotations

import asyncio
import time


class SystemClock:
    """Wall time, monotonic time, and waiting, as the operating system provides them."""

    def now_us(self) -> int:
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
