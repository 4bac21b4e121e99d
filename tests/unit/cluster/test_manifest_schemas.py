"""Every object in `cluster/kuberay` is one that the API server takes, with no field that it would drop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster_files import KUBERAY, REMOVED, all_manifests, documents, manifest
from manifest_schemas import Schemas

_HEAD = "spec.headGroupSpec.template.spec.containers.0"


_SLIPS: list[tuple[str, str, dict[str, Any]]] = [
    ("rayjob.yaml", "RayJob", {"spec.submisionMode": "K8sJobMode"}),
    ("rayjob.yaml", "RayJob", {"spec.backoffLimit": "2"}),
    ("rayjob.yaml", "RayJob", {"spec.rayClusterSpec.headGroupSpec": REMOVED}),
    ("rayjob.yaml", "RayJob", {"spec.rayClusterSpec.workerGroupSpecs.0.template.spec.gracePeriod": 3}),
    ("rayjob.yaml", "RayJob", {"spec": REMOVED}),
    ("raycluster.yaml", "RayCluster", {"spec.authOptions.mode": "password"}),
    ("raycluster.yaml", "RayCluster", {"spec.autoscalerOptions.version": 2}),
    ("raycluster.yaml", "RayCluster", {f"{_HEAD}.resources.request": {"cpu": "1"}}),
    ("raycluster.yaml", "RayCluster", {f"{_HEAD}.ports.0.containerPort": "6379"}),
    ("raycluster.yaml", "RayCluster", {"spec.headGroupSpec.rayStartParams.num-cpus": 0}),
    ("raycronjob.yaml", "RayCronJob", {"spec.jobTemplate.deletionStrategy.deletionRules.0.policy": "Delete"}),
    ("raycronjob.yaml", "RayCronJob", {"spec.concurrencyPolicy": "Forbid"}),
    ("cronjob.yaml", "CronJob", {"spec.concurrencyPolicy": "Never"}),
    ("cronjob.yaml", "CronJob", {"spec.jobTemplate.spec.template.spec.containers.0.comand": []}),
    ("cronjob.yaml", "CronJob", {"spec.jobTemplate.spec.podFailurePolicy.rules.0.action": "Fail"}),
    ("kueue.yaml", "ClusterQueue", {"spec.cohort": "all"}),
    ("kueue.yaml", "LocalQueue", {"spec.clusterQueue": REMOVED}),
    ("podmonitor.yaml", "PodMonitor", {"spec.podMetricsEndpoints.0.portName": "metrics"}),
    ("podmonitor.yaml", "PodMonitor", {"spec.podMetricsEndpoints.0.interval": 15}),
    ("podmonitor.yaml", "PodMonitor", {"spec.selector": REMOVED}),
    ("namespace.yaml", "PersistentVolumeClaim", {"spec.accessMode": "ReadWriteMany"}),
    ("namespace.yaml", "Namespace", {"kind": "Namespaces"}),
    ("rayjob.yaml", "RayJob", {"apiVersion": "ray.io/v1alpha1"}),
]
_SLIPS_IN_NETWORK_POLICIES: list[dict[str, Any]] = [
    {"ingress": [{"form": []}]},
    {"egress": [{"to": [{"ipBlock": {"except": []}}]}]},
    {"policyTypes": ["Outgoing"]},
    {"podSelector": {"labels": {}}},
]


@pytest.mark.parametrize(("file", "kind", "changes"), _SLIPS)
def test_an_object_that_the_api_would_refuse_or_trim_is_found(
    schemas: Schemas, file: str, kind: str, changes: dict[str, Any]
) -> None:
    assert schemas.problems(manifest(file, kind)) == []
    assert schemas.problems(manifest(file, kind, changes)) != []


@pytest.mark.parametrize("change", _SLIPS_IN_NETWORK_POLICIES)
def test_a_network_policy_with_a_slip_is_found(schemas: Schemas, change: dict[str, Any]) -> None:
    policy = next(one for _, one in all_manifests() if one["kind"] == "NetworkPolicy")

    assert schemas.problems(policy) == []
    assert schemas.problems({**policy, "spec": {**policy["spec"], **change}}) != []


@pytest.mark.parametrize(
    ("file", "document"), all_manifests(), ids=lambda part: part["kind"] if isinstance(part, dict) else part
)
def test_every_object_has_known_fields_with_values_of_their_types(
    schemas: Schemas, file: str, document: dict[str, Any]
) -> None:
    assert schemas.problems(document) == []


def test_kuberays_own_definitions_take_every_object(published_schemas: Schemas) -> None:
    assert [problem for _, document in all_manifests() for problem in published_schemas.problems(document)] == []


def test_kuberays_own_definitions_find_every_slip(published_schemas: Schemas) -> None:
    policy = next(one for _, one in all_manifests() if one["kind"] == "NetworkPolicy")
    slips = [manifest(*slip) for slip in _SLIPS]
    slips += [{**policy, "spec": {**policy["spec"], **change}} for change in _SLIPS_IN_NETWORK_POLICIES]
    assert [slip for slip in slips if not published_schemas.problems(slip)] == []


@pytest.mark.parametrize("path", sorted(KUBERAY.glob("*.yaml")), ids=lambda path: path.name)
def test_yaml_1_1_and_1_2_read_the_same(path: Path) -> None:
    """kubectl reads 1.1, where `yes` is true and `010` is 8."""
    assert list(documents(path)) == list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def test_no_two_objects_of_a_situation_have_the_same_name() -> None:
    for path in KUBERAY.glob("*.yaml"):
        named = [(one["kind"], one["metadata"]["name"]) for one in documents(path)]
        assert len(named) == len(set(named))
