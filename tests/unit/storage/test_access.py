"""Who may read the files of a store on disk: their owner, or the group of a folder with the setgid bit, whatever the
umask says."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from reqflo_ray._internal.storage.access import GROUP_TOO, OWNER_ONLY, access_of
from reqflo_ray._internal.storage.local import LocalStorage


@pytest.fixture(params=[0o022, 0o000, 0o077, 0o027, 0o777])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def fill(storage: LocalStorage) -> None:
    """A file of every way in which files are made, and folders within folders."""
    storage.create("runs/one/run.json", b"{}")
    storage.create_from("runs/one/manifest.json", [b"a", b"b"])
    storage.write("runs/one/epochs/0001.beat", b"1")
    storage.write("runs/one/epochs/0001.beat", b"2")
    log = storage.open_log("runs/one/journal/00000/0001.log")
    log.append(b"x")
    log.close()
    storage.create("artifacts/x.json", b"{}")


def modes(root: Path) -> dict[str, set[int]]:
    """The modes of all files, and of all folders."""
    found: dict[str, set[int]] = {"files": set(), "folders": {stat.S_IMODE(root.stat().st_mode)}}
    for path in root.rglob("*"):
        found["folders" if path.is_dir() else "files"].add(stat.S_IMODE(path.stat().st_mode))
    return found


def test_all_files_of_a_store_are_its_owners_alone(tmp_path: Path, umask: int) -> None:
    fill(LocalStorage(tmp_path / "store"))
    assert modes(tmp_path / "store") == {"files": {0o600}, "folders": {0o700}}


def test_the_group_of_a_folder_with_the_setgid_bit_reads_files_and_adds_to_folders(tmp_path: Path, umask: int) -> None:
    store = tmp_path / "store"
    store.mkdir()
    store.chmod(0o2770)
    fill(LocalStorage(store))
    assert modes(store) == {"files": {0o640}, "folders": {0o2770}}


def test_a_store_that_is_made_in_a_folder_of_a_group_is_that_groups_too(tmp_path: Path) -> None:
    (tmp_path / "mount").mkdir()
    (tmp_path / "mount").chmod(0o2775)
    store = tmp_path / "mount" / "team" / "store"
    fill(LocalStorage(store))
    assert modes(store) == {"files": {0o640}, "folders": {0o2770}}


def test_folders_above_the_store_are_made_as_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        fill(LocalStorage(tmp_path / "above" / "store"))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "above").stat().st_mode) == 0o755


def test_what_is_there_already_keeps_its_modes(tmp_path: Path) -> None:
    old = tmp_path / "store" / "runs" / "old"
    old.mkdir(parents=True)
    (old / "run.json").write_text("{}")
    for path, mode in ((tmp_path / "store", 0o755), (old.parent, 0o755), (old, 0o755), (old / "run.json", 0o644)):
        path.chmod(mode)
    storage = LocalStorage(tmp_path / "store")
    assert storage.read("runs/old/run.json") == b"{}"
    storage.create("runs/old/verdict.json", b"{}")
    assert stat.S_IMODE((tmp_path / "store").stat().st_mode) == 0o755
    assert stat.S_IMODE(old.stat().st_mode) == 0o755
    assert stat.S_IMODE((old / "run.json").stat().st_mode) == 0o644
    assert stat.S_IMODE((old / "verdict.json").stat().st_mode) == 0o600


def test_a_file_system_without_modes_does_not_stop_a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    before = os.umask(0o777)
    try:
        monkeypatch.setattr(os, "fchmod", refuse)
        storage = LocalStorage(tmp_path)
        assert storage.create("x", b"data")
    finally:
        os.umask(before)


def test_no_file_is_changed_where_the_umask_takes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = LocalStorage(tmp_path / "store")
    storage.create("first", b"")
    monkeypatch.setattr(os, "fchmod", None)
    monkeypatch.setattr(os, "chmod", None)
    before = os.umask(0o022)
    try:
        fill(storage)
    finally:
        os.umask(before)
    assert modes(tmp_path / "store") == {"files": {0o600}, "folders": {0o700}}


@pytest.mark.parametrize("place", ["no/such/folder", "file/below"])
def test_where_there_is_no_folder_yet_the_owner_alone_has_access(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    assert access_of(str(tmp_path / place)) == OWNER_ONLY
    assert (OWNER_ONLY.is_shared, GROUP_TOO.is_shared) == (False, True)
