"""The document of `--output`: the verdict and the result of every row, streamed, so that a million rows fit.

It reads the store through the query door and knows nothing of its files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from reqflo_ray.cli.output_file import as_json_value, encode_json, whole_file

if TYPE_CHECKING:
    from reqflo_ray.api import RunOutcome, Store

SCHEMA: Final = "reqflo-ray/run-result/1"
_ROWS_PER_QUERY: Final = 20_000


def write_result_document(path: Path, outcome: RunOutcome, store: Store) -> None:
    """Write `{"schema", "run_id", "verdict", "rows": […]}` to `path`, whole or not at all.

    Rows are objects with the columns of the `results` view, in row order; `inputs` is an object.

    Raises:
        UsageError, ReqfloError: the file cannot be written (see `whole_file`).
        QueryError, StoreError: the results cannot be read.
    """
    head = {"schema": SCHEMA, "run_id": outcome.run_id, "results": outcome.results_path, "verdict": outcome.verdict}
    with whole_file(path) as file:
        # The opening object stays open: rows follow as its last field.
        file.write(encode_json(head)[:-1] + b',"rows":[')
        separator = b"\n"
        for row in _rows(store, outcome.run_id):
            file.write(separator + encode_json(row))
            separator = b",\n"
        file.write(b"\n]}\n")


def _rows(store: Store, run_id: str) -> Iterator[Mapping[str, Any]]:
    """Rows in order. A run numbers its rows from 0 without gaps, so slices of the number find them all."""
    [(last,)] = store.query("select coalesce(max(row_index), -1) from results", runs=(run_id,)).rows()
    for first in range(0, last + 1, _ROWS_PER_QUERY):
        last_of_slice = first + _ROWS_PER_QUERY - 1
        found = store.query(
            f"select * from results where row_index between {first} and {last_of_slice} order by row_index",
            runs=(run_id,),
        )
        for values in found.rows():
            row = {name: as_json_value(value) for name, value in zip(found.columns, values, strict=True)}
            yield _with_inputs(row)


def _with_inputs(row: dict[str, Any]) -> dict[str, Any]:
    # `inputs` is JSON text in the table: raw, so that no number loses a digit on its way.
    inputs = row.get("inputs")
    if isinstance(inputs, str) and inputs:
        row["inputs"] = msgspec.Raw(inputs.encode())
    return row
