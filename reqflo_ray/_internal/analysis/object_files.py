"""Lets DuckDB read the tables of a store directly from a bucket: ranges of known files, and no others.

DuckDB's own client for buckets is an extension, which would have to be downloaded, and would have credentials that a
query could use for other buckets.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Any, Final

from fsspec import AbstractFileSystem  # type: ignore[import-untyped]

from reqflo_ray._internal.errors import ReqfloError
from reqflo_ray._internal.storage.bucket import ObjectStorage
from reqflo_ray._internal.storage.range_file import RangeFile

# DuckDB first reads the end of each file, several times per query.
_ENDS_KEPT: Final = 512
_END: Final = 16_384
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class StoreFiles(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """The file system that DuckDB uses for URIs of the store's scheme. Files of a store never change.

    Args:
        sizes: the paths within the store that may be read, with their sizes in bytes.
    """

    cachable = False

    def __init__(self, storage: ObjectStorage, sizes: Mapping[str, int]) -> None:
        super().__init__()
        self.protocol = storage.address.scheme
        self._storage = storage
        self._root = f"{storage.uri}/"
        self._sizes = sizes
        self._end = lru_cache(_ENDS_KEPT)(self._read_end)

    def glob(self, path: str, **_: Any) -> list[str]:
        """Return the file itself: the names of the files are known, so nothing is looked up."""
        return [path] if self._known(path) else []

    def exists(self, path: str, **_: Any) -> bool:
        """Return whether `path` is one of the files."""
        return self._known(path) is not None

    def isfile(self, path: str) -> bool:
        """Return the same as `exists`."""
        return self._known(path) is not None

    def isdir(self, path: str) -> bool:
        """Return False: there are no folders."""
        return False

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Return the name, size in bytes, and kind of a file. Raises `FileNotFoundError`."""
        return {"name": path, "size": self._sizes[self._file(path)], "type": "file"}

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """Return an empty list: there are no folders."""
        return []

    def modified(self, path: str) -> datetime:
        """Return a fixed instant: the files never change."""
        return _EPOCH

    def open(self, path: str, mode: str = "rb", **_: Any) -> io.RawIOBase:
        """Open a file for reading. Raises `OSError` for another mode or an unknown file."""
        if mode != "rb":
            raise OSError("a query cannot change the store")
        file = self._file(path)
        return RangeFile(self._sizes[file], partial(self._read, file))

    def _read(self, file: str, start: int, end: int) -> bytes:
        size = self._sizes[file]
        ending = max(0, size - _END)
        try:
            if start >= ending:
                return self._end(file)[start - ending : end - ending]
            return self._storage.read_range(file, start, end)
        except ReqfloError as error:
            raise OSError(error.message) from None

    def _read_end(self, file: str) -> bytes:
        size = self._sizes[file]
        return self._storage.read_range(file, max(0, size - _END), size)

    def _known(self, path: str) -> str | None:
        full = path if "://" in path else f"{self.protocol}://{path}"
        file = full.removeprefix(self._root)
        return file if full.startswith(self._root) and file in self._sizes else None

    def _file(self, path: str) -> str:
        file = self._known(path)
        if file is None:
            raise FileNotFoundError(path)
        return file
