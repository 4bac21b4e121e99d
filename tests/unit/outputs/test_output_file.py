"""Files that a person names: whatever lies there stays what it is, and holds all that was written or what it held."""

from __future__ import annotations

import os
import resource
import stat
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqflo_ray._internal.errors import ReqfloError, UsageError
from reqflo_ray._internal.outputs import file as output_file
from reqflo_ray._internal.outputs.file import whole_file

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may do this")


def write(path: Path, data: bytes = b"new") -> None:
    with whole_file(path) as file:
        file.write(data)


def make_node(path: Path, kind: int, major: int, minor: int) -> Path:
    try:
        os.mknod(path, kind | 0o666, os.makedev(major, minor))
    except PermissionError:
        pytest.skip("no device can be made here")
    return path


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """A disk that is full after so many bytes of a file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_new_file_has_the_mode_that_the_user_wants(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write(tmp_path / "new")
    finally:
        os.umask(before)
    assert (tmp_path / "new").read_bytes() == b"new"
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o664, 0o755])
def test_an_existing_file_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "old"
    path.write_text("old and longer")
    path.chmod(mode)
    write(path)
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", mode)


@needs_root
def test_an_existing_file_keeps_its_owner_and_group(tmp_path: Path) -> None:
    path = tmp_path / "old"
    path.write_text("old")
    os.chown(path, 12345, 23456)
    path.chmod(0o640)
    write(path)
    status = path.stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (12345, 23456, 0o640)


def test_an_existing_file_keeps_its_attributes(tmp_path: Path) -> None:
    path = tmp_path / "old"
    path.write_text("old")
    try:
        os.setxattr(path, "user.reqflo", b"kept")
    except OSError:
        pytest.skip("this file system has no attributes")
    write(path)
    assert (path.read_bytes(), os.getxattr(path, "user.reqflo")) == (b"new", b"kept")


def test_who_may_read_an_existing_file_stays_as_it_is(tmp_path: Path) -> None:
    everyone, somebody = 0xFFFFFFFF, 12345
    entries = ((1, 6, everyone), (2, 4, somebody), (4, 0, everyone), (16, 4, everyone), (32, 0, everyone))
    access = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    listed, plain = tmp_path / "listed", tmp_path / "plain"
    listed.write_text("old")
    plain.write_text("old")
    plain.chmod(0o600)
    try:
        os.setxattr(listed, "system.posix_acl_access", access)
        os.setxattr(tmp_path, "system.posix_acl_default", access)
    except OSError:
        pytest.skip("this file system has no access lists")
    write(listed)
    write(plain)
    assert os.getxattr(listed, "system.posix_acl_access") == access
    assert "system.posix_acl_access" not in os.listxattr(plain)
    assert stat.S_IMODE(plain.stat().st_mode) == 0o600


def test_who_reads_the_old_file_reads_all_of_it(tmp_path: Path) -> None:
    path = tmp_path / "old"
    path.write_bytes(b"o" * 10_000)
    with path.open("rb", buffering=0) as reader:
        beginning = reader.read(100)
        write(path, b"n" * 10_000)
        assert beginning + reader.read() == b"o" * 10_000


def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path: Path) -> None:
    real, link = tmp_path / "real.xml", tmp_path / "link.xml"
    real.write_text("old and longer")
    inode = real.stat().st_ino
    link.symlink_to("real.xml")
    write(link)
    assert link.is_symlink() and not real.is_symlink()
    assert (real.read_bytes(), real.stat().st_ino) == (b"new", inode)


def test_a_link_to_a_file_that_is_not_there_yet_stays(tmp_path: Path) -> None:
    link = tmp_path / "link.xml"
    link.symlink_to("made/later.xml")
    write(link)
    assert link.is_symlink()
    assert (tmp_path / "made" / "later.xml").read_bytes() == b"new"


def test_all_names_of_a_file_keep_leading_to_it(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("old and longer")
    os.link(first, second)
    write(first)
    assert second.read_bytes() == b"new"
    assert first.stat().st_ino == second.stat().st_ino


@needs_root
def test_a_file_that_is_mounted_is_written_in_place(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.write_text("old and longer")
    inside.write_text("below")
    if subprocess.run(["mount", "--bind", outside, inside], capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        write(inside)
        assert outside.read_bytes() == b"new"
    finally:
        subprocess.run(["umount", inside], check=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inside", "outside"]


def test_a_fifo_stays_and_its_reader_gets_all(tmp_path: Path) -> None:
    fifo, data, got = tmp_path / "fifo", os.urandom(300_000), list[bytes]()
    os.mkfifo(fifo)
    reader = threading.Thread(target=lambda: got.append(fifo.read_bytes()), daemon=True)
    reader.start()
    write(fifo, data)
    reader.join(10)
    assert got == [data]
    assert stat.S_ISFIFO(fifo.stat().st_mode)


def test_a_fifo_that_nobody_reads_is_an_error_and_no_wait_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output_file, "FIFO_SECONDS", 0.02)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ReqfloError, match=r"no program has opened the FIFO for reading within 0\.02 s") as caught:
        write(tmp_path / "fifo")
    assert (caught.value.code, caught.value.exit_code) == ("output_not_written", 3)


def test_a_reader_that_reads_no_more_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output_file, "FIFO_SECONDS", 0.02)
    os.mkfifo(tmp_path / "fifo")
    reader = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(ReqfloError, match="its reader has read nothing"):
            write(tmp_path / "fifo", b"x" * 300_000)
    finally:
        os.close(reader)


def test_a_reader_that_goes_is_an_error(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    def read_a_little() -> None:
        with fifo.open("rb", buffering=0) as file:
            file.read(10)

    reader = threading.Thread(target=read_a_little, daemon=True)
    reader.start()
    with pytest.raises(ReqfloError, match="Broken pipe"):
        write(fifo, b"x" * 2_000_000)
    reader.join(10)


def test_a_device_stays_a_device(tmp_path: Path) -> None:
    null = make_node(tmp_path / "null", stat.S_IFCHR, 1, 3)
    write(null)
    assert stat.S_ISCHR(null.stat().st_mode)


def test_a_device_that_is_full_is_an_error(tmp_path: Path) -> None:
    full = make_node(tmp_path / "full", stat.S_IFCHR, 1, 7)
    with pytest.raises(ReqfloError, match="No space left on device"):
        write(full)
    assert stat.S_ISCHR(full.stat().st_mode)


@pytest.mark.parametrize("name", ["/dev/fd/{}", "/proc/self/fd/{}", "link"])
def test_an_open_file_is_written_to_from_where_it_is(tmp_path: Path, name: str) -> None:
    log = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    os.set_inheritable(log, True)
    (tmp_path / "link").symlink_to(f"/dev/fd/{log}")
    try:
        os.write(log, b"before\n")
        write(tmp_path / name.format(log), b"report\n")
        os.write(log, b"after\n")
    finally:
        os.close(log)
    assert (tmp_path / "log").read_bytes() == b"before\nreport\nafter\n"


def test_a_file_of_our_own_is_not_taken_for_one_that_was_given(tmp_path: Path) -> None:
    with (tmp_path / "journal").open("wb") as ours, pytest.raises(UsageError, match="is not open"):
        write(Path(f"/dev/fd/{ours.fileno()}"))


def test_folders_that_are_missing_are_made(tmp_path: Path) -> None:
    write(tmp_path / "a" / "b" / "c.xml")
    assert (tmp_path / "a" / "b" / "c.xml").read_bytes() == b"new"


def test_a_tilde_is_the_home_folder_and_makes_no_folder_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    write(Path("~/reports/j.xml"))
    assert (tmp_path / "home" / "reports" / "j.xml").read_bytes() == b"new"
    assert not (tmp_path / "~").exists()


@pytest.mark.parametrize("spelling", ["summary.md", "./x/../summary.md", "link.md", "hard.md"])
@pytest.mark.parametrize(("held", "then"), [(b"## built\n", b"## built\nnew"), (b"open", b"open\nnew"), (b"", b"new")])
def test_the_summary_of_a_step_is_appended_to_however_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelling: str, held: bytes, then: bytes
) -> None:
    monkeypatch.chdir(tmp_path)
    summary = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    summary.write_bytes(held)
    (tmp_path / "x").mkdir()
    (tmp_path / "link.md").symlink_to("summary.md")
    os.link(summary, tmp_path / "hard.md")
    write(Path(spelling))
    assert summary.read_bytes() == then
    write(Path("other.md"), b"1")
    write(Path("other.md"), b"2")
    assert (tmp_path / "other.md").read_bytes() == b"2"


def test_a_summary_that_is_not_there_yet_is_made_and_appended_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "later" / "summary.md"))
    write(tmp_path / "later" / "summary.md", b"1\n")
    write(tmp_path / "later" / "summary.md", b"2\n")
    assert (tmp_path / "later" / "summary.md").read_bytes() == b"1\n2\n"


@pytest.mark.parametrize("kind", ["regular", "linked", "named twice", "summary"])
def test_a_disk_that_is_full_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    path = real = tmp_path / "report"
    real.write_bytes(b"old")
    if kind == "linked":
        path = tmp_path / "link"
        path.symlink_to(real)
    elif kind == "named twice":
        os.link(real, tmp_path / "other")
    elif kind == "summary":
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(real))
    before = sorted(tmp_path.iterdir())
    with files_of_at_most(100_000), pytest.raises(ReqfloError, match="cannot be written: File too large") as caught:
        write(path, b"n" * 200_000)
    assert (caught.value.code, caught.value.exit_code) == ("output_not_written", 3)
    assert real.read_bytes() == b"old"
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("kind", ["new", "regular", "named twice"])
def test_what_is_not_made_is_not_written(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "report"
    if kind != "new":
        path.write_bytes(b"old")
    if kind == "named twice":
        os.link(path, tmp_path / "other")
    before = {each: each.read_bytes() for each in tmp_path.iterdir()}
    with pytest.raises(KeyError), whole_file(path) as file:
        file.write(b"half")
        raise KeyError
    assert {each: each.read_bytes() for each in tmp_path.iterdir()} == before


@given(held=st.binary(max_size=200), written=st.binary(max_size=200))
def test_a_file_that_is_written_in_place_holds_what_was_written_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, held: bytes, written: bytes
) -> None:
    folder = tmp_path_factory.mktemp("place")
    (folder / "one").write_bytes(held)
    os.link(folder / "one", folder / "two")
    write(folder / "one", written)
    assert (folder / "two").read_bytes() == written
