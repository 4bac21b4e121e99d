"""Stores rows from memory or a pipe in a temporary file, named by its contents, while they are in use. It must not know
where the rows come from.

The same rows make the same dataset, so they resume the same run. The file can be removed afterwards, because a run
stores its rows in its own folder.
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
_NAME_DIGITS: Final = 16  # enough for the name, which findings show; the contents are compared by the whole digest


@contextmanager
def kept(pieces: Iterable[bytes], *, prefix: str = "", ending: str = "") -> Iterator[Path]:
    """Provide a file of all `pieces` while the block runs, in a folder that only this user can read. The last process
    that uses the file removes it; the next call removes files that a killed process left.

    Raises:
        UsageError: `invalid_rows` if the folder belongs to another user; `no_temporary_folder`.
    """
    try:
        file, path = _held(pieces, prefix, ending)
    except OSError as problem:
        raise UsageError(
            "rows cannot be stored in the folder for temporary files",
            code="no_temporary_folder",
            cause=str(problem),
            hint="make room there, or set `TMPDIR` to another folder",
        ) from None
    with file:
        try:
            yield path
        finally:
            with _locked(path.parent):
                _remove_unheld(file, path)


def _held(pieces: Iterable[bytes], prefix: str, ending: str) -> tuple[IO[bytes], Path]:
    """Return the file, with a lock that shows other processes that it is in use."""
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
            raise UsageError(f"the contents of `{path}` do not match its name", code="invalid_rows", hint="remove it")
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
    """Return a folder of this user alone; in a shared one, another user could create a file of the same name."""
    folder = Path(tempfile.gettempdir()) / f"reqflo-ray-rows-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.getuid() or found.st_mode & 0o077 or folder.is_symlink():
        raise UsageError(
            f"the folder `{folder}` belongs to another user, or others can open it",
            code="invalid_rows",
            hint="remove it, or set `TMPDIR` to a folder of your own",
        )
    return folder
