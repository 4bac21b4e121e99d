"""Keeps secret values out of core dumps: a process that holds some leaves none behind when it dies."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_core_dumps() -> Iterator[None]:
    """Let this process write no core file until the block ends; then the limit is what it was."""
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
