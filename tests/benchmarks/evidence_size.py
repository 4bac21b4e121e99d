"""How many bytes the full evidence of a row takes in Parquet."""

from __future__ import annotations

from measurement import Measurement
from workbench import Workbench

_ROWS = 10_000


def measure(bench: Workbench, rows: int, repetitions: int) -> list[Measurement]:
    """Of 10,000 rows, once, whatever is asked for: the size follows from how many rows share a file."""
    run = bench.run(_ROWS, backend="local")
    return [
        Measurement(name="evidence of a row", value=run.evidence_bytes / _ROWS, unit="bytes", at_most=250),
    ]
