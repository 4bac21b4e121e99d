"""Answers as text and bytes: nothing is lost, and nothing commands a terminal or a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reqflo_ray._internal.analysis.export import LEFT_OUT, to_csv, to_json, to_parquet
from reqflo_ray._internal.analysis.session import QueryResult, Session, open_session
from reqflo_ray._internal.errors import Problem, UsageError
from reqflo_ray._internal.storage.local import LocalStorage


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with open_session(LocalStorage(tmp_path_factory.mktemp("no-runs"))) as opened:
        yield opened


def as_json(session: Session, expression: str) -> Any:
    return json.loads(to_json(session.query(f"SELECT {expression} AS v")))[0]["v"]


def as_csv(session: Session, expression: str, *, raw: bool = False) -> str:
    text = to_csv(session.query(f"SELECT {expression} AS v"), raw=raw).decode()
    (_, (cell,)) = csv.reader(io.StringIO(text))
    return cell


def texts(*values: str | None) -> QueryResult:
    return QueryResult(pa.table({"v": pa.array(values, pa.string())}), ("VARCHAR",))


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("NULL", None),
        ("1", 1),
        ("true", True),
        ("1.5::DOUBLE", 1.5),
        ("'NaN'::DOUBLE", "NaN"),
        ("'inf'::DOUBLE", "Infinity"),
        ("'-inf'::FLOAT", "-Infinity"),
        ("18446744073709551615::UBIGINT", 18446744073709551615),
        ("1180591620717411303424::HUGEINT", 2**70),
        ("12.340::DECIMAL(9,3)", 12.34),
        ("'text'", "text"),
        ("'a' || chr(0) || 'b'", "a\0b"),
        ("TIMESTAMP '2026-11-22 10:45:00.5'", "2026-11-22T10:45:00.500000Z"),
        ("TIMESTAMPTZ '2026-11-22 12:45:00+02'", "2026-11-22T10:45:00Z"),
        ("DATE '2026-11-22'", "2026-11-22"),
        ("TIME '10:45:00'", "10:45:00"),
        ("'\\x00\\xFF'::BLOB", "AP8="),
        ("[1, NULL, 3]", [1, None, 3]),
        ("{'a': 1, 'b': [true]}", {"a": 1, "b": [True]}),
        ("MAP {'content-type': 'x', 'etag': NULL}", {"content-type": "x", "etag": None}),
        ("[MAP {'a': 1}]", [{"a": 1}]),
        ("MAP {1: 'x'}", {"1": "x"}),
        ("{'m': [MAP {'a': {'t': TIMESTAMP '2026-01-01'}}]}", {"m": [{"a": {"t": "2026-01-01T00:00:00Z"}}]}),
        ("MAP {}", {}),
        ("NULL::MAP(VARCHAR, INTEGER)", None),
        ("[]", []),
        ("INTERVAL 1 DAY", "1 day"),
        ("'00000000-0000-0000-0000-000000000001'::UUID", "00000000-0000-0000-0000-000000000001"),
        ("'{\"a\": 1}'::JSON", '{"a": 1}'),
    ],
)
def test_every_type_has_its_json(session: Session, expression: str, value: Any) -> None:
    assert as_json(session, expression) == value


def test_json_is_a_line_per_row(session: Session) -> None:
    data = to_json(session.query("SELECT i, 'é' AS t FROM range(2) r(i)")).decode()
    assert data == '[\n{"i":0,"t":"é"},\n{"i":1,"t":"é"}\n]\n'
    assert to_json(session.query("SELECT 1 WHERE false")) == b"[]\n"


def test_columns_of_one_name_are_all_kept(session: Session) -> None:
    result = session.query("SELECT 1 AS a, 2 AS a, 3 AS a_")
    (row,) = json.loads(to_json(result))
    assert list(row.values()) == [1, 2, 3]
    assert pq.read_table(pa.BufferReader(to_parquet(result))).num_columns == 3
    assert to_csv(result).decode() == "a,a,a_\n1,2,3\n"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "=cmd|' /C calc'!A0"])
def test_a_formula_is_disarmed_in_csv(session: Session, text: str) -> None:
    result = texts(text)
    cell = next(csv.reader(io.StringIO(to_csv(result).decode().partition("\n")[2], newline="")))[0]
    assert cell == f"'{text}"
    raw = next(csv.reader(io.StringIO(to_csv(result, raw=True).decode().partition("\n")[2], newline="")))[0]
    assert raw == text


def test_a_formula_as_a_column_name_is_disarmed(session: Session) -> None:
    assert to_csv(session.query('SELECT 1 AS "=1+1"')).decode() == "'=1+1\n1\n"


@pytest.mark.parametrize(
    ("expression", "cell"),
    [
        ("-5", "-5"),
        ("-1.5::DOUBLE", "-1.5"),
        ("NULL", ""),
        ("'a,b\"c'", 'a,b"c'),
        ("[1, 2]", "[1,2]"),
        ("{'a': 'x'}", '{"a":"x"}'),
        ("true", "true"),
    ],
)
def test_csv_cells(session: Session, expression: str, cell: str) -> None:
    assert as_csv(session, expression) == cell


def test_csv_keeps_line_breaks_within_cells() -> None:
    data = to_csv(texts("a\nb", None, "c")).decode()
    assert list(csv.reader(io.StringIO(data, newline=""))) == [["v"], ["a\nb"], [""], ["c"]]


def test_parquet_reads_back(session: Session) -> None:
    result = session.query("SELECT 1 AS a, 'x' AS b, MAP {'k': 'v'} AS m, now() AS t")
    table = pq.read_table(pa.BufferReader(to_parquet(result)))
    assert table.column_names == ["a", "b", "m", "t"]
    assert table["m"].to_pylist() == [[("k", "v")]]


def test_not_a_number_is_told_from_null_within_a_list_too(session: Session) -> None:
    assert as_json(session, "[1.0::DOUBLE, 'NaN'::DOUBLE, NULL]") == [1.0, "NaN", None]


# What an answer leaves out

NOTE = "run `r1`: 1 damaged file is left out, with 5 rows"
TYPES = (
    "1 AS a, 'x' AS b, [1, 2] AS c, {'d': 1.5} AS d, MAP {'k': 1} AS e, now() AS f, 1.5::DECIMAL(5, 2) AS g, NULL AS h"
)


def without_some(result: QueryResult) -> QueryResult:
    return QueryResult(result.table, result.types, (Problem(code="damaged_file", message=NOTE),))


@pytest.mark.parametrize("lines", [0, 1, 3])
def test_every_format_says_in_itself_what_an_answer_leaves_out(session: Session, lines: int) -> None:
    result = without_some(session.query(f"SELECT {TYPES} FROM range({lines})"))
    shown = max(lines, 1)  # who counts lines must not take none for good news
    found = json.loads(to_json(result))
    assert [line[LEFT_OUT] for line in found] == [NOTE] * shown and [*found[0]] == [*"abcdefgh", LEFT_OUT]
    assert [line["a"] for line in found] == ([1] * lines if lines else [None])
    header, *cells = csv.reader(io.StringIO(to_csv(result).decode()))
    assert header[-1] == LEFT_OUT and [row[-1] for row in cells] == [NOTE] * shown
    assert [row[0] for row in cells] == (["1"] * lines or [""])
    table = pq.read_table(io.BytesIO(to_parquet(result)))
    assert table[LEFT_OUT].to_pylist() == [NOTE] * shown and table.schema.names[:-1] == [*"abcdefgh"]
    assert table["a"].to_pylist() == ([1] * lines if lines else [None])


@pytest.mark.parametrize("export", [to_csv, to_json, to_parquet])
def test_an_answer_that_leaves_nothing_out_says_nothing_of_it(
    session: Session, export: Callable[[QueryResult], bytes]
) -> None:
    for lines in (0, 2):
        assert LEFT_OUT.encode() not in export(session.query(f"SELECT 1 AS a FROM range({lines})"))


def test_a_column_of_that_name_keeps_its_own(session: Session) -> None:
    result = without_some(session.query(f"SELECT 1 AS {LEFT_OUT}"))
    assert json.loads(to_json(result)) == [{LEFT_OUT: 1, f"{LEFT_OUT}_": NOTE}]


@pytest.mark.parametrize(
    ("name", "format", "begins"),
    [
        ("x.csv", "", b"v\n'=1"),
        ("x.CSV", "", b"v\n'=1"),
        ("x.json", "", b"[\n{"),
        ("x.parquet", "", b"PAR1"),
        ("x.txt", "csv", b"v\n'=1"),
        ("x.csv", "json", b"[\n{"),
    ],
)
def test_an_answer_is_written_as_its_file_is_called_or_as_was_said(
    tmp_path: Path, name: str, format: str, begins: bytes
) -> None:
    texts("=1").write(tmp_path / name, format)
    assert (tmp_path / name).read_bytes().startswith(begins)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("name", "format"), [("x.txt", ""), ("x", ""), (".csv", ""), ("x.csv", "xml"), ("x.csv", "CSV")]
)
def test_an_answer_in_no_format_is_not_written(tmp_path: Path, name: str, format: str) -> None:
    with pytest.raises(UsageError) as refused:
        texts("=1").write(tmp_path / name, format)
    assert refused.value.code == "unknown_format" and "csv, json, parquet" in refused.value.hint
    assert list(tmp_path.iterdir()) == []
