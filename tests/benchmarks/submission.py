"""How long a person waits from `reqflo-ray submit` to the first answer of the API, on a cluster that is up."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from measurement import Measurement
from workbench import COMMAND, Workbench, median

sys.path.append(str(Path(__file__).parents[1] / "support"))

from cluster_head import ClusterHead

_ROWS = 1_000


def measure(bench: Workbench, rows: int, repetitions: int) -> list[Measurement]:
    """Always 1,000 rows: it is the start that counts. A first submission, not counted, finds a cold cluster."""
    with ClusterHead() as head:
        waits = [_first_answer(bench, head) for _ in range(repetitions + 1)][1:]
    return [Measurement(name="first row answered, submit", value=median(waits), unit="s", at_most=10.0)]


def _first_answer(bench: Workbench, head: ClusterHead) -> float:
    run_id, arguments = bench.arguments(_ROWS, backend="ray", options=("--address", head.url))
    arguments[0] = "submit"
    at = arguments.index("--backend")
    del arguments[at : at + 2]
    bench.server.reset()
    began = time.time()
    subprocess.run([COMMAND, *arguments], env=head.environment, stdout=subprocess.DEVNULL, check=True)
    commits = bench.run_folder(run_id).commits()
    seconds = min(commit.summary.first_response_at_us for commit in commits) / 1e6 - began
    bench.report(f"submit, {_ROWS} rows: first answer after {seconds:.1f} s")
    return seconds
