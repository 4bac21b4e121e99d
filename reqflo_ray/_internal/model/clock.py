"""The interface of the clock that the runner uses, so that a test can pass another one.

Decisions use `monotonic`; `now_us` is for display.
"""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Wall time for records, monotonic time for decisions, and waiting."""

    def now_us(self) -> int:
        """Return microseconds since the epoch, UTC. It may jump, so that no decision may depend on it."""
        ...

    def monotonic(self) -> float:
        """Return seconds of a clock that never goes backwards."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Suspend this task for `seconds`."""
        ...
