"""Files against what was promised of them, and what is remembered of those that were whole."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from reqflo_ray._internal.errors import IntegrityError, StoreError
from reqflo_ray._internal.model.results import FileDigest
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.runs.folder.document import with_checksum
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.runs.results.checked_files import (
    WORTH_REMEMBERING,
    check_files,
    damaged_files,
    fault_of,
    read_checked,
)
from reqflo_ray._internal.storage.local import LocalStorage

NAMES = ("results/a.parquet", "steps/a.parquet")
PLACE = f"runs/r1/{layout.CHECKED}"


class CountingStorage(LocalStorage):
    """Says which files were read as a whole."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.read_files: list[str] = []

    def pieces(self, path: str) -> Iterator[bytes]:
        self.read_files.append(path.removeprefix("runs/r1/"))
        return super().pieces(path)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder(CountingStorage(tmp_path / "store"), "r1")
    folder.write_file(layout.RECORD, b"{}")
    for name in NAMES:
        folder.write_file(name, _data(name))
    return folder


def _data(name: str) -> bytes:
    return name.encode() * (1 + WORTH_REMEMBERING // len(name))


def _promised(*names: str) -> list[FileDigest]:
    return [
        FileDigest(path=name, sha256=hashlib.sha256(_data(name)).hexdigest(), size=len(_data(name)), rows=3)
        for name in names or NAMES
    ]


def _later() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=10)


def _faults(folder: RunFolder, now: datetime | None = None) -> list[str]:
    return [file.fault for file in check_files(folder, _promised(), now or _later())]


def _reads(folder: RunFolder) -> list[str]:
    storage = folder.storage
    assert isinstance(storage, CountingStorage)
    read, storage.read_files = storage.read_files, []
    return read


def _place(folder: RunFolder, name: str) -> Path:
    return Path(folder.storage.uri, folder.path(name))


