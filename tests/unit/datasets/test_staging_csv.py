"""The CSV grammar: what a cell, a row and a header are, and where each fault is."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_pieces import SmallPieces

from reqflo_ray._internal.datasets import text as dataset_text
from reqflo_ray._internal.datasets.csv_rows import CsvReader
from reqflo_ray._internal.datasets.faults import DataFile, Faults

FILE = DataFile(0, "data.csv")


class Read:
    """What a CSV text gives: its rows with their lines, and `(code, line, column)` of its faults."""

    def __init__(
        self, text: str | bytes, *, delimiter: str = "", encoding: str = "utf-8", block: int = 1 << 18
    ) -> None:
        data = text.encode(encoding) if isinstance(text, str) else text
        faults = Faults(show_text=True)
        reader = CsvReader(FILE, SmallPieces(data, block), encoding, faults, delimiter=delimiter)
        self.header = reader.header()
        records = list(reader.records())
        self.rows = [values for _, values, _ in records]
        self.lines = [line for line, _, _ in records]
        self.problems = faults.problems()
        self.faults = [
            (problem.code, problem.position.line, problem.position.column) if problem.position else (problem.code,)
            for problem in self.problems
        ]


def test_cells_are_text_and_rows_know_their_line() -> None:
    read = Read("id,name\n007,a\n1e3,true\n")
    assert read.header == ("id", "name")
    assert read.rows == [{"id": "007", "name": "a"}, {"id": "1e3", "name": "true"}]
    assert read.lines == [2, 3]


def test_an_unquoted_empty_cell_is_not_supplied_and_a_quoted_one_is_empty_text() -> None:
    assert Read('a,b,c\n,"",x\n').rows == [{"b": "", "c": "x"}]
    assert Read('a,b\n1,\n"",\n').rows == [{"a": "1"}, {"a": ""}]


def test_a_blank_is_text() -> None:
    assert Read("a,b\n , x \n").rows == [{"a": " ", "b": " x "}]


def test_quotes_keep_delimiters_quotes_and_line_breaks() -> None:
    read = Read('a,b\n"x,y","say ""hi"""\n"1\n2\r\n3",z\nlast,row\n')
    assert read.rows == [{"a": "x,y", "b": 'say "hi"'}, {"a": "1\n2\r\n3", "b": "z"}, {"a": "last", "b": "row"}]
    assert read.lines == [2, 3, 6]


def test_a_line_inside_a_cell_may_close_and_open_quotes() -> None:
    read = Read('a,b\n"1\n2","3\n4"\nx,y\n')
    assert read.rows == [{"a": "1\n2", "b": "3\n4"}, {"a": "x", "b": "y"}]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_ends_may_be_lf_or_crlf_and_the_last_may_be_missing(end: str) -> None:
    expected = [{"a": "1", "b": "2"}, {"a": "3", "b": ""}]
    assert Read(end.join(["a,b", "1,2", '3,""'])).rows == expected
    assert Read(end.join(["a,b", "1,2", '3,""', ""])).rows == expected


def test_blank_lines_are_skipped_and_counted() -> None:
    read = Read("\n\r\na,b\n\n1,2\n\r\n3,4\n\n")
    assert read.rows == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]
    assert read.lines == [5, 7]


def test_a_byte_order_mark_is_no_part_of_the_first_name() -> None:
    assert Read(b'\xef\xbb\xbf"a",b\n1,2\n').header == ("a", "b")
    assert Read("a,b\n1,é\n", encoding="utf-16").rows == [{"a": "1", "b": "é"}]


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-16-le", "utf-32"])
def test_other_encodings_are_read_when_named(encoding: str) -> None:
    assert Read("näme,b\n1,ü\n", encoding=encoding).rows == [{"näme": "1", "b": "ü"}]


