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
from reqflo_ray._internal.engine.values.expressions import to_text

FILE = DataFile(0, "data.parquet")


def parquet_bytes(columns: dict[str, pa.Array[Any]]) -> bytes:
    output = io.BytesIO()
    pq.write_table(pa.table(columns), output)
    return output.getvalue()


def read(data: bytes, used: frozenset[str] | None = None) -> tuple[tuple[str, ...], list[Any], list[str]]:
    """The columns, the rows, and the codes of the faults."""
    faults = Faults(show_text=True)
    reader = ParquetReader(FILE, io.BytesIO(data), faults, used=used)
    columns = reader.header()
    rows = list(reader.records())
    return columns, rows, [problem.code for problem in faults.problems()]


def value(array: pa.Array[Any]) -> Any:
    """What the first value of a column becomes."""
    _, rows, codes = read(parquet_bytes({"x": array}))
    assert codes == []
    return rows[0][1]["x"]


def extension(kind: Any, stored: object) -> pa.Array[Any]:
    return pa.ExtensionArray.from_storage(kind, pa.array([stored], kind.storage_type))


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
        (pa.array([[("k", 1.5)]], pa.map_(pa.large_string(), pa.float64())), {"k": 1.5}),
        (pa.array(["x"], pa.string_view()), "x"),
        (pa.array([["x"]], pa.large_list(pa.string_view())), ["x"]),
        (pa.array([[1]], pa.list_view(pa.int64())), [1]),
        (pa.array([[1]], pa.large_list_view(pa.int64())), [1]),
        (pa.array([1.5], pa.float16()), 1.5),
        (pa.array([19.9], pa.float32()), 19.9),
        (pa.array([[19.9]], pa.list_(pa.float32())), [19.9]),
        (pa.array([0.1], pa.float16()), 0.1),
        (pa.array([16777217.0], pa.float32()), 16777216.0),
        (pa.array([Decimal("1.10")], pa.decimal32(5, 2)), Decimal("1.10")),
        (pa.array([Decimal("1.10")], pa.decimal256(60, 2)), Decimal("1.10")),
        (extension(pa.uuid(), b"0123456789abcdef"), "30313233-3435-3637-3839-616263646566"),
        (pa.StructArray.from_arrays([extension(pa.uuid(), b"0123456789abcdef")], ["u"]),
         {"u": "30313233-3435-3637-3839-616263646566"}),
        (extension(pa.json_(), '{"a": [1.50, null]}'), {"a": [Decimal("1.50"), None]}),
        (extension(pa.json_(pa.large_string()), '"text"'), "text"),
        (extension(pa.json_(), "12345678901234567890123"), 12345678901234567890123),
        (pa.ListArray.from_arrays([0, 1], extension(pa.json_(), "[1]")), [[1]]),
        (extension(pa.bool8(), 1), True),
        (extension(pa.opaque(pa.string(), "inet", "postgres"), "127.0.0.1"), "127.0.0.1"),
    ],
)  # fmt: skip
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
        (pa.array([b"x"], pa.binary_view()), "bytes"),
        (extension(pa.opaque(pa.binary(), "geometry", "postgis"), b"x"), "bytes"),
        (pa.array([datetime.timedelta(1)]), "durations"),
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


ODD: dict[str, pa.Array[Any]] = {
    "bytes": pa.array([b"x", None]),
    "duration": pa.array([datetime.timedelta(1), None]),
    "nan": pa.array([float("nan"), 1.0]),
    "infinite": pa.array([[float("inf")], None]),
    "far": raw(pa.timestamp("us"), 2**63 - 1, 0),
    "map": pa.array([[(1, 2)], None], pa.map_(pa.int64(), pa.int64())),
    "no json": pa.ExtensionArray.from_storage(pa.json_(), pa.array(["{", None])),
    "": pa.array([1, 2]),
}


@pytest.mark.parametrize("name", ODD)
def test_a_column_that_nobody_uses_is_not_looked_at(name: str) -> None:
    data = parquet_bytes({"id": pa.array([1, 2]), name: ODD[name], "x": pa.array(["a", "b"])})
    columns, rows, codes = read(data, frozenset({"id", "x", "absent"}))
    assert columns == ("id", name, "x")
    assert rows == [(1, {"id": 1, "x": "a"}, ""), (2, {"id": 2, "x": "b"}, "")]
    assert codes == []
    assert len(read(data, frozenset({"id", name}))[2]) == 1


def test_columns_of_one_name_do_no_harm_where_nobody_uses_them() -> None:
    arrays = [pa.array([1]), pa.array([2]), pa.array([3]), pa.array([{"b": 4}]), pa.array([5])]
    output = io.BytesIO()
    pq.write_table(pa.Table.from_arrays(arrays, names=["twice", "twice", "id", "a", "a.b"]), output)
    data = output.getvalue()
    assert read(data, frozenset({"id", "a.b"}))[1:] == ([(1, {"id": 3, "a.b": 5}, "")], [])
    assert read(data, frozenset({"a"}))[1:] == ([(1, {"a": {"b": 4}}, "")], [])
    assert read(data, frozenset({"id", "twice"}))[2] == ["duplicate_column"]


def test_rows_are_there_though_no_column_of_theirs_is_used() -> None:
    data = parquet_bytes({"other": pa.array([b"x", b"y", b"z"])})
    assert read(data, frozenset({"id"})) == (("other",), [(1, {}, ""), (2, {}, ""), (3, {}, "")], [])


def test_damage_in_pages_that_nobody_reads_is_not_met() -> None:
    names = pa.array([f"name {number}" for number in range(100)])
    whole = bytearray(parquet_bytes({"name": names, "id": pa.array(range(100))}))
    whole[10:40] = bytes(30)
    assert len(read(bytes(whole), frozenset({"id"}))[1]) == 100
    assert read(bytes(whole), frozenset({"name"}))[2] == ["damaged_parquet"]


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (pa.array([1e-8]), "0.00000001"),
        (pa.array([1e22]), "1" + 22 * "0" + ".0"),
        (pa.array([1e-8], pa.float32()), "0.00000001"),
        (pa.array([3.4028234663852886e38], pa.float32()), "34028235" + 31 * "0" + ".0"),
        (pa.array([-0.0]), "-0.0"),
        (pa.array([1.0]), "1.0"),
        (pa.array([Decimal("0.0000000001")], pa.decimal128(20, 12)), "0.000000000100"),
        (pa.array([2**53 + 1]), "9007199254740993"),
    ],
)
def test_a_number_is_sent_in_digits_without_an_exponent(array: pa.Array[Any], text: str) -> None:
    assert to_text(value(array)) == text


@pytest.mark.parametrize(("text", "cause"), [("{", "truncated"), ("NaN", "invalid"), ("", "truncated")])
def test_a_json_column_with_something_else_is_a_fault_of_its_row(text: str, cause: str) -> None:
    faults = Faults(show_text=True)
    column = pa.ExtensionArray.from_storage(pa.json_(), pa.array([text]))
    reader = ParquetReader(FILE, io.BytesIO(parquet_bytes({"x": column})), faults)
    reader.header()
    assert list(reader.records()) == []
    (problem,) = faults.problems()
    assert (problem.code, problem.position and problem.position.line) == ("no_json_value", 1)
    assert cause in problem.cause
