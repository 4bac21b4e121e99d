"""Parquet: which values become which JSON, and which columns are refused."""

from __future__ import annotations

import datetime
import io
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reqflo_ray._internal.datasets.faults import DataFile, Faults
from reqflo_ray._internal.datasets.parquet_rows import ParquetReader

FILE = DataFile(0, "data.parquet")


def parquet_bytes(columns: dict[str, pa.Array[Any]]) -> bytes:
    output = io.BytesIO()
    pq.write_table(pa.table(columns), output)
    return output.getvalue()


def read(data: bytes) -> tuple[tuple[str, ...], list[Any], list[str]]:
    """The columns, the rows, and the codes of the faults."""
    faults = Faults(show_text=True)
    reader = ParquetReader(FILE, io.BytesIO(data), faults)
    columns = reader.header()
    rows = list(reader.records())
    return columns, rows, [problem.code for problem in faults.problems()]


def value(array: pa.Array[Any]) -> Any:
    """What the first value of a column becomes."""
    _, rows, codes = read(parquet_bytes({"x": array}))
    assert codes == []
    return rows[0][1]["x"]


def raw(kind: pa.DataType, *numbers: int | None) -> pa.Array[Any]:
    return pa.array(numbers, pa.int32() if kind.bit_width == 32 else pa.int64()).view(kind)


def test_rows_are_numbered_from_one_and_a_null_is_not_supplied() -> None:
    columns, rows, codes = read(parquet_bytes({"id": pa.array([1, None]), "name": pa.array(["a", "b"])}))
    assert columns == ("id", "name")
    assert rows == [(1, {"id": 1, "name": "a"}, ""), (2, {"name": "b"}, "")]
    assert codes == []


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (pa.array([2**64 - 1], pa.uint64()), 2**64 - 1),
        (pa.array([True]), True),
        (pa.array(["007"]), "007"),
        (pa.array(["x"], pa.large_string()), "x"),
        (pa.array(["x"]).dictionary_encode(), "x"),
        (pa.array([0.1]), 0.1),
        (pa.array([Decimal("1.10")], pa.decimal128(30, 2)), Decimal("1.10")),
        (pa.array([datetime.date(2026, 11, 22)]), "2026-11-22"),
        (pa.array([datetime.time(10, 45, 0, 5)]), "10:45:00.000005"),
        (raw(pa.time64("ns"), 123456789), "00:00:00.123456789"),
        (raw(pa.time64("ns"), 86_399_999_999_000), "23:59:59.999999"),
        (raw(pa.time32("ms"), 1_500), "00:00:01.500000"),
        (raw(pa.time32("s"), 3_600), "01:00:00"),
        (raw(pa.time64("ns"), 1).dictionary_encode(), "00:00:00.000000001"),
        (
            pa.array([[{"at": 1}, None]], pa.list_(pa.struct([("at", pa.time64("ns"))]))),
            [{"at": "00:00:00.000000001"}, None],
        ),
        (pa.array([[("k", 1)]], pa.map_(pa.string(), pa.time64("ns"))), {"k": "00:00:00.000000001"}),
        (pa.array([[[("k", 1.5)]]], pa.list_(pa.map_(pa.string(), pa.float64()))), [{"k": 1.5}]),
        (pa.array([datetime.datetime(2026, 11, 22, 10, 45)], pa.timestamp("s")), "2026-11-22T10:45:00"),
        (
            pa.array([datetime.datetime(2026, 11, 22, 10, 45, 0, 5)], pa.timestamp("us", "UTC")),
            "2026-11-22T10:45:00.000005+00:00",
        ),
        (
            pa.array([datetime.datetime(2026, 11, 22, 10, 45)], pa.timestamp("s", "+02:00")),
            "2026-11-22T12:45:00+02:00",
        ),
        (pa.array([[1, None]]), [1, None]),
        (pa.array([{"a": [datetime.date(2026, 1, 2)], "b": None}]), {"a": ["2026-01-02"], "b": None}),
        (pa.array([[("k", 1.5)]], pa.map_(pa.string(), pa.float64())), {"k": 1.5}),
    ],
)
def test_a_value_becomes_json_without_loss(array: pa.Array[Any], expected: Any) -> None:
    found = value(array)
    assert found == expected
    assert type(found) is type(expected)


def test_decimals_keep_their_digits() -> None:
    assert str(value(pa.array([Decimal("1.10")], pa.decimal128(30, 2)))) == "1.10"


