"""Keeps secret values out of core dumps: a process that holds secrets leaves no memory behind when it dies."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

# The kinds of memory that the kernel writes to a dump of this process (Linux only). The limit on the size of a core
# file does not apply where dumps are piped to a collecting program, as in most distributions; this filter does. Making
# the process not dumpable would also apply, but then Ray could not see how much memory the process uses.
_FILTER: Final = Path("/proc/self/coredump_filter")
_NO_MEMORY: Final = "0"


@contextmanager
def no_core_dumps() -> Iterator[None]:
    """Keep this process from writing core files, or memory to a dump, until the block ends; then restore its
    settings."""
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    kinds = _exchange_filter(_NO_MEMORY)
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
        if kinds:
            _exchange_filter(f"0x{kinds}")


def _exchange_filter(kinds: str) -> str:
    """Set the kinds of memory to dump; return the earlier ones in hexadecimal, "" if they cannot be read."""
    with suppress(OSError):
        before = _FILTER.read_text().strip()
        _FILTER.write_text(kinds)
        return before
    return ""
