"""CSV as spreadsheets write it: what comes between cells is found, never silently, and rows of nothing are counted."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqflo_ray._internal.datasets.csv_rows import CsvReader
from reqflo_ray._internal.datasets.faults import DataFile, Faults
from reqflo_ray._internal.datasets.preview import read_columns
from reqflo_ray._internal.datasets.rows import DatasetRows
from reqflo_ray._internal.errors import DatasetError, Severity, UsageError
from reqflo_ray._internal.model.artifact import Artifact, Input, JourneyIdentity
from reqflo_ray._internal.model.plan import DatasetSource
from reqflo_ray._internal.model.values import JsonValue, ValueType
from reqflo_ray._internal.runner.prepare.request import Dataset

ARTIFACT = Artifact(journey=JourneyIdentity(name="j"), inputs=(Input(name="n", type=ValueType.BOOLEAN),))


class Files:
    """Writes a file of a dataset and reads it as a run does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def source(self, text: str | bytes, name: str = "rows.csv", delimiter: str = "") -> DatasetSource:
        path = self.folder / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return DatasetSource(files=(str(path),), delimiter=delimiter)

    def rows(self, text: str | bytes, name: str = "rows.csv", delimiter: str = "") -> list[dict[str, JsonValue]]:
        return [row.values for row in DatasetRows(self.source(text, name, delimiter), ARTIFACT, frozenset()).read()]

    def remark(self, text: str, name: str = "rows.csv", delimiter: str = "") -> str:
        remarks = read_columns(self.source(text, name, delimiter)).remarks
        assert all(remark.severity is Severity.WARNING for remark in remarks)
        return "".join(remark.message.partition("rows")[2] for remark in remarks)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.mark.parametrize(
    ("text", "row", "remark"),
    [
        ("id;x\n1;a\n", {"id": "1", "x": "a"}, ".csv` are read as separated by semicolons"),
        ("id\tx\n1\ta\n", {"id": "1", "x": "a"}, ".csv` are read as separated by tabs"),
        ("id|x\r\n1|a\r\n", {"id": "1", "x": "a"}, ".csv` are read as separated by bars"),
        ("\ufeffid;price\n1;2,50\n", {"id": "1", "price": "2,50"}, ".csv` are read as separated by semicolons"),
        ('"id";"x;y"\n"1";"a;b"\n', {"id": "1", "x;y": "a;b"}, ".csv` are read as separated by semicolons"),
        ('id;"a,b"\n1;"2,3"\n', {"id": "1", "a,b": "2,3"}, ".csv` are read as separated by semicolons"),
        ("id;a,b;c\n1;2;3\n4;5;6\n", {"id": "1", "a,b": "2", "c": "3"},
         ".csv` are read as separated by semicolons; its header has commas too"),
        ("id,a;b\n1,2\n4,5;6\n", {"id": "1", "a;b": "2"},
         ".csv` are read as separated by commas; its header has semicolons too"),
        ("id,a;b\n", {}, ".csv` are read as separated by commas; its header has semicolons too"),
        ("id;a|b;c\n1;2;3\n", {"id": "1", "a|b": "2", "c": "3"},
         ".csv` are read as separated by semicolons; its header has bars too"),
        ("sep=;\nid;x\n1;a\n", {"id": "1", "x": "a"}, ".csv` are read as separated by semicolons"),
        ("sep=,\r\nid,x\r\n1,a\r\n", {"id": "1", "x": "a"}, ""),
        ("SEP=\t\nid\tx,y\n1\ta,b\n", {"id": "1", "x,y": "a,b"}, ".csv` are read as separated by tabs"),
        ('"sep=^"\nid^x\n1^a\n', {"id": "1", "x": "a"}, ".csv` are read as separated by `^`"),
        ("id,x\n1,a;b\n", {"id": "1", "x": "a;b"}, ""),
        ('id,"x;y"\n1,a\n', {"id": "1", "x;y": "a"}, ""),
        ("text\nhello; world\na|b\n", {"text": "hello; world"}, ""),
        ('"a;b"\n1\n', {"a;b": "1"}, ""),
        ('"a\n;b",c\n1,2\n', {"a\n;b": "1", "c": "2"}, ""),
        ('x\n"1;2"\n', {"x": "1;2"}, ""),
    ],
)  # fmt: skip
def test_what_comes_between_cells_is_found_and_said(
    files: Files, text: str, row: dict[str, JsonValue], remark: str
) -> None:
    assert files.rows(text)[:1] == ([row] if row else [])
    assert files.remark(text) == remark


def test_a_tsv_may_hold_something_else_than_tabs(files: Files) -> None:
    assert files.rows("a\tb\n1\t2\n", "rows.tsv") == [{"a": "1", "b": "2"}]
    assert files.remark("a\tb\n1\t2\n", "rows.tsv") == ""
    assert files.rows("a,b\n1,2\n", "rows.tsv") == [{"a": "1", "b": "2"}]
    assert files.remark("a,b\n1,2\n", "rows.tsv") == ".tsv` are read as separated by commas"


def test_several_files_with_semicolons_are_one_remark(files: Files) -> None:
    sources = [files.source("a;b\n1;2\n", f"rows-{number}.csv") for number in range(3)]
    (remark,) = read_columns(DatasetSource(files=tuple(source.files[0] for source in sources))).remarks
    assert remark.message.endswith(
        "/rows-0.csv` are read as separated by semicolons; 2 more files have unusual delimiters"
    )
    assert remark.hint.startswith("pass `--delimiter ';'`")


