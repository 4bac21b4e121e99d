"""Makes a file of rows that a program holds in memory, so that they are read as any other dataset is.

The file is named by its contents: the same rows are the same dataset, and go on with the same run. It is gone when
nobody uses it any more, and not missed, since a run keeps its rows in its own folder.
"""

from __future__ import annotations

import fcntl
import hashlib
import math
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Final
from uuid import UUID

from reqflo_ray._internal.errors import UsageError
from reqflo_ray._internal.model import json_text
from reqflo_ray._internal.model.values import without_exponent
from reqflo_ray._internal.runner.prepare.request import Dataset

_HINT: Final = "give files, mappings by column, an Arrow table, or a pandas or polars data frame"
_LOCK: Final = ".lock"


@contextmanager
def on_disk(dataset: Dataset) -> Iterator[Dataset]:
    """The dataset with its rows in a file while the block runs; one that has files is given back as it is.

    Raises:
        UsageError: `invalid_rows`: what was given is neither a file nor rows; `no_temporary_folder`.
    """
    if not dataset.is_in_memory:
        yield dataset
        return
    ending, data = _encoded(dataset.source)
    with ExitStack() as held:
        try:
            path = _folder() / f"{hashlib.sha256(data).hexdigest()}.{ending}"
            held.enter_context(_held(path, data))
        except OSError as problem:
            raise UsageError(
                "rows from memory cannot be kept in the folder for temporary files",
                code="no_temporary_folder",
                cause=str(problem),
                hint="make room there, or set TMPDIR to another folder",
            ) from None
        yield replace(dataset, source=str(path))


def _encoded(rows: Any) -> tuple[str, bytes]:
    """The ending of a file's name, and the file."""
    if (table := _as_table(rows)) is not None:
        return "parquet", _parquet(table)
    if isinstance(rows, str | bytes | Mapping) or not isinstance(rows, Iterable):
        raise _invalid(f"a dataset cannot be of type `{type(rows).__name__}`", _HINT)
    return "jsonl", b"".join(_json_line(number, row) for number, row in enumerate(rows))


def _as_table(rows: Any) -> Any:
    """An Arrow table of what holds columns; None for anything else. Neither pandas nor polars is imported for it."""
    kind = type(rows).__module__.partition(".")[0]
    if kind == "pandas" and hasattr(rows, "columns"):
        import pyarrow as pa

        try:
            return pa.Table.from_pandas(rows, preserve_index=False)
        except (pa.ArrowException, ValueError, TypeError, OverflowError) as problem:
            raise _invalid("the data frame cannot be read as a table", _HINT, str(problem)) from None
    if kind == "polars" and hasattr(rows, "columns") and hasattr(rows, "to_arrow"):
        return rows.to_arrow()
    if hasattr(rows, "__arrow_c_stream__"):
        import pyarrow as pa

        try:
            return pa.table(rows)
        except pa.ArrowException as problem:
            raise _invalid(f"an object of type `{type(rows).__name__}` is no table", _HINT, str(problem)) from None
    return None


def _parquet(table: Any) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    sink = pa.BufferOutputStream()
    try:
        parquet.write_table(table, sink)
    except (pa.ArrowException, ValueError) as problem:
        raise _invalid("the table has a column that Parquet cannot hold", "convert it", str(problem)) from None
    return bytes(sink.getvalue())


def _json_line(number: int, row: object) -> bytes:
    if not isinstance(row, Mapping):
        raise _invalid(f"row {number} is of type `{type(row).__name__}`, not a mapping", _HINT)
    for name in row:
        if not isinstance(name, str):
            raise _invalid(f"row {number} has a column `{name}`, whose name is not text", "name columns by text")
    try:
        return json_text.encode(_plain(row)) + b"\n"
    except (TypeError, ValueError, RecursionError) as problem:
        raise _invalid(
            f"row {number} holds what JSON cannot", "give texts, numbers, lists and mappings", str(problem)
        ) from None


def _plain(value: Any) -> Any:
    """`value` as the encoder takes it, which says of everything else what it is."""
    if isinstance(value, Mapping):
        if stray := [name for name in value if not isinstance(name, str)]:
            raise TypeError(f"the name {stray[0]!r} is not text")
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, bytes | bytearray | memoryview | set | frozenset):
        raise TypeError(f"there is no JSON for the type `{type(value).__name__}`")
    if isinstance(value, datetime | date | time):
        if value != value:  # pandas' NaT
            raise ValueError("an instant is missing")
        return value.isoformat()
    if type(value).__module__ == "numpy" and hasattr(value, "item"):
        return _plain(value.item())
    if isinstance(value, float | Decimal):
        if not math.isfinite(value):
            raise ValueError(f"{value} is not a number of JSON")
        return without_exponent(value)
    return str(value) if isinstance(value, UUID) else value


@contextmanager
def _held(path: Path, data: bytes) -> Iterator[None]:
    """Have `data` at `path` while the block runs. The last of those who hold it, in whatever process, removes it; what
    a process left that was killed, the next one that comes by."""
    with _locked(path.parent):
        _sweep(path.parent)
        if not path.exists():
            with open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as made:
                made.write(data)
        file = path.open("rb")
        fcntl.flock(file, fcntl.LOCK_SH)
    with file:
        if file.read() != data:
            raise _invalid(f"`{path}` does not hold what its name says", "remove it")
        try:
            yield
        finally:
            with _locked(path.parent):
                _remove_unheld(file, path)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / _LOCK).open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _sweep(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name != _LOCK and path.is_file():
            with path.open("rb") as file:
                _remove_unheld(file, path)


def _remove_unheld(file: IO[bytes], path: Path) -> None:
    with suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()


def _folder() -> Path:
    """A folder of this user's alone: in the one for all, somebody else could put a file of the name."""
    folder = Path(tempfile.gettempdir()) / f"reqflo-ray-rows-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.getuid() or found.st_mode & 0o077 or folder.is_symlink():
        raise _invalid(f"`{folder}` is not this user's own", "remove it, or set TMPDIR to a folder of your own")
    return folder


def _invalid(message: str, hint: str, cause: str = "") -> UsageError:
    return UsageError(message, code="invalid_rows", cause=cause, hint=hint)
