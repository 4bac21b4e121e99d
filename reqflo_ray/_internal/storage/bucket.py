"""A store in a bucket: conditional puts instead of hard links, logs in segments instead of appends.

It knows paths and bytes. It must not know what a run, a shard, or a record is.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Final, TypeVar

from reqflo_ray._internal.errors import StoreError
from reqflo_ray._internal.storage.bucket_address import ObjectAddress
from reqflo_ray._internal.storage.bucket_client import connect, raise_store_error
from reqflo_ray._internal.storage.file_stat import FileStat

if TYPE_CHECKING:
    from obstore.store import ObjectStore

    from reqflo_ray._internal.storage.protocol import LogFile

_T = TypeVar("_T")
_Item = TypeVar("_Item")

_AT_A_TIME: Final = 16
_PIECE: Final = 2**20
# Metadata of each created object: it shows whose object it is if the response to its put was lost.
_TOKEN: Final = "reqflo-put"
# Losers see the winner, unless it is removed immediately, and then the path is free again.
_CREATE_TRIES: Final = 5
_FIRST_SEGMENT: Final = 1


class ObjectStorage:
    """A store below an address in an existing bucket. Every method but the constructor may wait for the network.

    The permissions of the bucket determine who may read or write.
    """

    is_near: Final = False

    def __init__(self, address: ObjectAddress) -> None:
        self.address = address
        self._making = threading.Lock()

    @property
    def uri(self) -> str:
        return str(self.address)

    def __repr__(self) -> str:
        return f"ObjectStorage({self.uri!r})"

    def create(self, path: str, data: bytes) -> bool:
        token = os.urandom(16).hex()
        for _ in range(_CREATE_TRIES):
            if self._put_new(path, data, token):
                return True
            # The client repeats a put whose response was lost, and then finds the object that it has created.
            holder = self._token_of(path)
            if holder is not None:
                return holder == token
        raise StoreError(
            f"cannot create `{path}` in `{self.address}`: it repeatedly appears and disappears", code="store_error"
        )

    def create_from(self, path: str, parts: Iterable[bytes]) -> bool:
        # In one request, because only a single put is conditional; the data is in memory meanwhile.
        return not self.exists(path) and self.create(path, b"".join(parts))

    def write(self, path: str, data: bytes) -> None:
        import obstore

        # In one request: the object exists completely or not at all, and a failure leaves nothing behind.
        self._ask(path, "write", lambda: obstore.put(self._client, path, data, use_multipart=False))

    def read(self, path: str) -> bytes:
        import obstore

        return self._ask(path, "read", lambda: obstore.get(self._client, path).bytes().to_bytes())

    def pieces(self, path: str) -> Iterator[bytes]:
        import obstore

        stream = iter(self._ask(path, "read", lambda: obstore.get(self._client, path).stream(min_chunk_size=_PIECE)))
        while (piece := self._ask(path, "read", lambda: next(stream, None))) is not None:
            yield bytes(piece)

    def read_range(self, path: str, start: int, end: int) -> bytes:
        """Return the bytes of a file from `start` to before `end`, both within the file. Raises `FileNotFoundError`."""
        import obstore

        return self._ask(path, "read", lambda: obstore.get_range(self._client, path, start=start, end=end).to_bytes())

    def exists(self, path: str) -> bool:
        try:
            self.stat(path)
        except FileNotFoundError:
            return False
        return True

    def stat(self, path: str) -> FileStat:
        import obstore

        found = self._ask(path, "look at", lambda: obstore.head(self._client, path))
        changed_at = found["last_modified"].timestamp()
        return FileStat(
            size=found["size"],
            identity=f"{found['size']}-{found['e_tag'] or ''}-{found['version'] or ''}-{changed_at}",
            changed_at=changed_at,
        )

    def etag(self, path: str) -> str:
        """Return the entity tag of a file, "" if the service has none. Raises `FileNotFoundError`."""
        import obstore

        return self._ask(path, "look at", lambda: obstore.head(self._client, path)["e_tag"]) or ""

    def each(self, action: Callable[[_Item], _T], items: Iterable[_Item]) -> Iterator[_T]:
        # An action that calls `each` itself must not wait for threads that wait for it.
        if threading.current_thread().name.startswith(self._threads_name):
            yield from map(action, items)
            return
        # Only as many results are kept ahead of the caller as are in flight, because they may be large.
        waiting: deque[Future[_T]] = deque()
        for item in items:
            waiting.append(self._threads.submit(action, item))
            if len(waiting) == _AT_A_TIME:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def list(self, folder: str) -> list[str]:
        import obstore

        def look() -> set[str]:
            found = obstore.list_with_delimiter(self._client, _checked(folder) or None)
            paths = [*found["common_prefixes"], *(entry["path"] for entry in found["objects"])]
            # Consoles create an object with the name of the folder to show an empty folder.
            return {name for path in paths if (name := path.rstrip("/")) != folder.rstrip("/")}

        found = self._ask(folder, "list", look)
        return sorted({path.rpartition("/")[2] for path in found} - {""})

    def remove(self, path: str) -> None:
        import obstore

        try:
            self._ask(path, "remove", lambda: obstore.delete(self._client, path))
        except FileNotFoundError:
            return

    def remove_tree(self, folder: str) -> None:
        import obstore

        def action() -> None:
            for found in obstore.list(self._client, _checked(folder), chunk_size=1000):
                obstore.delete(self._client, [entry["path"] for entry in found])

        try:
            self._ask(folder, "remove", action)
        except FileNotFoundError:
            return  # another process removes the same file

    def sweep(self, folder: str) -> None:
        """Do nothing: an object exists completely or not at all, so writers leave nothing behind."""

    def open_log(self, path: str) -> LogFile:
        if self.list(path):
            raise _log_exists(path)
        return _SegmentLog(self, path)

    def read_log(self, path: str, *, synced: bool) -> bytes:
        names = (name for name in self.list(path) if name.isascii() and name.isdigit())
        numbers = sorted(number for name in names if _segment(path, number := int(name)) == f"{path}/{name}")
        whole = [number for place, number in enumerate(numbers, _FIRST_SEGMENT) if number == place]
        if not whole:
            raise FileNotFoundError(path)
        return b"".join(self.each(self.read, [_segment(path, number) for number in whole]))

    @cached_property
    def _client(self) -> ObjectStore:
        with self._making:
            return self.__dict__.get("_client") or connect(self.address)

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(_AT_A_TIME, thread_name_prefix=self._threads_name)

    @property
    def _threads_name(self) -> str:
        return f"objects-{id(self):x}"

    def _put_new(self, path: str, data: bytes, token: str) -> bool:
        import obstore
        from obstore.exceptions import AlreadyExistsError

        def put() -> bool:
            try:
                obstore.put(self._client, path, data, mode="create", attributes={_TOKEN: token})
            except AlreadyExistsError:
                return False
            return True

        return self._ask(path, "create", put)

    def _token_of(self, path: str) -> str | None:
        """Return the token of an object, "" if it has none; None if there is no object."""
        import obstore

        try:
            attributes = self._ask(path, "read", lambda: obstore.get(self._client, path).attributes)
        except FileNotFoundError:
            return None
        return str(attributes.get(_TOKEN, ""))

    def _ask(self, path: str, doing: str, action: Callable[[], _T]) -> _T:
        from obstore.exceptions import BaseError

        _checked(path)
        try:
            return action()
        except (BaseError, ValueError, OSError) as problem:
            raise_store_error(problem, self.address, doing, path)


class _SegmentLog:
    """A log of which each sync creates one object, `PATH/000001` and so on, with what was appended since the last."""

    outlives_process: Final = False

    def __init__(self, storage: ObjectStorage, path: str) -> None:
        self._storage = storage
        self._path = path
        self._number = _FIRST_SEGMENT
        self._waiting: list[bytes] = []
        self._closed = False
        self._lock = threading.Lock()  # append and sync are called from two threads

    def append(self, data: bytes) -> None:
        with self._lock:
            if self._closed:
                raise StoreError(f"the log `{self._path}` is closed", code="store_error")
            self._waiting.append(data)

    def sync(self) -> None:
        with self._lock:
            data, self._waiting = b"".join(self._waiting), []
        if not data:
            return
        if not self._storage.create(_segment(self._path, self._number), data):
            raise _log_exists(self._path)
        self._number += 1

    def close(self) -> None:
        with self._lock:
            self._closed = True


def _segment(path: str, number: int) -> str:
    return f"{path}/{number:06d}"


def _log_exists(path: str) -> StoreError:
    return StoreError(f"the log `{path}` already exists", code="log_exists")


def _checked(path: str) -> str:
    if path.startswith("/") or ".." in path.split("/") or "\0" in path:
        raise StoreError(f"the path {path!r} leads out of the store", code="unsafe_path")
    return path.rstrip("/")
