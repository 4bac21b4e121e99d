"""The clock that the runner is given, so that a test can give it another.

Decisions use `monotonic`; `now_us` is for people to read.
"""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Wall time for records, monotonic time for decisions, and waiting."""

    def now_us(self) -> int:
        """Microseconds since the epoch, UTC. It may jump; nothing may depend on it."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Let `seconds` pass for this task."""
        ...
