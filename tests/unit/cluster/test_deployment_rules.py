"""Our own rules hold for what `cluster/kuberay` deploys, and each of them is one that a slip would break."""

from __future__ import annotations

from typing import Any

import pytest
from cluster_files import KUBERAY, REMOVED, all_manifests, documents, manifest
from deployment_rules import Deployed, clusters, credentials, credentials_in_text, pods, problems

_HEAD = "spec.headGroupSpec.template.spec"
_WORKER = "spec.workerGroupSpecs.0.template.spec"
_SUBMITTER = "spec.submitterPodTemplate.spec"
_CRON = "spec.jobTemplate.spec.template.spec"
_ENTRYPOINT = "exec reqflo-ray run place-order --store {store} --run-id {run_id}"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({f"{_HEAD}.containers.0.image": "registry.example.com/reqflo-ray:latest"}, "is not"),
        ({f"{_WORKER}.containers.0.image": "registry.example.com/reqflo-ray:0.2.0-ray2.59.0"}, "is not"),
        ({"spec.rayVersion": "2.59.0"}, "rayVersion is not"),
        ({"spec.authOptions": REMOVED}, "asks for no token"),
        ({"spec.authOptions.mode": "disabled"}, "asks for no token"),
        ({"spec.authOptions.secretName": REMOVED}, "asks for no token"),
        ({f"{_WORKER}.containers.0.resources.requests.memory": REMOVED}, "requests no memory"),
        ({f"{_HEAD}.containers.0.resources": REMOVED}, "requests no cpu"),
        ({f"{_WORKER}.terminationGracePeriodSeconds": REMOVED}, "longer than the pod's grace"),
        ({f"{_WORKER}.terminationGracePeriodSeconds": 75}, "longer than the pod's grace"),
        ({f"{_WORKER}.containers.0.env": []}, "is not set"),
        ({f"{_WORKER}.securityContext.runAsNonRoot": False}, "as root"),
        ({f"{_HEAD}.securityContext.runAsUser": 0}, "as root"),
        ({f"{_HEAD}.securityContext.seccompProfile": REMOVED}, "no seccomp profile"),
        ({f"{_WORKER}.containers.0.securityContext.allowPrivilegeEscalation": True}, "keeps privileges"),
        ({f"{_WORKER}.containers.0.securityContext.capabilities.drop": []}, "keeps privileges"),
        ({f"{_WORKER}.serviceAccountName": "default"}, "is not made here"),
        ({f"{_HEAD}.serviceAccountName": "reqflo-worker"}, "not that of a head"),
        ({f"{_WORKER}.automountServiceAccountToken": REMOVED}, "a Kubernetes token"),
        ({f"{_WORKER}.volumes.0.persistentVolumeClaim.claimName": "other"}, "is not made here"),
        ({f"{_WORKER}.containers.0.volumeMounts.0.name": "other"}, "there is no volume"),
        ({f"{_WORKER}.volumes.2.emptyDir": {"medium": "Memory"}}, "has no limit"),
        ({"spec.headGroupSpec.rayStartParams.num-cpus": REMOVED}, "the head offers"),
        ({"spec.headGroupSpec.rayStartParams.memory": "1000000000"}, "the head offers"),
        ({"spec.workerGroupSpecs.0.minReplicas": 0}, "no worker is there"),
        ({"spec.workerGroupSpecs.0.replicas": 9}, "outside of its limits"),
        ({f"{_WORKER}.containers.0.env.…": {"name": "SHOP_CLIENT_SECRET", "value": "made-up"}}, "its value beside it"),
    ],
)
def test_a_cluster_that_breaks_one_of_our_rules_is_found(
    deployed: Deployed, changes: dict[str, Any], reason: str
) -> None:
    assert problems(manifest("raycluster.yaml", "RayCluster"), deployed) == []
    found = problems(manifest("raycluster.yaml", "RayCluster", changes), deployed)

    assert any(reason in problem for problem in found), found


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"spec.entrypoint": _ENTRYPOINT.format(store=".reqflo", run_id="$(RUN_ID)")}, "not on the shared volume"),
        ({"spec.entrypoint": _ENTRYPOINT.format(store="/tmp/store", run_id="$(RUN_ID)")}, "not on the shared volume"),
        ({"spec.entrypoint": _ENTRYPOINT.format(store="/shared/store", run_id="")}, "would begin another run"),
        ({"spec.entrypoint": "python main.py --store /shared/store --run-id $(RUN_ID)"}, "does not run reqflo-ray"),
        ({f"{_SUBMITTER}.containers.0.env": []}, "is not the name of the job"),
        ({f"{_SUBMITTER}.containers.0.env.0.valueFrom.fieldRef.fieldPath": "metadata.name"}, "not the name of the job"),
        ({"spec.submitterPodTemplate": REMOVED}, "cannot know the run's id"),
        ({"spec.submitterPodTemplate.metadata": REMOVED}, "opens the dashboard"),
        ({f"{_SUBMITTER}.serviceAccountName": "reqflo-worker"}, "not that of a client"),
        ({"spec.activeDeadlineSeconds": REMOVED}, "nothing ends a job"),
        ({"spec.runtimeEnvYAML": "env_vars: {API_PASSWORD: made-up}"}, "which everybody can read"),
        ({"spec.runtimeEnvYAML": "env_vars: {}"}, "the time to stop"),
    ],
)
def test_a_job_that_breaks_one_of_our_rules_is_found(deployed: Deployed, changes: dict[str, Any], reason: str) -> None:
    assert problems(manifest("rayjob.yaml", "RayJob"), deployed) == []
    found = problems(manifest("rayjob.yaml", "RayJob", changes), deployed)

    assert any(reason in problem for problem in found), found


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({f"{_CRON}.containers.0.command": ["reqflo-ray", "submit", "a", "--run-id=$(RUN_ID)"]}, "shared volume"),
        ({f"{_CRON}.containers.0.env.0.valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}, "name of the job"),
        ({f"{_CRON}.containers.0.env.1": {"name": "RAY_AUTH_TOKEN", "value": "made-up"}}, "its value beside it"),
        ({f"{_CRON}.containers.0.resources.limits": REMOVED}, "requests no cpu"),
    ],
)
def test_a_plain_schedule_that_breaks_one_of_our_rules_is_found(
    deployed: Deployed, changes: dict[str, Any], reason: str
) -> None:
    assert problems(manifest("cronjob.yaml", "CronJob"), deployed) == []
    found = problems(manifest("cronjob.yaml", "CronJob", changes), deployed)

    assert any(reason in problem for problem in found), found


