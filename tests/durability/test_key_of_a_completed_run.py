"""The sealing key of a run is there until its manifest is, and goes with the completion, wherever that is cut off."""

from __future__ import annotations

from functools import partial
from typing import NoReturn

import pytest
from simulated_run import RUN_ID, SimulatedRun
from simulation import Bomb, Crash, SimulatedStorage

from reqflo_ray._internal.model.plan import RunRecord
from reqflo_ray._internal.model.results import Counts, Failure, Status, Verdict
from reqflo_ray._internal.runner.clock import SystemClock
from reqflo_ray._internal.runner.drive.drive import drive
from reqflo_ray._internal.runner.progress.listener import SilentListener
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.runs.folder.artifacts import save_artifact
from reqflo_ray._internal.runs.folder.completion import clean_up, complete
from reqflo_ray._internal.runs.folder.owner import this_process
from reqflo_ray._internal.runs.folder.run_folder import RunFolder


def _judgement(record: RunRecord, counts: Counts, failures: list[Failure]) -> Verdict:
    return Verdict(
        run_id=record.run_id,
        journey=record.journey,
        artifact=record.artifact,
        environment=record.environment.name,
        status=Status.PASSED,
        exit_code=0,
        counts=counts,
        started_at=record.created_at,
        finished_at="2026-01-01T00:00:01Z",
        duration_ms=1000.0,
    )


def _folder(run: SimulatedRun, bomb: Bomb | None = None) -> RunFolder:
    return RunFolder(SimulatedStorage(run.disk, bomb or Bomb()), RUN_ID)


def _finish(run: SimulatedRun, bomb: Bomb) -> None:
    """What a driver does when all shards are committed, as far as it gets."""
    folder = _folder(run, bomb)
    try:
        complete(folder, partial(_judgement, run.record), 1)
        clean_up(folder)
    except Crash:
        pass


def _never(*_: object) -> NoReturn:
    raise AssertionError("a finished run is not driven")


def _committed() -> SimulatedRun:
    run = SimulatedRun()
    save_artifact(SimulatedStorage(run.disk, Bomb()), run.artifact)
    folder = _folder(run)
    assert folder.claim_epoch(this_process(), after=0, record_sha256=folder.record_sha256()) is not None
    assert run.process() is not None
    return run


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_wherever_a_completion_is_cut_off_the_next_command_leaves_no_key(after: bool) -> None:
    whole = Bomb()
    _finish(_committed(), whole)
    left_behind = 0
    for at in range(whole.count):
        run = _committed()
        _finish(run, Bomb(at=at, after=after))
        folder = _folder(run)
        has_key = folder.storage.exists(folder.path(layout.SEALING_KEY))
        assert has_key or folder.is_complete(), f"operation {at}: the key went before the run was complete"
        if folder.is_complete():
            left_behind += has_key
            drive(
                folder,
                choose_backend=_never,
                stage=_never,
                listener=SilentListener(),
                clock=SystemClock(),
                resumed=True,
            )
        else:
            _finish(run, Bomb())
        assert not folder.storage.exists(folder.path(layout.SEALING_KEY)), f"operation {at}: the key is still there"
    assert left_behind > 0, "no crash came between the manifest and the end of the key: this test has tested nothing"
