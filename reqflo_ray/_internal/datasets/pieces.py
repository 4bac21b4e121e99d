"""Splits a dataset into pieces that can be read apart from each other: files, and row groups of Parquet. It must not
know who reads them, nor what becomes of the rows.

A text file is one piece: a line break may be part of a quoted cell, and the number of a line follows only from all
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

    `rows` is None until somebody has counted them. `file_bytes` is the size of the whole file, `size` about how many
    bytes this piece is to read.
    """

    file: DataFile
    file_bytes: int
    size: int
    groups: tuple[int, int] | None = None
    rows: int | None = None

    @property
    def range(self) -> range | None:
        """The row groups, as readers take them."""
        return None if self.groups is None else range(*self.groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetPieces:
    """A dataset in pieces, in the order of its rows: its files by their numbers, the first header, and what was found
    while looking for the files."""

    files: tuple[DataFile, ...]
    pieces: tuple[Piece, ...]
    header: Header | None
    findings: Findings

    @property
    def size(self) -> int:
        """About how many bytes there are to read."""
        return sum(piece.size for piece in self.pieces)


def split_dataset(
    source: DatasetSource, artifact: Artifact, required: frozenset[str], *, piece_bytes: int
) -> DatasetPieces:
    """The pieces of a dataset, which follow from its files only; row groups are taken together up to `piece_bytes`.

    Of every file only the beginning is read, or of Parquet the end. What is wrong with files that were found is left to
    those who read them.

    Raises:
        DatasetError: the options make no sense.
    """
    check_source(source, artifact)
    # Judges headers only: to know the first one, and to leave a file that has something wrong with it in one piece.
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
    """The name of a file that is not here as it was where the dataset was split, "" if all are."""
    for piece in pieces:
        try:
            if size_in_bytes(piece.file) == piece.file_bytes:
                continue
        except READ_ERRORS:
            pass
        return piece.file.name
    return ""
