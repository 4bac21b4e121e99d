"""How long a person waits for the first answer of the API, from the start of the command; and where the time goes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from measurement import Measurement
from workbench import Workbench, median

_ROWS = 1_000
_TARGETS = {"local": 1.0, "ray": 12.0}
_PHASES = Path(__file__).with_name("first_answer_phases.py")


def measure(bench: Workbench, rows: int, repetitions: int) -> list[Measurement]:
    """Always 1,000 rows, whatever `rows` says: it is the start that counts."""
    found = []
    for backend, target in _TARGETS.items():
        waits = [bench.run(_ROWS, backend=backend).first_answer for _ in range(repetitions)]
        found.append(Measurement(name=f"first row answered, {backend}", value=median(waits), unit="s", at_most=target))
        found += [
            Measurement(name=f"… {phase}", value=seconds, unit="s")
            for phase, seconds in _phases(bench, backend).items()
        ]
    return found


def _phases(bench: Workbench, backend: str) -> dict[str, float]:
    _, arguments = bench.arguments(_ROWS, backend=backend)
    done = subprocess.run([sys.executable, _PHASES, *arguments], stdout=subprocess.PIPE, check=True)
    phases: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return phases
