"""A whole dataset: conversion, keys, required inputs, several files, and faults that are reported all at once."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqflo_ray._internal.datasets.faults import SHOWN, DataFile, Faults
from reqflo_ray._internal.datasets.keys import MOST_PARTS, KeyLedger
from reqflo_ray._internal.datasets.rows import DatasetRows
from reqflo_ray._internal.errors import DatasetError, Problem
from reqflo_ray._internal.model.artifact import Artifact, HttpStep, Input, JourneyIdentity, RequestTemplate, Variable
from reqflo_ray._internal.model.plan import DatasetSource, Row
from reqflo_ray._internal.model.values import Namespace, Node, ObjectNode, Reference, Text, ValueType

FILE = DataFile(0, "data.csv")


class Folder:
    """A folder of data files, and what reading them gives."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def put(self, name: str, data: str | bytes) -> str:
        path = self.path / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return str(path)

    def rows(
        self,
        *names: str,
        key: str = "",
        inputs: tuple[Input, ...] = (),
        variables: tuple[Variable, ...] = (),
        required: frozenset[str] = frozenset(),
        encoding: str = "utf-8",
    ) -> list[Row]:
        artifact = Artifact(journey=JourneyIdentity(name="j"), inputs=inputs, variables=variables)
        files = tuple(str(self.path / name) for name in names)
        source = DatasetSource(files=files, key_column=key, encoding=encoding)
        return list(DatasetRows(source, artifact, required).read())

    def faults(self, *names: str, **options: Any) -> tuple[Problem, ...]:
        with pytest.raises(DatasetError) as caught:
            self.rows(*names, **options)
        return caught.value.problems


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def place(problem: Problem) -> tuple[str, str, int]:
    """Code, file name and line of a finding."""
    assert problem.position is not None
    return problem.code, Path(problem.position.file).name, problem.position.line


def test_rows_are_numbered_from_zero_over_all_files_in_the_order_given(folder: Folder) -> None:
    second = folder.put("b.csv", "id\n1\n2\n")
    first = folder.put("a.jsonl", '{"id": "3"}\n')
    assert folder.rows("b.csv", "a.jsonl", key="id") == [
        Row(index=0, key="1", values={"id": "1"}, location=f"{second}:2"),
        Row(index=1, key="2", values={"id": "2"}, location=f"{second}:3"),
        Row(index=2, key="3", values={"id": "3"}, location=f"{first}:1"),
    ]


def test_declared_types_convert_and_others_stay_text(folder: Folder) -> None:
    folder.put("a.csv", 'total,qty,ok,data,zip,extra\n1.10,9007199254740993,true,"[1,2.50]",007,1\n')
    inputs = (
        Input(name="total", type=ValueType.NUMBER),
        Input(name="qty", type=ValueType.INTEGER),
        Input(name="ok", type=ValueType.BOOLEAN),
        Input(name="zip", type=ValueType.STRING),
    )
    (row,) = folder.rows("a.csv", inputs=inputs, variables=(Variable(name="data", type=ValueType.JSON),))
    assert row.values == {
        "total": Decimal("1.10"),
        "qty": 9007199254740993,
        "ok": True,
        "data": [1, Decimal("2.50")],
        "zip": "007",
        "extra": "1",
    }
    assert str(row.values["total"]) == "1.10"


def test_a_value_that_is_repeated_converts_the_same_every_time(folder: Folder) -> None:
    folder.put("a.csv", "n\n" + "1.10\n2\n" * 5)
    rows = folder.rows("a.csv", inputs=(Input(name="n", type=ValueType.NUMBER),))
    assert [str(row.values["n"]) for row in rows] == ["1.10", "2"] * 5


def test_an_explicit_null_is_of_every_type_and_no_value_where_one_is_required(folder: Folder) -> None:
    folder.put("a.jsonl", '{"n": null}\n{"n": 0}\n')
    inputs = (Input(name="n", type=ValueType.NUMBER),)
    assert folder.rows("a.jsonl", inputs=inputs)[0].values == {"n": None}
    (problem,) = folder.faults("a.jsonl", inputs=inputs, required=frozenset({"n"}))
    assert (problem.code, problem.position and problem.position.line) == ("missing_value", 1)


def test_typed_json_is_checked_and_not_converted(folder: Folder) -> None:
    folder.put("a.jsonl", '{"n": 1}\n{"n": true}\n{"n": "2"}\n')
    (problem,) = folder.faults("a.jsonl", inputs=(Input(name="n", type=ValueType.NUMBER),))
    assert place(problem) == ("invalid_value", "a.jsonl", 2)


