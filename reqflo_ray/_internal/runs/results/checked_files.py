"""Whether files of a run are what was promised when they were written: each is read once as a whole, before anything in
it is believed. It must not know what asks, nor what is in the files.

What was found whole is remembered in `checked.json` of the run, so that the next question need not read it again. That
file promises nothing: it lies outside the manifest, may be lost or damaged at any time, and `verify` never looks at it.
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

# A file that changed so lately may change again within the same tick of its clock, unnoticed: it is not remembered.
SETTLED_AFTER_SECONDS: Final = 2.0
# What is read in less than a millisecond is not worth a file.
WORTH_REMEMBERING: Final = 256 * 1024
_LISTED: Final = 20
# Trouble with one file. Any other trouble is the store's, and no file is damaged for it.
_UNREADABLE: Final = ("store_error", "store_not_permitted")


class _Whole(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`checked.json`: files by their path within the run, each with a text that tells whether that still holds."""

    files: dict[str, str]


# Made while this is imported: two threads must not be the first to let msgspec learn a type.
_decode: Final = msgspec.json.Decoder(_Whole).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedFile:
    """A file that was looked at: of run `run_id`, and what was promised of it. `fault` says what is wrong, "" if it is
    what was written."""

    run_id: str
    promised: FileDigest
    fault: str

    def __str__(self) -> str:
        return f"`{self.promised.path}` of run `{self.run_id}`: {self.fault}"


def check_files(folder: RunFolder, promised: Iterable[FileDigest], now: datetime) -> Iterator[CheckedFile]:
    """Look at each of the `promised` files of a run, in their order; many at a time where answers take long.

    Args:
        now: the present instant, by which files that changed just now are known.

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
    """What is wrong with a file as it is now, "" if it is what was written; nothing remembered counts.

    Raises:
        StoreError: the store does not answer.
    """
    return _fault(folder, promised)[0]


def read_checked(folder: RunFolder, promised: FileDigest) -> bytes:
    """All bytes of a file of the run, if they are what was promised. Raises `IntegrityError` (`damaged_file`)."""
    data = folder.read_file(promised.path)
    if fault := _difference(promised, len(data), hashlib.sha256(data).hexdigest()):
        raise damaged_files([CheckedFile(run_id=folder.run_id, promised=promised, fault=fault)])
    return data


def damaged_files(damaged: list[CheckedFile], *, hint: str = "") -> IntegrityError:
    """The error for files, one at least, that are not what was written."""
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
    """A file, what is wrong with it, its mark if it may be remembered as whole, and whether it had to be read."""

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
    # Nothing is remembered of a file that changed while it was read.
    mark = _mark(promised, before)
    return _Look(promised, "", mark if mark == _mark_now(folder, promised) else "", was_read=True)


def _fault(folder: RunFolder, promised: FileDigest) -> tuple[str, FileStat | None]:
    """What is wrong with a file, and how it was before it was read."""
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
    """What is remembered of a whole file: it holds only as long as nothing else is promised, and nobody changes it."""
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
        # What `prune` has deleted meanwhile is not made again.
        if folder.exists():
            folder.storage.write(place, with_checksum(msgspec.json.encode(_Whole(files=whole)), place))
    except StoreError:
        return  # a store that may only be read, or a full disk: then it is read again the next time
