"""Counts the file descriptors that this process may still open, and waits for a free one. It imports nothing of the
project.

A lack of descriptors is a temporary state of the machine: it says nothing about the file or host to be opened.
"""

from __future__ import annotations

import errno
import os
import resource
import time
from collections.abc import Callable
from typing import Final, TypeVar

_T = TypeVar("_T")

NONE_FREE: Final = frozenset({errno.EMFILE, errno.ENFILE})
# The error code if waiting did not help.
TOO_MANY_OPEN_FILES: Final = "too_many_open_files"
MORE_DESCRIPTORS: Final = "raise the limit (`ulimit -n`) or lower --concurrency, then resume the run"
_UNLIMITED: Final = 1_000_000
_SCARCE: Final = 4
_PATIENCE_SECONDS: Final = 10.0
_LONGEST_WAIT_SECONDS: Final = 0.2


def free_descriptors() -> int:
    """Return how many more descriptors this process may open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return _UNLIMITED
    try:
        return max(0, soft - len(os.listdir("/dev/fd")) + 1)  # the listing itself uses one
    except OSError as problem:
        return 0 if problem.errno in NONE_FREE else soft


def descriptors_are_scarce() -> bool:
    """Return whether an operation may just have failed without a descriptor, although its error names something else: a
    name that was not resolved, a certificate that was not read."""
    return free_descriptors() < _SCARCE


def raise_descriptor_limit(needed: int) -> None:
    """Raise the soft limit so that `needed` more can be opened, as far as the hard limit allows. The soft limit is low
    only for programs that use `select`."""
    missing = needed - free_descriptors()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if missing <= 0 or soft == hard:
        return
    wanted = soft + missing if hard == resource.RLIM_INFINITY else min(soft + missing, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):
        return  # the system has a lower limit than the one that it reports


def when_one_is_free(action: Callable[[], _T]) -> _T:
    """Return what `action` returns; retry it for ten seconds while the system has no descriptor for it. Blocks.

    Raises:
        OSError: that of the last try, or any other.
    """
    ends, wait = time.monotonic() + _PATIENCE_SECONDS, 0.01
    while True:
        try:
            return action()
        except OSError as problem:
            if problem.errno not in NONE_FREE or time.monotonic() >= ends:
                raise
        time.sleep(wait)
        wait = min(2 * wait, _LONGEST_WAIT_SECONDS)
