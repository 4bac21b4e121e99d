"""Result files used without us: one glob over a store gives every row of every run once, with its run and journey."""

from __future__ import annotations

from glob import glob
from pathlib import Path

import duckdb
import pyarrow.dataset
import pyarrow.parquet
import pytest
from sample_runs import RunMaker

from reqflo_ray._internal.runs.folder.completion import clean_up, complete
from reqflo_ray._internal.storage.local import LocalStorage

FILES = {"results": 10, "steps": 30}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two finished runs; of the second, a shard was written by an attempt that lost, and then by one that committed."""
    runs = RunMaker(LocalStorage(tmp_path_factory.mktemp("alone") / "store"))
    runs.finish("one", shards=2, rows=5)
    folder = runs.begin("two", journey="other")
    runs.stage(folder, 2)
    runs.write(folder, 0, 5)
    for shard in range(2):
        runs.commit(folder, shard, 5)
    complete(folder, lambda *_: runs.verdict(folder), 2)
    clean_up(folder)
    return Path(runs.storage.uri)


@pytest.mark.parametrize(("part", "lines"), FILES.items())
def test_one_glob_of_duckdb_counts_each_line_once(store: Path, part: str, lines: int) -> None:
    with duckdb.connect() as connection:
        found = connection.sql(
            f"select run_id, journey, count(*) from '{store}/runs/*/{part}/*.parquet' group by all order by all"
        ).fetchall()
    assert found == [("one", "place-order", lines), ("two", "other", lines)]


@pytest.mark.parametrize(("part", "lines"), FILES.items())
def test_one_glob_of_pyarrow_counts_each_line_once(store: Path, part: str, lines: int) -> None:
    table = pyarrow.dataset.dataset(sorted(glob(f"{store}/runs/*/{part}/*.parquet"))).to_table()
    assert table["run_id"].to_pylist() == ["one"] * lines + ["two"] * lines
    assert {
        kind for name, kind in zip(table.schema.names, table.schema.types, strict=True) if name.endswith("_ms")
    } == {pyarrow.float64()}
    assert table.schema.field("started_at").type == pyarrow.timestamp("us", tz="UTC")


@pytest.mark.parametrize("part", FILES)
def test_pandas_takes_a_quantile_of_durations(store: Path, part: str) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.concat(map(pandas.read_parquet, glob(f"{store}/runs/*/{part}/*.parquet")))
    assert frame.duration_ms.quantile(0.95) > 0 and "duration_ms" in frame.describe()
    assert str(frame.started_at.dtype) == "datetime64[us, UTC]"


def test_a_finished_run_has_one_file_of_each_table_for_each_shard(store: Path) -> None:
    names = [sorted(path.name for path in (store / "runs" / "two" / part).iterdir()) for part in FILES]
    assert names == [["shard-00000.a0002.parquet", "shard-00001.a0001.parquet"]] * 2
