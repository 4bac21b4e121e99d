"""Counts the rows of one attempt of a shard as they end, so that the progress of a shard is known before its commit.

What it counts is in the journal. It must not know how the counts reach the driver.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from operator import attrgetter
from typing import Final

from reqflo_ray._internal.model.json_text import well_formed
from reqflo_ray._internal.model.results import (
    INTERNAL_ERROR,
    NAMED_FAILURES,
    Counts,
    Failure,
    RowResult,
    ShardProgress,
    Status,
)

_SELDOM: Final = ("retries", "resent", "resent_sensitive", "resumed", "soft_failures", "flaky")


class ShardCounter:
    """The counts of one attempt. A later attempt has its own, and counts what it reads from the journal again.

    Args:
        quarantined: records of older attempts that could not be read.
    """

    def __init__(self, shard: int, *, quarantined: int = 0) -> None:
        self._shard = shard
        self._all: Counter[str] = Counter(quarantined=quarantined)
        self._earlier: Counter[str] = Counter()
        self._failures: list[Failure] = []

    def add(self, result: RowResult, *, steps: int, earlier: bool) -> None:
        """Count a row that has ended.

        Args:
            earlier: whether the row ended under an earlier driver, and this attempt has only read its result.
        """
        for sums in (self._all, self._earlier) if earlier else (self._all,):
            sums["rows"] += 1
            sums[result.status.value] += 1
            sums["steps"] += steps
            sums["requests"] += result.requests
            if result.error_code == "poison_row":
                sums["poisoned"] += 1
            elif result.error_code == INTERNAL_ERROR:
                sums["internal"] += 1
            for name in _SELDOM:
                if value := getattr(result, name):
                    sums[name] += value
        if result.status is not Status.PASSED:
            full = len(self._failures) == NAMED_FAILURES
            if not full or result.row_index < self._failures[-1].row_index:
                insort(self._failures, failure_of(result), key=attrgetter("row_index"))
                del self._failures[NAMED_FAILURES:]

    @property
    def counts(self) -> Counts:
        """The counts of all rows that have ended."""
        return Counts(**self._all)

    def progress(self) -> ShardProgress:
        """Return the current progress of the shard."""
        return ShardProgress(
            shard=self._shard,
            counts=self.counts,
            earlier=Counts(**self._earlier),
            failures=tuple(self._failures),
        )


def failure_of(result: RowResult) -> Failure:
    """Return a row that did not pass as it is shown to people. Its texts are valid UTF-8, as commits and verdicts
    need."""
    return Failure(
        row_index=result.row_index,
        row_key=well_formed(result.row_key),
        status=result.status,
        step=result.failed_step,
        code=result.error_code,
        message=well_formed(result.error_message),
    )
