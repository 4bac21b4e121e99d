"""How many workers a run has: a number, a range, or as many as there are cores; and for how many there is room. No
I/O."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from reqflo_ray._internal.errors import UsageError

FOLLOWING: Final = "auto"
_NUMBER: Final = re.compile(r"[0-9]{1,6}")


class WorkerRange(NamedTuple):
    """`least` workers at all times, and up to `most` while there is work for them. Both 0: one for each core of the
    machine or cluster, also of cores that join later."""

    least: int
    most: int

    @property
    def follows_cores(self) -> bool:
        """Whether the number is that of the cores."""
        return self.most == 0


class Room(NamedTuple):
    """For how many workers there is room where a run is carried out, `now`, at least one, and at most `later`."""

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
    """The same number of workers as a record holds it: a number where it is one. Raises as `parse_workers`."""
    least, most = parse_workers(" " if given == "" else given)
    if not most:
        return FOLLOWING
    return most if least == most else str(given).strip()


def _invalid(text: str, cause: str) -> UsageError:
    return UsageError(
        f"`{text}` is no number of workers",
        code="invalid_workers",
        cause=cause,
        hint="give a number such as `4`, a range such as `2:8`, or `auto` for one for each core",
    )
