"""JSON arrays and JSON Lines: values keep their types and digits, and every fault has its line."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_pieces import SmallPieces

from reqflo_ray._internal.datasets.faults import DataFile, Faults
from reqflo_ray._internal.datasets.json_rows import JsonArrayReader, JsonLinesReader

FILE = DataFile(0, "data.json")


class Read:
    """What a JSON text gives: its rows with their lines, and `(code, line, column)` of its faults."""

    def __init__(self, text: str | bytes, *, lines: bool = False, block: int = 1 << 18) -> None:
        data = text.encode() if isinstance(text, str) else text
        faults = Faults(show_text=True)
        kind = JsonLinesReader if lines else JsonArrayReader
        self.reader = kind(FILE, SmallPieces(data, block), "utf-8", faults)
        assert self.reader.header() is None
        self.records = list(self.reader.records())
        self.rows: list[Any] = [values for _, values, _ in self.records]
        self.lines = [line for line, _, _ in self.records]
        self.problems = faults.problems()
        self.faults = [
            (problem.code, problem.position.line, problem.position.column)
            for problem in self.problems
            if problem.position is not None
        ]


def test_an_array_gives_its_objects_with_the_line_on_which_each_begins() -> None:
    read = Read('[\n  {"id": 1},\n\n  {"id":\n 2}, {"id": 3}\n]\n')
    assert read.rows == [{"id": 1}, {"id": 2}, {"id": 3}]
    assert read.lines == [2, 4, 5]


def test_json_lines_give_an_object_a_line() -> None:
    read = Read('{"id": 1}\r\n\n  {"id": 2}\n{"id": 3}', lines=True)
    assert read.rows == [{"id": 1}, {"id": 2}, {"id": 3}]
    assert read.lines == [1, 3, 4]


@pytest.mark.parametrize("text", ["[]", " [ \n ] \n", "\ufeff[]"])
def test_an_empty_array_has_no_rows(text: str) -> None:
    assert (Read(text).rows, Read(text).faults) == ([], [])


def test_empty_json_lines_have_no_rows() -> None:
    assert (Read("\n\n", lines=True).rows, Read("", lines=True).faults) == ([], [])


@pytest.mark.parametrize("lines", [True, False])
def test_values_keep_types_nulls_structure_and_every_digit(lines: bool) -> None:
    text = (
        '{"n": 9007199254740993, "d": 1.10, "e": 1E400, "x": null, "o": {"a": [1, "é", true]}, "u": "\\u00e9\\u0000"}'
    )
    (row,) = Read(text if lines else f"[{text}]", lines=lines).rows
    assert row["n"] == 9007199254740993
    assert row["d"] == Decimal("1.10")
    assert str(row["d"]) == "1.10"
    assert row["e"] == Decimal("1E+400")
    assert row["x"] is None
    assert row["o"] == {"a": [1, "é", True]}
    assert row["u"] == "é\0"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", ("not_an_array", 1, 1)),
        ("  \n ", ("not_an_array", 2, 2)),
        ('{"id": 1}', ("not_an_array", 1, 1)),
        ('\n"x"', ("not_an_array", 2, 1)),
        ("id,name\n", ("not_an_array", 1, 1)),
        ("[\n", ("invalid_json", 2, 1)),
        ('[{"id": 1},\n]', ("invalid_json", 2, 1)),
        ('[{"id": 1}\n{"id": 2}]', ("invalid_json", 2, 1)),
        ('[{"id": 1},\n {"id" 2}]', ("invalid_json", 2, 8)),
        ('[{"id": 1},\n {"id": "x}]', ("invalid_json", 2, 9)),
        ('[{"id": 1}]\n[]', ("invalid_json", 2, 1)),
        ("[{'id': 1}]", ("invalid_json", 1, 3)),
        ('[\n1, {"id": 2}]', ("not_an_object", 2, 1)),
        ("[\nnull]", ("not_an_object", 2, 1)),
        ('[{},\n  {"id": NaN}]', ("invalid_json", 2, 10)),
        ('[{},\n  {"id": -Infinity}]', ("invalid_json", 2, 10)),
        ('[{},\n  {"id":\n  NaN}]', ("invalid_json", 3, 3)),
        ('[{},\n {"id": "\\ud83d"}]', ("invalid_json", 2, 10)),
        ('[{},\n  {"a": 1,\n\n "a": 2}]', ("repeated_member", 4, 2)),
        ('[{"id": "\t"}]', ("invalid_json", 1, 10)),
        (b'[{"id": "\xff"}]', ("invalid_encoding", 1, 10)),
        ("[" * 100_000, ("invalid_json", 1, 2)),
    ],
)
def test_what_is_no_array_of_objects_is_a_fault_at_its_place(text: str | bytes, fault: tuple[str, int, int]) -> None:
    assert Read(text).faults[0] == fault


def test_a_row_that_is_no_object_does_not_hide_the_next() -> None:
    read = Read('[{"id": 1},\n2,\n{"id": NaN},\n{"id": 4},\n[]]')
    assert read.rows == [{"id": 1}, {"id": 4}]
    assert [fault[:2] for fault in read.faults] == [("not_an_object", 2), ("invalid_json", 3), ("not_an_object", 5)]


def test_one_object_a_line_in_a_json_file_gets_a_hint() -> None:
    (problem,) = Read('{"id": 1}\n{"id": 2}\n').problems
    assert "`.jsonl`" in problem.hint


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"id": 1', "invalid_json"),
        ('{"id": 1},', "invalid_json"),
        ('{"id": 01}', "invalid_json"),
        ('{"id": "\\ud83d"}', "invalid_json"),
        ('{"id": ' + "[" * 100_000, "invalid_json"),
        ("[1]", "not_an_object"),
        ("1", "not_an_object"),
        ("id,name", "invalid_json"),
        ('{"id": 1}\0', "nul_character"),
    ],
)
def test_a_line_that_is_no_object_is_a_fault_and_the_next_is_read(text: str, code: str) -> None:
    read = Read('{"id": 0}\n' + text + '\n{"id": 2}\n', lines=True)
    assert [row["id"] for row in read.rows if row["id"] != 1] == [0, 2]
    assert (code, 2) in [fault[:2] for fault in read.faults]


def test_a_member_is_located_in_the_lines_of_its_object() -> None:
    read = Read('[\n  {"id": 1,\n   "total": "x"}]')
    line, _, text = read.records[0]
    assert read.reader.locate(line, text, "total") == (3, 4, '   "total": "x"}')
    assert read.reader.locate(line, text, "absent")[0] == 2


def test_an_element_without_an_end_does_not_pull_the_file_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reqflo_ray._internal.datasets.json_rows.LONGEST_RECORD", 1000)
    read = Read('[{"id": 1},\n {"id": "' + "x" * 100_000, block=100)
    assert read.faults == [("row_too_long", 2, 1)]


_scalars = st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_values = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3)
)
_objects = st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=4), _values, max_size=4)


@given(st.lists(_objects, max_size=5), st.sampled_from([1, 3, 17, 1 << 18]), st.sampled_from([None, 1]))
def test_any_array_is_read_back_whatever_the_blocks(rows: list[Any], block: int, indent: int | None) -> None:
    text = json.dumps(rows, ensure_ascii=bool(block % 2), indent=indent)
    read = Read(text, block=block)
    assert read.faults == []
    assert read.rows == rows


@given(st.lists(_objects, max_size=5))
def test_any_json_lines_are_read_back(rows: list[Any]) -> None:
    read = Read("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), lines=True)
    assert (read.rows, read.faults) == (rows, [])


@given(st.text(st.sampled_from(list('[]{},:"a1 \n')), max_size=20))
def test_any_text_is_rows_or_faults_as_the_standard_library_judges(text: str) -> None:
    read = Read(text)
    try:
        expected = json.loads(text)
    except ValueError:
        assert read.faults
        return
    if isinstance(expected, list) and all(isinstance(row, dict) for row in expected):
        assert (read.rows, read.faults) == (expected, [])
    else:
        assert read.faults


@pytest.mark.parametrize(
    ("text", "column", "rest"),
    [
        ('{"id": 1, "x": NaN}', 16, "NaN}"),
        ('{"id": 1, "x": [-Infinity]}', 17, "-Infinity]}"),
        ('{"é": "ü😀", x}', 13, "x}"),
        ('{"a": 1,}', 9, "}"),
        ('{"a": "\\ud83d", "b": 1}', 8, '\\ud83d", "b": 1}'),
        ('{"a": "\\ud83d\\ude00", "b": "\\ude00"}', 29, '\\ude00"}'),
        ('{"a": 1', 8, ""),
        ('{"a": 1, "a": 2}', 10, '"a": 2}'),
        ('{"a": 1, "b": {"c": 1, "d": [{"c": 2}, {"e": 1, "e" : 2}]}}', 49, '"e" : 2}]}}'),
        ('{"a": ":{\\":", "\\u0061": 2}', 16, '"\\u0061": 2}'),
        ('{"": 1, "": 1}', 9, '"": 1}'),
    ],
)
def test_a_fault_of_a_line_has_its_column_and_the_line(text: str, column: int, rest: str) -> None:
    read = Read("{}\n" + text + "\r\n{}\n", lines=True)
    assert [fault[1:] for fault in read.faults] == [(2, column)]
    (problem,) = read.problems
    assert problem.position is not None
    assert problem.position.text == text
    assert problem.position.text[column - 1 :] == rest
    assert "byte" not in problem.cause
    assert read.rows == [{}, {}]


def test_a_number_that_json_has_not_is_named() -> None:
    assert [problem.cause for problem in Read('{"x": NaN}\n{"x": -Infinity}', lines=True).problems] == [
        "`NaN` is not a JSON number",
        "`-Infinity` is not a JSON number",
    ]


@pytest.mark.parametrize(
    "text",
    ['{"a": {"b": 1}, "b": {"b": 1}}', '{"a": "a:", "b": "\\":\\"a\\":"}', '[{"a": 1}, {"a": 1}]', '{"a": 1, "A": 2}'],
)
@pytest.mark.parametrize("deep", [0, 3])
def test_a_name_may_be_there_again_where_it_is_another_member(text: str, deep: int) -> None:
    text = '{"x": [' * deep + '{"x":' + text + "}" + "]}" * deep
    assert Read(text, lines=True).rows == [json.loads(text)]


@given(st.recursive(st.integers() | st.text('a":{}[]\\,', max_size=4), lambda inner: st.lists(inner, max_size=3) |
       st.lists(st.tuples(st.text('a":{', max_size=2), inner), max_size=3).map(tuple), max_leaves=8))  # fmt: skip
def test_a_repeated_member_is_found_wherever_it_is_and_nowhere_else(tree: Any) -> None:
    repeats = False

    def written(node: Any) -> str:
        nonlocal repeats
        if isinstance(node, tuple):
            names = [name for name, _ in node]
            repeats |= len(set(names)) < len(names)
            return "{" + ", ".join(f"{json.dumps(name)} : {written(child)}" for name, child in node) + "}"
        return "[" + ",".join(map(written, node)) + "]" if isinstance(node, list) else json.dumps(node)

    text = '{"x":' + written(tree) + "}"
    assert [fault[0] for fault in Read(text, lines=True).faults] == (["repeated_member"] if repeats else [])


def test_in_an_array_on_one_long_line_columns_count_from_its_beginning() -> None:
    text = "[" + '{"a": 1}, ' * 200 + '{"a": 1, "a": 2}, {"b" 1}]'
    for block in (64, 1 << 18):
        read = Read(text, block=block)
        assert read.faults == [("repeated_member", 1, 2011), ("invalid_json", 1, 2025)]
        for problem in read.problems:
            assert problem.position is not None
            assert problem.position.text in ("", text[: len(problem.position.text)])


def test_a_fault_far_out_in_a_line_is_told_without_the_line() -> None:
    (problem,) = Read('{"a": "' + "x" * 20_000 + '", "a": 1}', lines=True).problems
    assert problem.position is not None
    assert (problem.position.column, problem.position.text) == (20_011, "")