@pytest.mark.parametrize("text", ["1_000", " 1", "1.", "0x10", "NaN", "١", "01", '""', "1,5"])
def test_a_value_that_does_not_convert_is_a_fault_at_its_cell(folder: Folder, text: str) -> None:
    cell = f'"{text}"' if "," in text else text
    folder.put("a.csv", f"id,n\nrow,1\nrow,{cell}\n")
    (problem,) = folder.faults("a.csv", inputs=(Input(name="n", type=ValueType.NUMBER),))
    assert place(problem) == ("invalid_value", "a.csv", 3)
    assert problem.position is not None
    assert problem.position.column == 5
    assert problem.position.text == f"row,{cell}"


def test_a_fault_in_a_row_of_several_lines_points_into_the_right_one(folder: Folder) -> None:
    folder.put("a.csv", 'note,n\n"1\n2",x\n')
    (problem,) = folder.faults("a.csv", inputs=(Input(name="n", type=ValueType.NUMBER),))
    assert problem.position is not None
    assert (problem.position.line, problem.position.column, problem.position.text) == (3, 4, '2",x')


def test_a_required_input_that_a_row_does_not_supply_is_a_fault(folder: Folder) -> None:
    folder.put("a.csv", 'id,name\n1,a\n2,\n3,""\n')
    (problem,) = folder.faults("a.csv", required=frozenset({"name"}))
    assert place(problem) == ("missing_value", "a.csv", 3)
    folder.put("a.jsonl", '{"id": 1}\n{"id": 2, "name": "x"}\n')
    (problem,) = folder.faults("a.jsonl", required=frozenset({"name"}))
    assert place(problem) == ("missing_value", "a.jsonl", 1)


@pytest.mark.parametrize(("name", "data"), [("a.json", '[{"name": "x"},\n{}]'), ("a.jsonl", '{"name": "x"}\n{}\n')])
def test_an_empty_object_supplies_nothing_that_is_required(name: str, data: str, folder: Folder) -> None:
    folder.put(name, data)
    (problem,) = folder.faults(name, required=frozenset({"name"}))
    assert place(problem) == ("missing_value", name, 2)


def test_a_required_column_that_is_missing_is_said_once_with_a_suggestion(folder: Folder) -> None:
    folder.put("a.csv", "id,nmae\n" + "1,a\n" * 100)
    (problem,) = folder.faults("a.csv", required=frozenset({"name"}))
    assert place(problem) == ("missing_column", "a.csv", 1)
    assert problem.hint == "did you mean `nmae`?"


def test_a_key_column_that_is_missing_is_said_once(folder: Folder) -> None:
    folder.put("a.csv", "id\n1\n2\n")
    (problem,) = folder.faults("a.csv", key="order")
    assert place(problem) == ("missing_column", "a.csv", 1)
    assert "`order`" in problem.message


def test_every_later_row_with_the_same_key_is_a_fault_also_across_files(folder: Folder) -> None:
    folder.put("a.csv", "id\nx\ny\nx\n")
    folder.put("b.csv", "id\nz\ny\nx\n")
    problems = folder.faults("a.csv", "b.csv", key="id")
    assert [place(problem) for problem in problems] == [
        ("duplicate_key", "a.csv", 4),
        ("duplicate_key", "b.csv", 3),
        ("duplicate_key", "b.csv", 4),
    ]
    assert "line 2" in problems[0].message
    assert f"{folder.path}/a.csv:3" in problems[1].message


def test_keys_differ_by_every_letter_and_numbers_are_keys(folder: Folder) -> None:
    folder.put("a.csv", "id\n7\n07\n 7\nA\na\né\ne\u0301\n")
    assert [row.key for row in folder.rows("a.csv", key="id")] == ["7", "07", " 7", "A", "a", "é", "e\u0301"]
    folder.put("a.jsonl", '{"id": 7}\n{"id": 1.10}\n{"id": true}\n{"id": "7 "}\n')
    assert [row.key for row in folder.rows("a.jsonl", key="id")] == ["7", "1.10", "true", "7 "]


def test_the_key_is_the_text_of_the_cell_and_not_what_it_converts_to(folder: Folder) -> None:
    folder.put("a.csv", "id\n1.0\n1\n")
    assert [row.key for row in folder.rows("a.csv", key="id", inputs=(Input(name="id", type=ValueType.NUMBER),))] == [
        "1.0",
        "1",
    ]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{}", "missing_key"),
        ('{"id": null}', "missing_key"),
        ('{"id": ""}', "missing_key"),
        ('{"id": [1]}', "invalid_key"),
    ],
)
def test_a_row_without_a_usable_key_is_a_fault(folder: Folder, text: str, code: str) -> None:
    folder.put("a.jsonl", '{"id": 1}\n' + f"{text}\n{text}\n")
    assert [place(problem) for problem in folder.faults("a.jsonl", key="id")] == [
        (code, "a.jsonl", 2),
        (code, "a.jsonl", 3),
    ]


