"""What Ray adds to a row and to memory: a journey that sends nothing, on one worker of Ray and in this process.

What a row costs is the difference between many rows and few, so start-up is not in it. The journal is not synced: the
disk is not Ray's. With `--rows` of 100,000 the largest run has a million rows and takes minutes.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass

from measurement import Measurement
from processes import descendants, high_water_mark, is_actor
from workbench import Workbench, cpu_seconds

_SIZES = (1_000, 100_000, 1_000_000)
_WORKSPACE = """
workspace: {name: idle, defaults: {environment: nowhere}}
---
environment: {name: nowhere}
---
journey:
  name: idle
  inputs: [{name: ref, required: true}]
  variables: [{name: seen}]
  steps:
    - {id: keep, type: set_variable, values: {seen: "{{ inputs.ref }}"}}
"""


@dataclass(frozen=True, slots=True)
class _Cost:
    """Of a whole run, start included. Seconds of `cpu` are of all processes; `worker_bytes` is 0 without Ray."""

    seconds: float
    cpu: float
    driver_bytes: int
    worker_bytes: int


def measure(bench: Workbench, rows: int, repetitions: int) -> list[Measurement]:
    """Of 1,000, 100,000 and a million rows, as far as ten times `rows`; each once."""
    sizes = [size for size in _SIZES if size <= 10 * rows] or [_SIZES[0]]
    costs = {(backend, size): _run(bench, size, backend) for size in sizes for backend in ("local", "ray")}
    found = []
    for size in sizes[1:]:
        ray, local = (_of_a_row(costs[backend, sizes[0]], costs[backend, size], size - sizes[0]) for backend in _ORDER)
        found += [
            Measurement(
                name=f"a row that sends nothing, Ray / local, {size:,} rows", value=ray[0] / local[0], unit="×"
            ),
            Measurement(name="… with Ray", value=ray[0], unit="µs"),
            Measurement(name="… local", value=local[0], unit="µs"),
            Measurement(name="… CPU of all processes, with Ray", value=ray[1], unit="µs"),
            Measurement(name="… CPU, local", value=local[1], unit="µs"),
        ]
    for size in sizes:
        driver = costs["ray", size].driver_bytes / 2**20
        found += [
            Measurement(name=f"driver's memory, {size:,} rows on Ray", value=driver, unit="MiB", at_most=1024),
            Measurement(name="… its worker's", value=costs["ray", size].worker_bytes / 2**20, unit="MiB"),
            Measurement(name="… local", value=costs["local", size].driver_bytes / 2**20, unit="MiB"),
        ]
    if len(sizes) > 1:
        growth = costs["ray", sizes[-1]].driver_bytes / costs["ray", sizes[0]].driver_bytes
        found.append(Measurement(name=f"… driver's, against {sizes[0]:,} rows", value=growth, unit="×", at_most=1.5))
    return found


_ORDER = ("ray", "local")


def _of_a_row(few: _Cost, many: _Cost, rows: int) -> tuple[float, float]:
    """Microseconds that each of so many rows took, and CPU."""
    return (many.seconds - few.seconds) / rows * 1e6, (many.cpu - few.cpu) / rows * 1e6


def _run(bench: Workbench, rows: int, backend: str) -> _Cost:
    folder = bench.folder / "idle"
    folder.mkdir(exist_ok=True)
    (folder / "reqflo.yaml").write_text(_WORKSPACE)
    data = folder / f"{rows}.csv"
    data.write_text("ref\n" + "".join(f"r-{row}\n" for row in range(rows)))
    arguments = [
        *("run", "idle", "--workspace", str(folder), "--store", str(folder / "store"), "--data", str(data)),
        *("--run-id", f"{backend}-{rows}", "--backend", backend, "--durability", "process", "--quiet"),
        *(("--workers", "1") if backend == "ray" else ()),
    ]
    used: dict[int, float] = {}
    driver_bytes = worker_bytes = 0

    def watch(pid: int) -> None:
        # What `wait` tells of the command's process is mixed with Ray's processes below it.
        nonlocal driver_bytes, worker_bytes
        driver_bytes = max(driver_bytes, high_water_mark(pid))
        for process in (pid, *descendants(pid)):
            with suppress(FileNotFoundError, ProcessLookupError):
                used[process] = cpu_seconds(process)
                if is_actor(process):
                    worker_bytes = max(worker_bytes, high_water_mark(process))

    began = time.monotonic()
    bench.execute(arguments, watch=watch)
    seconds = time.monotonic() - began
    bench.report(f"{rows} rows that send nothing, {backend}: {seconds:.1f} s")
    return _Cost(seconds, sum(used.values()), driver_bytes, worker_bytes)
