"""Recounts the rows of a results file, so that no summary has to be trusted. It knows tables, not files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from reqflo_ray._internal.model.results import INTERNAL_ERROR, ROW_STATUSES, Counts

_SUMS: Final = ("requests", "retries", "resumed", "resent", "resent_sensitive", "soft_failures", "flaky")
_SINCE_2: Final = ("soft_failures", "flaky")  # version 1 of the tables does not have them, and did not count them
_COLUMNS: Final = ("row_index", "status", "error_code", *_SUMS)
_COUNTED: Final = ("rows", *(status.value for status in ROW_STATUSES), "poisoned", "internal", *_SUMS)


@dataclass(frozen=True, slots=True)
class Recount:
    """The rows of a results file, by number and in the order of the file, and how they ended."""

    rows: list[int]
    counts: Counts


def difference(told: Counts, counted: Counts) -> str:
    """Return how `told` differs from the counted results, "" if it does not. Steps, which results do not show, are not
    compared."""
    for name in _COUNTED:
        claimed, found = getattr(told, name), getattr(counted, name)
        if claimed != found:
            return f"it counts {claimed} {name}, and the results have {found}"
    return ""


def read_columns(data: bytes, names: Sequence[str]) -> Any:
    """Return the named columns that a Parquet file has, as an Arrow table; all of their pages are read."""
    import pyarrow as pa
    from pyarrow import parquet

    # No Arrow threads: one that releases `data` while the process exits would abort the process.
    return parquet.ParquetFile(pa.BufferReader(data)).read(columns=list(names), use_threads=False)


def recount(data: bytes) -> Recount:
    """Count the rows of a results file.

    Raises:
        ValueError, OSError: the bytes are not a results file.
    """
    table = read_columns(data, _COLUMNS)
    columns = {name: table[name].to_pylist() for name in _COLUMNS if name in table.column_names or name not in _SINCE_2}
    counts = Counter({status: count for status, count in Counter(columns["status"]).items() if status in _COUNTED})
    counts.update({name: sum(columns.get(name, ())) for name in _SUMS})
    counts["rows"] = len(table)
    counts["poisoned"] = columns["error_code"].count("poison_row")
    counts["internal"] = columns["error_code"].count(INTERNAL_ERROR)
    return Recount(columns["row_index"], Counts(**counts))
