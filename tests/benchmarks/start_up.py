"""How long `reqflo-ray --help` takes."""

from __future__ import annotations

import subprocess
import time

from measurement import Measurement
from workbench import COMMAND, Workbench, median


def measure(bench: Workbench, rows: int, repetitions: int) -> list[Measurement]:
    """Independent of `rows`; seven calls."""
    return [
        Measurement(name="--help", value=median(_seconds() for _ in range(7)), unit="s", at_most=0.3),
    ]


def _seconds() -> float:
    began = time.perf_counter()
    subprocess.run([COMMAND, "--help"], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began
