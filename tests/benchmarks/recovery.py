"""How soon a run goes on after a death: of its driver, with `resume`; and of a worker on Ray, by itself."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress

from measurement import Measurement
from workbench import COMMAND, Workbench, median

from reqflo_ray._internal.journal.reader import read_journal
from reqflo_ray._internal.journal.replay import replay
from reqflo_ray._internal.model.journal import Intent
from reqflo_ray._internal.runs.folder.owner import Liveness, liveness
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.runs.staging.rows import read_plan

_PATIENCE = 120.0
_STEPS = ("token", "create", "read")
_ANY_ATTEMPT = 1_000_000
# For a 95th percentile.
_ENOUGH_SHARDS = 20
# Slow enough that the run outlasts its kills.
_RATE = 500
_ROWS_ON_RAY = 8_000


def measure(bench: Workbench, rows: int, repetitions: int) -> list[Measurement]:
    """Seconds from `resume` to its first request, and from a worker's death to the next request of its rows."""
    resumed = median(_resume(bench, rows) for _ in range(repetitions))
    deaths = sorted(_deaths(bench))
    return [
        Measurement(name=f"resume of {rows} rows, until it sends", value=resumed, unit="s", at_most=5.0),
        Measurement(
            name="death of a worker, until its rows go on, p95",
            value=deaths[math.ceil(0.95 * len(deaths)) - 1],
            unit="s",
            at_most=10.0,
        ),
        Measurement(name="… the quickest", value=deaths[0], unit="s"),
        Measurement(name="… shards that had to go on", value=len(deaths)),
    ]


def _resume(bench: Workbench, rows: int) -> float:
    """Kill a local run when four fifths of its requests have arrived, and go on with it."""
    run_id, arguments = bench.arguments(rows, backend="local")
    bench.server.reset()
    killed = _start(bench, arguments)
    _wait(lambda: _arrived(bench) >= 3 * rows * 4 // 5)
    killed.kill()
    killed.wait()
    before, began = _arrived(bench), time.monotonic()
    resumed = _start(bench, ["resume", run_id, "--store", str(bench.store), "--backend", "local", "--quiet"])
    _wait(lambda: _arrived(bench) > before)
    seconds = time.monotonic() - began
    if resumed.wait():
        raise RuntimeError(f"the resumed run {run_id} exited with {resumed.returncode}")
    bench.report(f"resume of {rows} rows: {seconds:.2f} s")
    return seconds


def _deaths(bench: Workbench) -> list[float]:
    """Kill workers of one run on an embedded cluster, one after the other; for each shard that had rows under way the
    seconds until a request of its next attempt is about to go out."""
    run_id, arguments = bench.arguments(_ROWS_ON_RAY, backend="ray", options=("--workers=2", f"--rate={_RATE}"))
    folder, chance, found = bench.run_folder(run_id), random.Random(3), list[float]()
    process = _start(bench, arguments)
    while len(found) < _ENOUGH_SHARDS and process.poll() is None:
        shards = _shards_of_a_worker(folder, chance)
        if not shards:
            time.sleep(0.05)
            continue
        with suppress(ProcessLookupError):
            os.kill(shards[0][1], signal.SIGKILL)
        began = time.monotonic()
        waiting = {shard: number for shard, _, number in shards if _has_rows_under_way(folder, shard)}
        while waiting and process.poll() is None and time.monotonic() - began < _PATIENCE:
            for shard in [shard for shard, number in waiting.items() if _goes_on(folder, shard, number)]:
                del waiting[shard]
                found.append(time.monotonic() - began)
            time.sleep(0.02)
    if process.wait():
        raise RuntimeError(f"the run {run_id} exited with {process.returncode}")
    bench.report(f"a worker's shards went on after {', '.join(f'{seconds:.1f}' for seconds in sorted(found))} s")
    return found


def _shards_of_a_worker(folder: RunFolder, chance: random.Random) -> list[tuple[int, int, int]]:
    """Shard, process and attempt of all that one living worker has begun to send and not committed."""
    claims = []
    for entry in read_plan(folder.storage, folder.run_id) or () if folder.exists() else ():
        attempts = folder.attempts(entry.shard) if folder.read_commit(entry.shard) is None else []
        if attempts and liveness(attempts[-1][1].owner) is Liveness.ALIVE:
            number, claim = attempts[-1]
            if _goes_on(folder, entry.shard, number - 1):
                claims.append((entry.shard, claim.owner.pid, number))
    chosen = chance.choice(claims)[1] if claims else 0
    return [claim for claim in claims if claim[1] == chosen]


def _has_rows_under_way(folder: RunFolder, shard: int) -> bool:
    """Whether a row is begun and not finished, by what the journals say in this moment."""
    journals = folder.older_journals(shard, _ANY_ATTEMPT, synced=False)
    attempts = [(number, read_journal(data)) for number, data in journals]
    return bool(replay(attempts, steps=_STEPS).under_way)


def _goes_on(folder: RunFolder, shard: int, after: int) -> bool:
    """Whether a later attempt than `after` has begun to send, or everything is done."""
    if folder.read_commit(shard) is not None:
        return True
    journals = folder.older_journals(shard, _ANY_ATTEMPT, synced=False)
    return any(
        isinstance(record, Intent)
        for number, data in journals
        if number > after
        for record in read_journal(data).records
    )


def _start(bench: Workbench, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    with (bench.folder / "recovery.log").open("ab") as log:
        return subprocess.Popen([COMMAND, *arguments], stdout=log, stderr=log)


def _arrived(bench: Workbench) -> int:
    with urllib.request.urlopen(f"{bench.server.url}/ledger?limit=0", timeout=30) as answer:
        return int(json.load(answer)["total"])


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError("the run does not get on")
        time.sleep(0.01)
