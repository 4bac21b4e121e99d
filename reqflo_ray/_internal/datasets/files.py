"""Finds the files of a dataset and opens them as bytes: globs, cloud addresses, gzip, and the format of each one. It
must not know what a row is."""

from __future__ import annotations

import glob
import gzip
import os
import shutil
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from tempfile import TemporaryFile
from typing import BinaryIO, Final, cast

from reqflo_ray._internal.datasets.faults import DataFile, Faults
from reqflo_ray._internal.storage import bucket_files as cloud_files

READ_ERRORS: Final = (OSError, EOFError, zlib.error)
_SNIFFED_BYTES: Final = 4096
_GZIP_MAGIC: Final = b"\x1f\x8b"
_PARQUET_MAGIC: Final = b"PAR1"
_ZIP_MAGIC: Final = b"PK\x03\x04"


class DataFormat(StrEnum):
    """The format of a data file."""

    CSV = "csv"
    TSV = "tsv"
    JSON = "json"  # one array of objects
    JSON_LINES = "jsonl"  # one object per line
    PARQUET = "parquet"


_EXTENSIONS: Final = {
    "csv": DataFormat.CSV,
    "tsv": DataFormat.TSV,
    "tab": DataFormat.TSV,
    "json": DataFormat.JSON,
    "jsonl": DataFormat.JSON_LINES,
    "ndjson": DataFormat.JSON_LINES,
    "parquet": DataFormat.PARQUET,
    "pq": DataFormat.PARQUET,
}


def find_files(patterns: Sequence[str], faults: Faults) -> tuple[DataFile, ...]:
    """Return the files that `patterns` name, in that order; the matches of a glob in the order of their names.

    A pattern that is the name of an existing file is that file, whatever characters the name has. A file that cannot be
    found, or that is named twice (its rows would run twice), is a finding.
    """
    files: list[DataFile] = []
    for pattern in patterns:
        here = DataFile(len(files), pattern)
        names = [pattern] if "://" not in pattern and os.path.exists(pattern) else _matches(pattern, here, faults)
        for name in names:
            file = DataFile(len(files), name)
            if any(other.name == name for other in files):
                message, cause = f"the file `{name}` is named twice", "its rows would run twice"
                faults.add("file_given_twice", message, file=file, cause=cause, hint="name each file once")
            elif "://" not in name and not os.path.isfile(name):
                faults.add(
                    "not_a_file",
                    f"`{name}` is not a regular file",
                    file=file,
                    hint=f"name its files, for example `{name.rstrip('/')}/*.csv`"
                    if os.path.isdir(name)
                    else "name a file, or `-` for standard input",
                )
            else:
                files.append(file)
    return tuple(files)


def _matches(pattern: str, here: DataFile, faults: Faults) -> list[str]:
    is_glob = any(character in pattern for character in "*?[")
    try:
        names = cloud_files.matches(pattern) if "://" in pattern else sorted(glob.glob(pattern, recursive=True))
    except (OSError, ValueError) as problem:
        faults.add("unreadable_file", f"`{pattern}` cannot be looked up", file=here, cause=str(problem))
        return []
    if not names and is_glob:
        faults.add(
            "no_such_file", f"no file matches `{pattern}`", file=here, hint="quote the pattern, and check the folder"
        )
    elif not names:
        faults.add(
            "no_such_file",
            f"there is no file `{pattern}`",
            file=here,
            hint="" if os.path.isabs(pattern) else f"check the path, which is relative to `{os.getcwd()}`",
        )
    return names


@contextmanager
def opened(file: DataFile) -> Iterator[BinaryIO]:
    """Open `file` as bytes, unpacked if it is gzip, which its first bytes show and not its name.

    Opening and reading raise one of `READ_ERRORS`.
    """
    with open_raw(file.name) as raw:
        packed = raw.read(2) == _GZIP_MAGIC
        raw.seek(0)
        if packed:
            with gzip.GzipFile(fileobj=raw) as unpacked:
                yield cast(BinaryIO, unpacked)
        else:
            yield raw


@contextmanager
def seekable(file: DataFile, stream: BinaryIO) -> Iterator[BinaryIO]:
    """Make what `opened` returned seekable: gzip is unpacked into a temporary file."""
    if not is_packed(file):
        yield stream
        return
    with TemporaryFile() as copy:
        shutil.copyfileobj(stream, copy)
        copy.seek(0)
        yield copy


def is_packed(file: DataFile) -> bool:
    """Return whether `file` is gzip."""
    with open_raw(file.name) as raw:
        return raw.read(2) == _GZIP_MAGIC


def open_raw(name: str) -> BinaryIO:
    """Open a file as it is stored. Raises one of `READ_ERRORS`."""
    return open(name, "rb") if "://" not in name else cloud_files.open_file(name)


def size_in_bytes(file: DataFile) -> int:
    """Return the stored size of `file` in bytes. Raises one of `READ_ERRORS`."""
    return os.path.getsize(file.name) if "://" not in file.name else cloud_files.size_in_bytes(file.name)


def detect_format(file: DataFile, faults: Faults) -> DataFormat | None:
    """Return the format of `file`, by its extension (before `.gz`) or its first bytes; None after a finding."""
    try:
        with opened(file) as stream:
            start = stream.read(_SNIFFED_BYTES)
    except READ_ERRORS as problem:
        report_unreadable(file, problem, faults)
        return None
    if start.startswith(_ZIP_MAGIC):
        faults.add(
            "unsupported_format",
            f"`{file.name}` is a spreadsheet or another ZIP file",
            file=file,
            hint="export the sheet as CSV (UTF-8)",
        )
        return None
    if start.startswith(_PARQUET_MAGIC):
        return DataFormat.PARQUET
    extension = file.name.lower().removesuffix(".gz").rpartition(".")[2]
    if extension in _EXTENSIONS:
        return _EXTENSIONS[extension]
    match start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]:
        case b"[":
            return DataFormat.JSON
        case b"{":
            return DataFormat.JSON_LINES
        case _:
            return DataFormat.CSV


def known_ending(name: str) -> str:
    """Return the ending of a file's name that shows its format, such as `.csv.gz`; "" if it has none."""
    packed = ".gz" if name.endswith(".gz") else ""
    ending = os.path.splitext(name.removesuffix(packed))[1]
    return ending + packed if ending[1:].lower() in _EXTENSIONS else ""


def report_unreadable(file: DataFile, problem: BaseException, faults: Faults) -> None:
    """Record that reading `file` failed with one of `READ_ERRORS`."""
    damaged = isinstance(problem, EOFError | zlib.error | gzip.BadGzipFile)
    faults.add(
        "damaged_gzip" if damaged else "unreadable_file",
        f"`{file.name}` {'is a damaged gzip file' if damaged else 'cannot be read'}",
        file=file,
        cause=str(problem),
        hint="create or copy the file again" if damaged else "",
    )
