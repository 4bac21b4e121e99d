"""Finds data files at cloud addresses and opens them as bytes. Buckets of S3 and Google Cloud Storage are reached like
stores, with the same environment; other addresses through Arrow. It must not know what a row is.

Raises `OSError` or `ValueError` for what cannot be read, as for local files, and `UsageError` for credentials in an
address.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from reqflo_ray._internal.errors import ReqfloError
from reqflo_ray._internal.storage.bucket import ObjectStorage
from reqflo_ray._internal.storage.bucket_address import is_object_address, parse_bucket
from reqflo_ray._internal.storage.range_file import RangeFile

if TYPE_CHECKING:
    from pyarrow import fs

_GLOB: Final = "*?["
_READ_AHEAD: Final = 4 * 2**20


def matches(address: str) -> list[str]:
    """Return the sorted addresses of the files that `address` names: itself if it exists, or all that match it as a
    glob."""
    is_glob = any(character in address for character in _GLOB)
    if not is_object_address(address):
        return _arrow_matches(address, is_glob)
    bucket, key = _bucket(address)
    with _as_os_errors():
        if not is_glob:
            return [address] if bucket.exists(key) else []
        folder = key.rpartition("/")[0]
        if any(character in folder for character in _GLOB):
            raise ValueError("a pattern is possible only in the last part of an address")
        names = (f"{folder}/{name}".lstrip("/") for name in bucket.list(folder))
        return [f"{bucket.uri}/{name}" for name in names if fnmatchcase(name, key)]


def open_file(address: str) -> BinaryIO:
    """Open a file as a seekable stream of bytes."""
    if is_object_address(address):
        bucket, key = _bucket(address)
        with _as_os_errors():
            raw = RangeFile(bucket.stat(key).size, lambda start, end: _read(bucket, key, start, end))
        return cast(BinaryIO, io.BufferedReader(raw, _READ_AHEAD))
    system, path = _arrow(address)
    return cast(BinaryIO, system.open_input_file(path))


def size_in_bytes(address: str) -> int:
    """Return the size of a file in bytes. Raises `FileNotFoundError` if it does not exist."""
    if is_object_address(address):
        bucket, key = _bucket(address)
        with _as_os_errors():
            return bucket.stat(key).size
    system, path = _arrow(address)
    size = system.get_file_info(path).size
    if size is None:
        raise FileNotFoundError(address)
    return int(size)


def version(address: str) -> str:
    """Return `etag:…`, which differs if the bytes of the file differ; "" if the service has no entity tags."""
    if not is_object_address(address):
        return ""
    bucket, key = _bucket(address)
    with _as_os_errors():
        tag = bucket.etag(key)
    return f"etag:{tag}" if tag else ""


def _read(bucket: ObjectStorage, key: str, start: int, end: int) -> bytes:
    with _as_os_errors():
        return bucket.read_range(key, start, end)


def _bucket(address: str) -> tuple[ObjectStorage, str]:
    bucket, key = parse_bucket(address)
    return ObjectStorage(bucket), key


def _arrow(address: str) -> tuple[fs.FileSystem, str]:
    from pyarrow import fs

    return fs.FileSystem.from_uri(address)


def _arrow_matches(address: str, is_glob: bool) -> list[str]:
    from pyarrow import fs

    system, path = _arrow(address)
    scheme = address[: len(address) - len(path)]
    if not is_glob:
        return [address] if system.get_file_info(path).type == fs.FileType.File else []
    selector = fs.FileSelector(path.rpartition("/")[0], allow_not_found=True)
    found = [info.path for info in system.get_file_info(selector) if info.type == fs.FileType.File]
    return sorted(scheme + name for name in found if fnmatchcase(name, path))


@contextmanager
def _as_os_errors() -> Iterator[None]:
    try:
        yield
    except ReqfloError as error:
        raise OSError("; ".join(part for part in (error.message, error.cause, error.hint) if part)) from None
