"""Which files a dataset has, how they are opened, and what can be said of them at once."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reqflo_ray._internal.datasets.faults import DataFile, Faults
from reqflo_ray._internal.datasets.files import DataFormat, detect_format, find_files
from reqflo_ray._internal.datasets.preview import count_rows, estimate_rows, read_columns
from reqflo_ray._internal.datasets.rows import DatasetRows
from reqflo_ray._internal.errors import DatasetError
from reqflo_ray._internal.model.artifact import Artifact, Input, JourneyIdentity
from reqflo_ray._internal.model.plan import DatasetSource


def names(*patterns: str) -> tuple[list[str], list[str]]:
    """The files found, and the codes of the faults."""
    faults = Faults(show_text=True)
    files = find_files(patterns, faults)
    assert [file.number for file in files] == list(range(len(files)))
    return [file.name for file in files], [problem.code for problem in faults.problems()]


def values(*files: Path | str, encoding: str = "utf-8") -> list[Any]:
    """The values of all rows."""
    source = DatasetSource(files=tuple(map(str, files)), encoding=encoding)
    artifact = Artifact(journey=JourneyIdentity(name="j"), inputs=(Input(name="id"),))
    return [row.values for row in DatasetRows(source, artifact, frozenset()).read()]


def codes(*files: Path | str) -> list[str]:
    """The codes of what is wrong."""
    with pytest.raises(DatasetError) as caught:
        values(*files)
    return [problem.code for problem in caught.value.problems]


def test_a_glob_gives_its_matches_by_name_and_patterns_keep_their_order(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv", "c.txt"):
        (tmp_path / name).write_text("id\n")
    found = names(f"{tmp_path}/c.txt", f"{tmp_path}/*.csv")
    assert found == ([f"{tmp_path}/{name}" for name in ("c.txt", "a.csv", "b.csv")], [])


def test_a_name_that_looks_like_a_glob_is_the_file_if_it_exists(tmp_path: Path) -> None:
    odd = tmp_path / "data[1].csv"
    odd.write_text("id\n")
    (tmp_path / "data1.csv").write_text("id\n")
    assert names(str(odd)) == ([str(odd)], [])


def test_what_cannot_be_found_is_named_and_nothing_is_silent(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id\n")
    assert names(f"{tmp_path}/*.parquet") == ([], ["no_such_file"])
    assert names(f"{tmp_path}/b.csv", f"{tmp_path}/a.csv") == ([f"{tmp_path}/a.csv"], ["no_such_file"])
    assert names(str(tmp_path)) == ([], ["not_a_file"])
    assert names(f"{tmp_path}/a.csv", f"{tmp_path}/*.csv") == ([f"{tmp_path}/a.csv"], ["file_given_twice"])


def test_an_address_is_read_like_a_path(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id\n1\n")
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(b"id\n2\n"))
    address = f"file://{tmp_path}"
    assert values(f"{address}/a.csv", f"{address}/b.csv.gz") == [{"id": "1"}, {"id": "2"}]
    assert names(f"{address}/*.csv*") == ([f"{address}/a.csv", f"{address}/b.csv.gz"], [])
    assert names(f"{address}/c.csv") == ([], ["no_such_file"])
    assert names("nowhere://bucket/a.csv") == ([], ["unreadable_file"])
    assert estimate_rows(DatasetSource(files=(f"{address}/a.csv",))) == 1


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.csv", b"id\n", DataFormat.CSV),
        ("a.CSV", b"id\n", DataFormat.CSV),
        ("a.tsv", b"id\n", DataFormat.TSV),
        ("a.json", b"{", DataFormat.JSON),
        ("a.ndjson", b"", DataFormat.JSON_LINES),
        ("a.csv.gz", gzip.compress(b"id\n", mtime=0), DataFormat.CSV),
        ("a.jsonl", gzip.compress(b"{}", mtime=0), DataFormat.JSON_LINES),
        ("a.data", b"PAR1", DataFormat.PARQUET),
        ("a", b"\xef\xbb\xbf \n[", DataFormat.JSON),
        ("a.txt", b'\n{"id": 1}', DataFormat.JSON_LINES),
        ("a.txt", b"id,name", DataFormat.CSV),
        ("a", gzip.compress(b"[1]", mtime=0), DataFormat.JSON),
    ],
)
def test_the_extension_tells_the_format_and_else_the_first_bytes(
    tmp_path: Path, name: str, data: bytes, expected: DataFormat
) -> None:
    (tmp_path / name).write_bytes(data)
    assert detect_format(DataFile(0, str(tmp_path / name)), Faults(show_text=True)) is expected


def test_gzip_is_read_in_every_format(tmp_path: Path) -> None:
    plain = tmp_path / "a.parquet"
    pq.write_table(pa.table({"id": ["1"]}), plain)
    for name, data in {
        "a.csv.gz": b"id\n1\n",
        "a.tsv.gz": b"id\n1\n",
        "a.json.gz": b'[{"id": "1"}]',
        "a.jsonl.gz": b'{"id": "1"}',
        "a.parquet.gz": plain.read_bytes(),
    }.items():
        (tmp_path / name).write_bytes(gzip.compress(data))
        assert values(tmp_path / name) == [{"id": "1"}], name


def test_gzip_in_several_parts_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"id\n1\n") + gzip.compress(b"2\n"))
    assert values(tmp_path / "a.csv.gz") == [{"id": "1"}, {"id": "2"}]


@pytest.mark.parametrize("cut", [3, 15, -1])
def test_cut_gzip_is_a_fault(tmp_path: Path, cut: int) -> None:
    packed = gzip.compress(b"id\n" + bytes(range(65, 90)) * 10, mtime=0)
    (tmp_path / "a.csv.gz").write_bytes(packed[:cut])
    assert codes(tmp_path / "a.csv.gz")[0] == "damaged_gzip"


def test_damaged_gzip_is_a_fault(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(b"id\n" + bytes(range(65, 90)) * 1000, mtime=0))
    packed[-6] ^= 0xFF
    (tmp_path / "a.csv.gz").write_bytes(packed)
    assert codes(tmp_path / "a.csv.gz") == ["damaged_gzip"]


def test_a_file_that_may_not_be_read_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.csv").write_text("id\n1\n")

    def refuse(name: str) -> Any:
        raise PermissionError(13, "Permission denied", name)

    monkeypatch.setattr("reqflo_ray._internal.datasets.files.open_raw", refuse)
    assert codes(tmp_path / "a.csv") == ["unreadable_file"]


def test_columns_are_read_from_the_beginning_only(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('id,name\n1,a\n2,"broken\n')
    (tmp_path / "b.parquet").write_bytes(b"")
    pq.write_table(pa.table({"id": ["1"], "qty": [1]}), tmp_path / "b.parquet")
    lines = "".join(f'{{"id": {number}, "x{number}": 1}}\n' for number in range(150))
    (tmp_path / "c.jsonl").write_text(lines)
    assert read_columns(DatasetSource(files=(str(tmp_path / "a.csv"),))).names == ("id", "name")
    assert read_columns(DatasetSource(files=(str(tmp_path / "b.parquet"),))).names == ("id", "qty")
    columns = read_columns(DatasetSource(files=(str(tmp_path / "c.jsonl"),))).names
    assert columns[:2] == ("id", "x0")
    assert len(columns) == 101
    assert read_columns(DatasetSource(files=(str(tmp_path / "a.csv"), str(tmp_path / "b.parquet")))).names == (
        "id",
        "name",
        "qty",
    )


def test_columns_of_a_bad_dataset_are_an_error_without_its_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,card-4111,card-4111\n")
    with pytest.raises(DatasetError) as caught:
        read_columns(DatasetSource(files=(str(tmp_path / "a.csv"), str(tmp_path / "absent.csv"))))
    first, second = caught.value.problems
    assert (first.code, second.code) == ("duplicate_column", "no_such_file")
    assert first.position is not None
    assert first.position.text == ""
    with pytest.raises(DatasetError) as caught:
        read_columns(DatasetSource(files=(str(tmp_path / "a.csv"),)), show_text=True)
    assert caught.value.position is not None
    assert caught.value.position.text == "id,card-4111,card-4111"


def test_the_estimate_is_exact_for_little_and_near_for_much_and_a_count_is_exact(tmp_path: Path) -> None:
    rows = "".join(f"{number:06d},name\n" for number in range(20_000))
    (tmp_path / "a.csv").write_text("id,name\n" + rows)
    (tmp_path / "b.csv").write_text("id,name\n1,a\n2,b\n")
    pq.write_table(pa.table({"id": range(777)}), tmp_path / "c.parquet")
    (tmp_path / "d.csv").write_text("id\n")
    everything = tuple(str(tmp_path / name) for name in ("a.csv", "b.csv", "c.parquet", "d.csv", "absent.csv"))
    assert count_rows(DatasetSource(files=everything)) == 20_779
    assert 19_000 < estimate_rows(DatasetSource(files=(str(tmp_path / "a.csv"),))) < 21_000
    assert estimate_rows(DatasetSource(files=(str(tmp_path / "b.csv"), str(tmp_path / "c.parquet")))) == 779
    assert estimate_rows(DatasetSource(files=(str(tmp_path / "d.csv"), str(tmp_path / "absent.csv")))) == 0
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(("id,name\n" + rows).encode()))
    assert estimate_rows(DatasetSource(files=(str(tmp_path / "a.csv.gz"),))) > 1000
    assert count_rows(DatasetSource(files=(str(tmp_path / "a.csv.gz"),))) == 20_000
