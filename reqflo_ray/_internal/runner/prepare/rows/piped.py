"""Reads rows that can be read only once: standard input, `<(…)`, a FIFO. It must not know what they are.

A dataset is looked at before it is staged, so what passes by is kept first.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from typing import Final

from reqflo_ray._internal.datasets.files import known_ending
from reqflo_ray._internal.errors import DatasetError, NothingSelectedError, UsageError

STANDARD_INPUT: Final = "-"
_DESCRIPTOR: Final = re.compile(r"/dev/fd/([0-9]+)|/proc/self/fd/([0-9]+)")
_BLOCK_BYTES: Final = 2**20


def is_piped(name: str) -> bool:
    """Whether `name` is that of something that passes by; `-` is standard input."""
    if _descriptor(name) is not None:
        return True
    try:
        return stat.S_ISFIFO(os.stat(name).st_mode)
    except (OSError, ValueError):
        return False


def need_different(names: tuple[str, ...]) -> None:
    """Refuse to read the same thing twice, under whatever names: the second time nothing would come.

    Raises:
        DatasetError: `file_given_twice`.
    """
    seen: set[object] = set()
    for name in names:
        descriptor = _descriptor(name)
        which = os.path.realpath(name) if descriptor is None else descriptor
        if which in seen:
            raise DatasetError(f"`{name}` is given twice", code="file_given_twice", hint="it can be read only once")
        seen.add(which)


def ending_of(name: str) -> str:
    """The ending of a FIFO's name that says its format; "" if the first bytes are to tell."""
    return known_ending(name) if _descriptor(name) is None else ""


def pieces_of(name: str) -> Iterator[bytes]:
    """All that comes, which is waited for.

    Raises:
        UsageError: `data_from_terminal`.
        DatasetError: `unreadable_file`.
        NothingSelectedError: nothing comes.
    """
    descriptor = _descriptor(name)
    what = "standard input" if descriptor == 0 else f"`{name}`"
    some = False
    try:
        with open(name if descriptor is None else descriptor, "rb", closefd=descriptor is None) as stream:
            if stream.isatty():
                raise UsageError(
                    f"{what} is a terminal, and no rows come from there",
                    code="data_from_terminal",
                    hint="pipe them in: `… | reqflo-ray run JOURNEY --data -`",
                )
            while piece := stream.read(_BLOCK_BYTES):
                some = True
                yield piece
    except OSError as problem:
        raise DatasetError(f"{what} cannot be read", code="unreadable_file", cause=str(problem)) from None
    if not some:
        raise NothingSelectedError(
            f"there is no row to run: nothing came from {what}", hint="did the command fail that was to write the rows?"
        )


def _descriptor(name: str) -> int | None:
    if name in (STANDARD_INPUT, "/dev/stdin"):
        return 0
    found = _DESCRIPTOR.fullmatch(name)
    return int(found[1] or found[2]) if found else None
