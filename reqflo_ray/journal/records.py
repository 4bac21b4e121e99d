"""The bytes of a journal: a file header, then one frame a record. It must not know files, rows or what records mean.

A frame is a header (magic, sequence number, kind, length of the payload, CRC of these), the payload and its CRC, all
little-endian. The payload is JSON, so that a person can read a journal with nothing but `strings`. CRC-32 as in zlib:
it finds every error of up to three bits and every burst of up to 32, costs 0.1 µs, and is in the standard library of
any version that will ever have to read this. A new kind of record needs a new `FORMAT`; fields may be added to a
record at its end, with a default.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import msgspec

from reqflo_ray.engine import json_text
from reqflo_ray.errors import StoreError
from reqflo_ray.model.journal import Completion, Intent, JournalRecord, Poisoned, Solo, Takeover, Withdrawn
from reqflo_ray.model.values import exact_number

FORMAT: Final = 1

# 0xFF is in no UTF-8 text, so no payload can hold the magic: whatever looks like a frame is one. The format is a part
# of it, so that frames of another format are never taken for ours, even when the file header is lost.
MAGIC: Final = b"\xff" + b"RJ" + bytes([FORMAT])
HEADER_SIZE: Final = 17
CRC_SIZE: Final = 4
FILE_MAGIC: Final = b"reqflo-journal\n"
FILE_HEADER_SIZE: Final = 20

_header = struct.Struct("<4sIBI")
_crc = struct.Struct("<I")
_encoder = msgspec.json.Encoder(decimal_format="number")
_decoder = msgspec.json.Decoder(JournalRecord, float_hook=exact_number)
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


def file_header(version: int = FORMAT) -> bytes:
    """What a journal begins with: its format, by which another version can refuse it by name."""
    start = FILE_MAGIC + bytes([version])
    return start + _crc.pack(zlib.crc32(start))


def read_file_header(data: bytes) -> int | None:
    """The format that `data` says it has, None if its file header is cut or damaged."""
    start = data[: FILE_HEADER_SIZE - CRC_SIZE]
    if not start.startswith(FILE_MAGIC) or data[len(start) : FILE_HEADER_SIZE] != _crc.pack(zlib.crc32(start)):
        return None
    return start[-1]


def encode(sequence: int, record: JournalRecord) -> bytes:
    """The frame of `record`, the `sequence`-th of its journal (from 0). Raises `UnrecordableError`."""
    try:
        payload = _encoder.encode(record)
    except UnicodeEncodeError:
        payload = _encode_leniently(record)
    except (ValueError, RecursionError):
        raise _unrecordable() from None
    header = _header.pack(MAGIC, sequence, _KINDS[type(record)], len(payload))
    sealed = zlib.crc32(header)
    # The payload's CRC goes on from the header's, so that an intact payload under another's header is found out.
    return b"".join((header, _crc.pack(sealed), payload, _crc.pack(zlib.crc32(payload, sealed))))


def read_frame(data: bytes, offset: int) -> Frame | None:
    """The frame at `offset`, None if there is no intact header."""
    start = offset + HEADER_SIZE
    if start > len(data) or not data.startswith(MAGIC, offset):
        return None
    header = data[offset : start - CRC_SIZE]
    sealed = zlib.crc32(header)
    if data[start - CRC_SIZE : start] != _crc.pack(sealed):
        return None
    _, sequence, kind, length = _header.unpack(header)
    end = start + length + CRC_SIZE
    payload = data[start : end - CRC_SIZE]
    if end > len(data) or data[end - CRC_SIZE : end] != _crc.pack(zlib.crc32(payload, sealed)):
        return Frame(sequence, kind, None, min(end, len(data)))
    return Frame(sequence, kind, payload, end)


def decode(frame: Frame) -> JournalRecord | None:
    """The record in `frame`, None if it holds none that this version knows."""
    if frame.payload is None:
        return None
    try:
        record = _decoder.decode(frame.payload)
    except (ValueError, ArithmeticError, RecursionError):
        record = _decode_leniently(frame.payload)
    return record if record is not None and _KINDS[type(record)] == frame.kind else None


def _encode_leniently(record: JournalRecord) -> bytes:
    # An API may answer with half of a surrogate pair, which has no UTF-8 form but an escape in JSON.
    try:
        return json_text.encode(msgspec.to_builtins(record, builtin_types=(Decimal,)))
    except (ValueError, RecursionError):
        raise _unrecordable() from None


def _decode_leniently(payload: bytes) -> JournalRecord | None:
    try:
        record: JournalRecord = msgspec.convert(json_text.decode(payload).value, JournalRecord)
    except (ValueError, ArithmeticError, RecursionError):
        return None
    return record


def _unrecordable() -> UnrecordableError:
    return UnrecordableError(
        "a value of this step cannot be journaled",
        cause="it is nested too deeply, or holds a number of thousands of digits",
        hint="do not capture such a value",
    )
