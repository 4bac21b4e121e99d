"""`checked.json` as bytes: files of a run that were found whole, each with a text that tells whether that still holds.

It carries a checksum that begins with its own place, so that a damaged one, or that of another run, is none.
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

_FORMAT: Final = 1


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    format: int
    sha256: str
    files: msgspec.Raw


# msgspec learns each type once, and two threads must not be the first to ask for the same one.
_document = msgspec.json.Decoder(_Document)
_files = msgspec.json.Decoder(dict[str, str])


def encode(files: dict[str, str], place: str) -> bytes:
    """The bytes of the file at `place` within the store."""
    body = msgspec.json.encode(files)
    return msgspec.json.encode(_Document(format=_FORMAT, sha256=_checksum(body, place), files=msgspec.Raw(body)))


def decode(data: bytes, place: str) -> dict[str, str]:
    """The files that `data`, read at `place`, tells of. Raises `ValueError` if it was not written for there."""
    try:
        document = _document.decode(data)
    except RecursionError as problem:
        raise ValueError(str(problem)) from None
    body = bytes(document.files)
    if document.format != _FORMAT or document.sha256 != _checksum(body, place):
        raise ValueError("it is damaged, or of another place or version")
    return _files.decode(body)


def _checksum(body: bytes, place: str) -> str:
    return hashlib.sha256(place.encode() + b"\0" + body).hexdigest()