def test_a_delimiter_that_is_given_is_taken_without_a_remark(files: Files) -> None:
    assert files.rows("a;b,c\n1;2,3\n", delimiter=";") == [{"a": "1", "b,c": "2,3"}]
    assert files.rows("a;b\n1;2\n", delimiter=",") == [{"a;b": "1;2"}]
    assert files.rows("sep=;\na,b\n1,2\n", delimiter=",") == [{"a": "1", "b": "2"}]
    assert files.rows("a]b\n1]2\n", delimiter="]") == [{"a": "1", "b": "2"}]
    assert files.rows('a^b\n1^"^"\n', delimiter="^") == [{"a": "1", "b": "^"}]
    assert files.remark("a;b\n1;2\n", delimiter=";") == ""


def test_rows_that_do_not_tell_are_refused_with_the_option_named(files: Files) -> None:
    with pytest.raises(DatasetError) as caught:
        files.rows("a;b|c\n1;2|3\n")
    assert caught.value.code == "wrong_delimiter"
    assert "semicolons and bars" in caught.value.message
    assert "--delimiter" in caught.value.hint


@pytest.mark.parametrize("given", ["ab", '"', "\n", "\0", "x", "1", ";;"])
def test_what_cannot_be_a_delimiter_is_refused(given: str) -> None:
    with pytest.raises(UsageError, match="`delimiter` cannot be") as caught:
        Dataset("rows.csv", delimiter=given)
    assert caught.value.code == "invalid_option"


@pytest.mark.parametrize("given", ["tab", "\\t", "\t"])
def test_a_tab_can_be_named(given: str) -> None:
    assert Dataset("rows.csv", delimiter=given).as_source().delimiter == "\t"


def test_a_delimiter_of_another_type_is_refused() -> None:
    with pytest.raises(UsageError, match="`delimiter` cannot be"):
        Dataset("rows.csv", delimiter=None)  # type: ignore[arg-type]


@given(
    st.sampled_from(",;\t|"),
    st.lists(st.lists(st.text("ab ,;|", max_size=5), min_size=3, max_size=3), min_size=1, max_size=5),
)
def test_a_file_with_every_text_in_quotes_is_read_whatever_is_between(mark: str, rows: list[list[str]]) -> None:
    lines = [mark.join(f'"{cell}"' for cell in row) for row in (["x", "y;,", "z|"], *rows)]
    faults = Faults(show_text=True)
    reader = CsvReader(DataFile(0, "rows.csv"), BytesIO("\n".join(lines).encode()), "utf-8", faults)
    assert reader.header() == ("x", "y;,", "z|")
    assert [list(values.values()) for _, values, _ in reader.records()] == rows
    assert faults.count == 0


@pytest.mark.parametrize(
    ("text", "rows", "count", "line"),
    [
        ("id,x\n1,a\n,\n,\n", 1, 2, 3),
        ("id;x\r\n1;a\r\n;\r\n", 1, 1, 3),
        ("id,x\n,\n1,a\n,,,,\n  \n", 1, 3, 2),
        ("\t\nid\tx\n\t\n1\ta\n", 1, 2, 1),
        ('id,x\n"",\n1,a\n', 2, 0, 0),
        ("id,x\n\n\n1,a\n", 1, 0, 0),
        ("id,x\n,a\n1,\n", 2, 0, 0),
    ],
)
def test_rows_of_empty_cells_are_passed_over_and_counted(
    files: Files, text: str, rows: int, count: int, line: int
) -> None:
    dataset = DatasetRows(files.source(text), ARTIFACT, frozenset())
    read = list(dataset.read())
    assert [row.index for row in read] == list(range(rows))
    remarks = dataset.faults.passed_over.remarks()
    assert dataset.faults.passed_over.rows == count
    if count:
        skipped = "row of empty cells is skipped" if count == 1 else "rows of empty cells are skipped"
        assert remarks[0].message == f"{count} {skipped}"
        assert remarks[0].position is not None
        assert remarks[0].position.line == line
        assert remarks[0].severity is Severity.WARNING
    else:
        assert remarks == ()


def test_a_file_of_empty_cells_alone_has_no_header(files: Files) -> None:
    with pytest.raises(DatasetError) as caught:
        files.rows(",,\n,,\n")
    assert caught.value.code == "no_header"


@pytest.mark.parametrize("text", ["TRUE", "True", "true", "FALSE", "False", "false"])
def test_booleans_are_read_as_spreadsheets_and_pandas_write_them(files: Files, text: str) -> None:
    assert files.rows(f"n\n{text}\n") == [{"n": text.lower() == "true"}]


@pytest.mark.parametrize("text", ["tRUE", "yes", "1", "WAHR", " TRUE", "T"])
def test_other_words_are_no_booleans(files: Files, text: str) -> None:
    with pytest.raises(DatasetError, match="is not `true` or `false`"):
        files.rows(f"n\n{text}\n")


def test_a_dataset_that_an_earlier_version_recorded_shows_its_own_delimiters() -> None:
    assert msgspec.json.decode(b'{"files": ["a.csv"], "encoding": "utf-8"}', type=DatasetSource).delimiter == ""
    source = Dataset("a.csv", key="id", encoding="latin-1", delimiter="tab").as_source()
    assert msgspec.json.decode(msgspec.json.encode(source), type=DatasetSource) == source
