"""Keeps secret values out of core dumps: a process that holds some leaves none of its memory behind when it dies."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

# Which kinds of memory the kernel puts into a dump of this process (Linux only). The limit on the size of a core file
# does not hold where a dump is piped to a program that collects them, as most distributions do; this does. Being "not
# dumpable" would too, but then Ray could not see how much memory the process takes.
_FILTER: Final = Path("/proc/self/coredump_filter")
_NO_MEMORY: Final = "0"


@contextmanager
def no_core_dumps() -> Iterator[None]:
    """Let this process write no core file, and no memory into any dump, until the block ends; then it is as it was."""
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
    """Set the kinds of memory that are dumped; what they were, in hexadecimal, "" if that cannot be had."""
    with suppress(OSError):
        before = _FILTER.read_text().strip()
        _FILTER.write_text(kinds)
        return before
    return ""
