"""Reads rows that can be read only once: standard input, `<(…)`, a FIFO. It must not know their format.

A dataset is checked before it is staged, so piped rows are stored first.
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
    """Whether `name` can be read only once; `-` is standard input."""
    if _descriptor(name) is not None:
        return True
    try:
        return stat.S_ISFIFO(os.stat(name).st_mode)
    except (OSError, ValueError):
        return False


def need_different(names: tuple[str, ...]) -> None:
    """Refuse to read the same pipe twice, under whatever names, because the second read would be empty.

    Raises:
        DatasetError: `file_given_twice`.
    """
    seen: set[object] = set()
    for name in names:
        descriptor = _descriptor(name)
        which = os.path.realpath(name) if descriptor is None else descriptor
        if which in seen:
            raise DatasetError(
                f"`{name}` is named twice, but can be read only once",
                code="file_given_twice",
                hint="remove one of the two",
            )
        seen.add(which)


def ending_of(name: str) -> str:
    """Return the extension of a FIFO's name if it is that of a known format; otherwise "", and the first bytes
    decide."""
    return known_ending(name) if _descriptor(name) is None else ""


def pieces_of(name: str) -> Iterator[bytes]:
    """Yield everything up to the end of the pipe, and wait for it.

    Raises:
        UsageError: `data_from_terminal`.
        DatasetError: `unreadable_file`.
        NothingSelectedError: the pipe is empty.
    """
    descriptor = _descriptor(name)
    what = "standard input" if descriptor == 0 else f"`{name}`"
    some = False
    try:
        with open(name if descriptor is None else descriptor, "rb", closefd=descriptor is None) as stream:
            if stream.isatty():
                raise UsageError(
                    f"rows cannot be read from {what} because it is a terminal",
                    code="data_from_terminal",
                    hint="pipe the rows: `… | reqflo-ray run JOURNEY --data -`",
                )
            while piece := stream.read(_BLOCK_BYTES):
                some = True
                yield piece
    except OSError as problem:
        raise DatasetError(f"{what} cannot be read", code="unreadable_file", cause=str(problem)) from None
    if not some:
        raise NothingSelectedError(
            f"there are no rows to run: {what} is empty", hint="check whether the command that writes the rows failed"
        )


def _descriptor(name: str) -> int | None:
    if name in (STANDARD_INPUT, "/dev/stdin"):
        return 0
    found = _DESCRIPTOR.fullmatch(name)
    return int(found[1] or found[2]) if found else None
