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
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from reqflo_ray._internal.errors import UsageError
from reqflo_ray._internal.model import json_text
from reqflo_ray._internal.runner.prepare.request import Dataset

_HINT: Final = "give files, mappings by column, an Arrow table, or a pandas or polars data frame"


@contextmanager
def on_disk(dataset: Dataset) -> Iterator[Dataset]:
    """The dataset with its rows in a file while the block runs; one that has files is given back as it is.

    Raises:
        UsageError: `invalid_rows`: what was given is neither a file nor rows.
    """
    if not dataset.is_in_memory:
        yield dataset
        return
    ending, data = _encoded(dataset.source)
    path = _folder() / f"{hashlib.sha256(data).hexdigest()}.{ending}"
    with _held(path, data):
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
        except pa.ArrowException as problem:
            raise _invalid("the data frame has a column of no single type", _HINT, str(problem)) from None
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
    parquet.write_table(table, sink)
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
    # Of everything else, the encoder says what it is.
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is not a number of JSON")
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


def _folder() -> Path:
    """A folder of this user's alone: in the one for all, somebody else could put a file of the name."""
    folder = Path(tempfile.gettempdir()) / f"reqflo-ray-rows-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.getuid() or found.st_mode & 0o077 or folder.is_symlink():
        raise _invalid(f"`{folder}` is not this user's own", "remove it, or set TMPDIR to a folder of your own")
    return folder


@contextmanager
def _held(path: Path, data: bytes) -> Iterator[None]:
    """Have `data` at `path` while the block runs. The last of those who hold it, in whatever process, removes it."""
    while True:
        if not path.exists():
            descriptor, name = tempfile.mkstemp(dir=path.parent)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            os.replace(name, path)
        with suppress(FileNotFoundError), open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            if not path.exists() or not os.path.samestat(os.fstat(file.fileno()), path.stat()):
                continue  # whoever held it last has just removed it
            try:
                yield
            finally:
                with suppress(OSError):
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()
            return


def _invalid(message: str, hint: str, cause: str = "") -> UsageError:
    return UsageError(message, code="invalid_rows", cause=cause, hint=hint)
