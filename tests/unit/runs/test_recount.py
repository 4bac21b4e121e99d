"""Counting anew what results files say: of this version of the tables, and of version 1, which told less."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from reqflo_ray._internal.model.results import Counts, RowResult, Status
from reqflo_ray._internal.runs.folder.recount import difference, recount
from reqflo_ray._internal.runs.results.writer import Origin, results_file

OF_VERSION_1 = Path(__file__).parents[2] / "data" / "stores" / "v0.1.0" / "finished" / "runs" / "nightly-1" / "results"
ROWS = [
    RowResult(row_index=0, row_key="", status=Status.PASSED, soft_failures=2),
    RowResult(row_index=1, row_key="", status=Status.PASSED, flaky=True, retries=1),
]
COUNTS = Counts(rows=2, passed=2, soft_failures=2, flaky=1, retries=1)


def test_soft_failures_and_flaky_rows_are_counted_anew() -> None:
    found = recount(results_file(ROWS, Origin(run_id="r", journey="j", shard=0)))
    assert (found.rows, found.counts) == ([0, 1], COUNTS)
    assert difference(COUNTS, found.counts) == ""


@pytest.mark.parametrize("name", ["soft_failures", "flaky", "retries", "passed"])
def test_a_sum_that_is_another_is_told(name: str) -> None:
    told = msgspec.structs.replace(COUNTS, **{name: 7})
    assert difference(told, COUNTS).startswith(f"it counts 7 {name}, and the results ")


def test_version_1_counted_no_soft_failures_and_no_flaky_rows() -> None:
    [counts] = {recount(path.read_bytes()).counts.soft_failures for path in OF_VERSION_1.glob("*.parquet")}
    assert counts == 0


def test_a_file_without_a_column_that_every_version_has_is_no_results_file() -> None:
    import pyarrow as pa
    from pyarrow import parquet

    sink = pa.BufferOutputStream()
    parquet.write_table(pa.table({"row_index": [0]}), sink)
    with pytest.raises((KeyError, ValueError, OSError)):
        recount(sink.getvalue().to_pybytes())
