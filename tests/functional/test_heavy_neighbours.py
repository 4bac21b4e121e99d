"""Rows beside one whose answer takes much to judge keep the deadlines that their server kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import PROGRAM, STEERING

ROWS = 20

WORKSPACE = """\
workspace: {name: heavy, defaults: {environment: e}, http: {read_timeout: 1500ms, total_timeout: 2s}}
---
environment: {name: e, services: {s: {base_url: "URL"}}}
---
journey:
  name: j
  inputs: [{name: id, required: true}]
  steps:
    - id: a
      request: {service: s, url: "/item/{{ inputs.id }}"}
      assertions:
        - {type: json_path, path: "$..[?@..[?@..x]]", operator: not_exists}
    - id: b
      request: {service: s, url: "/item/{{ inputs.id }}-again"}
"""


@pytest.fixture
def url() -> Iterator[str]:
    api = Path(__file__).parents[1] / "apps" / "heavy_api.py"
    with subprocess.Popen([sys.executable, api, "700"], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.kill()


def test_no_neighbour_misses_its_deadline(tmp_path: Path, url: str) -> None:
    (tmp_path / "reqflo.yaml").write_text(WORKSPACE.replace("URL", url))
    heavy = ["large", "compressed"]
    rows = [f"good-{number}" for number in range(ROWS)]
    (tmp_path / "rows.csv").write_text("\n".join(["id", *heavy, *rows]) + "\n")
    environment = {name: value for name, value in os.environ.items() if name not in STEERING}
    command = [PROGRAM, "run", "j", "--data", "rows.csv", "--key", "id", "--backend", "local", "--store", "store"]
    done = subprocess.run(
        [*command, "--run-id", "r", "--json"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    question = "select row_key, status, error_code from results where row_key like 'good-%' and status <> 'passed'"
    answer = subprocess.run(
        [PROGRAM, "sql", question, "--run", "r", "--store", "store", "--format", "json"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(answer.stdout or "[]") == [], done.stderr
    assert json.loads(done.stdout)["counts"]["passed"] >= ROWS
