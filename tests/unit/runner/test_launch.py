"""What a person is told before a run: all problems, at places that a terminal finds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from scripted import WORKSPACE
from staging_executors import UnorderedExecutor

from reqflo_ray._internal.errors import UsageError
from reqflo_ray._internal.model.artifact import Artifact, JourneyIdentity
from reqflo_ray._internal.model.plan import DatasetSource, RunRecord
from reqflo_ray._internal.model.workers import Room
from reqflo_ray._internal.runner.prepare.preparation import prepare
from reqflo_ray._internal.runner.prepare.record import make_record
from reqflo_ray._internal.runner.prepare.request import Dataset, Execution, Journey
from reqflo_ray._internal.runner.prepare.staging import staging
from reqflo_ray._internal.runner.progress.listener import SilentListener
from reqflo_ray._internal.runs.folder.artifacts import save_artifact
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.runs.staging.jobs import Job, Report
from reqflo_ray._internal.runs.staging.rows import read_plan
from reqflo_ray._internal.storage.local import LocalStorage

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
    prepared = prepare(Journey("one", workspace="shop"), Dataset.of(None), joins_cluster=False)
    assert [str(problem.position) for problem in prepared.problems] == ["shop/journey.yaml:3:12"]


def test_places_of_what_does_not_compile_are_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(_workspace(tmp_path / "shop", JOURNEY.replace("inputs.item", "inputs.itme")))
    prepared = prepare(Journey("one", workspace=tmp_path / "shop"), Dataset.of(None), joins_cluster=False)
    assert prepared.blocked
    assert {problem.position.file for problem in prepared.problems if problem.position} == {"journey.yaml"}


@pytest.mark.parametrize("in_a_job", [False, True])
def test_a_data_file_is_recorded_so_that_the_next_driver_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_a_job: bool
) -> None:
    monkeypatch.chdir(_workspace(tmp_path / "shop", JOURNEY))
    Path("items.csv").write_text("item\n1\n")
    journey, data = Journey("one"), Dataset("items.csv")
    prepared = prepare(journey, data, joins_cluster=False)
    record = make_record(journey, data, Execution(), prepared, run_id="r", keeps_relative_paths=in_a_job)
    assert record.dataset is not None
    # The folder of a job is a copy, at another place for the next job.
    assert record.dataset.files == ("items.csv" if in_a_job else str(tmp_path / "shop" / "items.csv"),)


def test_a_rerun_that_died_before_it_chose_rows_is_not_given_the_whole_dataset(tmp_path: Path) -> None:
    artifact = Artifact(journey=JourneyIdentity(name="one"))
    record = RunRecord(
        run_id="again", nonce="00", created_at="2026-01-01T00:00:00Z", artifact="", journey="one", rerun_of="first"
    )
    stage = staging(RunFolder(LocalStorage(tmp_path), "again"), _one_worker)
    with pytest.raises(UsageError) as caught:
        stage(record, artifact)
    assert caught.value.code == "rerun_not_staged"


def _one_worker(rows: int) -> Room:
    return Room(now=1, later=1)


class Ear(SilentListener):
    """Remembers what is said about staging."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []

    def staging(self, run_id: str, backend: str, reason: str) -> None:
        self.heard.append((backend, reason))


def _staged(
    folder: Path, run_id: str, files: tuple[str, ...], executor: UnorderedExecutor | None
) -> tuple[list[tuple[str, str]], Any]:
    """What is said, and the plan, of a run of these files."""
    artifact = Artifact(journey=JourneyIdentity(name="one"))
    source = DatasetSource(files=files, key_column="item")
    record = RunRecord(
        run_id=run_id,
        nonce="00",
        created_at="2026-01-01T00:00:00Z",
        artifact=save_artifact(LocalStorage(folder / "store"), artifact),
        journey="one",
        dataset=source,
    )
    run, ear = RunFolder(LocalStorage(folder / "store"), run_id), Ear()
    run.create_run(record)
    staging(run, _one_worker, executor=executor, listener=ear)(record, artifact)
    return ear.heard, read_plan(run.storage, run_id)


def _files(folder: Path, count: int) -> tuple[str, ...]:
    for number in range(count):
        rows = "".join(f"item {number}-{row}\n" for row in range(30))
        (folder / f"{number}.csv").write_text("item\n" + rows)
    return tuple(str(folder / f"{number}.csv") for number in range(count))


def test_a_large_dataset_in_pieces_is_staged_by_the_crew_and_that_is_said(tmp_path: Path) -> None:
    files, executor = _files(tmp_path, 3), UnorderedExecutor()
    heard, plan = _staged(tmp_path, "together", files, executor)
    assert heard == [("ray", "the dataset has 0 MB in 3 pieces")]
    assert executor.done
    assert plan == _staged(tmp_path, "alone", files, None)[1]
    assert sum(shard.rows for shard in plan) == 90


@pytest.mark.parametrize(("count", "least_bytes"), [(1, 0), (3, 10_000)])
def test_the_driver_stages_what_is_small_or_in_one_piece_without_a_word(
    tmp_path: Path, count: int, least_bytes: int
) -> None:
    executor = UnorderedExecutor()
    executor.least_bytes = least_bytes
    heard, plan = _staged(tmp_path, "run", _files(tmp_path, count), executor)
    assert (heard, executor.done) == ([], [])
    assert sum(shard.rows for shard in plan) == 30 * count


def test_the_driver_stages_what_only_it_can_see_and_says_so(tmp_path: Path) -> None:
    files = _files(tmp_path, 3)

    class Elsewhere(UnorderedExecutor):
        def carry_out(self, folder: RunFolder, jobs: Sequence[Job]) -> Iterator[Report]:
            (tmp_path / "2.csv").rename(tmp_path / "hidden")
            reports = list(super().carry_out(folder, jobs))
            (tmp_path / "hidden").rename(tmp_path / "2.csv")
            return iter(reports)

    heard, plan = _staged(tmp_path, "run", files, Elsewhere())
    assert [backend for backend, _ in heard] == ["ray", "local"]
    assert files[2] in heard[1][1]
    assert sum(shard.rows for shard in plan) == 90
