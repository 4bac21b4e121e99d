"""Adds checksums to JSON documents and verifies them, so that damage is found, and is not confused with what a newer
version wrote.

The last member of a document is `checksum`: the SHA-256 of its place (its path within the store) and of all bytes
before that member. It exposes a document that was changed or cut, and one that is in the place of another. It knows
bytes; it must not know files, or what a document means.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final, TypeVar

_T = TypeVar("_T")

_MEMBER: Final = b',\n  "checksum": "'
_END: Final = b'"\n}\n'
_DIGITS: Final = 64
_UNKNOWN_FIELD: Final = "Object contains unknown field"


class DamagedDocumentError(ValueError):
    """A document differs from what was written; the text says how."""


class NewerDocumentError(ValueError):
    """A document is intact, and a newer version wrote it; the text says what is unknown here."""


def with_checksum(document: bytes, place: str) -> bytes:
    """Return `document`, a JSON object that is not empty, with its checksum for `place`."""
    content = document.rstrip().removesuffix(b"}").rstrip()
    digest = started_digest(place)
    digest.update(content)
    return content + checksum_member(digest)


def checksum_member(digest: hashlib._Hash) -> bytes:
    """Return the end of a document that is written in pieces: `digest` comes from `started_digest` and has all of the
    object but its closing brace."""
    return _MEMBER + digest.hexdigest().encode() + _END


def started_digest(place: str) -> hashlib._Hash:
    """Return the digest to update with the pieces of a document for `place`."""
    return hashlib.sha256(place.encode() + b"\0")


def has_checksum(data: bytes) -> bool:
    """Return whether a document ends with a checksum, valid or not. Only 0.1.0 wrote documents without one."""
    return data.startswith(_MEMBER, _content_end(data)) and data.endswith(_END)


def content_of(data: bytes, place: str) -> bytes | None:
    """Return a document without its checksum; None if it has none, as 0.1.0 wrote it.

    Raises:
        DamagedDocumentError: the checksum is wrong.
    """
    if not has_checksum(data):
        return None
    at = _content_end(data)
    content = memoryview(data)[:at]  # it may be large
    digest = started_digest(place)
    digest.update(content)
    if not data.startswith(checksum_member(digest), at):
        raise DamagedDocumentError("its checksum is wrong: it was changed, or belongs to another run")
    return b"".join((content, b"\n}"))


def read_document(data: bytes, place: str, decode: Callable[[bytes], _T]) -> _T:
    """Return the result of `decode` for a document. `decode` must raise `ValueError`, also for unknown fields, as
    msgspec can.

    Raises:
        DamagedDocumentError: it is not what was written.
        NewerDocumentError: a newer version wrote it.
    """
    content = content_of(data, place)
    try:
        return decode(data if content is None else content)
    except (ValueError, RecursionError) as problem:
        if content is not None and str(problem).startswith(_UNKNOWN_FIELD):
            raise NewerDocumentError(str(problem)) from None
        raise DamagedDocumentError(str(problem)) from None


def _content_end(data: bytes) -> int:
    return max(0, len(data) - len(_MEMBER) - _DIGITS - len(_END))
