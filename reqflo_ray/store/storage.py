"""Where the files of a store are: the few durable operations that everything else is built on, and who offers them.

It knows paths and bytes. It must not know what a run, a shard or a record is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol, TypeVar
from urllib.parse import unquote, urlsplit

from reqflo_ray.errors import UsageError
from reqflo_ray.store.file_stat import FileStat
from reqflo_ray.store.local_storage import LocalStorage
from reqflo_ray.store.object_address import SCHEMES, parse_address

_T = TypeVar("_T")
_Item = TypeVar("_Item")


class LogFile(Protocol):
    """A file that only grows. After any `StoreError` nothing more may be appended: its tail may be torn."""

    @property
    def outlives_process(self) -> bool:
        """Whether what is appended outlives this process also without a sync; not where there is no operating system
        to hand it to."""
        ...

    def append(self, data: bytes) -> None:
        """Take all of `data` at once. Raises `StoreError` if not all of it was taken."""
        ...

    def sync(self) -> None:
        """Return when everything appended so far is where it survives a power cut. Raises `StoreError`."""
        ...

    def close(self) -> None:
        """Close the file without syncing it. Closing twice does no harm."""
        ...


class Storage(Protocol):
    """A folder tree with atomic, durable files. Paths are POSIX and relative to its root.

    All methods raise `StoreError` for what the disk or service refuses; a file that is not there is a
    `FileNotFoundError`, since callers decide what that means.
    """

    @property
    def uri(self) -> str:
        """What `open_storage` takes to open the same store elsewhere."""
        ...

    @property
    def is_near(self) -> bool:
        """Whether looking at a file takes microseconds, so that it may be done on an event loop."""
        ...

    def create(self, path: str, data: bytes) -> bool:
        """Make a file that does not exist yet, all of it or nothing, durably. Of many callers one gets True."""
        ...

    def create_from(self, path: str, parts: Iterable[bytes]) -> bool:
        """As `create`, with data that comes piece by piece; of a file that exists it is not asked for. What asking for
        a piece raises is raised, and nothing is made."""
        ...

    def write(self, path: str, data: bytes) -> None:
        """Make or replace a file durably: readers see the old bytes or the new ones, never a mix."""
        ...

    def read(self, path: str) -> bytes:
        """All bytes of a file. Raises `FileNotFoundError` if it does not exist."""
        ...

    def pieces(self, path: str) -> Iterator[bytes]:
        """The bytes of a file piece by piece, a megabyte or so at a time. Raises `FileNotFoundError`."""
        ...

    def exists(self, path: str) -> bool:
        """Whether there is such a file. It never takes trouble for absence."""
        ...

    def stat(self, path: str) -> FileStat:
        """Size and identity of a file, which is not read. Raises `FileNotFoundError` if it does not exist."""
        ...

    def each(self, action: Callable[[_Item], _T], items: Iterable[_Item]) -> Iterator[_T]:
        """What `action` gives for each of `items`, in their order; many at a time where it is answers that take long.

        `action` asks this storage for something.
        """
        ...

    def list(self, folder: str) -> list[str]:
        """The names in a folder, sorted; none if there is no such folder."""
        ...

    def remove(self, path: str) -> None:
        """Remove a file if it is there."""
        ...

    def remove_tree(self, folder: str) -> None:
        """Remove a folder and all in it, if it is there."""
        ...

    def sweep(self, folder: str) -> None:
        """Remove what writers that died left in `folder`. For folders that nobody writes to any more."""
        ...

    def open_log(self, path: str) -> LogFile:
        """Make a new, empty log. Raises `StoreError` (`log_exists`) if the file exists."""
        ...

    def read_log(self, path: str, *, synced: bool) -> bytes:
        """All that a log holds now, also while somebody appends. Raises `FileNotFoundError` if there is nothing.

        Args:
            synced: what is returned also survives a power cut from now on, though its writer may not have synced it.
        """
        ...


def open_storage(uri: str) -> Storage:
    """Open the store at a local path, `file://`, `s3://BUCKET/PREFIX` or `gs://BUCKET/PREFIX`.

    Nothing is created before the first write, and no service is asked before the first call.

    Raises:
        UsageError: `unsupported_store` for a place that this version cannot use; `credentials_in_uri`; `invalid_store`.
    """
    parts = urlsplit(uri)
    if "://" not in uri:
        if not uri:
            raise UsageError("the store is an empty path", code="invalid_store", hint="give a folder")
        return _local(Path(uri).expanduser())
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
            raise UsageError(f"`{uri}` is no file on this machine", code="invalid_store", hint="write file:///path")
        return _local(Path(unquote(parts.path)))
    if parts.scheme in SCHEMES:
        from reqflo_ray.store.object_storage import ObjectStorage

        return ObjectStorage(parse_address(uri))
    raise UsageError(
        f"there is no store at `{parts.scheme}://`",
        code="unsupported_store",
        hint="use a folder, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX",
    )


def _local(root: Path) -> LocalStorage:
    storage = LocalStorage(root)
    try:
        storage.uri.encode()
    except UnicodeEncodeError:
        # Refused before anything is run: DuckDB could not open the results.
        shown = os.fsencode(storage.uri).decode("utf-8", "backslashreplace")
        raise UsageError(
            f"the path of the store is no UTF-8 text: `{shown}`",
            code="invalid_store",
            hint="name another folder with --store, or rename this one",
        ) from None
    return storage
