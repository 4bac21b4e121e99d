"""Finds out where a file that a person names would be written, and whether it can be. Nothing is opened, created, or
changed. It must not know what is written, or what a run reads."""

from __future__ import annotations

import fcntl
import os
import re
import stat
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final, TypeAlias

from reqflo_ray._internal.errors import UsageError

# Identifies a file, however its path is written: device and inode, or the path without links if it does not exist yet.
Identity: TypeAlias = tuple[int, int] | str

_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
_DESCRIPTORS: Final = ("/dev/fd", "/proc/self/fd", "/proc/thread-self/fd")
_MOST_LINKS: Final = 40
_LONGEST_NAME: Final = 255


class Kind(Enum):
    """What exists at the path, which decides how it is written."""

    NEW = "nothing"
    FILE = "a regular file"
    SUMMARY = "the summary of a CI step, to which every step adds"
    DESCRIPTOR = "an open file that this process inherited"
    FIFO = "a FIFO"
    DEVICE = "a character device"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputPlace:
    """A place that can be written, as far as the checks show. `real` is `path` without links, `status` that of the
    existing file, if any; `descriptor` is that of `Kind.DESCRIPTOR`."""

    path: Path
    real: Path
    kind: Kind
    status: os.stat_result | None = None
    descriptor: int = -1

    @property
    def identity(self) -> Identity:
        """The identity of the file, the same for all its names."""
        return str(self.real) if self.status is None else identity_of(self.status)

    @property
    def is_regular(self) -> bool:
        """Whether a regular file exists there, which would be overwritten or appended to."""
        return self.status is not None and self.kind in (Kind.FILE, Kind.SUMMARY)

    def excludes(self, other: OutputPlace) -> bool:
        """Return whether both cannot be written: they are the same file, or one is a folder on the path of the other. A
        device accepts both."""
        if self.identity == other.identity:
            return self.kind is not Kind.DEVICE
        return self.real in other.real.parents or other.real in self.real.parents


def identity_of(status: os.stat_result) -> Identity:
    """Return the identity of a file from its `os.stat`."""
    return status.st_dev, status.st_ino


def find_place(path: Path) -> OutputPlace:
    """Return the place at `path`; `~` is a home folder, as in a shell. Missing folders are no error.

    Raises:
        UsageError: `output_not_writable`.
    """
    named = str(path)
    try:
        if _ADDRESS.match(named) and not os.path.lexists(named.partition("/")[0]):
            raise _refused(path, "it is a URI", "use a local file, and copy it from there")
        path = Path(os.path.expanduser(named))
        number = _descriptor_of(path)
        if number is not None:
            return _descriptor_place(path, number)
        return _place(path)
    except ValueError:
        raise _refused(path, "its name contains a NUL character", "choose another name") from None
    except OSError as problem:
        raise _refused(path, _reason(path, problem), "choose another place") from None


def _place(path: Path) -> OutputPlace:
    real = Path(os.path.realpath(path))
    try:
        status = os.stat(path)
    except FileNotFoundError:
        _need_room_for_new(path, real)
        return OutputPlace(path=path, real=real, kind=Kind.NEW)
    mode = status.st_mode
    if stat.S_ISDIR(mode):
        raise _refused(path, "it is a folder", "name a file in it")
    if stat.S_ISSOCK(mode):
        raise _refused(
            path, "it is a socket, and only a program that connects to a socket can write to it", "name a file"
        )
    if stat.S_ISBLK(mode):
        raise _refused(path, "it is a disk or another block device", "name a file")
    if not may(path, os.W_OK):
        raise _refused(path, "it is not writable", "make it writable, or choose another place")
    if stat.S_ISREG(mode):
        kind = Kind.SUMMARY if _is_summary(status) else Kind.FILE
    else:
        kind = Kind.FIFO if stat.S_ISFIFO(mode) else Kind.DEVICE
    return OutputPlace(path=path, real=real, kind=kind, status=status)


def _need_room_for_new(path: Path, real: Path) -> None:
    """Refuse a file that does not exist if it, or a folder on its path, cannot be created."""
    folder, missing = real.parent, [real.name]
    while not os.path.lexists(folder):
        missing.append(folder.name)
        folder = folder.parent
    if not folder.is_dir():
        raise _refused(path, f"`{folder}` is not a folder", "choose another place")
    longest = _longest_name(folder)
    if any(len(os.fsencode(name)) > longest for name in missing):
        raise _refused(path, f"a name in it is longer than {longest} bytes", "choose a shorter name")
    if not may(folder, os.W_OK | os.X_OK):
        raise _refused(path, f"the folder `{folder}` is not writable", "choose another place")


def _longest_name(folder: Path) -> int:
    try:
        found = os.pathconf(folder, "PC_NAME_MAX")
    except OSError:
        return _LONGEST_NAME
    return found if found > 0 else _LONGEST_NAME


def _descriptor_of(path: Path) -> int | None:
    """Return the number of the open file of this process that `path`, such as `/dev/stdout`, leads to, or None."""
    mine = {os.path.realpath(folder) for folder in _DESCRIPTORS}
    for _ in range(_MOST_LINKS):
        folder = os.path.realpath(path.parent)
        if folder in mine and path.name.isdecimal():
            return int(path.name)
        full = Path(folder, path.name)
        if not full.is_symlink():
            return None
        path = Path(folder, os.readlink(full))
    return None


def _descriptor_place(path: Path, number: int) -> OutputPlace:
    # Opening its name would restart a regular file at its first byte, and fails for sockets and for pipes of another
    # user, so the descriptor itself is used. It must be inherited: a journal may have this number.
    try:
        status = os.fstat(number)
        given = os.get_inheritable(number)
        writable = fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
    except (OSError, OverflowError):
        given = writable = False
    if not given:
        raise _refused(path, f"descriptor {number} is not open", "open it for this command, or name a file")
    if not writable:
        raise _refused(path, f"descriptor {number} is open for reading only", "name a file")
    return OutputPlace(path=path, real=path, kind=Kind.DESCRIPTOR, status=status, descriptor=number)


def _is_summary(status: os.stat_result) -> bool:
    """Return whether this is the file of GitHub for a step's part of the job summary."""
    try:
        return os.path.samestat(os.stat(os.environ.get("GITHUB_STEP_SUMMARY") or ""), status)
    except OSError:
        return False


def may(path: Path, mode: int) -> bool:
    """Return whether this process may access `path` as `mode` (`os.W_OK`, …) says."""
    # It is False on a read-only file system and for an immutable file, even for root.
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def _reason(path: Path, problem: OSError) -> str:
    if isinstance(problem, NotADirectoryError):
        folder = next((each for each in path.parents if each.exists() and not each.is_dir()), path.parent)
        return f"`{folder}` is not a folder"
    return (problem.strerror or type(problem).__name__).lower()


def _refused(path: Path, reason: str, hint: str) -> UsageError:
    return UsageError(f"`{path}` cannot be written: {reason}", code="output_not_writable", hint=hint)
