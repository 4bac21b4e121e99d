"""Keeps rows that are in no file for as long as somebody uses them: in a folder for temporary files, named by what they
hold. It must not know where they come from.

The same rows are the same dataset, and go on with the same run. They are not missed afterwards, since a run keeps its
rows in its own folder.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from reqflo_ray._internal.errors import UsageError

_LOCK: Final = ".lock"
_NAME_DIGITS: Final = 16  # findings tell the name; what the file holds is compared as a whole


@contextmanager
def kept(pieces: Iterable[bytes], *, prefix: str = "", ending: str = "") -> Iterator[Path]:
    """Have a file of all `pieces` while the block runs, in a folder that only this user may look into. The last of
    those who hold it, in whatever process, removes it; what a process left that was killed, the next one that comes by.

    Raises:
        UsageError: `invalid_rows`: the folder is not this user's own; `no_temporary_folder`.
    """
    try:
        file, path = _held(pieces, prefix, ending)
    except OSError as problem:
        raise UsageError(
            "rows cannot be kept in the folder for temporary files",
            code="no_temporary_folder",
            cause=str(problem),
            hint="make room there, or set TMPDIR to another folder",
        ) from None
    with file:
        try:
            yield path
        finally:
            with _locked(path.parent):
                _remove_unheld(file, path)


def _held(pieces: Iterable[bytes], prefix: str, ending: str) -> tuple[IO[bytes], Path]:
    """The file, with a lock on it that tells others that it is used."""
    folder = _folder()
    incoming = folder / f"incoming-{secrets.token_hex(8)}"
    with _locked(folder):
        _sweep(folder)
        file = open(incoming, "x+b", opener=lambda name, flags: os.open(name, flags, 0o600))  # noqa: SIM115 - kept
        fcntl.flock(file, fcntl.LOCK_SH)
    try:
        digest = hashlib.sha256()
        for piece in pieces:
            file.write(piece)
            digest.update(piece)
        file.flush()
        path = folder / f"{prefix}{digest.hexdigest()[:_NAME_DIGITS]}{ending}"
        with _locked(folder):
            if not path.exists():
                incoming.rename(path)
                return file, path
            there = path.open("rb")
            fcntl.flock(there, fcntl.LOCK_SH)
        file.close()
        incoming.unlink()
        if hashlib.file_digest(there, "sha256").digest() != digest.digest():
            there.close()
            raise UsageError(f"`{path}` does not hold what its name says", code="invalid_rows", hint="remove it")
        return there, path
    except BaseException:
        file.close()
        incoming.unlink(missing_ok=True)
        raise


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / _LOCK).open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _sweep(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name != _LOCK and path.is_file():
            with path.open("rb") as file:
                _remove_unheld(file, path)


def _remove_unheld(file: IO[bytes], path: Path) -> None:
    with suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()


def _folder() -> Path:
    """A folder of this user's alone: in the one for all, somebody else could put a file of the name."""
    folder = Path(tempfile.gettempdir()) / f"reqflo-ray-rows-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.getuid() or found.st_mode & 0o077 or folder.is_symlink():
        raise UsageError(
            f"`{folder}` is not this user's own",
            code="invalid_rows",
            hint="remove it, or set TMPDIR to a folder of your own",
        )
    return folder
