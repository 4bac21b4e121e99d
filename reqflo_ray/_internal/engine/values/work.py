"""Counts the work that judging one answer takes, in steps that are the same on every machine and under every load.

It must not know a clock, nor what is judged.
"""

from __future__ import annotations

from typing import Final

from reqflo_ray._internal.engine.values.faults import Fault
from reqflo_ray._internal.model.values import JsonValue

# For one answer: all its assertions, outputs and captures together. A step is a node of the document that is looked
# at, and takes a fraction of a microsecond.
MOST_STEPS: Final = 50_000_000
# A pattern has no steps that could be counted: what it may take of the processor's time, where it holds up nobody else.
PATTERN_SECONDS: Final = 10.0

_JSON_BYTES_A_STEP: Final = 8
_TEXT_BYTES_A_STEP: Final = 64


class Unjudged(Fault):
    """An answer cannot be judged within the limits. That says nothing about the answer: it is an error of the step,
    and never a failed assertion."""

    def of(self, subject: str) -> Unjudged:
        """The same of `subject`, which is what was to be judged."""
        return Unjudged(self.code, f"{subject}: {self.message}")


class Work:
    """What may still be spent on one answer.

    Args:
        steps: how many there are.
        pattern_seconds: how long one pattern may take.
        alone: nobody else is held up, so what can neither be counted nor interrupted may be done here.
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
        """The steps that were paid for so far."""
        return self._steps - self._left

    def spend(self, steps: int) -> None:
        """Pay for `steps`, before or while they are done.

        Raises:
            Unjudged: `work_limit`, if there are not so many left.
        """
        self._left -= steps
        if self._left < 0:
            raise Unjudged("work_limit", f"it takes more than {self._steps:,} steps to judge this answer")

    def spend_on_json(self, size: int) -> None:
        """Pay for reading or writing `size` bytes of JSON. Raises as `spend`."""
        self.spend(size // _JSON_BYTES_A_STEP)

    def spend_on_text(self, size: int) -> None:
        """Pay for going through `size` bytes or characters of text once. Raises as `spend`."""
        self.spend(size // _TEXT_BYTES_A_STEP)

    def spend_uncounted(self, at_most: int) -> None:
        """Pay for something that can take up to `at_most` steps and tells nobody how many it took. That bound is far
        above what is taken in most cases, so it counts only where others would be held up. Raises as `spend`."""
        if not self._alone:
            self.spend(at_most)

    def weigh(self, value: JsonValue) -> int:
        """Pay for going through all of `value` once; the number of its nodes. Raises as `spend`."""
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
