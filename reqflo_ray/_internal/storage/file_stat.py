"""Describes a stored file without reading it: enough to see later whether it may have changed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStat:
    """A file as it is now.

    `size` is in bytes. `identity` is a different text after every change that the file system or service notices, also
    one that keeps size and modification time. `changed_at` is the time of the last change, in seconds since the epoch
    by the clock of the file system or service: two changes within one tick of that clock may have the same identity.
    """

    size: int
    identity: str
    changed_at: float
