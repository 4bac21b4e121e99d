"""Splits a dataset into pieces that can be read independently: files, and row groups of Parquet. It must not know who
reads them, nor what happens to the rows.

A text file is one piece, because a line break may be part of a quoted cell, and the number of a line depends on all
lines before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from reqflo_ray._internal.datasets.faults import DataFile, Findings
from reqflo_ray._internal.datasets.files import READ_ERRORS, find_files, size_in_bytes
from reqflo_ray._internal.datasets.parquet_rows import ParquetReader
from reqflo_ray._internal.datasets.rows import DatasetRows, Header, check_source, open_reader, used_columns
from reqflo_ray._internal.model.artifact import Artifact
from reqflo_ray._internal.model.plan import DatasetSource


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """A file, or the row groups `groups` (first, and the one after the last) of a Parquet file.

    `rows` is None until they are counted. `file_bytes` is the size of the whole file in bytes, `size` the approximate
    number of bytes in this piece.
    """

    file: DataFile
    file_bytes: int
    size: int
    groups: tuple[int, int] | None = None
    rows: int | None = None

    @property
    def range(self) -> range | None:
        """The row groups in the form that readers take."""
        return None if self.groups is None else range(*self.groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetPieces:
    """A dataset in pieces, in the order of its rows: its files by number, the first header, and the findings of the
    search for the files."""

    files: tuple[DataFile, ...]
    pieces: tuple[Piece, ...]
    header: Header | None
    findings: Findings

    @property
    def size(self) -> int:
        """The approximate number of bytes to read."""
        return sum(piece.size for piece in self.pieces)


def split_dataset(
    source: DatasetSource, artifact: Artifact, required: frozenset[str], *, piece_bytes: int
) -> DatasetPieces:
    """Split a dataset into pieces, which depend on its files only; row groups are joined up to `piece_bytes`.

    Only the beginning of every file is read, or the end of Parquet files. Faults in files that exist are left to the
    readers of the pieces.

    Raises:
        DatasetError: the options are not valid.
    """
    check_source(source, artifact)
    # It judges headers only: to find the first one, and to leave a file with faults in one piece.
    judge = DatasetRows(source, artifact, required)
    files = find_files(source.files, judge.faults)
    findings = judge.faults.findings()
    used = used_columns(source, artifact)
    pieces = [piece for file in files for piece in _split_file(file, source, used, judge, piece_bytes)]
    return DatasetPieces(files=files, pieces=tuple(pieces), header=judge.header, findings=findings)


def _split_file(
    file: DataFile, source: DatasetSource, used: frozenset[str], judge: DatasetRows, piece_bytes: int
) -> Iterator[Piece]:
    try:
        file_bytes = size_in_bytes(file)
    except READ_ERRORS:
        file_bytes = 0
    before, groups = judge.faults.count, list[tuple[int, int]]()
    with open_reader(file, source, judge.faults, used=used) as reader:
        if reader is not None:
            judge.check_header(reader)
            groups = reader.row_groups() if isinstance(reader, ParquetReader) else []
    if not groups or judge.faults.count > before:
        yield Piece(file=file, file_bytes=file_bytes, size=file_bytes)
        return
    first = rows = size = 0
    for group, (more_rows, more_bytes) in enumerate(groups, 1):
        rows, size = rows + more_rows, size + more_bytes
        if size >= piece_bytes or group == len(groups):
            yield Piece(file=file, file_bytes=file_bytes, size=size, groups=(first, group), rows=rows)
            first, rows, size = group, 0, 0


def unseen(pieces: Sequence[Piece]) -> str:
    """Return the name of a file that differs here from where the dataset was split; "" if none does."""
    for piece in pieces:
        try:
            if size_in_bytes(piece.file) == piece.file_bytes:
                continue
        except READ_ERRORS:
            pass
        return piece.file.name
    return ""
