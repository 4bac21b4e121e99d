"""`reqflo-ray doctor` on a real cluster: every node is asked, and the exit code tells whether a run could work."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from disturbed_run import COMMAND
from example_workspace import child_environment, copy_example

pytestmark = pytest.mark.ray
Doctor = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def doctor(cluster: str, cluster_environment: dict[str, str], tmp_path: Path) -> Doctor:
    workspace = copy_example("outputs-and-rows", tmp_path / "workspace", "http://127.0.0.1:9")

    def ask(*arguments: str, address: str = cluster, **environment: str) -> tuple[int, dict[str, Any]]:
        command = [COMMAND, "doctor", "--json", "--workspace", str(workspace)]
        command += ["--address", address, "--store", str(tmp_path / "store"), *arguments]
        ended = subprocess.run(
            command,
            capture_output=True,
            text=True,
            env=child_environment(**{**cluster_environment, **environment}),
            timeout=120,
        )
        return ended.returncode, json.loads(ended.stdout)

    return ask


def levels(report: dict[str, Any], *, on_node: bool) -> dict[str, str]:
    return {finding["subject"]: finding["level"] for finding in report["findings"] if bool(finding["where"]) == on_node}


def test_a_healthy_cluster_is_examined_from_here_and_from_its_workers(doctor: Doctor, tmp_path: Path) -> None:
    _, report = doctor()
    assert levels(report, on_node=False)["store"] == "ok"
    nodes = levels(report, on_node=True)
    assert {name: nodes[name] for name in ("versions", "authentication", "store")} == {
        "versions": "ok",
        "authentication": "ok",
        "store": "ok",
    }
    assert {"spill folder", "core dumps", "secret SHOP_CLIENT_SECRET"} <= nodes.keys()
    assert list((tmp_path / "store").glob("doctor-*")) == []


def test_a_secret_that_workers_lack_fails_although_it_is_here(doctor: Doctor, tmp_path: Path) -> None:
    settings = tmp_path / "workspace" / "reqflo.yaml"
    settings.write_text(settings.read_text().replace("env: SHOP_CLIENT_SECRET", "env: ONLY_HERE"))
    code, report = doctor(ONLY_HERE="made-up-and-only-here")
    secrets = [finding for finding in report["findings"] if finding["subject"] == "secret SHOP_CLIENT_SECRET"]
    assert [(finding["level"], bool(finding["where"])) for finding in secrets] == [("fail", True)]
    assert (code, report["ok"]) == (3, False)
    assert "made-up-and-only-here" not in json.dumps(report)


def test_a_cluster_that_does_not_answer_is_a_finding_and_not_a_crash(doctor: Doctor) -> None:
    code, report = doctor(address="127.0.0.1:1")
    failed = [finding for finding in report["findings"] if finding["level"] == "fail"]
    assert (code, [finding["subject"] for finding in failed]) == (3, ["cluster"])