def test_all_faults_come_at_once_the_first_in_full_and_the_rest_counted(folder: Folder) -> None:
    bad = "".join(f"{number % 30},x\n" for number in range(60))
    folder.put("a.csv", "id,n\n" + bad)
    problems = folder.faults("a.csv", key="id", inputs=(Input(name="n", type=ValueType.NUMBER),))
    assert len(problems) == SHOWN + 1
    assert [place(problem)[2] for problem in problems[:-1]] == list(range(2, 2 + SHOWN))
    assert problems[-1].message == "the dataset has 70 more problems"


def test_faults_found_late_take_their_place_by_line(folder: Folder) -> None:
    folder.put("a.csv", "id,n\n1,1\n1,1\n2,x\n")
    problems = folder.faults("a.csv", key="id", inputs=(Input(name="n", type=ValueType.NUMBER),))
    assert [place(problem)[::2] for problem in problems] == [("duplicate_key", 3), ("invalid_value", 4)]


def test_files_with_other_columns_are_a_fault_and_another_order_is_not(folder: Folder) -> None:
    folder.put("a.csv", "id,name\n1,a\n")
    folder.put("b.csv", "name,id\nb,2\n")
    folder.put("c.csv", "id,nam\n3,c\n")
    inputs = (Input(name="name"),)
    assert [row.values["name"] for row in folder.rows("a.csv", "b.csv", inputs=inputs)] == ["a", "b"]
    (problem,) = folder.faults("a.csv", "b.csv", "c.csv", inputs=inputs)
    assert place(problem) == ("different_columns", "c.csv", 1)
    assert problem.message.endswith(": name")
    # What nobody reads may come and go.
    assert len(folder.rows("a.csv", "b.csv", "c.csv")) == 3


def test_columns_are_known_though_no_row_fills_them(folder: Folder) -> None:
    folder.put("a.csv", "id,name\n1,\n")
    dataset = DatasetRows(
        DatasetSource(files=(str(folder.path / "a.csv"),)), Artifact(journey=JourneyIdentity(name="j")), frozenset()
    )
    list(dataset.read())
    assert dataset.columns == ("id", "name")


def test_a_sensitive_value_is_in_no_finding(folder: Folder) -> None:
    secret = "4111-1111-1111-1111"
    folder.put("a.csv", f'card,n\n{secret},x\n"{secret}\n",1\n{secret}\n{secret},"1"{secret}\n')
    inputs = (
        Input(name="card", type=ValueType.INTEGER, sensitive=True),
        Input(name="n", type=ValueType.NUMBER),
    )
    with pytest.raises(DatasetError) as caught:
        folder.rows("a.csv", inputs=inputs)
    assert secret not in repr(caught.value.problems)
    assert secret not in str(caught.value)
    assert [place(problem)[::2] for problem in caught.value.problems] == [
        ("invalid_value", 2),
        ("invalid_value", 2),
        ("invalid_value", 3),
        ("wrong_cell_count", 5),
        ("text_after_quote", 6),
    ]


def test_a_file_without_a_header_does_not_give_its_values_away(folder: Folder) -> None:
    secret = "4111-1111-1111-1111"
    folder.put("a.csv", f"1,{secret}\n")
    with pytest.raises(DatasetError) as caught:
        folder.rows("a.csv", inputs=(Input(name="card", sensitive=True),), required=frozenset({"card"}))
    assert secret not in repr(caught.value.problems)


def test_a_sensitive_input_cannot_be_the_key(folder: Folder) -> None:
    folder.put("a.csv", "card\n1\n")
    with pytest.raises(DatasetError) as caught:
        folder.rows("a.csv", key="card", inputs=(Input(name="card", sensitive=True),))
    assert caught.value.code == "sensitive_key"


def test_an_unknown_encoding_is_refused(folder: Folder) -> None:
    folder.put("a.csv", "id\n1\n")
    for encoding in ("utf-9", "base64", "rot13", "with\0nul"):
        with pytest.raises(DatasetError) as caught:
            folder.rows("a.csv", encoding=encoding)
        assert caught.value.code == "unknown_encoding"


def test_another_encoding_than_the_one_named_is_a_fault_with_a_hint(folder: Folder) -> None:
    folder.put("a.csv", "id,näme\n1,ü\n".encode("cp1252"))
    problems = folder.faults("a.csv")
    assert place(problems[0]) == ("invalid_encoding", "a.csv", 1)
    assert "--encoding" in problems[0].hint
    assert folder.rows("a.csv", encoding="cp1252")[0].values == {"id": "1", "näme": "ü"}


