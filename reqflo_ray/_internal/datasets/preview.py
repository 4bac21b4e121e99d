"""Reads the beginning of a dataset: its columns, and about how many rows it has. It must not judge rows."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Final, NamedTuple

from reqflo_ray._internal.datasets.csv_rows import CsvReader
from reqflo_ray._internal.datasets.delimiters import Delimiter, remark
from reqflo_ray._internal.datasets.faults import DataFile, Faults, no_row
from reqflo_ray._internal.datasets.files import READ_ERRORS, find_files, is_packed, size_in_bytes
from reqflo_ray._internal.datasets.parquet_rows import ParquetReader
from reqflo_ray._internal.datasets.rows import Reader, open_reader
from reqflo_ray._internal.datasets.text import check_encoding
from reqflo_ray._internal.errors import Problem
from reqflo_ray._internal.model.plan import DatasetSource
from reqflo_ray._internal.model.values import JsonValue

SAMPLED_ROWS: Final = 100
_GZIP_RATIO: Final = 5


class Columns(NamedTuple):
    """The columns of a dataset, and warnings about how its files are read."""

    names: tuple[str, ...] = ()
    remarks: tuple[Problem, ...] = ()


def read_columns(source: DatasetSource, *, used: frozenset[str] | None = None, show_text: bool = False) -> Columns:
    """Return the columns of a dataset without reading all of it: for CSV the header, for Parquet the schema, for JSON
    the members of the first `SAMPLED_ROWS` objects of every file.

    Args:
        used: the columns that are read; None for all.
        show_text: quote lines of the dataset in findings; only if the journey declares nothing sensitive.

    Raises:
        DatasetError: a file is missing, or its beginning cannot be used.
        NothingSelectedError: all files are empty.
    """
    check_encoding(source.encoding)
    faults = Faults(show_text=show_text)
    columns: dict[str, None] = {}
    delimiters: list[tuple[str, Delimiter]] = []
    found = find_files(source.files, faults)
    for file in found:
        with open_reader(file, source, faults, used=used) as reader:
            if reader is None:
                continue
            header = reader.header()
            if header is None:
                for _, values, _ in islice(reader.records(), SAMPLED_ROWS):
                    columns.update(dict.fromkeys(values))
            else:
                columns.update(dict.fromkeys(header))
            if isinstance(reader, CsvReader) and (delimiter := reader.surprising_delimiter):
                delimiters.append((file.name, delimiter))
    if found and not columns and _hold_nothing(found):
        raise no_row()
    faults.raise_any()
    told = remark(delimiters)
    return Columns(tuple(columns), (told,) if told else ())


def _hold_nothing(files: Iterable[DataFile]) -> bool:
    try:
        return all(size_in_bytes(file) == 0 for file in files)
    except READ_ERRORS:
        return False


def sample_values(source: DatasetSource, names: frozenset[str]) -> dict[str, list[JsonValue]]:
    """Return by column the values of the columns `names` in the first `SAMPLED_ROWS` rows of each file, as written.
    What cannot be read is left out; staging reports why.

    Raises:
        DatasetError: `unknown_encoding`.
    """
    check_encoding(source.encoding)
    faults = Faults(show_text=False)
    found: dict[str, list[JsonValue]] = {name: [] for name in names}
    for file in find_files(source.files, faults):
        with open_reader(file, source, faults, used=names) as reader:
            if reader is not None:
                reader.header()
                for _, values, _ in islice(reader.records(), SAMPLED_ROWS):
                    for name in names & values.keys():
                        found[name].append(values[name])
    return found


def estimate_rows(source: DatasetSource) -> int:
    """Estimate the number of rows: exactly for Parquet and small files, otherwise from the size of the files and of
    their first rows. What cannot be read counts as 0 rows; staging reports why.

    Raises:
        DatasetError: `unknown_encoding`.
    """
    check_encoding(source.encoding)
    faults = Faults(show_text=False)
    total = 0
    for file in find_files(source.files, faults):
        with open_reader(file, source, faults, used=frozenset()) as reader:
            if reader is not None:
                total += _estimate(file, reader)
    return total


def count_rows(source: DatasetSource) -> int:
    """Count the rows, which reads all of the dataset except Parquet files. What cannot be read counts as 0 rows;
    staging reports why.

    Raises:
        DatasetError: `unknown_encoding`.
    """
    check_encoding(source.encoding)
    faults = Faults(show_text=False)
    total = 0
    for file in find_files(source.files, faults):
        with open_reader(file, source, faults, used=frozenset()) as reader:
            if reader is not None:
                reader.header()
                total += reader.row_count if isinstance(reader, ParquetReader) else sum(1 for _ in reader.records())
    return total


def _estimate(file: DataFile, reader: Reader) -> int:
    reader.header()
    if isinstance(reader, ParquetReader):
        return reader.row_count
    sample = [len(text.encode()) + 1 for _, _, text in islice(reader.records(), SAMPLED_ROWS)]
    if len(sample) < SAMPLED_ROWS:
        return len(sample)
    size = size_in_bytes(file) * (_GZIP_RATIO if is_packed(file) else 1)
    return max(len(sample), size * len(sample) // sum(sample))
