"""A store on the local disk, or on a file system that several machines mount: exclusive hard links and fsync.

It knows paths and bytes. It must not know what a run, a shard, or a record is.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar

from reqflo_ray._internal.descriptors import MORE_DESCRIPTORS, NONE_FREE, TOO_MANY_OPEN_FILES, when_one_is_free
from reqflo_ray._internal.errors import StoreError
from reqflo_ray._internal.storage.access import Access, access_of, settle_file, settle_folder
from reqflo_ray._internal.storage.file_stat import FileStat

if TYPE_CHECKING:
    from reqflo_ray._internal.storage.protocol import LogFile

_T = TypeVar("_T")
_Item = TypeVar("_Item")
_TEMPORARY = ".tmp"
_PIECE: Final = 2**20
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_RIGHT = (errno.EACCES, errno.EPERM, errno.EROFS)


class LocalStorage:
    """A store in a folder of a local or shared file system that has exclusive hard links and fsync.

    The first write creates the folder with its own `.gitignore`, because results do not belong in a repository.
    """

    is_near: Final = True

    def __init__(self, root: Path) -> None:
        self.root = Path(os.path.abspath(root))
        self._prefix = f"{self.root}/"

    @property
    def uri(self) -> str:
        return str(self.root)

    def __repr__(self) -> str:
        return f"LocalStorage({self.uri!r})"

    @cached_property
    def access(self) -> Access:
        """How files and folders are created here."""
        return access_of(str(self.root))

    def create(self, path: str, data: bytes) -> bool:
        self._resolve(path)
        return not self.exists(path) and self._put(path, (data,), _link)

    def create_from(self, path: str, parts: Iterable[bytes]) -> bool:
        self._resolve(path)
        return not self.exists(path) and self._put(path, parts, _link)

    def write(self, path: str, data: bytes) -> None:
        self._put(path, (data,), os.replace)

    def read(self, path: str) -> bytes:
        return _guard(path, "read", lambda: _read_file(self._resolve(path)))

    def pieces(self, path: str) -> Iterator[bytes]:
        with _guard(path, "read", lambda: open(self._resolve(path), "rb", buffering=0, opener=_open_to_read)) as file:
            while piece := _guard(path, "read", lambda: file.read(_PIECE)):
                yield piece

    def exists(self, path: str) -> bool:
        # Not `os.path.exists`, which returns False for any error: a fence would then look open.
        try:
            os.stat(self._prefix + path)
        except FileNotFoundError:
            return False
        except OSError as problem:
            _refuse(problem, path, "look at")
        return True

    def stat(self, path: str) -> FileStat:
        found = _guard(path, "look at", lambda: os.stat(self._resolve(path)))
        # `utime` can reset the modification time, but not the change time. The device is not included, because a store
        # that several machines mount has a different one on each.
        return FileStat(
            size=found.st_size,
            identity=f"{found.st_size}-{found.st_ino}-{found.st_mtime_ns}-{found.st_ctime_ns}",
            changed_at=max(found.st_mtime, found.st_ctime),
        )

    def each(self, action: Callable[[_Item], _T], items: Iterable[_Item]) -> Iterator[_T]:
        return map(action, items)

    def list(self, folder: str) -> list[str]:
        try:
            names = _guard(folder, "list", lambda: os.listdir(self._resolve(folder)))
        except FileNotFoundError:
            return []
        return sorted(name for name in names if not _is_temporary(name))

    def remove(self, path: str) -> None:
        _guard(path, "remove", lambda: Path(self._resolve(path)).unlink(missing_ok=True))

    def remove_tree(self, folder: str) -> None:
        target = self._resolve(folder)
        while os.path.lexists(target):
            try:
                shutil.rmtree(target)
            except OSError as problem:
                # Another process removes or adds a file at the same time: try again.
                if problem.errno not in (errno.ENOENT, errno.ENOTEMPTY):
                    _refuse(problem, folder, "remove")

    def sweep(self, folder: str) -> None:
        def clean() -> None:
            target = self._resolve(folder)
            for name in os.listdir(target) if os.path.isdir(target) else ():
                if _is_temporary(name):
                    Path(target, name).unlink(missing_ok=True)

        _guard(folder, "clean", clean)

    def open_log(self, path: str) -> LogFile:
        target = self._resolve(path)
        try:
            self._make_folder(os.path.dirname(target))
            descriptor = _make(target, os.O_APPEND, self.access)
        except FileExistsError:
            raise StoreError(f"the log `{path}` already exists", code="log_exists") from None
        except OSError as problem:
            _refuse(problem, path, "create")
        log = _LocalLog(path, descriptor)
        try:
            _sync_folder(os.path.dirname(target))
        except OSError as problem:
            log.close()
            _refuse(problem, path, "create")
        return log

    def read_log(self, path: str, *, synced: bool) -> bytes:
        data = self.read(path)
        if synced:
            _guard(path, "sync", lambda: _sync_file(self._resolve(path)))
        return data

    def _resolve(self, path: str) -> str:
        if path.startswith("/") or ".." in path.split("/") or "\0" in path:
            raise StoreError(f"the path {path!r} leads out of the store", code="unsafe_path")
        return self._prefix + path

    def _put(self, path: str, parts: Iterable[bytes], publish: Callable[[str, str], _T]) -> _T:
        target = self._resolve(path)
        folder, name = os.path.split(target)
        temporary = f"{folder}/.{name}.{os.urandom(8).hex()}{_TEMPORARY}"
        try:
            self._make_folder(folder)
            try:
                _write_synced(temporary, parts, self.access)
                outcome = publish(temporary, target)
            finally:
                Path(temporary).unlink(missing_ok=True)
            _sync_folder(folder)
        except OSError as problem:
            _refuse(problem, path, "write", len(parts[0]) if isinstance(parts, tuple) else None)
        return outcome

    def _make_folder(self, folder: str) -> None:
        if os.path.isdir(folder):
            return
        parent = os.path.dirname(folder)
        self._make_folder(parent)
        is_ours = f"{folder}/".startswith(self._prefix)
        try:
            os.mkdir(folder, self.access.folder if is_ours else 0o777)
        except FileExistsError:
            if not os.path.isdir(folder):
                raise
        else:
            if is_ours:
                settle_folder(folder, self.access)
            if folder == str(self.root):
                _write_synced(f"{folder}/.gitignore", (b"*\n",), self.access)
        _sync_folder(parent)


class _LocalLog:
    outlives_process: Final = True

    def __init__(self, path: str, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    def append(self, data: bytes) -> None:
        try:
            written = os.write(self._descriptor, data)
        except OSError as problem:
            _refuse(problem, self._path, "append to", len(data))
        if written != len(data):
            _refuse(OSError(errno.ENOSPC, "only a part was written"), self._path, "append to", len(data))

    def sync(self) -> None:
        try:
            os.fdatasync(self._descriptor)
        except OSError as problem:
            _refuse(problem, self._path, "sync")

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def _is_temporary(name: str) -> bool:
    return name.startswith(".") and name.endswith(_TEMPORARY)


def _link(temporary: str, target: str) -> bool:
    try:
        os.link(temporary, target)
    except FileExistsError:
        # A network file system may lose the response to a link that it made, and repeat it: then the file is ours.
        return os.stat(temporary).st_nlink == 2
    return True


def _read_file(path: str) -> bytes:
    with open(path, "rb", buffering=0, opener=_open_to_read) as file:
        return file.readall()


def _open_to_read(path: str, flags: int) -> int:
    # The path may be a FIFO, whose opening would wait for a writer, or a device without an end.
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    kind = os.fstat(descriptor).st_mode
    if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not a regular file")
    return descriptor


def _write_synced(path: str, parts: Iterable[bytes], access: Access) -> None:
    descriptor = _make(path, 0, access)
    try:
        for part in parts:
            rest = memoryview(part)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make(path: str, flags: int, access: Access) -> int:
    descriptor = _open(path, flags | os.O_WRONLY | os.O_CREAT | os.O_EXCL, access.file)
    settle_file(descriptor, access)
    return descriptor


def _open(path: str, flags: int, mode: int = 0o600) -> int:
    # Waits for a free descriptor, because once a file has its name, its folder must be synced.
    return when_one_is_free(lambda: os.open(path, flags | os.O_CLOEXEC, mode))


def _sync_file(path: str) -> None:
    try:
        descriptor = _open(path, os.O_RDWR)
    except PermissionError:  # the file of another user
        descriptor = _open(path, os.O_RDONLY)
    try:
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: str) -> None:
    # The name of a file is data of its folder: without this sync, a power cut could undo a rename or a link.
    descriptor = _open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _guard(path: str, doing: str, action: Callable[[], _T]) -> _T:
    try:
        return when_one_is_free(action)
    except FileNotFoundError:
        raise
    except OSError as problem:
        _refuse(problem, path, doing)


def _refuse(problem: OSError, path: str, doing: str, size: int | None = None) -> NoReturn:
    needed = f" ({size} bytes needed)" if size is not None else ""
    cause = problem.strerror or str(problem)
    code, hint = "store_error", "check the disk or the mount, then resume the run"
    if problem.errno in _NO_SPACE:
        code, hint = "disk_full", "free space (`reqflo-ray prune` removes old runs), then resume the run"
    elif problem.errno in NONE_FREE:
        code, hint = TOO_MANY_OPEN_FILES, MORE_DESCRIPTORS
    elif problem.errno in _NO_RIGHT:
        code = "store_not_permitted"
        hint = "share the store with a group (`chmod -R g+rwX`, `chmod g+s` on folders), or choose another `--store`"
    elif problem.errno in (errno.ENOTDIR, errno.EEXIST, errno.ELOOP):
        code = "not_a_folder"
        hint = "move the file that is in the place of a folder, or choose another `--store`"
    elif problem.errno in (errno.EOPNOTSUPP, errno.EMLINK):
        hint = "choose a `--store` on a file system with hard links and fsync"
    raise StoreError(f"cannot {doing} `{path}` of the store{needed}", code=code, cause=cause, hint=hint) from None
