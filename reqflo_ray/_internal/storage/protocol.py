"""Declares the few durable file operations on which everything else is built, for every kind of store.

It knows paths and bytes. It must not know what a run, a shard, or a record is, nor who implements it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

from reqflo_ray._internal.storage.file_stat import FileStat

_T = TypeVar("_T")
_Item = TypeVar("_Item")


class LogFile(Protocol):
    """A file that only grows. After any `StoreError` nothing more may be appended: its tail may be torn."""

    @property
    def outlives_process(self) -> bool:
        """Whether appended data outlives this process without a sync, because the operating system holds it."""
        ...

    def append(self, data: bytes) -> None:
        """Append all of `data`. Raises `StoreError` if not all of it was appended."""
        ...

    def sync(self) -> None:
        """Wait until everything appended so far survives a power cut. Raises `StoreError`."""
        ...

    def close(self) -> None:
        """Close the file without syncing it. Closing twice does no harm."""
        ...


class Storage(Protocol):
    """A folder tree with atomic, durable files. Paths are POSIX and relative to its root.

    All methods raise `StoreError` for what the disk or service refuses, and `FileNotFoundError` for a missing file,
    because callers decide what that means.
    """

    @property
    def uri(self) -> str:
        """The address with which `open_storage` opens the same store elsewhere."""
        ...

    @property
    def is_near(self) -> bool:
        """Whether looking at a file takes microseconds, so that an event loop may do it."""
        ...

    def create(self, path: str, data: bytes) -> bool:
        """Create a file that does not exist yet, durably, and completely or not at all. Of several callers one gets
        True."""
        ...

    def create_from(self, path: str, parts: Iterable[bytes]) -> bool:
        """As `create`, with data in pieces, which are not requested if the file exists. An exception from a piece is
        raised, and then nothing is created."""
        ...

    def write(self, path: str, data: bytes) -> None:
        """Create or replace a file durably: readers see the old bytes or the new ones, never a mix."""
        ...

    def read(self, path: str) -> bytes:
        """Return all bytes of a file. Raises `FileNotFoundError` if it does not exist."""
        ...

    def pieces(self, path: str) -> Iterator[bytes]:
        """Yield the bytes of a file in pieces of about 1 MB. Raises `FileNotFoundError`."""
        ...

    def exists(self, path: str) -> bool:
        """Return whether the file exists. An error is raised, and never taken for absence."""
        ...

    def stat(self, path: str) -> FileStat:
        """Return size and identity of a file without reading it. Raises `FileNotFoundError` if it does not exist."""
        ...

    def each(self, action: Callable[[_Item], _T], items: Iterable[_Item]) -> Iterator[_T]:
        """Yield what `action` returns for each of `items`, in their order; in parallel where responses take long.

        `action` calls this storage.
        """
        ...

    def list(self, folder: str) -> list[str]:
        """Return the names in a folder, sorted; [] if the folder does not exist."""
        ...

    def remove(self, path: str) -> None:
        """Remove a file if it exists."""
        ...

    def remove_tree(self, folder: str) -> None:
        """Remove a folder with everything in it, if it exists."""
        ...

    def sweep(self, folder: str) -> None:
        """Remove what dead writers left in `folder`. Only for folders with no active writer."""
        ...

    def open_log(self, path: str) -> LogFile:
        """Create a new, empty log. Raises `StoreError` (`log_exists`) if the file exists."""
        ...

    def read_log(self, path: str, *, synced: bool) -> bytes:
        """Return the current content of a log, also while another process appends. Raises `FileNotFoundError`.

        Args:
            synced: make what is returned survive a power cut, although its writer may not have synced it.
        """
        ...
