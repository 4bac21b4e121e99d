"""`reqflo-ray run`, but it notes when each phase up to the first answer began, and prints their seconds as JSON.

Takes the arguments of `reqflo-ray`. The phases are bounded by functions that it wraps.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_marks: list[tuple[str, float]] = []


def _began() -> float:
    """When this process started, in seconds since the epoch."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return time.time() - age


def _mark_calls(owner: Any, name: str, before: str, after: str) -> None:
    """The phase `before` ends when `owner.name` is called; `after` ends when it returns."""
    function: Callable[..., Any] = getattr(owner, name)

    @functools.wraps(function)
    def wrapped(*arguments: Any, **named: Any) -> Any:
        _marks.append((before, time.time()))
        result = function(*arguments, **named)
        _marks.append((after, time.time()))
        return result

    setattr(owner, name, wrapped)


def main() -> int:
    """Run; the code that the command exits with."""
    from reqflo_ray._internal.api import runs
    from reqflo_ray._internal.cli.main import main as command
    from reqflo_ray._internal.runner.drive.drive import drive
    from reqflo_ray._internal.runs.folder.run_folder import RunFolder
    from reqflo_ray._internal.storage.open import open_storage

    _mark_calls(runs, "prepare", "interpreter, imports, command line", "compile and check")
    _mark_calls(drive, "_plan", "record, epoch, artifact", "stage")
    if "ray" in sys.argv:
        from reqflo_ray._internal.ray_cluster.backend import RayBackend

        _mark_calls(RayBackend, "_start_embedded", "choose the backend", "import Ray, ray.init")
        _mark_calls(RayBackend, "run", "wait for the cluster's nodes", "")
        last = "Ray Data, actors, first shard up to the answer"
    else:
        _mark_calls(drive, "_dispatch", "choose the backend", "")
        last = "event loop, HTTP engine, first shard up to the answer"
    code = command()
    options = dict(zip(sys.argv[1:], sys.argv[2:], strict=False))
    folder = RunFolder(open_storage(options["--store"]), options["--run-id"])
    first_answer = min(commit.summary.first_response_at_us for commit in folder.commits()) / 1e6
    phases, before = {}, _began()
    for name, at in [*((name, at) for name, at in _marks if name), (last, first_answer)]:
        phases[name] = round(at - before, 4)
        before = at
    sys.stdout.write(json.dumps(phases) + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