def test_a_long_line_is_shortened_in_a_finding(folder: Folder) -> None:
    folder.put("a.csv", "id,n\n" + "y" * 5000 + "\n")
    (problem,) = folder.faults("a.csv")
    assert problem.position is not None
    assert problem.position.text == "y" * 200


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 6)), max_size=200))
def test_the_first_findings_of_the_data_are_kept_in_whatever_order_they_come(
    places: list[tuple[int, int]],
) -> None:
    faults = Faults(show_text=True)
    for line, column in places:
        faults.add("odd", "odd", file=FILE, line=line + 1, column=column + 1)
    found = [(p.position.line - 1, p.position.column - 1) for p in faults.problems() if p.position]
    assert found == sorted(places)[:SHOWN]
    assert faults.count == len(places)
    assert len(faults.problems()) == min(len(places), SHOWN) + (len(places) > SHOWN)


@given(
    st.lists(st.text(st.sampled_from("ab"), min_size=1, max_size=3), max_size=40),
    st.integers(1, 5),
    st.integers(1, 3),
    st.integers(1, MOST_PARTS),
)
def test_the_ledger_finds_exactly_the_repeated_keys_also_in_parts(
    keys: list[str], per_file: int, files_per_ledger: int, parts: int
) -> None:
    whole, ledgers = KeyLedger(), list[KeyLedger]()
    places: list[tuple[int, int]] = []
    for row, key in enumerate(keys):
        file, line = divmod(row, per_file)
        if line == 0:
            if file % files_per_ledger == 0:
                ledgers.append(KeyLedger(parts))
            for ledger in (whole, ledgers[-1]):
                ledger.begin_file(file)
        places.append((file, line))
        for ledger in (whole, ledgers[-1]):
            ledger.add(key, line)
    expected = [(places[row], places[keys.index(key)]) for row, key in enumerate(keys) if keys.index(key) < row]
    assert sorted(whole.repeated()) == expected
    joined = [KeyLedger.joined(ledger.part(part) for ledger in ledgers) for part in range(parts)]
    assert sorted(pair for ledger in joined for pair in ledger.repeated()) == expected


def _with_headers(**headers: Node) -> Artifact:
    request = RequestTemplate(method="GET", service="api", headers=tuple(headers.items()))
    return Artifact(
        journey=JourneyIdentity(name="j"),
        inputs=(Input(name="a"), Input(name="b"), Input(name="c", sensitive=True)),
        steps=(HttpStep(id="s", name="s", request=request),),
    )


def _header_faults(folder: Folder, artifact: Artifact, name: str, key: str = "") -> list[tuple[str, str, int]]:
    source = DatasetSource(files=(str(folder.path / name),), key_column=key)
    with pytest.raises(DatasetError) as caught:
        list(DatasetRows(source, artifact, frozenset()).read())
    return [(problem.code, problem.message, place(problem)[2]) for problem in caught.value.problems]


def test_what_no_header_can_carry_is_found_in_every_row(folder: Folder) -> None:
    folder.put(
        "a.jsonl", '{"a": "x\\r\\nX-Evil: 1", "b": "\\n"}\n{"a": ["ok", "\\u0000"]}\n{"a": "Zoë", "c": "\\u0007"}\n'
    )
    a, c = Reference(Namespace.INPUTS, "a"), Text(("Bearer ", Reference(Namespace.INPUTS, "c")))
    where = "contains {1}, which is not allowed in the header `{0}` of step `s`"
    assert _header_faults(folder, _with_headers(A=a, C=c), "a.jsonl") == [
        ("invalid_value", "`a` " + where.format("A", "a line end"), 1),
        ("invalid_value", "`a` " + where.format("A", "a NUL"), 2),
        ("invalid_value", "`c` " + where.format("C", "a control character"), 3),
    ]


def test_a_key_that_goes_into_a_header_is_looked_at_too(folder: Folder) -> None:
    folder.put("a.csv", 'a,b\n"1\n2",x\n')
    artifact = _with_headers(Key=Reference(Namespace.ROW, "key"))
    assert [fault[2] for fault in _header_faults(folder, artifact, "a.csv", key="a")] == [2]


def test_a_line_end_in_a_column_that_no_header_reads_is_no_fault(folder: Folder) -> None:
    folder.put("a.jsonl", '{"a": {"n": "\\n"}, "b": "\\n"}\n')
    body = ObjectNode((("b", Reference(Namespace.INPUTS, "b")),))
    artifact = _with_headers(A=Reference(Namespace.INPUTS, "a"), B=body)
    source = DatasetSource(files=(str(folder.path / "a.jsonl"),))
    assert len(list(DatasetRows(source, artifact, frozenset()).read())) == 1
