"""Rows a second of the reference journey on an embedded Ray cluster, against the same journey written by hand.

Both sides run in turns against the same server on the same cores, and start-up is counted on neither. The CPU that a
row costs our workers is measured with the local backend, where it can be told from Ray's own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from measurement import Measurement
from workbench import Workbench, cpu_seconds, median

WORKERS = 2
_BASELINE = Path(__file__).with_name("baseline_client.py")


def measure(bench: Workbench, rows: int, repetitions: int) -> list[Measurement]:
    """The ratio of rows/s, and what explains it."""
    by_hand, ours, local = [], [], []
    for _ in range(repetitions):
        by_hand.append(_run_baseline(bench, rows))
        ours.append(bench.run(rows, backend="ray", options=(f"--workers={WORKERS}",)))
        local.append(bench.run(rows, backend="local"))
    fixed = min(bench.run(WORKERS, backend="local").cpu for _ in range(2))
    ratio = median(run.rows_per_second / hand["rows_per_second"] for run, hand in zip(ours, by_hand, strict=True))
    return [
        Measurement(name=f"throughput, Ray with {WORKERS} workers / by hand", value=ratio, unit="×", at_least=0.5),
        Measurement(name="… Ray", value=median(run.rows_per_second for run in ours), unit="rows/s"),
        Measurement(name="… local", value=median(run.rows_per_second for run in local), unit="rows/s"),
        Measurement(name="… by hand", value=median(hand["rows_per_second"] for hand in by_hand), unit="rows/s"),
        Measurement(
            name="… CPU of a row, local", value=median(run.cpu - fixed for run in local) / rows * 1e6, unit="µs"
        ),
        Measurement(
            name="… CPU of a row, by hand",
            value=median(hand["client_cpu_seconds"] for hand in by_hand) / rows * 1e6,
            unit="µs",
        ),
        Measurement(
            name="… CPU of a row, server", value=median(hand["server_cpu"] for hand in by_hand) / rows * 1e6, unit="µs"
        ),
    ]


def _run_baseline(bench: Workbench, rows: int) -> dict[str, Any]:
    before = cpu_seconds(bench.server.pid)
    arguments = [f"--url={bench.server.url}", f"--data={bench.orders(rows)}", f"--processes={WORKERS}"]
    done = subprocess.run([sys.executable, str(_BASELINE), *arguments], stdout=subprocess.PIPE, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    result["server_cpu"] = cpu_seconds(bench.server.pid) - before
    bench.report(f"by hand, {rows} rows: {result['rows_per_second']:.0f} rows/s")
    return result
