"""Counts the work of judging one answer, in steps that are the same on every machine and under every load.

It must not know a clock, nor what is judged.
"""

from __future__ import annotations

from typing import Final

from reqflo_ray._internal.engine.values.faults import Fault
from reqflo_ray._internal.model.values import JsonValue

# For one answer: all its assertions, outputs, and captures together. A step looks at one node of the document and
# takes a fraction of a microsecond.
MOST_STEPS: Final = 50_000_000
# The steps of a pattern cannot be counted, so its processor time is limited instead, where it delays nothing else.
PATTERN_SECONDS: Final = 10.0

_JSON_BYTES_A_STEP: Final = 8
_TEXT_BYTES_A_STEP: Final = 64


class Unjudged(Fault):
    """An answer cannot be judged within the limits. This says nothing about the answer, so it is an error of the
    step, never a failed assertion."""

    def of(self, subject: str) -> Unjudged:
        """Return the same error, with `subject` (what was being judged) in front of its message."""
        return Unjudged(self.code, f"{subject}: {self.message}")


class Work:
    """The budget of work for one answer.

    Args:
        steps: the size of the budget.
        pattern_seconds: how long one pattern may take.
        alone: no other row is delayed, so work that can be neither counted nor interrupted is allowed.
    """

    __slots__ = ("_alone", "_left", "_steps", "pattern_seconds")

    def __init__(
        self, steps: int = MOST_STEPS, *, pattern_seconds: float = PATTERN_SECONDS, alone: bool = True
    ) -> None:
        self.pattern_seconds = pattern_seconds
        self._steps = steps
        self._left = steps
        self._alone = alone

    @property
    def spent(self) -> int:
        """The steps that have been paid for so far."""
        return self._steps - self._left

    def spend(self, steps: int) -> None:
        """Pay for `steps`, before or while they are done.

        Raises:
            Unjudged: `work_limit`, if fewer are left.
        """
        self._left -= steps
        if self._left < 0:
            raise Unjudged("work_limit", f"judging this response takes more than {self._steps:,} steps")

    def spend_on_json(self, size: int) -> None:
        """Pay for reading or writing `size` bytes of JSON. Raises as `spend`."""
        self.spend(size // _JSON_BYTES_A_STEP)

    def spend_on_text(self, size: int) -> None:
        """Pay for going through `size` bytes or characters of text once. Raises as `spend`."""
        self.spend(size // _TEXT_BYTES_A_STEP)

    def spend_uncounted(self, at_most: int) -> None:
        """Pay for something that takes up to `at_most` steps without reporting how many it took. The bound is far above
        the usual cost, so it counts only where other rows would be delayed. Raises as `spend`."""
        if not self._alone:
            self.spend(at_most)

    def weigh(self, value: JsonValue) -> int:
        """Pay for going through all of `value` once, and return the number of its nodes. Raises as `spend`."""
        nodes = 0
        pending = [value]
        while pending:
            item = pending.pop()
            nodes += 1
            if isinstance(item, str):
                self.spend_on_text(len(item))
            elif isinstance(item, dict):
                self.spend(len(item))
                pending.extend(item.values())
            elif isinstance(item, list | tuple):
                self.spend(len(item))
                pending.extend(item)
        return nodes
