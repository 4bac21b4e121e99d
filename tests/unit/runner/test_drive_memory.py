"""What a driver holds of a run of many shards."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

from made_up_run import ROWS, MadeUpStorage, made_up_run

from reqflo_ray._internal.runner.clock import SystemClock
from reqflo_ray._internal.runner.drive.drive import drive
from reqflo_ray._internal.runner.progress.listener import SilentListener


def _peak(folder: Path, shards: int) -> int:
    """The most bytes that the driver of a run holds which it finds with all its shards committed."""
    run = made_up_run(MadeUpStorage(folder), shards)
    tracemalloc.start()
    try:
        outcome = drive(
            run,
            choose_backend=lambda rows: (_ for _ in ()).throw(AssertionError("nothing is to do")),
            stage=lambda record, artifact: None,
            listener=SilentListener(),
            clock=SystemClock(),
            resumed=True,
        )
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert outcome.complete and outcome.exit_code == 0
    assert outcome.verdict.counts.passed == shards * ROWS
    manifest = run.read_manifest()
    assert manifest is not None and manifest.rows == shards * ROWS
    return peak


def test_a_driver_holds_little_of_a_shard_and_nothing_of_a_row(tmp_path: Path) -> None:
    _peak(tmp_path / "warm", 10)
    few, many = (_peak(tmp_path / str(shards), shards) for shards in (500, 1300))
    # A commit alone takes 900 bytes. Threads, and sets that double, blur the measure by some two hundred.
    assert (many - few) / 800 < 500
