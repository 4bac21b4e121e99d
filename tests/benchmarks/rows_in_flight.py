"""Rows in flight over the time of a run, against an API that takes 300 ms for an answer, in this process and on Ray.

Such an API is what `--concurrency` is for: hardly any time goes to anything but waiting. At every instant as many rows
should be in flight as are left, up to the concurrency of all workers; the share of that which was in flight is the mean
over the run. The ideal time is that of rows which all begin at once, concurrency by concurrency, and wait for nothing
but the API.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from measurement import Measurement
from pyarrow import parquet
from workbench import Workbench, cpu_seconds

_LATENCY_SECONDS = 0.3
_STEPS = 3
_CONCURRENCY = 64
_FEW = (10, 40, 100, 400)
_WORKERS = {"local": 1, "ray": 2}


@dataclass(frozen=True, slots=True)
class _Flight:
    """`most` rows were in flight at once; `share` of those that should be, as the mean over the run; `seconds` from the
    first row's begin to the last one's end; `cpu` seconds of the process of the command, with Ray of the driver."""

    most: int
    mean: float
    share: float
    seconds: float
    cpu: float


def measure(bench: Workbench, rows: int, repetitions: int) -> list[Measurement]:
    """Of 10, 40, 100, 400 and `rows` rows, each once: what varies here is not what is measured."""
    found = []
    with Workbench(bench.report, latency_ms=_LATENCY_SECONDS * 1000) as slow:
        for backend, workers in _WORKERS.items():
            for size in (*_FEW, rows):
                found += _told(_run(slow, size, backend, workers), size, backend, workers)
    return found


def _told(flight: _Flight, rows: int, backend: str, workers: int) -> list[Measurement]:
    ideal = -(-rows // (_CONCURRENCY * workers)) * _STEPS * _LATENCY_SECONDS
    return [
        Measurement(
            name=f"rows in flight / as many as could be, {rows:,} rows, {backend}, {workers} × {_CONCURRENCY}",
            value=flight.share,
            unit="×",
            at_least=0.9,
        ),
        Measurement(name="… at most", value=flight.most, unit="rows"),
        Measurement(name="… mean", value=flight.mean, unit="rows"),
        Measurement(name=f"… time / ideal time of {ideal:.1f} s", value=flight.seconds / ideal, unit="×"),
        Measurement(name="… CPU of the command", value=flight.cpu, unit="s"),
    ]


def _run(bench: Workbench, rows: int, backend: str, workers: int) -> _Flight:
    used = 0.0

    def watch(pid: int) -> None:
        # What `wait` tells of the command's process is mixed with Ray's processes below it.
        nonlocal used
        used = max(used, cpu_seconds(pid))

    options = ("--concurrency", str(_CONCURRENCY), *(("--workers", str(workers)) if backend == "ray" else ()))
    numbers = bench.run(rows, backend=backend, options=options, watch=watch)
    files = sorted((bench.store / "runs" / numbers.run_id / "results").glob("*.parquet"))
    table = pa.concat_tables([parquet.read_table(file, columns=["started_at", "duration_ms"]) for file in files])
    begun = pc.cast(table["started_at"], pa.int64()).to_numpy() / 1e6
    ended = begun + pc.cast(table["duration_ms"], pa.float64()).to_numpy() / 1e3
    instants = np.sort(np.concatenate((begun, ended)))
    lasting = np.diff(instants)
    finished = np.searchsorted(np.sort(ended), instants[:-1], side="right")
    flying = np.searchsorted(np.sort(begun), instants[:-1], side="right") - finished
    wanted = np.minimum(rows - finished, _CONCURRENCY * workers)
    seconds = float(instants[-1] - instants[0])
    mean, ideal = (float((count * lasting).sum()) for count in (flying, wanted))
    return _Flight(most=int(flying.max()), mean=mean / seconds, share=mean / ideal, seconds=seconds, cpu=used)
