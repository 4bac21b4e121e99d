"""Keeps secret values out of core dumps: a process that holds secrets leaves no memory behind when it dies."""

from __future__ import annotations

import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

# The kinds of memory that the kernel writes to a dump of this process (Linux only). The limit on the size of a core
# file does not apply where dumps are piped to a collecting program, as in most distributions; this filter does. Making
# the process not dumpable would also apply, but then Ray could not see how much memory the process uses.
_FILTER: Final = Path("/proc/self/coredump_filter")
_NO_MEMORY: Final = "0"


class _Settings:
    """The settings of the process. Runs in one process may overlap, in any order: the first saves the settings, and
    the last restores them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holders = 0
        self._limit = 0
        self._kinds = ""

    def hold(self) -> None:
        with self._lock:
            if self._holders == 0:
                self._limit, hard = resource.getrlimit(resource.RLIMIT_CORE)
                resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
                self._kinds = _exchange_filter(_NO_MEMORY)
            self._holders += 1

    def release(self) -> None:
        with self._lock:
            self._holders -= 1
            if self._holders == 0:
                resource.setrlimit(resource.RLIMIT_CORE, (self._limit, resource.getrlimit(resource.RLIMIT_CORE)[1]))
                if self._kinds:
                    _exchange_filter(f"0x{self._kinds}")


_SETTINGS: Final = _Settings()


@contextmanager
def no_core_dumps() -> Iterator[None]:
    """Keep this process from writing core files, or memory to a dump, until the block ends, and other blocks that
    overlap with it; then restore its settings."""
    _SETTINGS.hold()
    try:
        yield
    finally:
        _SETTINGS.release()


def _exchange_filter(kinds: str) -> str:
    """Set the kinds of memory to dump; return the earlier ones in hexadecimal, "" if they cannot be read."""
    with suppress(OSError):
        before = _FILTER.read_text().strip()
        _FILTER.write_text(kinds)
        return before
    return ""
