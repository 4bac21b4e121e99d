"""How fast a large CSV is staged, and whether memory stays flat meanwhile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from measurement import Measurement
from workbench import JOURNEY, Workbench

_CHILD = Path(__file__).with_name("stage_dataset.py")


def measure(bench: Workbench, rows: int, repetitions: int) -> list[Measurement]:
    """A hundred times `rows` against ten times, so a million rows by default."""
    few, many = (_stage(bench, count) for count in (10 * rows, 100 * rows))
    return [
        Measurement(name=f"staging {100 * rows:,} rows", value=many["seconds"], unit="s"),
        Measurement(name="… CPU", value=many["cpu_seconds"], unit="s"),
        Measurement(name="… peak memory", value=many["peak_bytes"] / 2**20, unit="MiB"),
        Measurement(
            name="… memory against a tenth of the rows",
            value=many["peak_bytes"] / few["peak_bytes"],
            unit="×",
            at_most=1.5,
        ),
    ]


def _stage(bench: Workbench, rows: int) -> dict[str, float]:
    arguments = [str(bench.workspace), JOURNEY, str(bench.orders(rows)), str(bench.folder / f"staged-{rows}")]
    process = subprocess.Popen([sys.executable, _CHILD, *arguments], stdout=subprocess.PIPE)
    assert process.stdout is not None
    printed = process.stdout.read()
    process.stdout.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"staging {rows} rows failed with {process.returncode}")
    found: dict[str, float] = json.loads(printed)
    bench.report(f"staging {rows} rows: {found['seconds']:.2f} s")
    return {**found, "peak_bytes": usage.ru_maxrss * 1024}
