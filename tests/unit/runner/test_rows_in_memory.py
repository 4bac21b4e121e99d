"""Rows that a program holds: they become a file that is read as any other, and is gone afterwards."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from reqflo_ray._internal.errors import UsageError
from reqflo_ray._internal.runner.prepare.request import Dataset
from reqflo_ray._internal.runner.prepare.rows.on_disk import on_disk


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def _lines(rows: object) -> list[object]:
    with on_disk(Dataset(rows)) as dataset:
        [file] = dataset.files
        return [json.loads(line) for line in Path(file).read_text().split("\n") if line]


def _left(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]


def test_mappings_become_json_lines_in_their_order() -> None:
    assert _lines([{"b": 1, "a": "x"}, {"a": None, "c": [1, {"d": True}]}]) == [
        {"b": 1, "a": "x"},
        {"a": None, "c": [1, {"d": True}]},
    ]


def test_a_generator_is_read_once() -> None:
    assert _lines({"n": number} for number in range(3)) == [{"n": 0}, {"n": 1}, {"n": 2}]


def test_instants_and_ids_are_text_and_every_digit_of_a_number_stays() -> None:
    row = {
        "at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "on": date(2026, 1, 2),
        "id": UUID(int=7),
        "much": Decimal("1.10"),
    }
    with on_disk(Dataset([row])) as dataset:
        text = Path(dataset.files[0]).read_text()
    assert '"2026-01-02T03:04:05+00:00"' in text and '"2026-01-02"' in text
    assert str(UUID(int=7)) in text and "1.10" in text


def test_an_arrow_table_becomes_parquet_with_its_types() -> None:
    table = pa.table({"n": pa.array([1, 2], pa.int16()), "t": ["a", None]})
    with on_disk(Dataset(table)) as dataset:
        read = parquet.read_table(dataset.files[0])
    assert read.equals(table)


def test_whatever_exports_an_arrow_stream_is_a_table() -> None:
    reader = pa.table({"n": [1, 2, 3]}).to_reader()
    with on_disk(Dataset(reader)) as dataset:
        assert parquet.read_table(dataset.files[0])["n"].to_pylist() == [1, 2, 3]


def test_key_encoding_and_strictness_stay() -> None:
    with on_disk(Dataset([{"a": 1}], key="a", strict=True)) as dataset:
        assert (dataset.key, dataset.encoding, dataset.strict) == ("a", "utf-8", True)


@pytest.mark.parametrize("source", ["a.csv", ["a.csv", Path("b.csv")], ("x/*.csv",), None])
def test_files_are_given_back_as_they_are(source: object, folder: Path) -> None:
    given_ = Dataset(source)
    with on_disk(given_) as dataset:
        assert dataset is given_
    assert not _left(folder)


def test_the_file_is_gone_when_the_block_ends_and_when_it_fails(folder: Path) -> None:
    with on_disk(Dataset([{"a": 1}])):
        assert len(_left(folder)) == 1
    assert not _left(folder)
    with pytest.raises(RuntimeError), on_disk(Dataset([{"a": 1}])):
        raise RuntimeError
    assert not _left(folder)


def test_the_same_rows_have_the_same_name_and_others_another() -> None:
    with (
        on_disk(Dataset([{"a": 1}])) as first,
        on_disk(Dataset([{"a": 1}])) as second,
        on_disk(Dataset([{"a": 2}])) as other,
    ):
        assert first.files == second.files != other.files


def test_who_still_reads_the_rows_keeps_them(folder: Path) -> None:
    with on_disk(Dataset([{"a": 1}])) as first:
        with on_disk(Dataset([{"a": 1}])):
            pass
        assert Path(first.files[0]).read_text() == '{"a":1}\n'
    assert not _left(folder)


def test_nobody_else_can_read_the_rows(folder: Path) -> None:
    with on_disk(Dataset([{"a": "secret"}])) as dataset:
        file = Path(dataset.files[0])
        assert file.stat().st_mode & 0o077 == 0 == file.parent.stat().st_mode & 0o077


def test_a_folder_that_others_can_write_to_is_refused(folder: Path) -> None:
    with on_disk(Dataset([{"a": 1}])) as dataset:
        own = Path(dataset.files[0]).parent
    own.chmod(0o777)
    with pytest.raises(UsageError, match="belongs to another user"), on_disk(Dataset([{"a": 1}])):
        raise AssertionError("never reached")


@pytest.mark.parametrize("rows", [[], (), iter(())])
def test_no_rows_are_no_rows_and_not_one_without_values(rows: object) -> None:
    assert Dataset(rows).is_in_memory and _lines(rows) == []


def test_what_a_killed_process_left_is_gone_with_the_next_rows(folder: Path) -> None:
    with on_disk(Dataset([{"a": 1}])) as dataset:
        own = Path(dataset.files[0]).parent
    (own / "left.jsonl").write_text("secret")
    with on_disk(Dataset([{"a": 2}])):
        assert not (own / "left.jsonl").exists()


def test_what_lies_under_the_name_of_rows_is_not_believed(folder: Path) -> None:
    with on_disk(Dataset([{"a": 1}])) as dataset:
        file = Path(dataset.files[0])
    file.write_text('{"a":666}\n')
    with on_disk(Dataset([{"a": 1}])):
        assert file.read_text() == '{"a":1}\n'
        file.write_text('{"a":666}\n')
        with pytest.raises(UsageError, match="do not match its name"), on_disk(Dataset([{"a": 1}])):
            raise AssertionError("never reached")


def test_an_error_of_a_missing_file_within_the_block_stays_what_it_is() -> None:
    with pytest.raises(FileNotFoundError, match="of the caller"), on_disk(Dataset([{"a": 1}])):
        raise FileNotFoundError("of the caller")


@pytest.mark.parametrize("place", ["missing", "file"])
def test_a_temporary_folder_that_cannot_be_used_is_a_clear_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (folder / "file").write_text("")
    monkeypatch.setattr(tempfile, "tempdir", str(folder / place))
    with pytest.raises(UsageError) as caught, on_disk(Dataset([{"a": 1}])):
        raise AssertionError("never reached")
    assert caught.value.code == "no_temporary_folder" and caught.value.cause and "TMPDIR" in caught.value.hint


def _rows_that_end_badly() -> Iterator[dict[str, int]]:
    yield {"a": 1}
    raise KeyError("of the caller")


def test_an_error_of_the_callers_own_iterator_is_raised_as_it_is(folder: Path) -> None:
    with pytest.raises(KeyError, match="of the caller"), on_disk(Dataset(_rows_that_end_badly())):
        raise AssertionError("never reached")
    assert not _left(folder)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (7, "a dataset cannot be of type `int`"),
        ({"a": 1}, "a dataset cannot be of type `dict`"),
        (b"a,b", "a dataset cannot be of type `bytes`"),
        ([{"a": 1}, "b.csv"], "row 1 is of type `str`, not a mapping"),
        ([{"a": 1}, 2], "row 1 is of type `int`, not a mapping"),
        ([{0: 1}], "row 0 has a column `0`, whose name is not text"),
        ([{"a": object()}], "row 0 has a value that JSON cannot represent"),
        ([{"a": float("nan")}], "row 0 has a value that JSON cannot represent"),
        ([{"a": b"bytes"}], "row 0 has a value that JSON cannot represent"),
        ([{"a": {1: 2}}], "row 0 has a value that JSON cannot represent"),
        ([{"a": {1, 2}}], "row 0 has a value that JSON cannot represent"),
        (pa.chunked_array([[1, 2]]), "an object of type `ChunkedArray` is not a table"),
    ],
)
def test_what_is_neither_files_nor_rows_is_refused(source: object, told: str, folder: Path) -> None:
    with pytest.raises(UsageError) as caught, on_disk(Dataset(source)):
        raise AssertionError("never reached")
    assert caught.value.code == "invalid_rows" and caught.value.message == told and caught.value.hint
    assert not _left(folder)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.lists(st.dictionaries(st.text(min_size=1), _VALUES, max_size=4), min_size=1, max_size=4))
def test_all_that_json_can_say_comes_back_as_it_was(rows: list[dict[str, object]]) -> None:
    assert _lines(rows) == rows
