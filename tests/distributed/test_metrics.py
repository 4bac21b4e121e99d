"""What a run did can be read at the metrics port of the nodes that it ran on, by status, and nothing that was in it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import urllib.request
from collections import defaultdict
from pathlib import Path

import pytest
from command_process import CommandProcess
from disturbed_run import eventually
from echo_api import EchoApi

from reqflo_ray._internal.ray_cluster.metrics import METRICS, PREFIX

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]

WORKSPACE = """
workspace: {name: watched, defaults: {environment: local}}
---
environment: {name: local, services: {api: {base_url: "ECHO"}}}
---
journey:
  name: watched
  inputs: [{name: ref, required: true}, {name: code, type: integer, required: true}]
  steps:
    - id: first
      request: {service: api, url: "/status?ref={{ inputs.ref }}", query: {code: "{{ inputs.code }}"}}
      assertions: [{type: status_code, expected: 200}]
      retry: {count: 1, delay: 1ms}
      on_failure: halt
    - id: second
      request: {service: api, url: "/echo?ref={{ inputs.ref }}"}
"""
ROWS, FAILING = 60, 20
_LINE = re.compile(r"(\w+)\{(.*)\} (\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_OF_RAY = {"Component", "NodeAddress", "SessionName", "Version", "WorkerId"}


def test_the_metrics_of_a_run_are_those_of_its_verdict(
    cluster: str, cluster_environment: dict[str, str], tmp_path: Path
) -> None:
    script = Path(__file__).parent.parent / "apps" / "ray_metrics_ports.py"
    ports = subprocess.run([sys.executable, script, cluster], stdout=subprocess.PIPE, text=True, check=True)
    codes = [503 if index % 3 == 0 else 200 for index in range(ROWS)]
    (tmp_path / "rows.csv").write_text("ref,code\n" + "".join(f"canary-{at},{code}\n" for at, code in enumerate(codes)))
    with EchoApi() as echo, CommandProcess({**os.environ, **cluster_environment}) as commands:
        (tmp_path / "reqflo.yaml").write_text(WORKSPACE.replace("ECHO", echo.url))
        line = ("run", "watched", "--data", "rows.csv", "--key", "ref", "--run-id", "watched-1", "--json")
        ended = commands.run(*line, "--address", cluster, "--workers", "2", folder=tmp_path)
    assert ended.code == 1, ended.err
    counts = ended.json["counts"]
    assert (counts["rows"], counts["failed"], counts["steps"]) == (ROWS, FAILING, 2 * ROWS)

    shown: list[Shown] = []

    def told() -> bool:
        shown.append(Shown(ports.stdout.split()))
        return shown[-1].total("reqflo_rows_total") == ROWS

    # The workers have ended: what they counted last is shown for another 20 s.
    eventually(told, f"{ROWS} rows at {ports.stdout}; at last {shown[-1:]}", timeout=30)
    last = shown[-1]
    assert last.by("reqflo_rows_total", "status") == {
        status: counts[status] for status in ("passed", "failed", "error", "inconclusive", "skipped", "cancelled")
    }
    steps = last.by("reqflo_steps_total", "status")
    assert sum(steps.values()) == counts["steps"]
    assert (steps["passed"], steps["failed"], steps["skipped"]) == (2 * (ROWS - FAILING), FAILING, FAILING)
    assert last.total("reqflo_failures_total") == 2 * FAILING
    assert last.total("reqflo_retries_total") == counts["retries"] == FAILING
    assert last.total("reqflo_resends_total") == last.total("reqflo_rows_in_flight") == 0
    assert last.total("reqflo_request_duration_ms_count") == counts["requests"] == 2 * ROWS
    assert last.total("reqflo_request_duration_ms_sum") > 0
    buckets = last.by("reqflo_request_duration_ms_bucket", "le")
    assert buckets["+Inf"] == buckets["60000.0"] == counts["requests"]
    assert list(buckets.values()) == sorted(buckets.values())
    assert last.total("reqflo_journal_sync_duration_ms_count") > 0

    assert last.names() == {metric.name for metric in METRICS}
    assert last.labels() == {"journey", "run_id", "status", "le"}
    assert "canary" not in last.text and echo.url not in last.text


class Shown:
    """What the ports show of our metrics of the run, now."""

    def __init__(self, ports: list[str]) -> None:
        pages = [urllib.request.urlopen(port, timeout=30).read().decode() for port in ports]
        lines = [line for page in pages for line in page.splitlines() if line.startswith(f"{PREFIX}reqflo_")]
        self.text = "\n".join(line for line in lines if 'run_id="watched-1"' in line)
        self.samples = []
        for name, labels, value in _LINE.findall(self.text):
            self.samples.append((name.removeprefix(PREFIX), dict(_LABEL.findall(labels)), float(value)))

    def __repr__(self) -> str:
        return self.text

    def total(self, name: str) -> float:
        return sum(value for found, _, value in self.samples if found == name)

    def by(self, name: str, label: str) -> dict[str, float]:
        totals: dict[str, float] = defaultdict(float)
        for found, labels, value in self.samples:
            if found == name:
                totals[labels[label]] += value
        return dict(sorted(totals.items(), key=lambda item: float(item[0]) if label == "le" else 0))

    def names(self) -> set[str]:
        return {name for name, _, _ in self.samples}

    def labels(self) -> set[str]:
        """All labels but those that Ray adds to everything."""
        found = {label for _, labels, _ in self.samples for label in labels}
        return {label for label in found - _OF_RAY if not label.startswith("otel_scope_")}
