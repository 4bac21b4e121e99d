"""The dashboard shows what workers export, all of it and nothing else; Prometheus is let in to read it."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest
from cluster_files import ROOT, all_manifests, manifest
from dashboard_rules import problems

from reqflo_ray._internal.ray_cluster.metrics import METRICS, PREFIX

FOLDER = ROOT / "cluster" / "grafana"


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / "reqflo-ray.json").read_text(encoding="utf-8"))
    return found


def test_the_dashboard_and_the_metrics_of_workers_agree() -> None:
    assert problems(dashboard()) == []


@pytest.mark.parametrize(
    ("panel", "before", "after", "reason"),
    [
        (2, "ray_reqflo_rows_total", "ray_reqflo_row_total", "no worker exports ray_reqflo_row_total"),
        (2, "ray_reqflo_rows_total", "ray_node_cpu_count", "no worker exports ray_node_cpu_count"),
        (4, "ray_reqflo_steps_total", "ray_reqflo_rows_total", "nobody shows ray_reqflo_steps_total"),
        (3, "by (status)", "by (row_key)", "no label row_key"),
        (3, "run_id=~", "run=~", "no label run "),
        (8, "ray_reqflo_failures_total", "up", "asks for nothing of ours"),
        (5, "_ms_bucket", "_ms_count", "no buckets"),
    ],
)
def test_a_query_with_a_slip_is_found(panel: int, before: str, after: str, reason: str) -> None:
    changed = dashboard()
    target = changed["panels"][panel]["targets"][0]
    assert before in target["expr"]
    target["expr"] = target["expr"].replace(before, after)
    assert any(reason in problem for problem in problems(changed)), problems(changed)


@pytest.mark.parametrize("source", [{"type": "prometheus", "uid": "PBFA97CFB590B2093"}, "Prometheus", None])
def test_a_data_source_that_is_somebodys_own_is_found(source: object) -> None:
    for path in (("panels", 0), ("panels", 3, "targets", 0), ("templating", "list", 1)):
        changed = copy.deepcopy(dashboard())
        place: Any = changed
        for part in path:
            place = place[part]
        place["datasource"] = source
        assert any("the data source is fixed" in problem for problem in problems(changed))


def test_a_data_source_that_nobody_can_choose_is_found() -> None:
    changed = dashboard()
    del changed["templating"]["list"][0]
    assert "nobody can choose the data source" in problems(changed)


def test_panels_that_cannot_be_seen_are_found() -> None:
    changed = dashboard()
    changed["panels"][3]["gridPos"] = changed["panels"][4]["gridPos"]
    changed["panels"][3]["id"] = changed["panels"][4]["id"]
    assert problems(changed) == ["panels lie on each other", "two panels have one id"]


def test_the_readme_lists_every_metric() -> None:
    told = set(re.findall(r"ray_reqflo_\w+", (FOLDER / "README.md").read_text(encoding="utf-8")))
    names = {PREFIX + metric.name for metric in METRICS}
    assert told == {name for name in names if not name.endswith(("_ms_sum", "_ms_count"))}


def test_prometheus_is_sent_to_a_port_that_is_there_and_open() -> None:
    monitor = manifest("podmonitor.yaml", "PodMonitor")["spec"]
    [endpoint] = monitor["podMetricsEndpoints"]
    head = manifest("raycluster.yaml", "RayCluster")["spec"]["headGroupSpec"]["template"]["spec"]["containers"][0]
    [port] = [port["containerPort"] for port in head["ports"] if port["name"] == endpoint["port"]]
    [policy] = [one["spec"] for _, one in all_manifests() if one["metadata"]["name"] == "metrics"]
    assert policy["podSelector"] == monitor["selector"]
    assert [entry["port"] for rule in policy["ingress"] for entry in rule["ports"]] == [port]
