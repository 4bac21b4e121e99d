"""How many file descriptors this process may still open, and waiting for one. Imports nothing of the project.

To have none left is a state of the machine, and it passes: no verdict on whatever was to be opened.
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
# What is told where waiting did not help.
TOO_MANY_OPEN_FILES: Final = "too_many_open_files"
MORE_DESCRIPTORS: Final = "raise the limit (`ulimit -n`) or lower --concurrency, then resume the run"
_UNLIMITED: Final = 1_000_000
_SCARCE: Final = 4
_PATIENCE_SECONDS: Final = 10.0
_LONGEST_WAIT_SECONDS: Final = 0.2


def free_descriptors() -> int:
    """How many more this process may open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return _UNLIMITED
    try:
        return max(0, soft - len(os.listdir("/dev/fd")) + 1)  # it has counted the one that it looked with
    except OSError as problem:
        return 0 if problem.errno in NONE_FREE else soft


def descriptors_are_scarce() -> bool:
    """Whether something may just have failed for want of a descriptor, though it told of something else: a name service
    that could not be asked, a certificate that could not be read."""
    return free_descriptors() < _SCARCE


def raise_descriptor_limit(needed: int) -> None:
    """Let `needed` more be opened, as far as the hard limit allows: the soft one is low for programs that use
    `select`, and no more than that."""
    missing = needed - free_descriptors()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if missing <= 0 or soft == hard:
        return
    wanted = soft + missing if hard == resource.RLIM_INFINITY else min(soft + missing, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):
        return  # the system has a limit of its own, below the one that it tells


def when_one_is_free(action: Callable[[], _T]) -> _T:
    """What `action` returns; tried again for ten seconds while the system has no descriptor for it. Blocks.

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
