"""The few durable operations on files that everything else is built on, wherever a store lies.

It knows paths and bytes. It must not know what a run, a shard or a record is, nor who implements it.
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