def test_our_rules_hold_everywhere(deployed: Deployed) -> None:
    assert [(file, problem) for file, one in all_manifests() for problem in problems(one, deployed)] == []


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN PRIVATE KEY-----",
        "AKIA" + "A" * 16,
        "ghp_" + "a" * 36,
        "https://user:made-up@registry.example.com",
        "RAY_AUTH_TOKEN=made-up",
        'RAY_AUTH_TOKEN: "made-up"',
        "0123456789abcdef" * 4,
    ],
)
def test_a_credential_in_a_text_is_found(text: str) -> None:
    assert list(credentials_in_text(text)) != []


def test_a_secret_in_a_file_is_found() -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "stringData": {"auth_token": "made-up"}}

    assert list(credentials(secret)) != []


@pytest.mark.parametrize("text", ["RAY_AUTH_TOKEN: ${{ secrets.RAY_AUTH_TOKEN }}", "RAY_AUTH_TOKEN=$token", "a: b"])
def test_a_reference_is_no_credential(text: str) -> None:
    assert list(credentials_in_text(text)) == []


def test_no_file_beside_the_manifests_holds_a_credential() -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in KUBERAY.parent.rglob("*") if path.is_file()}

    assert [(path.name, found) for path, text in texts.items() for found in credentials_in_text(text)] == []


def test_the_cluster_is_the_same_in_every_file() -> None:
    standing, *others = (
        cluster for _, one in all_manifests() for cluster in clusters(one) if "autoscalerOptions" in cluster
    )

    assert len(others) == 2
    assert all(other == standing for other in others)


def test_the_cluster_in_the_queue_differs_in_its_size_only() -> None:
    [queued] = clusters(manifest("kueue.yaml", "RayJob"))
    [standing] = clusters(manifest("raycluster.yaml", "RayCluster"))
    sizes = ("replicas", "minReplicas", "maxReplicas")

    assert "enableInTreeAutoscaling" not in queued
    assert len({queued["workerGroupSpecs"][0][size] for size in sizes}) == 1
    assert queued["headGroupSpec"] == standing["headGroupSpec"]
    assert queued["workerGroupSpecs"] == [
        {**standing["workerGroupSpecs"][0], **{size: queued["workerGroupSpecs"][0][size] for size in sizes}}
    ]


