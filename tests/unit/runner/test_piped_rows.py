"""Rows that can be read only once are kept while they are used, whoever asks for them and however often."""

from __future__ import annotations

import gzip
import os
import pty
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from reqflo_ray._internal.errors import DatasetError, NothingSelectedError, UsageError
from reqflo_ray._internal.runner.prepare.request import Dataset
from reqflo_ray._internal.runner.prepare.rows.on_disk import is_on_disk, on_disk

Piped = Callable[[bytes], str]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def piped() -> Iterator[Piped]:
    """The name of a pipe through which these bytes come, as `<(…)` gives it."""
    opened: list[int] = []
    writers: list[threading.Thread] = []

    def pipe(data: bytes) -> str:
        read, write = os.pipe()
        opened.append(read)

        def put() -> None:
            with suppress(BrokenPipeError), open(write, "wb") as stream:
                stream.write(data)

        writers.append(threading.Thread(target=put))
        writers[-1].start()
        return f"/dev/fd/{read}"

    yield pipe
    for descriptor in opened:
        os.close(descriptor)
    for writer in writers:
        writer.join()


def left(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]


def test_what_comes_through_a_pipe_can_be_read_twice_and_is_gone_afterwards(piped: Piped, folder: Path) -> None:
    data = b"id,x\n1,a\n" * 300_000  # more than a pipe or a block holds
    given = Dataset(piped(data), key="id", delimiter=",")
    assert not is_on_disk(given)
    with on_disk(given) as dataset:
        (file,) = dataset.files
        assert Path(file).read_bytes() == Path(file).read_bytes() == data
        assert (dataset.key, dataset.delimiter) == ("id", ",")
        assert Path(file).stat().st_mode & 0o777 == 0o600
    assert left(folder) == []


def test_the_same_rows_through_another_pipe_are_the_same_dataset(piped: Piped) -> None:
    with (
        on_disk(Dataset(piped(b"id\n1\n"))) as first,
        on_disk(Dataset(piped(b"id\n1\n"))) as second,
        on_disk(Dataset(piped(b"id\n2\n"))) as other,
    ):
        assert first.files == second.files != other.files


def test_pipes_and_files_keep_their_order(piped: Piped, folder: Path) -> None:
    plain = folder / "b.csv"
    plain.write_bytes(b"id\n2\n")
    with on_disk(Dataset([piped(b"id\n1\n"), plain, piped(b"id\n3\n")])) as dataset:
        assert [Path(file).read_bytes()[3:4] for file in dataset.files] == [b"1", b"2", b"3"]


@pytest.mark.parametrize(
    ("name", "ending"), [("rows.jsonl", ".jsonl"), ("rows.CSV.gz", ".CSV.gz"), ("rows", ""), ("rows.fifo", "")]
)
def test_the_ending_of_a_fifo_says_its_format(folder: Path, name: str, ending: str) -> None:
    fifo = folder / name
    os.mkfifo(fifo)
    writer = threading.Thread(target=fifo.write_bytes, args=(gzip.compress(b"{}"),))
    writer.start()
    with on_disk(Dataset(fifo)) as dataset:
        assert "".join(Path(dataset.files[0]).suffixes) == ending
    writer.join()


@pytest.mark.parametrize("name", ["-", "/dev/stdin", "/dev/fd/0"])
def test_standard_input_has_several_names(name: str, piped: Piped) -> None:
    kept = os.dup(0)
    try:
        os.dup2(int(piped(b"id\n1\n").rpartition("/")[2]), 0)
        with on_disk(Dataset(name)) as dataset:
            assert Path(dataset.files[0]).read_bytes() == b"id\n1\n"
    finally:
        os.dup2(kept, 0)
        os.close(kept)


def test_a_terminal_is_refused_with_a_hint(folder: Path) -> None:
    master, slave = pty.openpty()
    try:
        with pytest.raises(UsageError, match="is a terminal") as caught, on_disk(Dataset(f"/dev/fd/{slave}")):
            raise AssertionError("never reached")
    finally:
        os.close(master)
        os.close(slave)
    assert caught.value.code == "data_from_terminal"
    assert "--data -" in caught.value.hint
    assert left(folder) == []


def test_a_pipe_through_which_nothing_comes_is_no_row(piped: Piped, folder: Path) -> None:
    with (
        pytest.raises(NothingSelectedError, match=r"`/dev/fd/[0-9]+` is empty") as caught,
        on_disk(Dataset(piped(b""))),
    ):
        raise AssertionError("never reached")
    assert caught.value.hint
    assert left(folder) == []


def test_a_pipe_that_is_given_twice_is_refused(piped: Piped, folder: Path) -> None:
    name = piped(b"id\n1\n")
    other = name.replace("/dev/fd", "/proc/self/fd")
    with pytest.raises(DatasetError, match="is named twice") as caught, on_disk(Dataset([name, other])):
        raise AssertionError("never reached")
    assert caught.value.code == "file_given_twice"
    assert left(folder) == []


def test_a_descriptor_that_is_closed_is_told(folder: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    os.close(write)
    with pytest.raises(DatasetError, match="cannot be read") as caught, on_disk(Dataset(f"/dev/fd/{read}")):
        raise AssertionError("never reached")
    assert caught.value.code == "unreadable_file"
    assert left(folder) == []


@pytest.mark.parametrize("name", ["/dev/null", "a.csv", "./-", "*.csv", "s3://bucket/-", "/dev/fd/x", ""])
def test_other_names_are_those_of_files(name: str) -> None:
    assert is_on_disk(Dataset(name))
