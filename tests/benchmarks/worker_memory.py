"""Whether a worker's memory grows with the rows that it has run: the peak of one Ray actor over few and many rows.

The journal is not synced, since that changes no memory and takes time.
"""

from __future__ import annotations

from pathlib import Path

from measurement import Measurement
from workbench import Workbench

_OPTIONS = ("--workers=1", "--durability=process")
_ACTOR = "ShardWorker"


def measure(bench: Workbench, rows: int, repetitions: int) -> list[Measurement]:
    """`rows` against ten times as many, once each."""
    few, many = (_peak(bench, count) for count in (rows, 10 * rows))
    return [
        Measurement(name=f"worker memory, {10 * rows:,} / {rows:,} rows", value=many / few, unit="×", at_most=1.1),
        Measurement(name=f"… peak at {rows:,} rows", value=few / 2**20, unit="MiB"),
        Measurement(name=f"… peak at {10 * rows:,} rows", value=many / 2**20, unit="MiB"),
    ]


def _peak(bench: Workbench, rows: int) -> int:
    peak = 0

    def watch(pid: int) -> None:
        nonlocal peak
        peak = max([peak, *(_high_water_mark(child) for child in _descendants(pid) if _is_actor(child))])

    bench.run(rows, backend="ray", options=_OPTIONS, watch=watch)
    if not peak:
        raise RuntimeError("no process of the actor was seen")
    return peak


def _descendants(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        children.setdefault(parent, []).append(int(folder.name))
    found, open_ = [], [pid]
    while open_:
        below = children.get(open_.pop(), [])
        found += below
        open_ += below
    return found


def _is_actor(pid: int) -> bool:
    try:
        return _ACTOR in Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return False


def _high_water_mark(pid: int) -> int:
    """The most memory, in bytes, that the process ever had in use; 0 if it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)
