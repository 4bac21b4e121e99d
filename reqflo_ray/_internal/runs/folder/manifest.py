"""Writes and reads the text of a run's manifest one entry at a time, because it has four for every shard.

It knows the text and its entries. It must not know where they are, nor whether the files match them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from reqflo_ray._internal.model.results import FileDigest
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.runs.folder.document import checksum_member, started_digest

_FORMAT: Final = 1
_ENTRY_END: Final = b"\n  }"
_BETWEEN: Final = b",\n"


class ManifestHead(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a manifest besides its entries: `rows` is the number of rows with a result in its files."""

    format: int = _FORMAT
    run_id: str
    rows: int


class Manifest:
    """`manifest.json`, the run's commit point: every file, the verdict included, with its digest.

    It holds only the text; `files` can be iterated repeatedly.
    """

    __slots__ = ("_data", "head")

    def __init__(self, head: ManifestHead, data: bytes) -> None:
        self.head = head
        self._data = data

    @property
    def rows(self) -> int:
        """The number of rows with a result in its files."""
        return self.head.rows

    @property
    def files(self) -> Iterator[FileDigest]:
        """Yield every file except the manifest, as it was written. Raises `ValueError` if the text is damaged."""
        data, at = self._data, self._data.index(b"[\n") + len(b"[\n")
        while True:
            end = data.index(_ENTRY_END, at) + len(_ENTRY_END)
            yield msgspec.json.decode(memoryview(data)[at:end], type=FileDigest)
            if not data.startswith(_BETWEEN, end):
                return
            at = end + len(_BETWEEN)

    def names(self, part: str) -> set[str]:
        """Return the names of its files in one folder of the run."""
        prefix = f"{part}/"
        return {file.path.removeprefix(prefix) for file in self.files if file.path.startswith(prefix)}

    def digest_of(self, path: str) -> str:
        """Return the SHA-256 of a listed file, "" if the file is not listed."""
        return next((file.sha256 for file in self.files if file.path == path), "")

    def proves_itself(self) -> bool:
        """Return whether writing its content produces the same bytes: the only proof of a manifest without a
        checksum."""
        at = 0
        try:
            for part in (*_content(self.head.run_id, self.files), b"\n}"):
                if not self._data.startswith(part, at):
                    return False
                at += len(part)
        except ValueError:
            return False
        return at == len(self._data)


def manifest_parts(place: str, run_id: str, files: Iterable[FileDigest]) -> Iterator[bytes]:
    """Yield the text of a manifest in pieces: indented JSON with the checksum last. There is at least one file. `place`
    is its path within the store."""
    digest = started_digest(place)
    for part in _content(run_id, files):
        digest.update(part)
        yield part
    yield checksum_member(digest)


def _content(run_id: str, files: Iterable[FileDigest]) -> Iterator[bytes]:
    """Yield all of a manifest except its end."""
    yield b'{\n "format": %d,\n "run_id": %b,\n "files": [\n' % (_FORMAT, msgspec.json.encode(run_id))
    rows, between = 0, b""
    for file in files:
        rows += file.rows if file.path.startswith(f"{layout.RESULTS}/") else 0
        yield between + b"  " + msgspec.json.format(msgspec.json.encode(file), indent=1).replace(b"\n", b"\n  ")
        between = _BETWEEN
    yield b'\n ],\n "rows": %d' % rows
