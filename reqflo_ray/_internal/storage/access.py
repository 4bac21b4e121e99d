"""Who may read and write the files of a store on disk: the one rule, by which all of them are made.

The owner alone; where the store's folder has the setgid bit, its group too, whose members read every file, and go on
with runs that others have begun. Files are replaced and never written to by others, so the group may read them; folders
take the claims and journals of others, so the group may write there. The umask counts for nothing.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Access:
    """The modes of files and folders."""

    file: int
    folder: int

    @property
    def is_shared(self) -> bool:
        """Whether the group has access."""
        return bool(self.file & stat.S_IRGRP)


OWNER_ONLY: Final = Access(file=0o600, folder=0o700)
GROUP_TOO: Final = Access(file=0o640, folder=0o2770)


def access_of(root: str) -> Access:
    """How the files of the store in the folder `root` are made. One that is not there yet takes the bit from the folder
    that it will be made in."""
    while not os.path.lexists(root) and root != os.path.dirname(root):
        root = os.path.dirname(root)
    try:
        return GROUP_TOO if os.stat(root).st_mode & stat.S_ISGID else OWNER_ONLY
    except OSError:
        return OWNER_ONLY  # whatever is wrong with it, who uses it will be told


def settle_file(descriptor: int, access: Access) -> None:
    """Give a file that was just made what the umask has taken from it."""
    if stat.S_IMODE(os.fstat(descriptor).st_mode) != access.file:
        with suppress(OSError):  # a file system without modes
            os.fchmod(descriptor, access.file)


def settle_folder(folder: str, access: Access) -> None:
    """As `settle_file`. macOS does not hand down the setgid bit either."""
    if stat.S_IMODE(os.stat(folder).st_mode) != access.folder:
        with suppress(OSError):
            os.chmod(folder, access.folder)
