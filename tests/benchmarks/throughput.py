"""Rows a second of the reference journey on an embedded Ray cluster, against the same journey written by hand.

All sides run in turns against the same server on the same cores, and start-up is counted on none: by hand all
processes begin together, each with 100 rows that do not count, and of our run counts what comes after all workers are
at work (more rows are in flight than one of them holds) and have run as many, to the end of the last row. The CPU that
a row costs our workers is measured with the local backend, where it can be told from Ray's own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import accumulate
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
from baseline_client import WARM_UP_ROWS
from measurement import Measurement
from workbench import RunNumbers, Workbench, cpu_seconds, median

WORKERS = 2
IN_FLIGHT = 64  # of one worker, by default
_BASELINE = Path(__file__).with_name("baseline_client.py")


def measure(bench: Workbench, rows: int, repetitions: int) -> list[Measurement]:
    """The ratios of rows/s, and what explains them."""
    by_hand, tuned, ours, local = [], [], [], []
    for _ in range(repetitions):
        by_hand.append(_run_baseline(bench, rows))
        ours.append(_after_start_up(bench, bench.run(rows, backend="ray", options=(f"--workers={WORKERS}",))))
        tuned.append(_run_baseline(bench, rows, "--tuned"))
        local.append(bench.run(rows, backend="local"))
    fixed = min(bench.run(WORKERS, backend="local").cpu for _ in range(2))

    def ratio(hands: list[dict[str, Any]]) -> float:
        return median(run / hand["rows_per_second"] for run, hand in zip(ours, hands, strict=True))

    def rate(hands: list[dict[str, Any]]) -> float:
        return median(hand["rows_per_second"] for hand in hands)

    def per_row(seconds: list[float]) -> float:
        return median(seconds) / rows * 1e6

    return [
        Measurement(
            name=f"throughput, Ray with {WORKERS} workers / by hand", value=ratio(by_hand), unit="×", at_least=0.5
        ),
        Measurement(name="… / by hand with uvloop and msgspec", value=ratio(tuned), unit="×"),
        Measurement(name="… Ray", value=median(ours), unit="rows/s"),
        Measurement(name="… local", value=median(run.rows_per_second for run in local), unit="rows/s"),
        Measurement(name="… by hand", value=rate(by_hand), unit="rows/s"),
        Measurement(name="… by hand with uvloop and msgspec", value=rate(tuned), unit="rows/s"),
        Measurement(name="… CPU of a row, local", value=per_row([run.cpu - fixed for run in local]), unit="µs"),
        Measurement(
            name="… CPU of a row, by hand", value=per_row([hand["client_cpu_seconds"] for hand in by_hand]), unit="µs"
        ),
        Measurement(name="… CPU of a row, server", value=per_row([hand["server_cpu"] for hand in by_hand]), unit="µs"),
    ]


def _after_start_up(bench: Workbench, run: RunNumbers) -> float:
    """Rows a second while all workers are at work."""
    spans: list[tuple[float, float]] = []
    for path in (bench.store / "runs" / run.run_id / "results").glob("*.parquet"):
        table = parquet.read_table(path, columns=["started_at", "duration_ms"]).to_pylist()
        spans += [(line["started_at"].timestamp(), float(line["duration_ms"]) / 1000) for line in table]
    moments = sorted([(began, 1) for began, _ in spans] + [(began + lasted, -1) for began, lasted in spans])
    in_flight = accumulate(change for _, change in moments)
    at_work = next(at for (at, _), rows in zip(moments, in_flight, strict=True) if rows > IN_FLIGHT * (WORKERS - 1))
    ends = sorted(began + lasted for began, lasted in spans if began + lasted >= at_work)
    started, *counted = ends[WARM_UP_ROWS * WORKERS - 1 :]
    rate = len(counted) / (counted[-1] - started)
    bench.report(f"  {rate:.0f} rows/s after {len(spans) - len(counted)} rows of start-up")
    return rate


def _run_baseline(bench: Workbench, rows: int, *options: str) -> dict[str, Any]:
    before = cpu_seconds(bench.server.pid)
    arguments = [f"--url={bench.server.url}", f"--data={bench.orders(rows)}", f"--processes={WORKERS}", *options]
    done = subprocess.run([sys.executable, str(_BASELINE), *arguments], stdout=subprocess.PIPE, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    result["server_cpu"] = cpu_seconds(bench.server.pid) - before
    bench.report(f"by hand, {rows} rows {' '.join(options)}: {result['rows_per_second']:.0f} rows/s")
    return result
