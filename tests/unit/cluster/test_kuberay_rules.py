"""KubeRay's own rules hold for our manifests, and each of them is one that a slip would break."""

from __future__ import annotations

from typing import Any

import pytest
from cluster_files import REMOVED, all_manifests, manifest
from kuberay_rules import is_cron, problems

_RULES = "spec.jobTemplate.deletionStrategy.deletionRules"
_CLUSTER = "spec.rayClusterSpec"
_HEAD_ENV = "spec.headGroupSpec.template.spec.containers.0.env.…"


@pytest.mark.parametrize(
    ("file", "kind", "changes", "reason"),
    [
        ("rayjob.yaml", "RayJob", {"metadata.name": "j" * 48}, "at most 47"),
        ("raycluster.yaml", "RayCluster", {"metadata.name": "c" * 54}, "at most 53"),
        ("raycronjob.yaml", "RayCronJob", {"metadata.name": "c" * 37}, "at most 36"),
        ("rayjob.yaml", "RayJob", {"metadata.name": "1-orders"}, "no DNS label"),
        ("rayjob.yaml", "RayJob", {"metadata.name": "orders_1"}, "no DNS label"),
        ("kueue.yaml", "RayJob", {"spec.shutdownAfterJobFinishes": False}, "can be suspended"),
        ("rayjob-shared-cluster.yaml", "RayJob", {"spec.suspend": True}, "cannot be suspended"),
        ("rayjob.yaml", "RayJob", {_CLUSTER: REMOVED}, "either rayClusterSpec or clusterSelector"),
        ("rayjob-shared-cluster.yaml", "RayJob", {"spec.clusterSelector": {"cluster": "x"}}, "must name a cluster"),
        ("rayjob-shared-cluster.yaml", "RayJob", {"spec.backoffLimit": 2}, "with clusterSelector"),
        ("rayjob.yaml", "RayJob", {"spec.backoffLimit": -1}, "not be negative"),
        ("rayjob.yaml", "RayJob", {"spec.activeDeadlineSeconds": 0}, "must be positive"),
        ("rayjob.yaml", "RayJob", {"spec.preRunningDeadlineSeconds": -5}, "must be positive"),
        ("rayjob.yaml", "RayJob", {"spec.submissionMode": "K8sJob"}, "no submission mode"),
        ("rayjob.yaml", "RayJob", {"spec.submissionMode": "InteractiveMode"}, "InteractiveMode"),
        ("rayjob.yaml", "RayJob", {"spec.submissionMode": "SidecarMode"}, "SidecarMode"),
        ("rayjob.yaml", "RayJob", {"spec.runtimeEnvYAML": "- a list"}, "no mapping"),
        ("rayjob.yaml", "RayJob", {"spec.shutdownAfterJobFinishes": REMOVED}, "needs shutdownAfterJobFinishes"),
        ("raycronjob.yaml", "RayCronJob", {"spec.jobTemplate.shutdownAfterJobFinishes": True}, "deletionRules cannot"),
        ("raycronjob.yaml", "RayCronJob", {_RULES: []}, "needs deletionRules"),
        ("raycronjob.yaml", "RayCronJob", {f"{_RULES}.0.condition.jobDeploymentStatus": "Failed"}, "names either"),
        ("raycronjob.yaml", "RayCronJob", {f"{_RULES}.0.condition": {"ttlSeconds": 3}}, "names either"),
        ("raycronjob.yaml", "RayCronJob", {f"{_RULES}.0.policy": "DeleteWorkers"}, "with autoscaling"),
        ("raycronjob.yaml", "RayCronJob", {f"{_RULES}.1.condition.jobStatus": "SUCCEEDED"}, "two deletion rules"),
        ("raycronjob.yaml", "RayCronJob", {f"{_RULES}.0.condition.ttlSeconds": 9_999_999}, "must not outlive"),
        ("rayjob.yaml", "RayJob", {f"{_CLUSTER}.authOptions.enableK8sTokenAuth": True}, "own tokens"),
        ("raycluster.yaml", "RayCluster", {"spec.rayVersion": "2.51.1"}, "2.52.0 or later"),
        ("raycluster.yaml", "RayCluster", {"spec.rayVersion": REMOVED}, "2.52.0 or later"),
        (
            "raycluster.yaml",
            "RayCluster",
            {"spec.workerGroupSpecs.0.template.spec.restartPolicy": "Always"},
            "restartPolicy Never",
        ),
        ("raycluster.yaml", "RayCluster", {"spec.headGroupSpec.template.spec.containers": []}, "no container"),
        ("raycluster.yaml", "RayCluster", {"spec.headGroupSpec.resources": {"CPU": "1"}}, "resources twice"),
        ("raycluster.yaml", "RayCluster", {"spec.headGroupSpec.rayStartParams.labels": "a=b"}, "has labels"),
        ("raycluster.yaml", "RayCluster", {"spec.workerGroupSpecs.1.suspend": True}, "cannot be suspended"),
        (
            "raycluster.yaml",
            "RayCluster",
            {"spec.autoscalerOptions.version": "v1", "spec.workerGroupSpecs.0.idleTimeoutSeconds": 9},
            "options of autoscaler v2",
        ),
        (
            "raycluster.yaml",
            "RayCluster",
            {_HEAD_ENV: {"name": "RAY_enable_autoscaler_v2", "value": "1"}},
            "autoscalerOptions.version and",
        ),
        (
            "raycluster.yaml",
            "RayCluster",
            {
                _HEAD_ENV: {"name": "RAY_enable_autoscaler_v2", "value": "1"},
                "spec.enableInTreeAutoscaling": False,
            },
            "needs enableInTreeAutoscaling",
        ),
        ("raycluster.yaml", "RayCluster", {_HEAD_ENV: {"name": "RAY_REDIS_ADDRESS", "value": "redis:6379"}}, "REDIS"),
        ("raycronjob.yaml", "RayCronJob", {"spec.schedule": "TZ=UTC 30 2 * * *"}, "holds no time zone"),
        ("raycronjob.yaml", "RayCronJob", {"spec.schedule": "30 2 * *"}, "no schedule"),
        ("raycronjob.yaml", "RayCronJob", {"spec.schedule": "60 2 * * *"}, "no schedule"),
        ("raycronjob.yaml", "RayCronJob", {"spec.timeZone": "Europe/Nowhere"}, "no time zone"),
        ("raycronjob.yaml", "RayCronJob", {"spec.timeZone": ""}, "no time zone"),
    ],
)
def test_what_the_operator_refuses_is_found(file: str, kind: str, changes: dict[str, Any], reason: str) -> None:
    assert problems(manifest(file, kind)) == []
    found = problems(manifest(file, kind, changes))

    assert any(reason in problem for problem in found), found


@pytest.mark.parametrize("schedule", ["* * * * *", "*/5 0-6 1,15 * 1-5", "0 0 1 1 0", "0-30/10 2 * * 7"])
def test_schedules_of_cron_are_known(schedule: str) -> None:
    assert is_cron(schedule)


@pytest.mark.parametrize(
    "schedule", ["", "@daily", "* * * * * *", "a * * * *", "5-1 * * * *", "*/0 * * * *", "0 24 * * *"]
)
def test_what_is_no_schedule_is_known(schedule: str) -> None:
    assert not is_cron(schedule)


def test_the_operator_takes_all_of_our_manifests() -> None:
    ours = [document for _, document in all_manifests() if document["apiVersion"] == "ray.io/v1"]

    assert {document["kind"] for document in ours} == {"RayCluster", "RayJob", "RayCronJob"}
    assert [problem for document in ours for problem in problems(document)] == []


def test_the_plain_schedule_is_one() -> None:
    assert is_cron(manifest("cronjob.yaml", "CronJob")["spec"]["schedule"])