def test_tabs_separate_a_tsv() -> None:
    assert Read('a\tb\n1,5\t"x\ty"\n\t""\n', delimiter="\t").rows == [{"a": "1,5", "b": "x\ty"}, {"b": ""}]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a,b\n1,2\n3\n", ("wrong_cell_count", 3, 1)),
        ("a,b\n1,2,3\n", ("wrong_cell_count", 2, 1)),
        ("a,b\n1,2,\n", ("wrong_cell_count", 2, 1)),
        ('a,b\n1,x"y\n3,4\n', ("stray_quote", 2, 4)),
        ('a,b\n1,x"y"\n', ("stray_quote", 2, 4)),
        ('a,b\n1, "y"\n', ("stray_quote", 2, 4)),
        ('a,b\n1,"y" \n', ("text_after_quote", 2, 6)),
        ('a,b\n"1","y"z\n', ("text_after_quote", 2, 8)),
        ('a,b\n"1\n2"x,3\n', ("text_after_quote", 3, 3)),
        ('a,b\n1,"y\n2,3\n', ("unterminated_quote", 2, 3)),
        ('a,b\n1,2\n"', ("unterminated_quote", 3, 1)),
        ('a,b\n1,""" \n', ("unterminated_quote", 2, 3)),
        ("a,b\n1,x\ry\n", ("stray_carriage_return", 2, 4)),
        ("a,b\n1,x\r\r\n", ("stray_carriage_return", 2, 4)),
        ("a,b\r1,2\r", ("stray_carriage_return", 1, 4)),
        ("a,b\n1,\0\n", ("nul_character", 2, 3)),
        (b"a,b\n1,\xff\n", ("invalid_encoding", 2, 3)),
        (b"a,b\n1,2\n\xc3\n", ("invalid_encoding", 3, 1)),
        (b"a,b\n1,\xed\xa0\x80\n", ("invalid_encoding", 2, 3)),
    ],
)
def test_a_row_that_is_not_csv_is_a_fault_at_its_place(text: str | bytes, fault: tuple[str, int, int]) -> None:
    assert Read(text).faults[0] == fault


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a,b,a\n1,2,3\n", ("duplicate_column", 1, 5)),
        ("a,,b\n1,2,3\n", ("unnamed_column", 1, 3)),
        ('a,"",b\n1,2,3\n', ("unnamed_column", 1, 3)),
        ("a,b \n1,2\n", ("padded_column", 1, 3)),
        ("\n\na,a\n", ("duplicate_column", 3, 3)),
        ("a;b|c\n1;2|3\n", ("wrong_delimiter", 1, 2)),
        ('"a\nb",a,a\n', ("duplicate_column", 2, 6)),
        ("", ("no_header",)),
        ("\n\r\n", ("no_header",)),
    ],
)
def test_a_header_that_cannot_be_used_is_one_fault_and_gives_no_rows(text: str, fault: tuple[str, int, int]) -> None:
    read = Read(text)
    assert read.faults == [fault]
    assert read.header == ()
    assert read.rows == []


def test_after_a_fault_the_reader_goes_on() -> None:
    read = Read('a,b\n1,x"\n2,ok\n3\n4,"z"z\n5,ok\n')
    assert read.rows == [{"a": "2", "b": "ok"}, {"a": "5", "b": "ok"}]
    assert [fault[:2] for fault in read.faults] == [
        ("stray_quote", 2),
        ("wrong_cell_count", 4),
        ("text_after_quote", 5),
    ]


def test_the_text_of_a_fault_is_its_line() -> None:
    (problem,) = Read('a,b\n"1\n2"x,3\n').problems
    assert problem.position is not None
    assert problem.position.text == '2"x,3'


def test_a_header_without_rows_gives_no_rows_and_no_fault() -> None:
    read = Read("a,b\n")
    assert (read.header, read.rows, read.faults) == (("a", "b"), [], [])


def test_a_quote_that_stays_open_does_not_pull_the_file_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reqflo_ray._internal.datasets.csv_rows.LONGEST_RECORD", 1000)
    read = Read('a,b\n1,"open\n' + "2,x\n" * 1000)
    assert read.faults == [("row_too_long", 2, 1)]


def test_a_line_without_an_end_does_not_pull_the_file_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset_text, "LONGEST_RECORD", 1000)
    assert ("row_too_long", 2, 1) in Read("a,b\n1," + "x" * 5000, block=100).faults


def test_a_cell_may_be_as_long_as_many_blocks() -> None:
    long = "ü\n,x" * 1000
    assert Read(f'a,b\n1,"{long}"\n2,y\n', block=64).rows == [{"a": "1", "b": long}, {"a": "2", "b": "y"}]


def test_a_file_that_is_no_text_is_one_fault() -> None:
    assert Read(bytes(range(256)) * 100).faults[0][0] == "not_text"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
def test_wide_encodings_are_recognised_and_the_option_named(encoding: str) -> None:
    data = "id,name\n1,Jörg\n2,Zoë\n".encode(encoding)
    (problem,) = Read(data).problems
    assert problem.code == "wrong_encoding"
    named = problem.hint.removeprefix("pass `--encoding ").rstrip("`")
    assert named == encoding
    assert Read(data, encoding=named).rows == [{"id": "1", "name": "Jörg"}, {"id": "2", "name": "Zoë"}]