def _change(path: Path) -> None:
    """One bit, in place; size and modification time are put back."""
    before = path.stat()
    with path.open("r+b") as file:
        first = file.read(1)
        file.seek(0)
        file.write(bytes([first[0] ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    while path.stat().st_ctime_ns == before.st_ctime_ns:  # within one tick of the clock
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def test_a_whole_file_is_read_once_and_then_remembered(folder: RunFolder) -> None:
    assert _faults(folder) == ["", ""] and _reads(folder) == list(NAMES)
    assert _faults(folder) == ["", ""] and _reads(folder) == []


def test_a_changed_file_is_read_again_also_if_size_and_time_are_as_before(folder: RunFolder) -> None:
    _faults(folder)
    _reads(folder)
    _change(_place(folder, NAMES[1]))
    assert _faults(folder) == ["", "its SHA-256 differs"]
    assert _reads(folder) == [NAMES[1]]
    _change(_place(folder, NAMES[1]))  # the bit is put back
    assert _faults(folder) == ["", ""] and _reads(folder) == [NAMES[1]]


def test_a_file_that_changed_just_now_is_not_remembered(folder: RunFolder) -> None:
    """A second change within the same tick of the clock would not show."""
    for _ in range(2):
        assert _faults(folder, datetime.now(UTC)) == ["", ""]
        assert _reads(folder) == list(NAMES)
    assert not _place(folder, layout.CHECKED).exists()


def test_what_changes_while_it_is_read_is_not_remembered(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    real = LocalStorage.pieces

    def pieces(self: LocalStorage, path: str) -> Iterator[bytes]:
        yield from real(self, path)
        os.utime(Path(self.uri, path))

    monkeypatch.setattr(LocalStorage, "pieces", pieces)
    assert _faults(folder) == ["", ""]
    assert not _place(folder, layout.CHECKED).exists()


def test_what_is_remembered_of_other_promises_counts_for_nothing(folder: RunFolder) -> None:
    _faults(folder)
    _reads(folder)
    other = [FileDigest(path=name, sha256="0" * 64, size=len(_data(name))) for name in NAMES]
    assert all(file.fault for file in check_files(folder, other, _later()))
    assert _reads(folder) == list(NAMES)


def test_a_damaged_file_is_never_remembered(folder: RunFolder) -> None:
    _change(_place(folder, NAMES[0]))
    for _ in range(2):
        assert _faults(folder)[0]
        assert NAMES[0] in _reads(folder)


def _forge(folder: RunFolder) -> dict[str, str]:
    """What would be remembered if the files, as they are now, were whole."""
    marks = {}
    for promised in _promised():
        marks[promised.path] = f"{promised.sha256} {folder.storage.stat(folder.path(promised.path)).identity}"
    return marks


def _memory(folder: RunFolder, place: str) -> bytes:
    return with_checksum(msgspec.json.encode({"files": _forge(folder)}), place)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[:-1],
        lambda data: data.replace(b"results/a", b"results/b"),
        lambda data: data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :],
        lambda data: b"",
        lambda data: b"{}",
        lambda data: b"[" * 100_000,
        lambda data: data.replace(b'"files":{', b'"files":{"x":' + b"[" * 100_000),
        lambda data: b"\xff" + data,
    ],
)
def test_a_memory_that_is_damaged_counts_for_nothing(folder: RunFolder, spoil: Any) -> None:
    _change(_place(folder, NAMES[0]))
    whole = _memory(folder, PLACE)
    folder.write_file(layout.CHECKED, whole)
    assert _faults(folder) == ["", ""], "the forged memory must be one that would be believed"
    folder.write_file(layout.CHECKED, spoil(whole))
    assert _faults(folder)[0]


def test_a_memory_of_another_run_counts_for_nothing(folder: RunFolder) -> None:
    _change(_place(folder, NAMES[0]))
    folder.write_file(layout.CHECKED, _memory(folder, f"runs/r2/{layout.CHECKED}"))
    assert _faults(folder)[0]


def test_a_place_that_cannot_be_written_is_no_trouble(folder: RunFolder) -> None:
    _place(folder, layout.CHECKED).mkdir()
    for _ in range(2):
        assert _faults(folder) == ["", ""]
        assert _reads(folder) == list(NAMES)


def test_a_store_that_may_only_be_read_is_no_trouble(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: LocalStorage, path: str, data: bytes) -> None:
        raise StoreError("read-only file system", code="store_not_permitted")

    monkeypatch.setattr(LocalStorage, "write", refuse)
    assert _faults(folder) == ["", ""]


def test_a_run_that_was_deleted_meanwhile_is_not_made_again(folder: RunFolder) -> None:
    for file in check_files(folder, _promised(), _later()):
        if file.promised.path == NAMES[1]:
            folder.discard()
    assert not _place(folder, "").exists()


def test_small_files_leave_nothing_behind(folder: RunFolder) -> None:
    folder.write_file("results/small.parquet", b"x")
    small = FileDigest(path="results/small.parquet", sha256=hashlib.sha256(b"x").hexdigest(), size=1, rows=1)
    assert [file.fault for file in check_files(folder, [small], _later())] == [""]
    assert not _place(folder, layout.CHECKED).exists()


def test_files_that_are_promised_no_more_are_forgotten(folder: RunFolder) -> None:
    _faults(folder)
    folder.write_file("results/b.parquet", _data("results/b.parquet"))
    assert not any(file.fault for file in check_files(folder, _promised("results/b.parquet"), _later()))
    told = msgspec.json.decode(folder.read_file(layout.CHECKED))["files"]
    assert list(told) == ["results/b.parquet"]


def test_every_fault_says_what_it_is(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    [promised] = _promised(NAMES[0])
    path = _place(folder, NAMES[0])
    size = promised.size
    path.write_bytes(b"x")
    assert fault_of(folder, promised) == f"it has 1 bytes instead of {size}"
    path.write_bytes(b"x" * size)
    assert fault_of(folder, promised) == "its SHA-256 differs"
    path.unlink()
    assert fault_of(folder, promised) == "it is missing"
    path.mkdir()
    assert fault_of(folder, promised)

    def broken(self: LocalStorage, path: str) -> Iterator[bytes]:
        raise StoreError("cannot read it", code="store_error", cause="Input/output error")

    folder.write_file(NAMES[1], _data(NAMES[1]))
    monkeypatch.setattr(CountingStorage, "pieces", broken)
    assert fault_of(folder, _promised(NAMES[1])[0]) == "it cannot be read: Input/output error"


def test_a_store_that_does_not_answer_makes_no_file_damaged(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(self: LocalStorage, path: str) -> Any:
        raise StoreError("the service does not answer", code="store_unreachable")

    monkeypatch.setattr(LocalStorage, "stat", silent)
    with pytest.raises(StoreError, match="does not answer"):
        _faults(folder)


def test_bytes_are_returned_only_if_they_are_what_was_promised(folder: RunFolder) -> None:
    [promised] = _promised(NAMES[0])
    assert read_checked(folder, promised) == _data(NAMES[0])
    _change(_place(folder, NAMES[0]))
    with pytest.raises(
        IntegrityError, match=r"`results/a\.parquet` of run `r1` is damaged, missing, or unreadable"
    ) as caught:
        read_checked(folder, promised)
    assert caught.value.code == "damaged_file"
    _place(folder, NAMES[0]).unlink()
    with pytest.raises(IntegrityError, match=r"results/a\.parquet"):
        read_checked(folder, promised)


def test_an_error_for_many_files_is_bounded(folder: RunFolder) -> None:
    for name in NAMES:
        _place(folder, name).unlink()
    damaged = list(check_files(folder, _promised(), _later())) * 50
    error = damaged_files(damaged)
    assert error.message == "100 files of run `r1` are damaged, missing, or unreadable"
    assert len(error.cause.splitlines()) == 21 and error.cause.endswith("and 80 more")
