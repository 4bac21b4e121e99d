"""Whether a worker's memory grows with the rows that it has run: the peak of one Ray actor over few and many rows.

The journal is not synced, since that changes no memory and takes time.
"""

from __future__ import annotations

from measurement import Measurement
from processes import descendants, high_water_mark, is_actor
from workbench import Workbench

_OPTIONS = ("--workers=1", "--durability=process")


def measure(bench: Workbench, rows: int, repetitions: int) -> list[Measurement]:
    """`rows` against ten times as many, once each."""
    few, many = (_peak(bench, count) for count in (rows, 10 * rows))
    return [
        Measurement(name=f"worker memory, {10 * rows:,} / {rows:,} rows", value=many / few, unit="×", at_most=1.1),
        Measurement(name=f"… peak at {rows:,} rows", value=few / 2**20, unit="MiB"),
        Measurement(name=f"… peak at {10 * rows:,} rows", value=many / 2**20, unit="MiB"),
    ]


def _peak(bench: Workbench, rows: int) -> int:
    peak = 0

    def watch(pid: int) -> None:
        nonlocal peak
        peak = max([peak, *(high_water_mark(child) for child in descendants(pid) if is_actor(child))])

    bench.run(rows, backend="ray", options=_OPTIONS, watch=watch)
    if not peak:
        raise RuntimeError("no process of the actor was seen")
    return peak