def test_the_queue_has_room_for_the_job_that_waits_in_it() -> None:
    job, queue = manifest("kueue.yaml", "RayJob"), manifest("kueue.yaml", "ClusterQueue")
    local = manifest("kueue.yaml", "LocalQueue")
    [flavor] = queue["spec"]["resourceGroups"][0]["flavors"]
    quota = {resource["name"]: _amount(resource["nominalQuota"]) for resource in flavor["resources"]}
    head, worker, submitter = (pod.spec["containers"][0]["resources"]["requests"] for pod in pods(job))
    workers = job["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]["replicas"]

    assert job["spec"]["suspend"] is True
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == local["metadata"]["name"]
    assert local["spec"]["clusterQueue"] == queue["metadata"]["name"]
    assert flavor["name"] == manifest("kueue.yaml", "ResourceFlavor")["metadata"]["name"]
    for name in ("cpu", "memory"):
        assert sum(_amount(one[name]) for one in (head, submitter)) + workers * _amount(worker[name]) <= quota[name]


def _amount(quantity: str) -> float:
    for unit, factor in {"Gi": 2**30, "Mi": 2**20, "m": 1e-3}.items():
        if quantity.endswith(unit):
            return float(quantity.removesuffix(unit)) * factor
    return float(quantity)


def test_only_the_metadata_servers_are_open_among_link_local_addresses() -> None:
    policies = [one for _, one in all_manifests() if one["kind"] == "NetworkPolicy"]
    blocks = [
        (policy["metadata"]["name"], peer["ipBlock"])
        for policy in policies
        for rule in policy["spec"].get("egress", ())
        for peer in rule["to"]
        if "ipBlock" in peer
    ]

    assert all("169.254.0.0/16" in block["except"] for _, block in blocks if block["cidr"] == "0.0.0.0/0")
    link_local = {name for name, block in blocks if block["cidr"].startswith(("169.254.169.",))}
    assert link_local == {"workload-identity"}


def test_every_rule_of_the_network_names_who_may_come_in() -> None:
    policies = {one["metadata"]["name"]: one["spec"] for _, one in all_manifests() if one["kind"] == "NetworkPolicy"}

    assert "Ingress" in policies["ray-nodes"]["policyTypes"]
    assert all(rule.get("from") for spec in policies.values() for rule in spec.get("ingress", ()))
    opens_the_dashboard = policies["dashboard"]["ingress"][0]["from"][0]["podSelector"]["matchLabels"]
    clients = [pod for _, one in all_manifests() for pod in pods(one) if pod.role == "client"]
    assert clients
    assert all(opens_the_dashboard.items() <= pod.labels.items() for pod in clients)


def test_every_object_but_those_of_the_whole_cluster_names_the_namespace() -> None:
    [namespace] = (one for one in documents(KUBERAY / "namespace.yaml") if one["kind"] == "Namespace")
    whole = {"Namespace", "ResourceFlavor", "ClusterQueue"}

    for file, document in all_manifests():
        expected = None if document["kind"] in whole else namespace["metadata"]["name"]
        assert document["metadata"].get("namespace") == expected, file


def test_who_selects_the_standing_cluster_means_the_one_that_is_there() -> None:
    name = manifest("raycluster.yaml", "RayCluster")["metadata"]["name"]
    command = manifest("cronjob.yaml", "CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]

    assert manifest("rayjob-shared-cluster.yaml", "RayJob")["spec"]["clusterSelector"] == {"ray.io/cluster": name}
    assert f"--address=http://{name}-head-svc:8265" in command["command"]


def test_a_nightly_run_that_has_its_result_is_not_tried_again() -> None:
    spec = manifest("cronjob.yaml", "CronJob")["spec"]["jobTemplate"]["spec"]
    [values] = [rule["onExitCodes"]["values"] for rule in spec["podFailurePolicy"]["rules"] if "onExitCodes" in rule]

    assert values == [1, 2, 4, 5]
    assert spec["template"]["spec"]["restartPolicy"] == "Never", "the only one that a failure policy allows"
