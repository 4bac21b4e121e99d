"""The number of workers of a run: a number, a range, or one per core; and how many have room. No I/O."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from reqflo_ray._internal.errors import UsageError

FOLLOWING: Final = "auto"
_NUMBER: Final = re.compile(r"[0-9]{1,6}")


class WorkerRange(NamedTuple):
    """At least `least` workers, and up to `most` while there is work for them.

    Both 0 means one worker per core of the machine or cluster, including cores that join later.
    """

    least: int
    most: int

    @property
    def follows_cores(self) -> bool:
        """Whether there is one worker per core."""
        return self.most == 0


class Room(NamedTuple):
    """The number of workers for which the machine or cluster has room `now` (at least 1), and at most `later`."""

    now: int
    later: int


def parse_workers(given: int | str | None) -> WorkerRange:
    """Read `N`, `MIN:MAX` or `auto`; None and 0 mean `auto`.

    Raises:
        UsageError: `invalid_workers`.
    """
    text = str(given or FOLLOWING).strip()
    if text == FOLLOWING:
        return WorkerRange(0, 0)
    first, colon, last = text.partition(":")
    numbers = [int(number) for number in (first, last if colon else first) if _NUMBER.fullmatch(number)]
    if len(numbers) != 2:
        raise _invalid(text, "it is neither a number, nor MIN:MAX, nor `auto`")
    least, most = numbers
    if not least:
        raise _invalid(text, "a run needs at least one worker")
    if least > most:
        raise _invalid(text, f"{least} is more than {most}")
    return WorkerRange(least, most)


def shortest_form(given: int | str) -> int | str:
    """Return the shortest form of the same number of workers, an integer if possible. Raises as `parse_workers`."""
    least, most = parse_workers(" " if given == "" else given)
    if not most:
        return FOLLOWING
    return most if least == most else str(given).strip()


def _invalid(text: str, cause: str) -> UsageError:
    return UsageError(
        f"`{text}` is not a number of workers",
        code="invalid_workers",
        cause=cause,
        hint="set a number such as `4`, a range such as `2:8`, or `auto` for one worker per core",
    )