@pytest.mark.parametrize(
    ("array", "kind"),
    [
        (pa.array([b"x"]), "bytes"),
        (pa.array([b"x"], pa.binary(1)), "bytes"),
        (pa.array([[b"x"]]), "bytes"),
        (pa.array([{"deep": [b"x"]}]), "bytes"),
        (pa.array([datetime.timedelta(1)]), "duration"),
        (pa.array([[(1, 2)]], pa.map_(pa.int64(), pa.int64())), "maps"),
    ],
)
def test_a_column_without_a_json_form_is_refused_by_name(array: pa.Array[Any], kind: str) -> None:
    faults = Faults(show_text=True)
    reader = ParquetReader(FILE, io.BytesIO(parquet_bytes({"id": pa.array([1]), "odd": array})), faults)
    assert reader.header() == ()
    assert list(reader.records()) == []
    (problem,) = faults.problems()
    assert problem.code == "unsupported_column"
    assert "`odd`" in problem.message
    assert kind in problem.message


@pytest.mark.parametrize("odd", [pa.array([1.0, float("nan")]), pa.array([[1.0], [float("inf")]])])
def test_a_number_that_json_does_not_have_is_a_fault_of_its_row(odd: pa.Array[Any]) -> None:
    faults = Faults(show_text=True)
    reader = ParquetReader(FILE, io.BytesIO(parquet_bytes({"x": odd})), faults)
    reader.header()
    assert len(list(reader.records())) == 1
    (problem,) = faults.problems()
    assert problem.code == "no_json_value"
    assert "row 2" in problem.message
    assert problem.position is not None
    assert problem.position.line == 2


@pytest.mark.parametrize(
    "odd",
    [
        raw(pa.timestamp("us"), 0, 2**63 - 1),  # how PostgreSQL's `infinity` is exported
        raw(pa.timestamp("us"), 0, -(2**63) + 1),
        raw(pa.timestamp("ms", tz="UTC"), 0, 253402300800000),  # the year 10000
        raw(pa.date32(), 0, -719529),  # the year 0
        raw(pa.date32(), 0, 2**31 - 1),
        raw(pa.time64("us"), 0, 86_400_000_000),
        raw(pa.time64("ns"), 0, -1),
        raw(pa.time32("ms"), 0, 2**31 - 1),
        raw(pa.timestamp("ms", tz="Mars/Base"), None, 0),
        pa.array([[0], [253402300800000]]).cast(pa.list_(pa.timestamp("ms"))),
        pa.array([b"good", b"\xed\xa0\xbd"]).view(pa.string()),
    ],
    ids=[
        "infinity",
        "-infinity",
        "year 10000",
        "year 0",
        "last day",
        "24:00",
        "before midnight",
        "596 hours",
        "unknown zone",
        "in a list",
        "no utf-8",
    ],
)
def test_a_cell_that_python_cannot_hold_is_a_fault_of_its_row_and_costs_no_other(odd: pa.Array[Any]) -> None:
    faults = Faults(show_text=True)
    column = pa.concat_arrays([odd, odd[:1]])
    reader = ParquetReader(FILE, io.BytesIO(parquet_bytes({"id": pa.array([1, 2, 3]), "x": column})), faults)
    reader.header()
    assert [values["id"] for _, values, _ in reader.records()] == [1, 3]
    (problem,) = faults.problems()
    assert (problem.code, problem.position and problem.position.line) == ("no_json_value", 2)
    assert "column `x`" in problem.message and problem.cause


def test_a_column_that_is_there_twice_is_refused() -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["id", "id"])
    output = io.BytesIO()
    pq.write_table(table, output)
    assert read(output.getvalue())[2] == ["duplicate_column"]


def test_a_table_without_columns_is_refused() -> None:
    assert read(parquet_bytes({}))[2] == ["no_header"]


def test_a_table_without_rows_gives_none() -> None:
    assert read(parquet_bytes({"id": pa.array([], pa.int64())})) == (("id",), [], [])


@pytest.mark.parametrize("cut", [4, 20, -9, -1])
def test_a_damaged_file_is_one_fault(cut: int) -> None:
    whole = parquet_bytes({"id": pa.array(range(100))})
    assert read(whole[:cut])[2] == ["damaged_parquet"]


def test_damage_in_the_pages_is_a_fault_after_the_rows_before() -> None:
    whole = bytearray(parquet_bytes({"name": pa.array([f"name {number}" for number in range(100)])}))
    whole[10:40] = bytes(30)
    assert read(bytes(whole))[2] == ["damaged_parquet"]
