"""What a person is told before a run: all problems, at places that a terminal finds."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from scripted import WORKSPACE

from reqflo_ray.errors import DefinitionError, UsageError
from reqflo_ray.model.artifact import Artifact, JourneyIdentity
from reqflo_ray.model.plan import RunRecord
from reqflo_ray.model.workers import WorkerRange
from reqflo_ray.runner.launch import RunRequest, make_record, prepare, staging
from reqflo_ray.store.run_folder import RunFolder
from reqflo_ray.store.storage import LocalStorage

JOURNEY = """\
journey:
  name: one
  inputs: [{name: item, required: true}]
  steps:
    - {id: get, request: {service: api, method: GET, url: "/{{ inputs.item }}"}}
"""


def _workspace(folder: Path, journey: str) -> Path:
    folder.mkdir()
    (folder / "reqflo.yaml").write_text(WORKSPACE)
    (folder / "journey.yaml").write_text(journey)
    return folder


def test_places_are_told_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _workspace(tmp_path / "shop", JOURNEY)
    prepared = prepare(RunRequest(journey="one", workspace=Path("shop")), workers_are_local=True)
    assert [str(problem.position) for problem in prepared.problems] == ["shop/journey.yaml:3:12"]


def test_places_of_what_does_not_compile_are_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(_workspace(tmp_path / "shop", JOURNEY.replace("inputs.item", "inputs.itme")))
    with pytest.raises(DefinitionError) as caught:
        prepare(RunRequest(journey="one", workspace=tmp_path / "shop"), workers_are_local=True)
    assert {problem.position.file for problem in caught.value.problems if problem.position} == {"journey.yaml"}


@pytest.mark.parametrize("in_a_job", [False, True])
def test_a_data_file_is_recorded_so_that_the_next_driver_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_a_job: bool
) -> None:
    monkeypatch.chdir(_workspace(tmp_path / "shop", JOURNEY))
    Path("items.csv").write_text("item\n1\n")
    if in_a_job:
        monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    request = RunRequest(journey="one", data=("items.csv",))
    prepared = prepare(request, workers_are_local=True)
    record = make_record(request, prepared, run_id="r", nonce="00", now=datetime.now(UTC))
    assert record.dataset is not None
    # The folder of a job is a copy, at another place for the next job.
    assert record.dataset.files == ("items.csv" if in_a_job else str(tmp_path / "shop" / "items.csv"),)


def test_a_rerun_that_died_before_its_rows_were_chosen_is_not_given_the_whole_dataset(tmp_path: Path) -> None:
    artifact = Artifact(journey=JourneyIdentity(name="one"))
    record = RunRecord(
        run_id="again", nonce="00", created_at="2026-01-01T00:00:00Z", artifact="", journey="one", rerun_of="first"
    )
    stage = staging(RunFolder(LocalStorage(tmp_path), "again"), workers=WorkerRange(1, 1))
    with pytest.raises(UsageError) as caught:
        stage(record, artifact)
    assert caught.value.code == "rerun_not_staged"