def test_utf_32_that_is_read_as_utf_16_is_told() -> None:
    (problem,) = Read("a,b\n1,2\n".encode("utf-32"), encoding="utf-16").problems
    assert (problem.code, problem.hint) == ("wrong_encoding", "pass `--encoding utf-32`")


def test_some_nul_characters_make_no_wide_encoding() -> None:
    assert {fault[0] for fault in Read("a,b\n1,\0\0\n2,x\n").faults} == {"nul_character"}
    assert Read(bytes(64)).faults[0][0] == "nul_character"


def test_a_limit_is_told_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reqflo_ray._internal.datasets.csv_rows.LONGEST_RECORD", 1234)
    monkeypatch.setattr(dataset_text, "LONGEST_RECORD", 1234)
    text = 'a,b\n1,"open\n'
    (problem,) = Read(text + "x\n" * 1000).problems
    assert problem.message == "the row is longer than 1,234 characters"
    assert Read(text + "x" * 1200 + '"\n').faults == []


def test_cut_utf_16_is_a_fault() -> None:
    assert Read("a,b\n1,2\n".encode("utf-16")[:-1], encoding="utf-16").faults == [("invalid_encoding", 2, 1)]


@pytest.mark.parametrize("block", [1, 2, 3, 5, 1 << 18])
def test_faults_have_the_same_places_whatever_the_blocks(block: int) -> None:
    data = b'a,b\n1,\xff\n2,"x\n\xfe\ny"\n3,\0,\n'
    assert [f for f in Read(data, block=block).faults if f[0] != "wrong_cell_count"] == [
        ("invalid_encoding", 2, 3),
        ("invalid_encoding", 4, 1),
        ("nul_character", 6, 3),
    ]


_letters = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)
_rough = st.text(st.sampled_from(list('",\r\nab ')), max_size=6)
_cells = st.none() | _letters | _rough


@st.composite
def _tables(draw: st.DrawFn) -> tuple[list[list[str | None]], str]:
    width = draw(st.integers(2, 4))
    rows = draw(st.lists(st.lists(_cells, min_size=width, max_size=width), max_size=6))
    lines = [",".join(f"c{number}" for number in range(width)) + "\n"]
    for row in rows:
        cells = [
            ""
            if cell is None
            else '"' + cell.replace('"', '""') + '"'
            if cell == "" or any(mark in cell for mark in '",\r\n') or draw(st.booleans())
            else cell
            for cell in row
        ]
        lines.append(",".join(cells) + draw(st.sampled_from(["\n", "\r\n"])))
    return [row for row, line in zip(rows, lines[1:], strict=True) if line.strip(", \t\r\n")], "".join(lines)


@given(_tables(), st.sampled_from([1, 7, 1 << 18]))
def test_what_is_written_as_csv_is_read_back_exactly(table: tuple[list[list[str | None]], str], block: int) -> None:
    rows, text = table
    read = Read(text, block=block)
    assert read.faults == []
    assert [[row.get(name) for name in read.header] for row in read.rows] == rows


@given(st.lists(st.lists(_rough, min_size=2, max_size=2), max_size=5))
def test_what_the_standard_library_writes_is_read_back(rows: list[list[str]]) -> None:
    output = io.StringIO()
    writer = csv.writer(output, quoting=csv.QUOTE_ALL)
    writer.writerows([["a", "b"], *rows])
    assert [list(row.values()) for row in Read(output.getvalue()).rows] == rows


@given(st.text(st.sampled_from(list('",\r\na')), max_size=30))
def test_any_text_is_faults_or_the_rows_that_the_standard_library_reads(text: str) -> None:
    read = Read("a,b\n" + text)
    if not read.faults:
        expected = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if any(row)]
        # The standard library also ends lines at a lone CR; such a text has a fault here. Rows of empty cells are told
        # from rows of empty texts only here.
        found = [[row.get("a", ""), row.get("b", "")] for row in read.rows]
        assert [row for row in found if any(row)] == expected


def test_naughty_strings_survive(naughty_strings: list[str]) -> None:
    strings = ["", *naughty_strings]
    quoted = "".join(f'{number},"{text.replace(chr(34), chr(34) * 2)}"\n' for number, text in enumerate(strings))
    assert Read("id,text\n" + quoted).rows == [{"id": str(number), "text": text} for number, text in enumerate(strings)]
