"""Rows beside one whose answer takes much to judge keep the deadlines that their server kept."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from command_line import PROGRAM, STEERING
from heavy_workspace import heavy_api, write_workspace

ROWS = 20


def test_no_neighbour_misses_its_deadline(tmp_path: Path) -> None:
    heavy = ["large", "compressed"]
    rows = [f"good-{number}" for number in range(ROWS)]
    (tmp_path / "rows.csv").write_text("\n".join(["id", *heavy, *rows]) + "\n")
    environment = {name: value for name, value in os.environ.items() if name not in STEERING}
    command = [PROGRAM, "run", "heavy", "--data", "rows.csv", "--key", "id", "--backend", "local", "--store", "store"]
    with heavy_api(700) as url:
        write_workspace(tmp_path, url, "$..[?@..[?@..x]]", http="{read_timeout: 1500ms, total_timeout: 2s}")
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
