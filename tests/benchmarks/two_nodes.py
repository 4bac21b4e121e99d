"""Requests a second on two nodes against one, with an API that takes 20 ms for an answer.

Nodes are raylets of this machine with one core and one worker each. So few rows are in flight that a worker waits for
the API most of the time: what is measured is how the work is spread, not how fast this machine is. The middle half of
the requests counts, when all workers are there and none has run out of work; the whole run is shown too.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from measurement import Measurement
from workbench import Workbench, median

_LATENCY_MS = 20.0
_ROWS = 3_000
_IN_FLIGHT = 8  # a worker
_CLUSTER = Path(__file__).parents[1] / "apps" / "ray_nodes.py"


def measure(bench: Workbench, rows: int, repetitions: int) -> list[Measurement]:
    """Always 3,000 rows: so few in flight take their time."""
    one, two = [], []
    with Workbench(bench.report, latency_ms=_LATENCY_MS) as slow, _cluster(1) as small, _cluster(2) as large:
        for _ in range(repetitions):
            one.append(_run(slow, small))
            two.append(_run(slow, large))
    steady, whole = (
        median(large[which] / small[which] for small, large in zip(one, two, strict=True)) for which in (0, 1)
    )
    return [
        Measurement(name=f"two nodes / one, {_LATENCY_MS:.0f} ms an answer", value=steady, unit="×", at_least=1.8),
        Measurement(name="… over the whole run, workers' start included", value=whole, unit="×"),
        Measurement(name="… one node", value=median(steady for steady, _ in one), unit="requests/s"),
        Measurement(name="… two nodes", value=median(steady for steady, _ in two), unit="requests/s"),
    ]


def _run(bench: Workbench, address: str) -> tuple[float, float]:
    """Requests a second in the middle half of the run, and rows a second over all of it."""
    options = ("--address", address, "--workers", "auto", "--concurrency", str(_IN_FLIGHT))
    numbers = bench.run(_ROWS, backend="ray", options=options)
    arrivals = sorted(entry["at_us"] / 1e6 for entry in bench.server.ledger()["requests"])
    middle = arrivals[len(arrivals) // 4 : len(arrivals) * 3 // 4]
    return len(middle) / (middle[-1] - middle[0]), numbers.rows_per_second


@contextmanager
def _cluster(nodes: int) -> Iterator[str]:
    """The address of a cluster of so many nodes, the head included."""
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))}
    os.environ.update(token, RAY_USAGE_STATS_ENABLED="0")
    process = subprocess.Popen(
        [sys.executable, str(_CLUSTER), str(nodes - 1)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin and process.stdout
    try:
        yield process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.wait(timeout=60)
        process.stdout.close()
