"""The bytes of a journal: a file header, then one frame per record. It must not know files, rows or what records mean.

The file header names the journal, and every CRC begins with that name: a record of another journal is not valid here,
even if only a part of a file was exchanged, or the file header is lost.

A frame is a header (magic, sequence number, kind, length of the payload, CRC of these), the payload and its CRC, all
little-endian. The payload is JSON, so that a person can read a journal with `strings` alone. The CRC-32 is that of
zlib: it detects every error of up to 3 bits and every burst of up to 32, takes 0.1 µs, and is in every standard library
that will have to read this. A new kind of record needs a new `FORMAT`; fields may be added at the end of a record, with
a default.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from reqflo_ray._internal.errors import StoreError
from reqflo_ray._internal.model import json_text
from reqflo_ray._internal.model.journal import Completion, Intent, JournalRecord, Poisoned, Solo, Takeover, Withdrawn

FORMAT: Final = 2
# Journals of this format have no name, and their CRCs begin with 0. They are still read.
_NAMELESS_FORMAT: Final = 1
READABLE_FORMATS: Final = (FORMAT, _NAMELESS_FORMAT)

HEADER_SIZE: Final = 17
CRC_SIZE: Final = 4
FILE_MAGIC: Final = b"reqflo-journal\n"
NAME_SIZE: Final = 16
# The name of a journal that belongs to no run.
NO_NAME: Final = bytes(NAME_SIZE)
# The first part (magic, format and their CRC) is the same in every format, so that other formats are recognized.
_FIRST_PART_SIZE: Final = len(FILE_MAGIC) + 1 + CRC_SIZE
FILE_HEADER_SIZE: Final = _FIRST_PART_SIZE + NAME_SIZE + CRC_SIZE

_header = struct.Struct("<4sIBI")
_crc = struct.Struct("<I")
_read: Callable[[bytes | str], JournalRecord] = json_text.reader(JournalRecord)  # type: ignore[arg-type]  # a union
_KINDS: Final[dict[type, int]] = {Intent: 1, Completion: 2, Poisoned: 3, Solo: 4, Withdrawn: 5, Takeover: 6}


class UnrecordableError(StoreError):
    """A record contains a value that cannot be written: nested too deeply, or a number of thousands of digits.

    Nothing was written and the journal is intact: only the row with this value cannot continue.
    """

    default_code = "unrecordable_value"


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame with an intact header. `payload` is None if the rest is damaged; `end` is the offset after the frame."""

    sequence: int
    kind: int
    payload: bytes | None
    end: int


@dataclass(frozen=True, slots=True)
class FileHeader:
    """An intact file header of `size` bytes. `name` is empty if the format has none, or is unknown."""

    format: int
    name: bytes
    size: int


def magic(version: int) -> bytes:
    """Return the first bytes of frames of a format, so that frames of another format are never mistaken for them."""
    # UTF-8 has no byte 0xFF, so that no payload contains it: whatever looks like a frame is one.
    return b"\xff" + b"RJ" + bytes([version])


MAGIC: Final = magic(FORMAT)


def seed_of(name: bytes) -> int:
    """Return the initial value of the CRCs in the journal of that name."""
    return zlib.crc32(name)


def file_header(name: bytes = NO_NAME, *, version: int = FORMAT) -> bytes:
    """Return the file header of a journal: its format, by which other versions refuse it, and its name."""
    first = FILE_MAGIC + bytes([version])
    sealed = zlib.crc32(first)
    return b"".join((first, _crc.pack(sealed), name, _crc.pack(zlib.crc32(name, sealed))))


