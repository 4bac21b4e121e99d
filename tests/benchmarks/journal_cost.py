"""What durability costs: the same run with the journal synced to disk, only handed to the system, and not at all.

Runs take turns, and each is compared with its neighbours: the machine's mood cancels out.
"""

from __future__ import annotations

import sys
from pathlib import Path

from measurement import Measurement
from workbench import COMMAND, Workbench, median

_VARIANTS = {
    "host": (("--durability=host",), (COMMAND,)),
    "process": (("--durability=process",), (COMMAND,)),
    "none": (("--durability=process",), (sys.executable, Path(__file__).with_name("without_journal.py"))),
}


def measure(bench: Workbench, rows: int, repetitions: int) -> list[Measurement]:
    """The share of throughput that each level of durability takes, in the local backend."""
    speeds: dict[str, list[float]] = {name: [] for name in _VARIANTS}
    cpu: dict[str, list[float]] = {name: [] for name in _VARIANTS}
    for turn in range(repetitions):
        # The first of a turn must not always be the same.
        for name in sorted(_VARIANTS, reverse=bool(turn % 2)):
            options, command = _VARIANTS[name]
            run = bench.run(rows, backend="local", options=options, command=command)
            speeds[name].append(run.rows_per_second)
            cpu[name].append(run.cpu)

    def cost(dearer: str, cheaper: str) -> float:
        pairs = zip(speeds[dearer], speeds[cheaper], strict=True)
        return 100 * median(1 - slow / fast for slow, fast in pairs)

    return [
        Measurement(name="journal cost, host / none", value=cost("host", "none"), unit="%", at_most=15),
        Measurement(name="journal cost, host / process", value=cost("host", "process"), unit="%", at_most=15),
        Measurement(name="… process / none", value=cost("process", "none"), unit="%"),
        Measurement(
            name="… CPU of a row, host - none",
            value=median(a - b for a, b in zip(cpu["host"], cpu["none"], strict=True)) / rows * 1e6,
            unit="µs",
        ),
    ]
