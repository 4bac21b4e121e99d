"""Sets who may read and write the files of a store on disk, by one rule for all of them.

Only the owner; if the folder of the store has the setgid bit, also its group, whose members read every file and resume
runs that others have started. Others replace files and never write to them, so the group may read files; folders take
the claims and journals of others, so the group may write to folders. The umask has no effect.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Access:
    """The modes of files and folders of a store."""

    file: int
    folder: int

    @property
    def is_shared(self) -> bool:
        """Whether the group has access."""
        return bool(self.file & stat.S_IRGRP)


OWNER_ONLY: Final = Access(file=0o600, folder=0o700)
GROUP_TOO: Final = Access(file=0o640, folder=0o2770)


def access_of(root: str) -> Access:
    """Return how to create files of the store in the folder `root`. A folder that does not exist yet inherits the bit
    from its parent."""
    while not os.path.lexists(root) and root != os.path.dirname(root):
        root = os.path.dirname(root)
    try:
        return GROUP_TOO if os.stat(root).st_mode & stat.S_ISGID else OWNER_ONLY
    except OSError:
        return OWNER_ONLY  # whatever is wrong with the folder, using it reports it


def settle_file(descriptor: int, access: Access) -> None:
    """Give a new file the permissions that the umask has removed."""
    if stat.S_IMODE(os.fstat(descriptor).st_mode) != access.file:
        with suppress(OSError):  # a file system without modes
            os.fchmod(descriptor, access.file)


def settle_folder(folder: str, access: Access) -> None:
    """As `settle_file`. On macOS, a new folder does not inherit the setgid bit either."""
    if stat.S_IMODE(os.stat(folder).st_mode) != access.folder:
        with suppress(OSError):
            os.chmod(folder, access.folder)
