"""Rows a second on two nodes against one, with an API that takes 20 ms for an answer.

Nodes are raylets of this machine with one core and one worker each. So few rows are in flight that a worker waits for
the API most of the time: what is measured is how the work is spread, not how fast this machine is.
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
_ROWS = 2_000
_IN_FLIGHT = 4  # a worker
_CLUSTER = Path(__file__).parents[1] / "apps" / "ray_nodes.py"


def measure(bench: Workbench, rows: int, repetitions: int) -> list[Measurement]:
    """Always 2,000 rows: so few in flight take their time."""
    one, two = [], []
    with Workbench(bench.report, latency_ms=_LATENCY_MS) as slow, _cluster(1) as small, _cluster(2) as large:
        for _ in range(repetitions):
            one.append(_rows_per_second(slow, small))
            two.append(_rows_per_second(slow, large))
    ratio = median(large / small for small, large in zip(one, two, strict=True))
    return [
        Measurement(name=f"two nodes / one, {_LATENCY_MS:.0f} ms an answer", value=ratio, unit="×", at_least=1.8),
        Measurement(name="… one node", value=median(one), unit="rows/s"),
        Measurement(name="… two nodes", value=median(two), unit="rows/s"),
    ]


def _rows_per_second(bench: Workbench, address: str) -> float:
    options = ("--address", address, "--workers", "auto", "--concurrency", str(_IN_FLIGHT))
    return bench.run(_ROWS, backend="ray", options=options).rows_per_second


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
