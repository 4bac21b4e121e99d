"""What is seen of a place before anything is sent: all that could not be written is refused, and nothing is touched."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reqflo_ray._internal.errors import UsageError
from reqflo_ray._internal.outputs.place import Kind, find_place

NOBODY = 65534


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody may look into, and only its owner may write to."""
    made = Path(tempfile.mkdtemp(prefix="place-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@contextmanager
def without_rights() -> Iterator[None]:
    """Be somebody who owns nothing: root may write what nobody else may."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def refusal(path: Path | str) -> str:
    with pytest.raises(UsageError) as caught:
        find_place(Path(path))
    assert (caught.value.code, caught.value.exit_code) == ("output_not_writable", 2)
    assert caught.value.hint
    return caught.value.message


def linked_to_itself(folder: Path) -> Path:
    (folder / "loop").symlink_to("loop")
    return folder / "loop"


def below_a_file(folder: Path) -> Path:
    (folder / "file").touch()
    return folder / "file" / "x" / "r.xml"


def below_a_link_to_a_file(folder: Path) -> Path:
    (folder / "file").touch()
    (folder / "link").symlink_to("file")
    return folder / "link" / "r.xml"


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        (lambda folder: folder, "it is a folder"),
        (lambda folder: folder / "." / "..", "it is a folder"),
        (below_a_file, "file` is not a folder"),
        (below_a_link_to_a_file, "is not a folder"),
        (linked_to_itself, "symbolic links"),
        (lambda folder: folder / ("x" * 256), "too long"),
        (lambda folder: folder / "missing" / ("ä" * 128), "a name in it is longer than 255 bytes"),
        (lambda folder: folder / ("x" * 256) / "r.xml", "too long"),
        (lambda folder: folder / "a\0b", "its name contains a NUL"),
        (lambda folder: "s3://bucket/r.xml", "it is a URI"),
        (lambda folder: "file:///tmp/r.xml", "it is a URI"),
        (lambda folder: "/dev/fd/987", "descriptor 987 is not open"),
        (lambda folder: "/dev/fd/99999999999999999999", "is not open"),
    ],
)
def test_what_could_not_be_written_is_refused_with_its_reason(
    folder: Path, place: Callable[[Path], Path | str], reason: str
) -> None:
    assert reason in refusal(place(folder))


def test_a_socket_is_refused(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "socket"))
        assert "it is a socket" in refusal(folder / "socket")


def test_a_disk_is_refused(folder: Path) -> None:
    try:
        os.mknod(folder / "disk", stat.S_IFBLK | 0o666, os.makedev(240, 0))
    except PermissionError:
        pytest.skip("no device can be made here")
    assert "block device" in refusal(folder / "disk")


def test_what_is_open_for_reading_only_is_refused(folder: Path) -> None:
    (folder / "file").touch()
    with (folder / "file").open("rb") as file:
        os.set_inheritable(file.fileno(), True)
        assert "open for reading only" in refusal(f"/dev/fd/{file.fileno()}")


@pytest.mark.parametrize("kind", ["file", "fifo", "link", "folder", "missing folder", "closed folder"])
def test_what_belongs_to_others_is_refused(folder: Path, kind: str) -> None:
    path = folder / "report"
    match kind:
        case "file":
            path.write_text("old")
        case "fifo":
            os.mkfifo(path, 0o644)
        case "link":
            (folder / "real").write_text("old")
            path.symlink_to("real")
        case "missing folder":
            path = folder / "a" / "b" / "report"
        case "closed folder":
            (folder / "closed").mkdir(mode=0o700)
            path = folder / "closed" / "report"
    with without_rights():
        message = refusal(path)
    assert "is not writable" in message or "permission denied" in message


def test_a_file_of_ones_own_in_a_folder_of_another_can_be_written(folder: Path) -> None:
    (folder / "report").write_text("old")
    (folder / "report").chmod(0o666)
    with without_rights():
        assert find_place(folder / "report").kind is Kind.FILE


def test_what_is_immutable_is_refused_for_root_too(folder: Path) -> None:
    path = folder / "report"
    path.write_text("old")
    if shutil.which("chattr") is None or subprocess.run(["chattr", "+i", path], check=False).returncode:
        pytest.skip("nothing can be made immutable here")
    try:
        assert "it is not writable" in refusal(path)
    finally:
        subprocess.run(["chattr", "-i", path], check=True)


def test_a_file_system_that_is_read_only_is_refused_for_root_too(folder: Path) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "ro,size=4k", "none", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        assert "is not writable" in refusal(folder / "new" / "report")
    finally:
        subprocess.run(["umount", folder], check=True)


def test_looking_opens_and_changes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(folder / "fifo")  # opened, it would wait for its reader
    (folder / "file").write_text("held")
    (folder / "link").symlink_to("not there")

    def state() -> list[tuple[str, int, int, int]]:
        # Not when it was read last: to ask where a link leads is to read it.
        found = [(path.name, path.lstat()) for path in sorted(folder.rglob("*"))]
        return [(name, facts.st_ino, facts.st_size, facts.st_ctime_ns) for name, facts in found]

    def refuse_to_open(*_: object, **__: object) -> int:
        raise AssertionError("it was opened")

    before = state()
    monkeypatch.setattr(os, "open", refuse_to_open)
    found = [find_place(folder / name).kind for name in ("fifo", "file", "link", "a/b/c")]
    monkeypatch.undo()
    assert found == [Kind.FIFO, Kind.FILE, Kind.NEW, Kind.NEW]
    assert state() == before


@pytest.mark.parametrize("spelling", ["file", "./file", "sub/../file", "link", "hard", "chain"])
def test_a_file_is_known_by_whatever_name(folder: Path, spelling: str) -> None:
    (folder / "file").touch()
    (folder / "sub").mkdir()
    (folder / "link").symlink_to("file")
    (folder / "chain").symlink_to(folder / "link")
    os.link(folder / "file", folder / "hard")
    assert find_place(folder / spelling).excludes(find_place(folder / "file"))
    assert not find_place(folder / spelling).excludes(find_place(folder / "other"))


def test_a_file_that_is_not_there_is_known_too(folder: Path) -> None:
    (folder / "link").symlink_to("later")
    later = find_place(folder / "later")
    assert find_place(folder / "link").excludes(later)
    assert find_place(folder / "later" / "below").excludes(later)
    assert not find_place(folder / "later2").excludes(later)


def test_a_device_takes_several_reports() -> None:
    null = find_place(Path("/dev/null"))
    assert null.kind is Kind.DEVICE
    assert not null.excludes(null)