def read_file_header(data: bytes) -> FileHeader | None:
    """Return the file header at the beginning of `data`, None if it is cut or damaged."""
    first = data[: _FIRST_PART_SIZE - CRC_SIZE]
    sealed = zlib.crc32(first)
    if not first.startswith(FILE_MAGIC) or data[len(first) : _FIRST_PART_SIZE] != _crc.pack(sealed):
        return None
    version = first[-1]
    if version != FORMAT:
        return FileHeader(version, b"", _FIRST_PART_SIZE)
    name = data[_FIRST_PART_SIZE : FILE_HEADER_SIZE - CRC_SIZE]
    if data[FILE_HEADER_SIZE - CRC_SIZE : FILE_HEADER_SIZE] != _crc.pack(zlib.crc32(name, sealed)):
        return None
    return FileHeader(version, name, FILE_HEADER_SIZE)


def encode(sequence: int, record: JournalRecord, seed: int = seed_of(NO_NAME)) -> bytes:
    """Return the frame of `record`, number `sequence` (from 0) of the journal whose `seed_of` is `seed`.

    Raises:
        UnrecordableError: `record` cannot be written.
    """
    try:
        payload = json_text.encode_exactly(record)
    except ValueError:
        raise _unrecordable() from None
    header = _header.pack(MAGIC, sequence, _KINDS[type(record)], len(payload))
    sealed = zlib.crc32(header, seed)
    # The CRC of the payload continues that of the header, which detects an intact payload under another header.
    return b"".join((header, _crc.pack(sealed), payload, _crc.pack(zlib.crc32(payload, sealed))))


def read_frame(data: bytes, offset: int, seed: int) -> Frame | None:
    """Return the frame at `offset`, where the magic of a frame is; None if its header is not intact."""
    start = offset + HEADER_SIZE
    if start > len(data):
        return None
    header = data[offset : start - CRC_SIZE]
    if data[start - CRC_SIZE : start] != _crc.pack(zlib.crc32(header, seed)):
        return None
    _, sequence, kind, length = _header.unpack(header)
    payload, end = _read_payload(data, start, length)
    return Frame(sequence, kind, payload, end)


def is_foreign(data: bytes, offset: int) -> bool:
    """Return whether there is a complete frame of another journal at `offset`, where `read_frame` reads none.

    A write that was cut off does not leave a complete frame.
    """
    start = offset + HEADER_SIZE
    if start > len(data):
        return False
    *_, length = _header.unpack(data[offset : start - CRC_SIZE])
    return length > 0 and _read_payload(data, start, length)[0] is not None


def is_torn(tail: bytes, seed: int) -> bool:
    """Return whether `tail`, the end of a journal without a complete frame, was left by a write that was cut off.

    Such a write leaves the beginning of frames, with nothing or zeros in place of the rest. Payloads are JSON text,
    which contains no zero byte.
    """
    written = len(tail.rstrip(b"\0"))
    if written < HEADER_SIZE:
        return True
    frame = read_frame(tail, 0, seed)
    if frame is None:
        return False
    end = len(tail) - CRC_SIZE
    *_, length = _header.unpack(tail[: HEADER_SIZE - CRC_SIZE])
    payload_end = HEADER_SIZE + length
    return payload_end > end or written <= payload_end or b"\0" in tail[HEADER_SIZE:payload_end]


def _read_payload(data: bytes, start: int, length: int) -> tuple[bytes | None, int]:
    """Return the payload at `start`, None if it is not intact, and the end of its frame."""
    end = start + length + CRC_SIZE
    (sealed,) = _crc.unpack(data[start - CRC_SIZE : start])
    payload = data[start : end - CRC_SIZE]
    if end > len(data) or data[end - CRC_SIZE : end] != _crc.pack(zlib.crc32(payload, sealed)):
        return None, min(end, len(data))
    return payload, end


def decode(frame: Frame) -> JournalRecord | None:
    """Return the record in `frame`, None if this version does not support it."""
    if frame.payload is None:
        return None
    try:
        record = _read(frame.payload)
    except (ValueError, ArithmeticError, RecursionError):
        return None
    return record if _KINDS[type(record)] == frame.kind else None


def _unrecordable() -> UnrecordableError:
    return UnrecordableError(
        "a value of this step cannot be written to the journal",
        cause="it is nested too deeply, or contains a number of thousands of digits",
        hint="take a smaller part of the response as the output",
    )
