"""What every store promises, wherever it is: a folder, S3, Google Cloud Storage."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from reqflo_ray._internal.errors import StoreError
from reqflo_ray._internal.runner.prepare.doctor import FindingLevel, examine_store
from reqflo_ray._internal.storage.open import open_storage
from reqflo_ray._internal.storage.protocol import Storage


def test_a_written_file_reads_back_and_is_replaced_as_a_whole(storage: Storage) -> None:
    storage.write("a/b/c.json", b"\0\xff, and longer")
    storage.write("a/b/c.json", b"\0\xff")
    assert storage.read("a/b/c.json") == b"\0\xff"
    assert storage.stat("a/b/c.json").size == 2
    assert storage.exists("a/b/c.json") and not storage.exists("a/b/c")


def test_a_file_of_some_megabytes_is_written_as_one(storage: Storage) -> None:
    data = bytes(range(256)) * (6 * 4096)
    storage.write("large", data)
    assert storage.read("large") == data


def test_a_file_is_read_in_pieces_and_known_by_its_identity(storage: Storage) -> None:
    data = bytes(range(256)) * (12 * 1024)
    storage.write("large", data)
    assert b"".join(storage.pieces("large")) == data
    before = storage.stat("large")
    assert storage.stat("large") == before and before.size == len(data)
    storage.write("large", data[::-1])
    assert storage.stat("large").identity != before.identity
    for action in (lambda: storage.stat("nothing"), lambda: list(storage.pieces("nothing"))):
        with pytest.raises(FileNotFoundError):
            action()


def test_create_does_not_touch_what_exists(storage: Storage) -> None:
    assert storage.create("x", b"first")
    assert not storage.create("x", b"second")
    assert not storage.create("x", b"first"), "the same bytes by somebody else are not ours"
    assert storage.read("x") == b"first"
    storage.remove("x")
    assert storage.create("x", b"third")


def test_a_file_that_comes_in_parts_is_made_as_a_whole_or_not_at_all(storage: Storage) -> None:
    def breaking() -> Iterator[bytes]:
        yield b"half of it"
        raise StoreError("no more", code="no_more")

    with pytest.raises(StoreError, match="no more"):
        storage.create_from("folder/x", breaking())
    assert storage.list("folder") == []
    assert storage.create_from("folder/x", iter((b"first ", b"", b"second")))
    assert storage.read("folder/x") == b"first second"
    assert not storage.create_from("folder/x", breaking()), "it is not asked for what is there"
    assert storage.read("folder/x") == b"first second"


def test_an_empty_file_can_be_created_and_read(storage: Storage) -> None:
    assert storage.create("stop/0001", b"")
    assert not storage.create("stop/0001", b"")
    assert storage.read("stop/0001") == b""


def test_of_many_who_create_one_file_exactly_one_does(storage: Storage) -> None:
    others = [open_storage(storage.uri) for _ in range(6)]
    start = threading.Barrier(len(others))

    def claim(index: int) -> list[bool]:
        start.wait(20)
        return [others[index].create(f"claims/{number}", b"%d" % index) for number in range(8)]

    with ThreadPoolExecutor(len(others)) as threads:
        won = list(threads.map(claim, range(len(others))))
    for number in range(8):
        [winner] = [index for index in range(len(others)) if won[index][number]]
        assert storage.read(f"claims/{number}") == b"%d" % winner


def test_what_is_not_there_is_its_own_signal(storage: Storage) -> None:
    assert not storage.exists("x")
    assert storage.list("nothing") == []
    for action in (storage.read, storage.stat, lambda path: storage.read_log(path, synced=True)):
        with pytest.raises(FileNotFoundError):
            action("x")
    storage.remove("x")
    storage.remove_tree("x")
    storage.sweep("x")


def test_names_are_listed_in_order_with_folders_and_without_what_is_deeper(storage: Storage) -> None:
    for name in ("folder/b", "folder/a", "folder/c/deeper", "folder/c/other", "folder/d", "folderx/e", "f"):
        storage.write(name, b"")
    assert storage.list("folder") == ["a", "b", "c", "d"]
    assert storage.list("folder/c") == ["deeper", "other"]


def test_a_tree_is_removed_with_all_that_is_in_it_and_nothing_beside_it(storage: Storage) -> None:
    for name in [*(f"a/b/{number}" for number in range(9)), "a/c", "ab/c"]:
        storage.write(name, b"")
    storage.remove_tree("a")
    assert storage.list("a") == [] and not storage.exists("a/c")
    assert storage.exists("ab/c")


def test_a_log_holds_what_was_appended_and_synced(storage: Storage) -> None:
    log = storage.open_log("journal/0001.log")
    for record in (b"one,", b"two,"):
        log.append(record)
        log.sync()
        log.sync()
    log.append(b"three,")
    log.append(b"four")
    assert storage.read_log("journal/0001.log", synced=False).startswith(b"one,two,")
    log.sync()
    log.close()
    log.close()
    assert storage.read_log("journal/0001.log", synced=True) == b"one,two,three,four"
    assert storage.list("journal") == ["0001.log"]
    with pytest.raises(StoreError) as caught:
        log.append(b"late")
    assert caught.value.code == "store_error"


def test_a_log_that_dies_with_its_process_holds_nothing_until_it_is_synced(storage: Storage) -> None:
    log = storage.open_log("x.log")
    log.append(b"seen")
    try:
        seen = storage.read_log("x.log", synced=False)
    except FileNotFoundError:
        seen = b""
    assert (seen == b"seen") is log.outlives_process
    log.close()


def test_a_log_is_opened_once(storage: Storage) -> None:
    log = storage.open_log("x.log")
    log.append(b"x")
    log.sync()
    log.close()
    with pytest.raises(StoreError) as caught:
        storage.open_log("x.log")
    assert caught.value.code == "log_exists"


def test_something_is_done_for_each_of_many_in_order_also_within_each_other(storage: Storage) -> None:
    names = [f"many/{number:03d}" for number in range(40)]
    assert list(storage.each(lambda name: storage.create(name, name.encode()), names)) == [True] * 40

    def read_twice(name: str) -> list[bytes]:
        return list(storage.each(storage.read, [name, name]))

    assert list(storage.each(read_twice, names)) == [[name.encode()] * 2 for name in names]
    with pytest.raises(FileNotFoundError):
        list(storage.each(storage.read, ["many/000", "many/none"]))


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", "a\0b"])
def test_a_path_that_leads_out_of_the_store_is_refused(storage: Storage, path: str) -> None:
    for action in (storage.read, storage.stat, storage.list, storage.remove, storage.open_log, storage.remove_tree):
        with pytest.raises(StoreError) as caught:
            action(path)
        assert caught.value.code == "unsafe_path"
    with pytest.raises(StoreError):
        storage.create(path, b"x")
    with pytest.raises(StoreError):
        storage.write(path, b"x")


def test_a_store_is_opened_again_by_its_uri(storage: Storage) -> None:
    storage.write("x", b"1")
    assert open_storage(storage.uri).read("x") == b"1"
    assert open_storage(storage.uri).uri == storage.uri


def test_the_doctor_finds_that_a_store_keeps_its_promises_and_leaves_nothing(storage: Storage) -> None:
    promises, *access = examine_store(storage.uri)
    assert promises.level is FindingLevel.OK, promises
    assert len(access) == (0 if "://" in storage.uri else 1)  # who may read it: a bucket has no modes
    assert not [name for name in storage.list("") if name.startswith("doctor")]
