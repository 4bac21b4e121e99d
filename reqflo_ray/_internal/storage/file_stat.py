"""What is known of a stored file without reading it: enough to tell later whether it may have been changed since."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStat:
    """A file as it is now.

    `size` is in bytes. `identity` is another text after every change of the file that the place notices, also one that
    leaves size and modification time as they were. `changed_at` is when it was changed last, in seconds since the
    epoch by the clock of the place: two changes within one tick of that clock may leave one identity.
    """

    size: int
    identity: str
    changed_at: float
