"""What a person is told before a run: all problems, at places that a terminal finds."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripted import WORKSPACE

from reqflo_ray.errors import DefinitionError
from reqflo_ray.runner.launch import RunRequest, prepare

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
    assert [problem.position.file for problem in caught.value.problems if problem.position] == ["journey.yaml"]
