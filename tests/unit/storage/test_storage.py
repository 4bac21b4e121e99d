"""The local disk: atomic, durable, exclusive, and clear about what goes wrong."""

from __future__ import annotations

import errno
import multiprocessing
import os
import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqflo_ray._internal.errors import StoreError, UsageError
from reqflo_ray._internal.storage.local import LocalStorage
from reqflo_ray._internal.storage.open import open_storage

CALLS = ("open", "write", "fsync", "link", "replace", "mkdir")


class BrokenDisk:
    """Lets the n-th call of the operating system fail (from then on all, if `for_good`)."""

    def __init__(self, fails_at: int, error: int = errno.ENOSPC, *, short: bool = False) -> None:
        self.calls = 0
        self._fails_at, self._error, self._short = fails_at, error, short

    def install(self, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...] = CALLS) -> BrokenDisk:
        for name in names:
            monkeypatch.setattr(os, name, self._wrap(name, getattr(os, name)))
        return self

    def _wrap(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            self.calls += 1
            if self.calls == self._fails_at:
                if self._short and name == "write":
                    return real(arguments[0], bytes(arguments[1])[:1])
                raise OSError(self._error, os.strerror(self._error))
            return real(*arguments, **options)

        return call


def files(storage: LocalStorage) -> list[str]:
    return sorted(str(path.relative_to(storage.root)) for path in storage.root.rglob("*") if path.is_file())


def test_a_written_file_reads_back(storage: LocalStorage) -> None:
    storage.write("a/b/c.json", b"\0\xff")
    assert storage.read("a/b/c.json") == b"\0\xff"
    assert storage.stat("a/b/c.json").size == 2
    assert storage.exists("a/b/c.json")


def test_an_empty_file_can_be_created_and_read(storage: LocalStorage) -> None:
    assert storage.create("stop/0001", b"")
    assert storage.read("stop/0001") == b""


def test_create_does_not_touch_what_exists(storage: LocalStorage) -> None:
    assert storage.create("x", b"first")
    assert not storage.create("x", b"second")
    assert storage.read("x") == b"first"
    assert files(storage) == [".gitignore", "x"]


def test_write_replaces(storage: LocalStorage) -> None:
    storage.write("x", b"first, longer")
    storage.write("x", b"second")
    assert storage.read("x") == b"second"


def test_a_file_is_read_in_pieces(storage: LocalStorage) -> None:
    data = os.urandom(2_500_000)
    storage.write("x", data)
    pieces = list(storage.pieces("x"))
    assert b"".join(pieces) == data
    assert max(map(len, pieces)) <= 2**20
    storage.write("empty", b"")
    assert list(storage.pieces("empty")) == []


def test_every_change_of_a_file_gives_it_another_identity(storage: LocalStorage) -> None:
    storage.write("x", b"first")
    path, seen = storage.root / "x", {storage.stat("x").identity}
    before = path.stat()

    def changed() -> str:
        # What the tick of its clock hides is for who asks to know: see `FileStat.changed_at`.
        while storage.stat("x").identity in seen:
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        return storage.stat("x").identity

    assert storage.stat("x").identity in seen, "looking changes nothing"
    with path.open("r+b") as file:
        file.write(b"f")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    seen.add(changed())
    storage.write("x", b"first")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    seen.add(changed())
    assert len(seen) == 3
    assert storage.stat("x").size == 5
    assert storage.stat("x").changed_at >= before.st_ctime


def test_what_is_not_there_is_its_own_signal(storage: LocalStorage) -> None:
    assert not storage.exists("x")
    assert storage.list("nothing") == []
    with pytest.raises(FileNotFoundError):
        storage.read("x")
    with pytest.raises(FileNotFoundError):
        storage.stat("x")
    with pytest.raises(FileNotFoundError):
        list(storage.pieces("x"))
    storage.remove("x")
    storage.remove_tree("x")
    storage.sweep("x")


def test_looking_does_not_make_the_store(storage: LocalStorage) -> None:
    assert storage.list("runs") == []
    assert not storage.exists("runs/x")
    assert not storage.root.exists()


def test_a_store_that_it_makes_ignores_itself_in_git(storage: LocalStorage) -> None:
    storage.write("x", b"")
    assert (storage.root / ".gitignore").read_text() == "*\n"


def test_a_folder_that_exists_gets_no_gitignore(tmp_path: Path) -> None:
    LocalStorage(tmp_path).write("x", b"")
    assert not (tmp_path / ".gitignore").exists()


def test_names_are_listed_in_order_without_unfinished_files(storage: LocalStorage) -> None:
    for name in ("b", "a", "c"):
        storage.write(f"folder/{name}", b"")
    (storage.root / "folder" / ".d.0123.tmp").write_bytes(b"half")
    assert storage.list("folder") == ["a", "b", "c"]
    storage.sweep("folder")
    assert sorted(os.listdir(storage.root / "folder")) == ["a", "b", "c"]


def test_remove_tree_takes_all(storage: LocalStorage) -> None:
    storage.write("a/b/c", b"")
    storage.remove_tree("a")
    assert storage.list("a") == []
    assert not storage.exists("a")


def test_remove_tree_goes_on_when_somebody_adds_a_file(storage: LocalStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    storage.write("a/b", b"")
    real, troubles = shutil.rmtree, [errno.ENOTEMPTY, errno.ENOENT]

    def rmtree(path: str) -> None:
        if troubles:
            raise OSError(troubles.pop(), "meanwhile")
        real(path)

    monkeypatch.setattr(shutil, "rmtree", rmtree)
    storage.remove_tree("a")
    assert not storage.exists("a")


def test_a_tree_that_cannot_be_removed_is_an_error(storage: LocalStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    def rmtree(path: str) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    storage.write("a/b", b"")
    monkeypatch.setattr(shutil, "rmtree", rmtree)
    with pytest.raises(StoreError) as caught:
        storage.remove_tree("a")
    assert caught.value.code == "store_not_permitted"


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", "a\0b"])
def test_a_path_that_leads_out_of_the_store_is_refused(storage: LocalStorage, path: str) -> None:
    for action in (storage.read, storage.stat, storage.list, storage.remove, storage.open_log, storage.remove_tree):
        with pytest.raises(StoreError) as caught:
            action(path)
        assert caught.value.code == "unsafe_path"
    with pytest.raises(StoreError):
        storage.write(path, b"")


def test_a_file_in_the_place_of_a_folder_is_a_clear_error(storage: LocalStorage) -> None:
    storage.write("a", b"")
    for action in (lambda: storage.write("a/b", b"12"), lambda: storage.read("a/b"), lambda: storage.exists("a/b")):
        with pytest.raises(StoreError) as caught:
            action()
        assert "`a/b`" in caught.value.message
        assert "move the file that is in the place of a folder" in caught.value.hint


def test_a_fence_is_never_open_since_the_disk_does_not_answer(
    storage: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stat(path: str) -> None:
        raise OSError(errno.EIO, "Input/output error")

    storage.write("a", b"")
    monkeypatch.setattr(os, "stat", stat)
    with pytest.raises(StoreError) as caught:
        storage.exists("a")
    assert caught.value.cause == "Input/output error"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_store_without_permission_is_a_clear_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError) as caught:
        LocalStorage(tmp_path / "store").write("x", b"")
    assert caught.value.code == "store_not_permitted"
    tmp_path.chmod(0o700)


def test_refused_permission_says_what_to_do(storage: LocalStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    BrokenDisk(1, errno.EROFS).install(monkeypatch)
    with pytest.raises(StoreError) as caught:
        storage.write("x", b"data")
    assert (caught.value.code, caught.value.exit_code) == ("store_not_permitted", 3)
    assert "--store" in caught.value.hint


def test_a_full_disk_names_the_file_and_the_bytes_that_it_needs(
    storage: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.write("x", b"old")
    BrokenDisk(1).install(monkeypatch, ("write",))
    with pytest.raises(StoreError) as caught:
        storage.write("x", b"12345")
    assert caught.value.code == "disk_full"
    assert caught.value.message == "cannot write `x` of the store (5 bytes needed)"
    assert "prune" in caught.value.hint
    pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own bytes


def _attempts(storage: LocalStorage, action: Callable[[], Any]) -> Iterator[tuple[BrokenDisk, bool]]:
    """Run `action` with its first, second … system call failing, until one run needs no failing call."""
    for index in range(1, 60):
        with pytest.MonkeyPatch.context() as patch:
            disk = BrokenDisk(index).install(patch)
            try:
                action()
            except StoreError:
                yield disk, False
                continue
            finally:
                done = disk.calls < index
        if done:
            yield disk, True
            return
    raise AssertionError("the action never ran without a fault")


def test_a_full_disk_at_any_call_of_a_write_leaves_the_old_bytes_or_the_new(storage: LocalStorage) -> None:
    storage.write("folder/x", b"old")
    outcomes = set()
    for _, succeeded in _attempts(storage, lambda: storage.write("folder/x", b"new bytes")):
        found = storage.read("folder/x")
        outcomes.add(found)
        assert found == b"new bytes" if succeeded else found in (b"old", b"new bytes")
        assert files(storage) == [".gitignore", "folder/x"], "nothing half-written is left"
        storage.write("folder/x", b"old")
    assert outcomes == {b"old", b"new bytes"}


def test_a_full_disk_at_any_call_of_a_create_leaves_nothing_or_all(tmp_path: Path) -> None:
    for index in range(1, 40):
        storage = LocalStorage(tmp_path / str(index))
        with pytest.MonkeyPatch.context() as patch:
            disk = BrokenDisk(index).install(patch)
            try:
                storage.create("deep/folder/x", b"all of it")
                failed = False
            except StoreError:
                failed = True
        if storage.exists("deep/folder/x"):
            assert storage.read("deep/folder/x") == b"all of it"
        if disk.calls < index:
            assert not failed
            return
        if failed and not storage.exists("deep/folder/x"):
            assert storage.create("deep/folder/x", b"later")
    raise AssertionError("create never ran without a fault")


def test_short_writes_are_continued(storage: LocalStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    BrokenDisk(1, short=True).install(monkeypatch, ("write",))
    storage.write("x", b"whole")
    assert storage.read("x") == b"whole"


def test_a_lost_answer_to_a_link_that_was_made_still_wins(
    storage: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.link

    def link(source: str, target: str) -> None:
        real(source, target)
        raise FileExistsError(errno.EEXIST, "File exists")

    monkeypatch.setattr(os, "link", link)
    assert storage.create("x", b"ours")


def test_a_create_that_loses_in_the_last_moment_says_so(storage: LocalStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.link

    def link(source: str, target: str) -> None:
        Path(target).write_bytes(b"theirs")
        real(source, target)

    monkeypatch.setattr(os, "link", link)
    assert not storage.create("x", b"ours")
    assert storage.read("x") == b"theirs"
    assert files(storage) == [".gitignore", "x"]


def _race(root: str, name: str, start: Any, wins: Any) -> None:
    storage = LocalStorage(Path(root))
    start.wait(20)
    for index in range(20):
        if storage.create(f"claims/{index}", name.encode()):
            wins.put((index, name))


def test_of_many_processes_exactly_one_creates(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    start, wins = context.Barrier(4), context.Queue()
    processes = [context.Process(target=_race, args=(str(tmp_path / "s"), f"p{i}", start, wins)) for i in range(4)]
    for process in processes:
        process.start()
    won = dict(wins.get(timeout=20) for _ in range(20))
    for process in processes:
        process.join(20)
        assert process.exitcode == 0
    assert wins.empty()
    storage = LocalStorage(tmp_path / "s")
    assert {index: storage.read(f"claims/{index}").decode() for index in range(20)} == won


def test_a_log_grows_by_whole_appends(storage: LocalStorage) -> None:
    log = storage.open_log("journal/0001.log")
    log.append(b"one")
    log.append(b"two")
    log.sync()
    log.close()
    log.close()
    assert storage.read("journal/0001.log") == b"onetwo"


def test_a_log_is_opened_once(storage: LocalStorage) -> None:
    storage.open_log("x.log").close()
    with pytest.raises(StoreError) as caught:
        storage.open_log("x.log")
    assert caught.value.code == "log_exists"


def test_an_append_that_is_cut_short_is_an_error(storage: LocalStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    log = storage.open_log("x.log")
    BrokenDisk(1, short=True).install(monkeypatch, ("write",))
    with pytest.raises(StoreError) as caught:
        log.append(b"record")
    log.close()
    assert caught.value.code == "disk_full"
    assert "6 bytes" in caught.value.message


def test_a_failing_sync_is_an_error(storage: LocalStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    log = storage.open_log("x.log")
    BrokenDisk(1, errno.EIO).install(monkeypatch, ("fdatasync",))
    with pytest.raises(StoreError):
        log.sync()
    log.close()


def test_appending_to_a_closed_log_is_an_error(storage: LocalStorage) -> None:
    log = storage.open_log("x.log")
    log.close()
    with pytest.raises(StoreError):
        log.append(b"x")


@given(data=st.binary(max_size=3000))
def test_any_bytes_survive(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    storage = LocalStorage(tmp_path_factory.getbasetemp() / "any-bytes")
    storage.write("x", data)
    assert storage.read("x") == data


def test_a_store_is_opened_by_path_or_file_uri(tmp_path: Path) -> None:
    assert open_storage(str(tmp_path)).uri == str(tmp_path)
    assert open_storage(f"file://{tmp_path}/a%20b").uri == f"{tmp_path}/a b"
    assert open_storage(open_storage("relative").uri).uri == str(Path("relative").absolute())


@pytest.mark.parametrize("uri", ["az://x", "https://example.com/x", "s3a://bucket/x"])
def test_a_place_that_is_no_store_is_refused_by_name(uri: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_storage(uri)
    assert caught.value.code == "unsupported_store"
    assert f"`{uri.partition(':')[0]}://`" in caught.value.message
    assert "s3://" in caught.value.hint and "gs://" in caught.value.hint


@pytest.mark.parametrize("uri", ["", "file://server/x", "file://"])
def test_a_place_that_is_none_is_refused(uri: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_storage(uri)
    assert caught.value.code == "invalid_store"


@pytest.mark.parametrize("place", ["caf\udce9", "caf\udce9/below"])
def test_a_store_whose_path_is_no_text_is_refused_by_name(place: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_storage(place)
    assert caught.value.code == "invalid_store"
    assert "caf\\xe9" in caught.value.message


@pytest.mark.parametrize("name", ["/dev/zero", "fifo"])
def test_what_is_no_file_in_the_store_is_an_error_and_is_not_waited_for(storage: LocalStorage, name: str) -> None:
    storage.write("a", b"")
    place = Path(storage.uri, "strange")
    if name == "fifo":
        os.mkfifo(place)
    else:
        place.symlink_to(name)
    with pytest.raises(StoreError, match="cannot read `strange`") as caught:
        storage.read("strange")
    assert caught.value.cause == "it is not a regular file"
