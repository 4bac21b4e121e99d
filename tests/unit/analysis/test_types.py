"""Every type of DuckDB comes through to every format and to Python, with its value and not another one."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reqflo_ray import QueryResult
from reqflo_ray._internal.analysis.session import Session, open_session
from reqflo_ray._internal.storage.local import LocalStorage

MOST = 2**128 - 1

# An expression, its value in Python, and its text; None stands for the text that DuckDB itself gives.
TYPES: list[tuple[str, Any, str | None]] = [
    ("INTERVAL 1 DAY", timedelta(days=1), None),
    ("INTERVAL '2 days 03:04:05.6789'", timedelta(days=2, hours=3, minutes=4, seconds=5, microseconds=678900), None),
    ("INTERVAL '-00:00:01'", timedelta(seconds=-1), None),
    ("INTERVAL '-1 day -00:00:00.5'", -timedelta(days=1, milliseconds=500), None),
    ("TIMESTAMP '2026-01-01 00:00:01.188' - TIMESTAMP '2026-01-01'", timedelta(seconds=1, milliseconds=188), None),
    ("INTERVAL '0 s'", timedelta(0), None),
    ("INTERVAL '1 year 2 months 3 days 04:05:06.7'", "1 year 2 months 3 days 04:05:06.7", None),
    ("INTERVAL '-3 months 90 minutes'", "-3 months 01:30:00", None),
    ("INTERVAL '2147483647 days'", "2147483647 days", None),
    ("'x'::ENUM('x', 'y')", "x", None),
    ("17::HUGEINT", 17, None),
    ("(2::HUGEINT ** 100)::HUGEINT", 2**100, None),
    ("170141183460469231731687303715884105727::HUGEINT", 2**127 - 1, None),
    (f"'-{2**127}'::HUGEINT", -(2**127), None),
    (f"{MOST}::UHUGEINT", MOST, None),
    (f"'{10**70}'::BIGNUM", 10**70, None),
    (f"'{10**90}'::BIGNUM", str(10**90), None),
    ("18446744073709551615::UBIGINT", 2**64 - 1, None),
    ("12.340::DECIMAL(9,3)", Decimal("12.340"), None),
    ("'00000000-0000-0000-0000-000000000001'::UUID", "00000000-0000-0000-0000-000000000001", None),
    ("'10101'::BIT", "10101", None),
    ("'\\x00\\xFF'::BLOB", b"\x00\xff", "AP8="),
    ("'{\"a\": 1}'::JSON", '{"a": 1}', None),
    ("'{\"a\": [1, null]}'::JSON::VARIANT", '{"a":[1,null]}', '{"a":[1,null]}'),
    ("'POINT(1 2)'::GEOMETRY", "POINT (1 2)", None),
    ("TIME '10:45:00.5'", time(10, 45, 0, 500_000), "10:45:00.500000"),
    ("TIME '24:00:00'", "24:00:00", None),
    ("TIME_NS '10:45:00.123456789'", "10:45:00.123456789", None),
    ("TIMETZ '10:45:00+02:30'", "10:45:00+02:30", None),
    ("DATE '2026-11-22'", date(2026, 11, 22), None),
    ("DATE '12024-02-29'", "12024-02-29", None),
    ("DATE '0044-03-15 (BC)'", "0044-03-15 (BC)", None),
    ("DATE '0001-12-31 (BC)'", "0001-12-31 (BC)", None),
    ("DATE 'infinity'", "infinity", None),
    ("DATE '-infinity'", "-infinity", None),
    ("TIMESTAMP '2026-11-22 10:45:00'", datetime(2026, 11, 22, 10, 45), "2026-11-22T10:45:00Z"),
    ("TIMESTAMPTZ '2026-11-22 12:45+02'", datetime(2026, 11, 22, 10, 45, tzinfo=UTC), "2026-11-22T10:45:00Z"),
    ("TIMESTAMP_S '2026-11-22 10:45:00'", datetime(2026, 11, 22, 10, 45), "2026-11-22T10:45:00Z"),
    ("TIMESTAMP_NS '2026-11-22 10:45:00.000001'", datetime(2026, 11, 22, 10, 45, 0, 1), "2026-11-22T10:45:00.000001Z"),
    (
        "TIMESTAMP_NS '2026-11-22 10:45:00.123456789'",
        "2026-11-22T10:45:00.123456789Z",
        "2026-11-22T10:45:00.123456789Z",
    ),
    ("TIMESTAMP 'infinity'", "infinity", None),
    ("TIMESTAMPTZ '-infinity'", "-infinity", None),
    ("TIMESTAMPTZ '12026-11-22 10:45+00'", "12026-11-22T10:45:00Z", "12026-11-22T10:45:00Z"),
    ("TIMESTAMP '0044-03-15 (BC) 01:02:03'", "0044-03-15T01:02:03Z (BC)", "0044-03-15T01:02:03Z (BC)"),
    ("union_value(n := 3)", 3, None),
    ("union_value(t := 'x')", "x", None),
    ("[1, NULL, 3]", [1, None, 3], "[1,null,3]"),
    ("[INTERVAL 1 DAY, NULL]", ["1 day", None], '["1 day",null]'),
    ("[TIMESTAMP 'infinity', NULL]", ["infinity", None], '["infinity",null]'),
    ("array_value(TIMETZ '10:00:00+01', NULL)", ["10:00:00+01", None], '["10:00:00+01",null]'),
    ("[7::HUGEINT]", [7], "[7]"),
    (
        "{'i': INTERVAL 2 HOUR, 'a \"b\"': ['1'::BIT]}",
        {"i": "02:00:00", 'a "b"': ["1"]},
        '{"i":"02:00:00","a \\"b\\"":["1"]}',
    ),
    ("{'d': DATE '12026-01-01'}", {"d": "12026-01-01"}, '{"d":"12026-01-01"}'),
    ("MAP {DATE 'infinity': INTERVAL 1 DAY}", [("infinity", "1 day")], '{"infinity":"1 day"}'),
    ("[union_value(n := 3)::UNION(n INT, t TIMETZ)]", [3], "[3]"),
    ("'inf'::DOUBLE", float("inf"), "Infinity"),
]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with open_session(LocalStorage(tmp_path_factory.mktemp("no-runs"))) as opened:
        yield opened


def both(session: Session, expression: str) -> QueryResult:
    """The value, null and the value again, in that order."""
    return session.query(f"SELECT CASE i WHEN 1 THEN NULL ELSE {expression} END AS v FROM range(3) t(i) ORDER BY i")


def shown_by_duckdb(expression: str) -> str:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        [(text,)] = connection.sql(f"SELECT ({expression})::VARCHAR").fetchall()
        return str(text)


@pytest.mark.parametrize(("expression", "value", "text"), TYPES)
def test_a_value_is_itself_in_python_and_in_every_format(
    session: Session, expression: str, value: Any, text: str | None
) -> None:
    answer = both(session, expression)
    assert list(answer.rows()) == [(value,), (None,), (value,)]
    told = shown_by_duckdb(expression) if text is None else text
    cells = list(csv.reader(io.StringIO(answer.encode("csv").decode())))
    assert cells == [["v"], [told], [""], [told]]
    for line in json.loads(answer.encode("json"), parse_float=Decimal)[::2]:
        found = line["v"]
        as_text = found if isinstance(found, str) else json.dumps(found, separators=(",", ":"), default=str)
        assert as_text.replace('"12.340"', "12.340") == told


@pytest.mark.parametrize(("expression", "value", "text"), TYPES)
def test_an_answer_in_parquet_can_be_read_by_others(
    session: Session, expression: str, value: Any, text: str | None
) -> None:
    data = both(session, expression).encode("parquet")
    table = pq.read_table(pa.BufferReader(data))
    assert table.column("v").null_count == 1 and len(table) == 3
    with duckdb.connect() as connection:
        connection.register("answer", table)
        assert connection.sql("SELECT count(v) FROM answer").fetchall() == [(2,)]


@pytest.mark.parametrize(("expression", "value", "text"), TYPES)
def test_an_answer_can_be_had_as_a_data_frame(session: Session, expression: str, value: Any, text: str | None) -> None:
    pytest.importorskip("pandas")
    frame = both(session, expression).to_pandas()
    assert list(frame["v"].isna()) == [False, True, False]
    assert "v" in repr(frame)


def test_a_data_frame_has_its_own_values_where_it_can(session: Session) -> None:
    pandas = pytest.importorskip("pandas")
    answer = session.query(
        "SELECT TIMESTAMP_NS '2026-11-22 10:45:00.123456789' AS ns, TIMESTAMPTZ '2026-11-22 10:45+00' AS tz,"
        " INTERVAL 90 SECOND AS took, sum(1) AS n, TIMESTAMP 'infinity' AS never"
    )
    line = answer.to_pandas().iloc[0]
    assert line["ns"] == pandas.Timestamp("2026-11-22 10:45:00.123456789")
    assert line["tz"] == pandas.Timestamp("2026-11-22 10:45", tz="UTC")
    assert (line["took"], line["n"], line["never"]) == (pandas.Timedelta(seconds=90), 1, "infinity")


def test_a_sum_is_a_number_that_pandas_calculates_with(session: Session) -> None:
    answer = session.query("SELECT sum(i) AS n FROM range(10) t(i)")
    assert answer.table.schema.field("n").type == pa.int64()
    assert list(answer.rows()) == [(45,)]


def test_instants_know_their_zone_in_python_and_in_parquet(session: Session) -> None:
    answer = session.query("SELECT now() AS t, started_at FROM results RIGHT JOIN range(1) ON true")
    assert answer.table.schema.types == [pa.timestamp("us", tz="UTC")] * 2
    assert pq.read_schema(pa.BufferReader(answer.encode("parquet"))).types == [pa.timestamp("us", tz="UTC")] * 2
    ((now, _),) = answer.rows()
    assert now.utcoffset() == timedelta(0) and abs(datetime.now(UTC) - now) < timedelta(minutes=1)


def test_columns_keep_their_names_and_order_beside_what_is_converted(session: Session) -> None:
    answer = session.query('SELECT INTERVAL 1 DAY AS a, 2 AS a, TIMETZ \'10:00:00+01\' AS "b c", 3 AS "#1"')
    assert answer.columns == ("a", "a", "b c", "#1")
    assert list(answer.rows()) == [(timedelta(days=1), 2, "10:00:00+01", 3)]
    assert answer.types == ("INTERVAL", "INTEGER", "TIME WITH TIME ZONE", "INTEGER")


def test_lines_keep_their_order_beside_what_is_converted(session: Session) -> None:
    answer = session.query("SELECT i, TIMETZ '10:00:00+01' AS t FROM range(50000) t(i) ORDER BY hash(i)")
    plain = session.query("SELECT i FROM range(50000) t(i) ORDER BY hash(i)")
    assert answer.table["i"].to_pylist() == plain.table["i"].to_pylist()


@pytest.mark.parametrize("expression", ["INTERVAL 1 DAY", "1::HUGEINT", "'1'::BIT", "union_value(n := 3)"])
@pytest.mark.parametrize("format", ["csv", "json", "parquet"])
def test_an_answer_without_a_line_can_be_written(session: Session, expression: str, format: str) -> None:
    answer = session.query(f"SELECT {expression} AS v WHERE false")
    assert list(answer.rows()) == [] and answer.encode(format)
    answer = session.query(f"SELECT CASE WHEN false THEN {expression} END AS v")
    assert list(answer.rows()) == [(None,)] and answer.encode(format)


def test_an_answer_that_comes_in_pieces_has_the_same_values(session: Session) -> None:
    pieces = list(session.stream("SELECT i * INTERVAL 1 SECOND AS v, i::HUGEINT AS n FROM range(45000) t(i)"))
    assert len(pieces) > 1
    found = [row for piece in pieces for row in piece.rows()]
    assert found == [(timedelta(seconds=i), i) for i in range(45000)]
