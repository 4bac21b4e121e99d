"""The datasets that come with the project: generated exactly, valid or broken as their names say."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from reqflo_ray._internal.datasets.rows import DatasetRows
from reqflo_ray._internal.errors import DatasetError
from reqflo_ray._internal.model.artifact import Artifact, Input, JourneyIdentity
from reqflo_ray._internal.model.plan import DatasetSource, Row
from reqflo_ray._internal.model.values import ValueType

FOLDER = Path(__file__).parents[3] / "datasets"

# Of every broken file: the code of its one fault, and its line (0 where the file as a whole is meant).
BROKEN = {
    "after-the-end.json": ("invalid_json", 4),
    "array-line.jsonl": ("not_an_object", 2),
    "bad-line.jsonl": ("invalid_json", 2),
    "bad-utf8.csv": ("invalid_encoding", 2),
    "cut.csv.gz": ("damaged_gzip", 0),
    "cut.json": ("invalid_json", 5),
    "duplicate-column.csv": ("duplicate_column", 1),
    "duplicate-key.csv": ("duplicate_key", 4),
    "empty.csv": ("no_header", 0),
    "half-character.jsonl": ("invalid_json", 1),
    "missing-key.csv": ("missing_key", 3),
    "nan.jsonl": ("invalid_json", 1),
    "no-comma.json": ("invalid_json", 3),
    "not-parquet.parquet": ("damaged_parquet", 0),
    "nul.csv": ("nul_character", 2),
    "object.json": ("not_an_array", 1),
    "padded-column.csv": ("padded_column", 1),
    "ragged-long.csv": ("wrong_cell_count", 3),
    "ragged-short.csv": ("wrong_cell_count", 3),
    "scalar-row.json": ("not_an_object", 3),
    "spreadsheet.csv": ("unsupported_format", 0),
    "stray-carriage-return.csv": ("stray_carriage_return", 2),
    "stray-quote.csv": ("stray_quote", 3),
    "text-after-quote.csv": ("text_after_quote", 3),
    "unnamed-column.csv": ("unnamed_column", 1),
    "unterminated-quote.csv": ("unterminated_quote", 3),
    "utf-16.csv": ("wrong_encoding", 1),
}
# Broken to whoever reads commas only.
OTHERWISE_DELIMITED = {"semicolons.csv", "tabs.csv"}


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("datasets_generate", FOLDER / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows_of(name: str, *, key: str, inputs: tuple[Input, ...] = ()) -> list[Row]:
    artifact = Artifact(journey=JourneyIdentity(name="j"), inputs=inputs)
    source = DatasetSource(files=(str(FOLDER / name),), key_column=key)
    return list(DatasetRows(source, artifact, frozenset()).read())


def test_every_file_is_what_the_generator_makes(generator: ModuleType) -> None:
    made = generator.all_files()
    assert {name: hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() for name in made} == {
        name: hashlib.sha256(data).hexdigest() for name, data in made.items()
    }
    assert {path.name for path in (FOLDER / "nasty_broken").iterdir()} == BROKEN.keys() | OTHERWISE_DELIMITED


def test_the_digests_are_those_of_the_files() -> None:
    lines = (FOLDER / "SHA256SUMS").read_text().splitlines()
    assert len(lines) == len(BROKEN) + len(OTHERWISE_DELIMITED) + 2
    for line in lines:
        digest, _, name = line.partition("  ")
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == digest, name


def test_a_row_is_the_same_however_many_there_are(generator: ModuleType) -> None:
    few = list(generator.orders_csv(10, 7))
    assert list(generator.orders_csv(1000, 7))[:11] == few
    assert list(generator.orders_csv(10, 8)) != few


def test_the_orders_are_a_thousand_with_some_without_a_sku() -> None:
    inputs = (Input(name="total", type=ValueType.NUMBER), Input(name="qty", type=ValueType.INTEGER))
    rows = rows_of("orders.csv", key="order_ref", inputs=inputs)
    assert len(rows) == 1000
    assert 50 < sum("sku" not in row.values for row in rows) < 200


def test_the_orders_as_json_lines_are_the_same_orders(generator: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "orders.jsonl"
    path.write_text("".join(generator.orders_jsonl(1000, 7)))
    inputs = (Input(name="total", type=ValueType.NUMBER), Input(name="qty", type=ValueType.INTEGER))
    as_csv = rows_of("orders.csv", key="order_ref", inputs=inputs)
    as_json = rows_of(str(path), key="order_ref", inputs=inputs)
    assert [(row.key, row.values) for row in as_json] == [(row.key, row.values) for row in as_csv]


def test_the_nasty_cells_are_read_to_the_letter() -> None:
    rows = {row.key: row for row in rows_of("nasty.csv", key="key")}
    value = {key: row.values.get("value") for key, row in rows.items()}
    assert len(rows) == 40
    assert value["leading-zeros"] == "00042"
    assert value["beyond-double"] == "9007199254740993"
    assert value["quote"] == 'say "hi"'
    assert value["only-quotes"] == '""'
    assert value["crlf"] == "first\r\nsecond"
    assert value["carriage-return"] == "first\rsecond"
    assert value["blank-lines"] == "\n\n"
    assert value["control"] == "\x01\x08\x0b\x0c\x1b[31m\x7f"
    assert value["c1-and-separators"] == "\x85\u2028\u2029"
    assert value["noncharacter"] == "\ufffe\uffff\U0010ffff"
    assert value["formula"] == "=1+2"
    assert value["very-long"] == "x" * 100_000
    assert value["quoted-empty"] == ""
    assert "value" not in rows["empty"].values
    assert rows["no-note"].values == {"key": "no-note"}
    assert value["quoted,key\nof two lines"] == "after blank lines"
    assert rows["last"].location.endswith(":48")


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_a_broken_file_gives_its_one_fault_with_the_right_line(name: str) -> None:
    with pytest.raises(DatasetError) as caught:
        rows_of(f"nasty_broken/{name}", key="id")
    (problem,) = caught.value.problems
    line = problem.position.line if problem.position else 0
    assert (problem.code, line) == BROKEN[name]


@pytest.mark.parametrize("name", sorted(OTHERWISE_DELIMITED))
def test_a_file_with_something_else_than_commas_is_read(name: str) -> None:
    assert [row.key for row in rows_of(f"nasty_broken/{name}", key="id")] == ["1"]
