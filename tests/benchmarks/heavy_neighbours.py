"""What rows pay for a neighbour whose answer takes much to judge: one among fifty in flight.

Such a row comes after every 750 others, over an API that takes 250 ms for an answer, as real ones do. The rate of the
others while it is in flight is compared with their rate in the rest of the same run. As many are in flight at any time,
so their rate is what the mean of their durations says.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from measurement import Measurement
from pyarrow import parquet
from workbench import Workbench, median

sys.path.append(str(Path(__file__).parents[1] / "support"))
from heavy_workspace import heavy_api, write_workspace

_LATENCY_MS = 250
_IN_FLIGHT = 51
_ONE_OF = 750
# The last one cannot be judged: its text is too long for a pattern.
_HEAVY = ("deep", "large", "compressed")

_PATHS = ("$..[?@..[?@..x]]", "$..[?search(@, '(a|aa)+c')]")


def measure(bench: Workbench, rows: int, repetitions: int) -> list[Measurement]:
    """The rates, and the longest step of a row beside."""
    found = []
    with heavy_api(_LATENCY_MS) as url:
        workspace = bench.folder / "heavy"
        workspace.mkdir()
        write_workspace(workspace, url, *_PATHS, http="{total_timeout: 2s}")
        for heavy in _HEAVY:
            runs = [_run(bench, workspace, heavy, rows, turn) for turn in range(repetitions)]
            found += [
                Measurement(
                    name=f"rate of rows while one beside them has a heavy answer ({heavy}) / else",
                    value=median(ratio for ratio, _ in runs),
                    unit="×",
                    at_least=0.95,
                ),
                Measurement(
                    name="… longest of their steps, for answers of 250 ms",
                    value=max(longest for _, longest in runs),
                    unit="ms",
                    at_most=2_000,
                ),
            ]
    return found


def _run(bench: Workbench, workspace: Path, heavy: str, rows: int, turn: int) -> tuple[float, float]:
    """The ratio, and the longest step of the others in ms."""
    data = workspace / "rows.csv"
    keys = [f"{number}-{heavy}" if number % _ONE_OF == _ONE_OF // 2 else f"{number}" for number in range(rows)]
    data.write_text("\n".join(["id", *keys]) + "\n")
    run_id = f"{heavy}-{turn}"
    bench.execute(
        [
            *("run", "heavy", "--workspace", str(workspace), "--store", str(bench.store), "--run-id", run_id),
            *("--data", str(data), "--key", "id", "--backend", "local", "--concurrency", str(_IN_FLIGHT), "--quiet"),
        ],
        codes=(0, 1),
    )
    rows_of_run = _table(bench, run_id, "results")
    times, ends, beside = _times(rows_of_run)
    assert pc.all(pc.equal(rows_of_run.filter(beside)["status"], pa.scalar("passed"))).as_py(), (
        "a row beside did not pass"
    )
    middle = (times + ends) / 2
    during = np.zeros(len(middle), dtype=bool)
    for at in (~beside).nonzero()[0]:
        during |= (middle > times[at]) & (middle < ends[at])
    # Connections are opened in the first second.
    settled = beside & (times > times.min() + 1000)
    durations = ends - times
    ratio = durations[settled & ~during].mean() / durations[settled & during].mean()
    bench.report(f"{run_id}: {ratio:.3f} × for {(settled & during).sum()} of {settled.sum()} rows")
    begun, ended, beside = _times(_table(bench, run_id, "steps"))
    return float(ratio), float((ended - begun)[beside].max())


def _table(bench: Workbench, run_id: str, name: str) -> pa.Table:
    files = sorted((bench.store / "runs" / run_id / name).glob("*.parquet"))
    columns = ["row_key", "started_at", "duration_ms", "status"]
    return pa.concat_tables([parquet.read_table(file, columns=columns) for file in files])


def _times(table: pa.Table) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Begin and end of each line in ms, and whether it is of a row beside a heavy one."""
    begun = pc.divide(pc.cast(table["started_at"], pa.int64()), 1000.0).to_numpy()
    ended = begun + pc.cast(table["duration_ms"], pa.float64()).to_numpy()
    return begun, ended, pc.invert(pc.match_substring(table["row_key"], "-")).to_numpy()
