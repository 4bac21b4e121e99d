"""How far a run is said to be while its shards run, and that a stop comes in their middle and counts truly."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from echo_api import EchoApi

import reqflo_ray
from reqflo_ray._internal.runner.progress.listener import Progress, SilentListener

ROWS = 400  # in shards of 50: of 0.75 s or more each, at four rows in flight

WORKSPACE = """
workspace:
  name: progress
  defaults: {environment: local}
---
environment: {name: local, services: {api: {base_url: "ECHO"}}}
---
journey:
  name: slow
  inputs: [{name: fine, required: true}]
  steps:
    - id: call
      request: {service: api, url: /slow, query: {ms: "60", fine: "{{ inputs.fine }}"}}
      assertions: [{type: json_path, path: "$.query.fine", operator: equals, expected: "yes"}]
"""


@pytest.fixture
def echo(shared_echo: EchoApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EchoApi:
    """The API; the current folder is a workspace for it, and one row of each shard fails."""
    shared_echo.reset()
    (tmp_path / "reqflo.yaml").write_text(WORKSPACE.replace("ECHO", shared_echo.url))
    (tmp_path / "rows.csv").write_text("fine\n" + "".join("no\n" if row % 100 == 5 else "yes\n" for row in range(ROWS)))
    monkeypatch.chdir(tmp_path)
    return shared_echo


def test_failures_stop_a_run_within_a_shard_and_a_resume_goes_on_behind_them(
    echo: EchoApi, command: Callable[..., Any]
) -> None:
    options = ("--backend", "local", "--workers", "1", "--concurrency", "4", "--run-id", "r1")
    ended = command("run", "slow", "--data", "rows.csv", "--max-failures", "1", *options, "--json")
    assert ended.code == 1, ended.err
    assert 6 <= len(echo.seen) < ROWS / 2
    counts = ended.json["counts"]
    assert (counts["rows"], counts["failed"]) == (len(echo.seen), 1)
    # Any of the shards that are begun may be the first to get places for its rows.
    [failed] = [failure["row_index"] for failure in ended.json["failures"]]
    assert failed % 100 == 5
    assert f"failed row {failed} at step call" in ended.err and "resume: reqflo-ray resume r1" in ended.err
    # Each resume goes on to the next failure at most.
    for _ in range(4):
        resumed = command("resume", "r1", "--backend", "local", "--json")
        assert resumed.code == 1, resumed.err
        if resumed.json["counts"]["rows"] == ROWS:
            break
    assert (resumed.json["counts"]["rows"], resumed.json["counts"]["failed"]) == (ROWS, 4)
    assert len(echo.seen) == ROWS
    assert "journaled" not in resumed.err and "resume:" not in resumed.err


def test_rows_are_told_before_their_shard_ends_and_an_interrupted_run_counts_them(
    echo: EchoApi, tmp_path: Path
) -> None:
    class Interrupter(SilentListener):
        rows, commits = 0, -1

        def progress(self, progress: Progress) -> None:
            if not self.rows and progress.counts.rows:
                self.rows = progress.counts.rows
                self.commits = len(list((tmp_path / ".reqflo/runs/r1").glob("commits/*")))
                os.kill(os.getpid(), signal.SIGINT)

    listener = Interrupter()
    outcome = reqflo_ray.run(
        "slow",
        "rows.csv",
        execution=reqflo_ray.Execution(concurrency=4),
        target=reqflo_ray.Target(backend="local", workers=1),
        run_id="r1",
        listener=listener,
    )
    assert listener.rows > 0 and listener.commits == 0
    assert outcome.exit_code == 130 and not outcome.complete
    assert listener.rows <= outcome.verdict.counts.rows == len(echo.seen) < ROWS
    assert outcome.journaled == outcome.verdict.counts.rows
