"""A compiled journey that a person names may be a pipe; what it is, it is read to the end or refused."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from reqflo_ray._internal.runs.folder import artifacts
from reqflo_ray._internal.runs.folder.artifacts import read_given


def test_a_fifo_that_nobody_writes_to_is_empty_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert read_given(tmp_path / "fifo") == b""


def test_a_pipe_of_the_shell_is_read_to_its_end() -> None:
    reading, writing = os.pipe()

    def write() -> None:
        for _ in range(3):
            os.write(writing, b"x" * 50_000)
        os.close(writing)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert read_given(Path(f"/dev/fd/{reading}")) == b"x" * 150_000
    finally:
        writer.join()
        os.close(reading)


@pytest.mark.parametrize("name", ["", "nowhere", "loop"])
def test_what_cannot_be_read_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError):
        read_given(tmp_path / name)


def test_what_has_no_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifacts, "MAX_BYTES", 2**20)
    with pytest.raises(OSError, match="more than 1 MiB"):
        read_given(Path("/dev/zero"))
