"""Checks that files of a run match the digests of when they were written: each is read once as a whole before its
content is trusted. It must not know its callers, nor what is in the files.

Intact files are recorded in `checked.json` of the run, so that the next query need not read them again. That file
guarantees nothing: it is not in the manifest, may be lost or damaged at any time, and `verify` never reads it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple

import msgspec

from reqflo_ray._internal.errors import IntegrityError, StoreError
from reqflo_ray._internal.model.results import FileDigest
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.runs.folder.document import read_document, with_checksum
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.storage.file_stat import FileStat

# A file that changed this recently may change again, unnoticed, within the same tick of its clock: it is not recorded.
SETTLED_AFTER_SECONDS: Final = 2.0
# Files that are read in less than 1 ms are not worth recording.
WORTH_REMEMBERING: Final = 256 * 1024
_LISTED: Final = 20
# Errors of one file. Every other error is about the store, and does not mean that a file is damaged.
_UNREADABLE: Final = ("store_error", "store_not_permitted")


class _Whole(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`checked.json`: files by their path within the run, each with a mark that shows whether the check is still
    valid."""

    files: dict[str, str]


# Created during the import, because two threads must not be the first to use a type of msgspec.
_decode: Final = msgspec.json.Decoder(_Whole).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedFile:
    """A checked file of run `run_id`, with its promised size and digest. `fault` says what is wrong, "" if the file is
    what was written."""

    run_id: str
    promised: FileDigest
    fault: str

    def __str__(self) -> str:
        return f"`{self.promised.path}` of run `{self.run_id}`: {self.fault}"


def check_files(folder: RunFolder, promised: Iterable[FileDigest], now: datetime) -> Iterator[CheckedFile]:
    """Check each of the `promised` files of a run, in their order; in parallel where responses take long.

    Args:
        now: the current instant, to recognize files that have changed just now.

    Raises:
        StoreError: the store does not answer.
    """
    known = _recall(folder)
    whole: dict[str, str] = {}
    bytes_read = 0
    for look in folder.storage.each(partial(_check, folder, known, now), promised):
        if look.mark:
            whole[look.file.path] = look.mark
        bytes_read += look.file.size if look.was_read else 0
        yield CheckedFile(run_id=folder.run_id, promised=look.file, fault=look.fault)
    if bytes_read >= WORTH_REMEMBERING and whole != known:
        _remember(folder, whole)


def fault_of(folder: RunFolder, promised: FileDigest) -> str:
    """Return what is wrong with a file now, "" if it is what was written; earlier checks do not count.

    Raises:
        StoreError: the store does not answer.
    """
    return _fault(folder, promised)[0]


def read_checked(folder: RunFolder, promised: FileDigest) -> bytes:
    """Return all bytes of a file of the run, if they match the promise. Raises `IntegrityError` (`damaged_file`)."""
    data = folder.read_file(promised.path)
    if fault := _difference(promised, len(data), hashlib.sha256(data).hexdigest()):
        raise damaged_files([CheckedFile(run_id=folder.run_id, promised=promised, fault=fault)])
    return data


def damaged_files(damaged: list[CheckedFile], *, hint: str = "") -> IntegrityError:
    """Return the error for one or more files that are not what was written."""
    runs = list(dict.fromkeys(file.run_id for file in damaged))
    named = ", ".join(f"`{run}`" for run in runs[:_LISTED]) + (" and others" if len(runs) > _LISTED else "")
    message = (
        f"{len(damaged)} files of {'run' if len(runs) == 1 else 'runs'} {named} are damaged, missing, or unreadable"
    )
    if len(damaged) == 1:
        message = f"`{damaged[0].promised.path}` of run {named} is damaged, missing, or unreadable"
    lines = [damaged[0].fault] if len(damaged) == 1 else [str(file) for file in damaged[:_LISTED]]
    if len(damaged) > _LISTED:
        lines.append(f"and {len(damaged) - _LISTED} more")
    return IntegrityError(
        message,
        code="damaged_file",
        cause="\n".join(lines),
        hint=hint or f"list all damage with `reqflo-ray verify {runs[0]}`, and restore the files from a copy",
    )


class _Look(NamedTuple):
    """A file, what is wrong with it, its mark if it may be recorded as intact, and whether it had to be read."""

    file: FileDigest
    fault: str
    mark: str
    was_read: bool


def _check(folder: RunFolder, known: Mapping[str, str], now: datetime, promised: FileDigest) -> _Look:
    mark = known.get(promised.path)
    if mark is not None and mark == _mark_now(folder, promised):
        return _Look(promised, "", mark, was_read=False)
    fault, before = _fault(folder, promised)
    settled = before is not None and now.timestamp() - before.changed_at >= SETTLED_AFTER_SECONDS
    if fault or before is None or not settled:
        return _Look(promised, fault, "", was_read=True)
    # A file that changed while it was read is not recorded.
    mark = _mark(promised, before)
    return _Look(promised, "", mark if mark == _mark_now(folder, promised) else "", was_read=True)


def _fault(folder: RunFolder, promised: FileDigest) -> tuple[str, FileStat | None]:
    """Return what is wrong with a file, and its state before it was read."""
    path = folder.path(promised.path)
    try:
        stat = folder.storage.stat(path)
        if stat.size != promised.size:
            return _difference(promised, stat.size, ""), stat
        digest = hashlib.sha256()
        for piece in folder.storage.pieces(path):
            digest.update(piece)
        return _difference(promised, stat.size, digest.hexdigest()), stat
    except FileNotFoundError:
        return "it is missing", None
    except StoreError as error:
        if error.code not in _UNREADABLE:
            raise
        return f"it cannot be read: {error.cause or error.message}", None


def _difference(promised: FileDigest, size: int, sha256: str) -> str:
    if size != promised.size:
        return f"it has {size} bytes instead of {promised.size}"
    return "" if sha256 == promised.sha256 else "its SHA-256 differs"


def _mark(promised: FileDigest, stat: FileStat) -> str:
    """Return the mark of an intact file: it is valid while the promise stays the same and the file does not change."""
    return f"{promised.sha256} {stat.identity}"


def _mark_now(folder: RunFolder, promised: FileDigest) -> str:
    try:
        return _mark(promised, folder.storage.stat(folder.path(promised.path)))
    except (FileNotFoundError, StoreError):
        return ""


def _recall(folder: RunFolder) -> dict[str, str]:
    place = folder.path(layout.CHECKED)
    try:
        return read_document(folder.storage.read(place), place, _decode).files
    except (FileNotFoundError, StoreError, ValueError):
        return {}


def _remember(folder: RunFolder, whole: dict[str, str]) -> None:
    place = folder.path(layout.CHECKED)
    try:
        # A run that `prune` has deleted meanwhile is not created again.
        if folder.exists():
            folder.storage.write(place, with_checksum(msgspec.json.encode(_Whole(files=whole)), place))
    except StoreError:
        return  # a read-only store, or a full disk: the files are read again next time
