"""The bytes of a journal: a file header, then one frame a record. It must not know files, rows or what records mean.

The file header names the journal, and every CRC begins with that name: a record of another journal is none here, also
where only a part of a file was exchanged, or the file header is lost.

A frame is a header (magic, sequence number, kind, length of the payload, CRC of these), the payload and its CRC, all
little-endian. The payload is JSON, so that a person can read a journal with nothing but `strings`. CRC-32 as in zlib:
it finds every error of up to three bits and every burst of up to 32, costs 0.1 µs, and is in the standard library of
any version that will ever have to read this. A new kind of record needs a new `FORMAT`; fields may be added to a
record at its end, with a default.
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
# Journals of this format have no name, and their CRCs begin with nothing. They are still read.
_NAMELESS_FORMAT: Final = 1
READABLE_FORMATS: Final = (FORMAT, _NAMELESS_FORMAT)

HEADER_SIZE: Final = 17
CRC_SIZE: Final = 4
FILE_MAGIC: Final = b"reqflo-journal\n"
NAME_SIZE: Final = 16
# The name of a journal that is kept for no run.
NO_NAME: Final = bytes(NAME_SIZE)
# The first part, magic and format and their CRC, is that of every format: it says by which another one is refused.
_FIRST_PART_SIZE: Final = len(FILE_MAGIC) + 1 + CRC_SIZE
FILE_HEADER_SIZE: Final = _FIRST_PART_SIZE + NAME_SIZE + CRC_SIZE

_header = struct.Struct("<4sIBI")
_crc = struct.Struct("<I")
_read: Callable[[bytes | str], JournalRecord] = json_text.reader(JournalRecord)  # type: ignore[arg-type]  # a union
_KINDS: Final[dict[type, int]] = {Intent: 1, Completion: 2, Poisoned: 3, Solo: 4, Withdrawn: 5, Takeover: 6}


class UnrecordableError(StoreError):
    """A record holds a value that cannot be written down: nested too deeply, or a number of thousands of digits.

    Nothing was written, so the journal is unharmed: only the row that has such a value cannot go on.
    """

    default_code = "unrecordable_value"


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame whose header is intact. `payload` is None if the rest of it is not; `end` is the offset behind it."""

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
    """What frames of a format begin with: frames of another one are never taken for ours, whatever the file says."""
    # 0xFF is in no UTF-8 text, so no payload can hold it: whatever looks like a frame is one.
    return b"\xff" + b"RJ" + bytes([version])


MAGIC: Final = magic(FORMAT)


def seed_of(name: bytes) -> int:
    """What the CRCs in the journal of that name begin with; 0 for a format without names."""
    return zlib.crc32(name)


def file_header(name: bytes = NO_NAME, *, version: int = FORMAT) -> bytes:
    """What a journal begins with: its format, by which another version can refuse it, and its name."""
    first = FILE_MAGIC + bytes([version])
    sealed = zlib.crc32(first)
    return b"".join((first, _crc.pack(sealed), name, _crc.pack(zlib.crc32(name, sealed))))


def read_file_header(data: bytes) -> FileHeader | None:
    """The file header that `data` begins with, None if it is cut or damaged."""
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
    """The frame of `record`, the `sequence`-th (from 0) of the journal whose name gives that `seed_of`.

    Raises:
        UnrecordableError: `record` cannot be written down.
    """
    try:
        payload = json_text.encode_exactly(record)
    except ValueError:
        raise _unrecordable() from None
    header = _header.pack(MAGIC, sequence, _KINDS[type(record)], len(payload))
    sealed = zlib.crc32(header, seed)
    # The payload's CRC goes on from the header's, so that an intact payload under another's header is found out.
    return b"".join((header, _crc.pack(sealed), payload, _crc.pack(zlib.crc32(payload, sealed))))


def read_frame(data: bytes, offset: int, seed: int) -> Frame | None:
    """The frame at `offset`, None if there is no intact header. `offset` is where a frame's magic was found."""
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
    """Whether at `offset` there is a whole frame, of whatever journal. Not to be asked of one that `read_frame` reads:
    a write that was cut leaves no such thing."""
    start = offset + HEADER_SIZE
    if start > len(data):
        return False
    *_, length = _header.unpack(data[offset : start - CRC_SIZE])
    return length > 0 and _read_payload(data, start, length)[0] is not None


def is_torn(tail: bytes, seed: int) -> bool:
    """Whether `tail`, with which a journal ends and no frame begins, is what a write that was cut leaves: the beginning
    of frames, and zeros at most where the rest should be. Payloads are JSON text, which holds no zero byte."""
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
    """The payload at `start`, None if it is not intact, and where its frame ends."""
    end = start + length + CRC_SIZE
    (sealed,) = _crc.unpack(data[start - CRC_SIZE : start])
    payload = data[start : end - CRC_SIZE]
    if end > len(data) or data[end - CRC_SIZE : end] != _crc.pack(zlib.crc32(payload, sealed)):
        return None, min(end, len(data))
    return payload, end


def decode(frame: Frame) -> JournalRecord | None:
    """The record in `frame`, None if it holds none that this version knows."""
    if frame.payload is None:
        return None
    try:
        record = _read(frame.payload)
    except (ValueError, ArithmeticError, RecursionError):
        return None
    return record if _KINDS[type(record)] == frame.kind else None


def _unrecordable() -> UnrecordableError:
    return UnrecordableError(
        "a value of this step cannot be journaled",
        cause="it is nested too deeply, or holds a number of thousands of digits",
        hint="do not capture such a value",
    )
