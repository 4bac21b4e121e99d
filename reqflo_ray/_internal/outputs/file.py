"""Writes the files that a person names (`--output`, `--report`), completely or not at all. It must not know what is
written.

A regular file is replaced atomically by a new one with its mode, owner, and attributes. A file that cannot be replaced
(a link, a file with several names, one that is mounted or whose folder is not writable) is overwritten in place. A
FIFO, a device, and `/dev/stdout` are written to.
"""

from __future__ import annotations

import errno
import os
import select
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from reqflo_ray._internal.errors import ReqfloError
from reqflo_ray._internal.outputs.place import Kind, OutputPlace, find_place, may

# The code of a file that could not be written although the checks before had passed.
NOT_WRITTEN: Final = "output_not_written"
# Opening a FIFO without a reader blocks forever, and a CI job with it.
FIFO_SECONDS: Final = 10.0
_CURE: Final = "free disk space, or choose another place"
_CURES: Final = {Kind.FIFO: "start its reader first"}
_PIECE: Final = 2**20
_IN_MEMORY: Final = 16 * 2**20
_NO_RESERVE: Final = (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.ENODEV)


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Yield a file to write to. Its content is written to `path` after the block, or not at all if the block raises.
    Missing folders are created. A regular file keeps its content if there is no space for the new one.

    Raises:
        UsageError: `output_not_writable`, before the body runs.
        ReqfloError: `output_not_written` if the system refuses a write (a full disk, a closed reader); exit code 3.
    """
    place = find_place(path)
    try:
        if _can_be_replaced(place):
            yield from _beside(place)
        else:
            with tempfile.SpooledTemporaryFile(_IN_MEMORY) as made:
                yield made  # type: ignore[misc]
                _write_to(place, made)  # type: ignore[arg-type]
    except OSError as problem:
        raise ReqfloError(
            f"`{path}` cannot be written: {problem.strerror or type(problem).__name__}",
            code=NOT_WRITTEN,
            hint=f"{_CURES.get(place.kind, _CURE)}; the runs in the store are not affected",
        ) from None


def _can_be_replaced(place: OutputPlace) -> bool:
    if place.kind is Kind.NEW:
        return True
    return (
        place.kind is Kind.FILE
        and place.status is not None
        and place.status.st_nlink == 1
        and not place.path.is_symlink()
        and may(place.real.parent, os.W_OK | os.X_OK)
    )


def _beside(place: OutputPlace) -> Iterator[BinaryIO]:
    """Yield a new file in the same folder, which then replaces the existing one, or is copied into it if it cannot."""
    folder, before = place.real.parent, place.status
    folder.mkdir(parents=True, exist_ok=True)
    # Not `mkstemp`: the umask and the folder decide the mode of a new file. The name is short, for long paths.
    temporary = folder / f".reqflo-{os.getpid()}-{os.urandom(6).hex()}"
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(temporary, flags, 0o666 if before is None else 0o600)
    try:
        with open(descriptor, "w+b") as made:
            yield made
            made.flush()
            if before is None or _made_alike(descriptor, place.real, before):
                try:
                    os.replace(temporary, place.real)
                    return
                except OSError:
                    if before is None:
                        raise  # a file that is mounted can only be written in place
            _write_to(place, made)
    finally:
        with suppress(OSError):
            os.unlink(temporary)


def _made_alike(descriptor: int, old: Path, status: os.stat_result) -> bool:
    """Give a new file the owner, attributes (access lists, labels), and mode of the old one; return whether it
    worked."""
    try:
        mine = os.fstat(descriptor)
        if (mine.st_uid, mine.st_gid) != (status.st_uid, status.st_gid):
            os.fchown(descriptor, status.st_uid, status.st_gid)
        if hasattr(os, "listxattr"):
            kept, given = os.listxattr(old), os.listxattr(descriptor)
            for name in given:
                if name not in kept:
                    os.removexattr(descriptor, name)
            for name in kept:
                value = os.getxattr(old, name)
                if name not in given or os.getxattr(descriptor, name) != value:
                    os.setxattr(descriptor, name, value)
        os.fchmod(descriptor, stat.S_IMODE(status.st_mode))
    except OSError:
        return False
    return True


def _write_to(place: OutputPlace, made: BinaryIO) -> None:
    """Write the content of `made` to the existing file."""
    match place.kind:
        case Kind.DESCRIPTOR:
            _copy(made, place.descriptor)
        case Kind.SUMMARY:
            _append(made, place)
        case Kind.FIFO:
            _feed(made, place.path)
        case Kind.DEVICE:
            with _opened(place.path, os.O_WRONLY) as descriptor:
                _copy(made, descriptor)
        case Kind.FILE | Kind.NEW:
            _overwrite(made, place.path)


def _overwrite(made: BinaryIO, path: Path) -> None:
    size = made.seek(0, os.SEEK_END)
    with _opened(path, os.O_WRONLY) as descriptor:
        before = os.fstat(descriptor).st_size
        try:
            _reserve(descriptor, size)
        except OSError:
            os.ftruncate(descriptor, before)  # its old size
            raise
        try:
            _copy(made, descriptor)
        finally:
            # If that failed, no old content remains after the new one.
            os.ftruncate(descriptor, os.lseek(descriptor, 0, os.SEEK_CUR))


def _reserve(descriptor: int, size: int) -> None:
    """Reserve space for `size` bytes before the existing ones are overwritten."""
    if not size or not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError as problem:
        if problem.errno not in _NO_RESERVE:
            raise


def _append(made: BinaryIO, place: OutputPlace) -> None:
    line_is_open = place.status is not None and not _ends_a_line(place.path, place.status.st_size)
    with _opened(place.path, os.O_WRONLY | os.O_APPEND) as descriptor:
        before = os.fstat(descriptor).st_size
        try:
            if line_is_open:
                os.write(descriptor, b"\n")
            _copy(made, descriptor)
        except OSError:
            os.ftruncate(descriptor, before)
            raise


def _ends_a_line(path: Path, size: int) -> bool:
    if not size:
        return True
    try:
        with path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"
    except OSError:  # it may be writable and not readable
        return False


def _feed(made: BinaryIO, path: Path) -> None:
    """Write to a FIFO as fast as its reader reads. Raises `OSError` if it has no reader for ten seconds."""
    deadline = time.monotonic() + FIFO_SECONDS
    while True:
        try:
            opened = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            break
        except OSError as problem:
            if problem.errno != errno.ENXIO:
                raise
            if time.monotonic() >= deadline:
                message = f"no program has opened the FIFO for reading within {FIFO_SECONDS:g} s"
                raise OSError(errno.ENXIO, message) from None
        time.sleep(0.01)
    try:
        _copy(made, opened)
    finally:
        os.close(opened)


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    # A terminal that is written to must not become the controlling one, which sends signals.
    descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _copy(made: BinaryIO, descriptor: int) -> None:
    made.seek(0)
    while piece := made.read(_PIECE):
        left = memoryview(piece)
        while left:
            try:
                left = left[os.write(descriptor, left) :]
            except BlockingIOError:
                _await_reader(descriptor)


def _await_reader(descriptor: int) -> None:
    ready = select.poll()
    ready.register(descriptor, select.POLLOUT)
    if not ready.poll(FIFO_SECONDS * 1000):
        raise OSError(errno.ETIMEDOUT, f"its reader has read nothing for {FIFO_SECONDS:g} s")
