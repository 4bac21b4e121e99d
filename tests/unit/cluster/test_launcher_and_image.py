"""The file for Ray's launcher is one that it takes, and the image holds what is locked and no secret."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from cluster_files import ROOT, documents
from deployment_rules import Deployed

_LAUNCHER = ROOT / "cluster" / "gcp" / "launcher.yaml"
_DOCKERFILE = ROOT / "cluster" / "Dockerfile"


@pytest.fixture
def launcher() -> dict[str, Any]:
    [document] = documents(_LAUNCHER)
    return dict(document)


@pytest.fixture(scope="module")
def ray_schema() -> jsonschema_rs.Validator:
    """The schema that `ray up` checks with, found without importing Ray."""
    found = find_spec("ray")
    assert found is not None and found.submodule_search_locations
    path = Path(found.submodule_search_locations[0], "autoscaler", "ray-schema.json")
    return jsonschema_rs.validator_for(json.loads(path.read_text(encoding="utf-8")))


def test_ray_takes_the_launcher_file(launcher: dict[str, Any], ray_schema: jsonschema_rs.Validator) -> None:
    assert [error.message for error in ray_schema.iter_errors(launcher)] == []


@pytest.mark.parametrize(
    "change",
    [
        {"cluster_nam": "x"},
        {"provider": {"region": "us-central1"}},
        {"docker": {"image": "x", "run_option": []}},
        {"available_node_types": {"head": {"node_config": {}}}},
        {"available_node_types": {"head": {"node_config": {}, "resources": {"CPU": "4"}}}},
        {"max_workers": "8"},
        {"initialization_commands": "one command"},
    ],
)
def test_ray_refuses_a_launcher_file_with_a_slip(
    launcher: dict[str, Any], ray_schema: jsonschema_rs.Validator, change: dict[str, Any]
) -> None:
    assert not ray_schema.is_valid({**launcher, **change})


def test_the_launcher_starts_our_image_with_token_authentication(launcher: dict[str, Any], deployed: Deployed) -> None:
    assert launcher["docker"]["image"] == deployed.image
    assert "--env RAY_AUTH_MODE=token" in launcher["docker"]["run_options"]
    assert "~/.ray/auth_token" in launcher["file_mounts"]


def test_the_launcher_keeps_work_off_the_head_and_nodes_off_the_internet(launcher: dict[str, Any]) -> None:
    types = launcher["available_node_types"]
    [worker] = (kind for name, kind in types.items() if name != launcher["head_node_type"])

    assert types[launcher["head_node_type"]]["resources"] == {"CPU": 0, "memory": 0}
    assert launcher["provider"]["use_internal_ips"] is True
    assert any("--dashboard-host=127.0.0.1" in command for command in launcher["head_start_ray_commands"])
    assert worker["min_workers"] <= worker["max_workers"] <= launcher["max_workers"]
    assert worker["node_config"]["serviceAccounts"][0]["email"].startswith("reqflo-worker@")


def _instructions() -> list[tuple[str, str]]:
    text = re.sub(r"^#.*\n", "", _DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in text.splitlines() if line.strip()]


def test_the_image_holds_the_locked_packages_and_no_others() -> None:
    commands = [argument for name, argument in _instructions() if name == "RUN"]
    installs = [command for command in commands if "pip install" in command]

    assert "--require-hashes --requirement requirements.lock" in installs[0]
    assert all("--no-deps" in command for command in installs[1:])


def test_what_is_taken_out_of_the_image_was_in_it(locked: dict[str, str]) -> None:
    [removed] = (
        found for name, line in _instructions() if name == "RUN" for found in re.findall("uninstall --yes (.+)", line)
    )

    assert "pytest" in removed
    assert all(package in locked for package in removed.split())


def test_the_image_runs_as_an_ordinary_user() -> None:
    users = [argument for name, argument in _instructions() if name == "USER"]

    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1]), "a number, so that Kubernetes can tell that it is not root"


def test_the_image_is_built_from_one_fixed_python_and_takes_no_secret() -> None:
    instructions = _instructions()
    bases = {argument.split()[0] for name, argument in instructions if name == "FROM"}
    settings = " ".join(argument for name, argument in instructions if name in ("ENV", "ARG"))
    copied = [argument for name, argument in instructions if name == "COPY"]

    assert len(bases) == 1
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", bases.pop())
    assert not re.search(r"(?i)token|secret|password", settings)
    assert all(argument.split()[0] != "." for argument in copied), "a whole checkout may hold anything"


def test_what_the_image_copies_is_there() -> None:
    own = [argument for name, argument in _instructions() if name == "COPY" and "--from" not in argument]

    assert all((ROOT / name).exists() for argument in own for name in argument.split()[:-1])


def test_home_is_stated_for_the_launcher() -> None:
    assert any(name == "ENV" and "HOME=/home/reqflo" in argument for name, argument in _instructions())
