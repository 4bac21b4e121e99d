"""Our own rules for what `cluster/` deploys: one image, bounded resources, least rights, no credential, a store that
outlives the cluster, and runs that are resumed.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

Json = Mapping[str, Any]

JOB_NAME_LABEL = "metadata.labels['batch.kubernetes.io/job-name']"
_DRAIN = "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"
_SECRET_WORDS = re.compile(r"(?i)(token|secret|password|passwd|credential|api_?key|private_?key)")
_CREDENTIALS = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY|\bAKIA[0-9A-Z]{16}\b|\bAIza[0-9A-Za-z_-]{35}|\bgh[pousr]_\w{36}|\bglpat-\S{20}"
    r"|\beyJ[\w-]+\.eyJ|\"private_key\"|://[^/\s:]+:[^/\s@$]+@|\b[0-9a-f]{32,}\b"
)


@dataclass(frozen=True)
class Pod:
    """A pod that a manifest makes: what it is for (`head`, `worker`, `client`), its spec and its labels."""

    role: str
    spec: Json
    labels: Json


@dataclass(frozen=True)
class Deployed:
    """What a manifest relies on and others provide."""

    image: str
    ray_version: str
    service_accounts: frozenset[str]
    claims: frozenset[str]


def clusters(document: Json) -> Iterator[Json]:
    """The specs of the Ray clusters that an object makes."""
    if document["kind"] == "RayCluster":
        yield document["spec"]
    elif (job := job_spec(document)) and "rayClusterSpec" in job:
        yield job["rayClusterSpec"]


def job_spec(document: Json) -> Json | None:
    """The spec of the RayJob that an object is or makes, if any."""
    if document["kind"] == "RayJob":
        spec: Json = document["spec"]
        return spec
    if document["kind"] == "RayCronJob":
        template: Json = document["spec"]["jobTemplate"]
        return template
    return None


def pods(document: Json) -> Iterator[Pod]:
    """The pods that an object makes."""
    for cluster in clusters(document):
        yield _pod("head", cluster["headGroupSpec"]["template"])
        for group in cluster["workerGroupSpecs"]:
            yield _pod("worker", group["template"])
    if (job := job_spec(document)) and "submitterPodTemplate" in job:
        yield _pod("client", job["submitterPodTemplate"])
    if document["kind"] == "CronJob":
        yield _pod("client", document["spec"]["jobTemplate"]["spec"]["template"])


def _pod(role: str, template: Json) -> Pod:
    return Pod(role, template["spec"], template.get("metadata", {}).get("labels", {}))


def problems(document: Json, deployed: Deployed) -> list[str]:
    """All that breaks one of our rules."""
    found = list(credentials(document))
    for pod in pods(document):
        found += [f"{pod.role}: {problem}" for problem in _of_pod(pod, deployed)]
    for cluster in clusters(document):
        found += _of_cluster(cluster, deployed)
    if job := job_spec(document):
        found += _of_job(job)
    if document["kind"] == "CronJob":
        [container] = document["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
        found += _of_command(container["command"], container)
    return found


def _of_pod(pod: Pod, deployed: Deployed) -> Iterator[str]:
    spec = pod.spec
    if spec.get("serviceAccountName") not in deployed.service_accounts:
        yield "its service account is not made here"
    if spec.get("serviceAccountName") != f"reqflo-{pod.role}":
        yield f"its service account is not that of a {pod.role}"
    if pod.role != "head" and spec.get("automountServiceAccountToken") is not False:
        yield "it is given a Kubernetes token that it does not use"
    secured = spec.get("securityContext", {})
    if not secured.get("runAsNonRoot") or not secured.get("runAsUser"):
        yield "it may run as root"
    if secured.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "it has no seccomp profile"
    if (pod.role == "client") != ("reqflo-ray/client" in pod.labels):
        yield "the label that opens the dashboard is for clients, and for all of them"
    volumes = {volume["name"]: volume for volume in spec.get("volumes", ())}
    for volume in volumes.values():
        claim = volume.get("persistentVolumeClaim")
        if claim and claim["claimName"] not in deployed.claims:
            yield f"volume claim `{claim['claimName']}` is not made here"
        if "emptyDir" in volume and "sizeLimit" not in volume["emptyDir"]:
            yield f"volume `{volume['name']}` has no limit"
    for container in spec["containers"]:
        yield from _of_container(container, deployed)
        for mount in container.get("volumeMounts", ()):
            if mount["name"] not in volumes:
                yield f"there is no volume `{mount['name']}`"
        drain = {variable["name"]: variable.get("value") for variable in container.get("env", ())}.get(_DRAIN)
        if pod.role != "client" and not (drain and 0 < float(drain) < spec.get("terminationGracePeriodSeconds", 30)):
            yield f"{_DRAIN} is not set, or longer than the pod's grace"


def _of_container(container: Json, deployed: Deployed) -> Iterator[str]:
    if container["image"] != deployed.image:
        yield f"image `{container['image']}` is not `{deployed.image}`"
    resources = container.get("resources", {})
    requests, limits = resources.get("requests", {}), resources.get("limits", {})
    for name in ("cpu", "memory"):
        if name not in requests or name not in limits:
            yield f"it requests no {name}, or has no limit of it"
    secured = container.get("securityContext", {})
    if secured.get("allowPrivilegeEscalation") is not False or secured.get("capabilities", {}).get("drop") != ["ALL"]:
        yield "it keeps privileges"


def _of_cluster(cluster: Json, deployed: Deployed) -> Iterator[str]:
    options = cluster.get("authOptions", {})
    if options.get("mode") != "token" or not options.get("secretName"):
        yield "the cluster asks for no token, or for one that others cannot know"
    if cluster.get("rayVersion") != deployed.ray_version:
        yield f"rayVersion is not {deployed.ray_version}, which is in the image"
    head = cluster["headGroupSpec"]["rayStartParams"]
    if (head.get("num-cpus"), head.get("memory")) != ("0", "0"):
        yield "the head offers cores or memory, so that workers can be placed on it"
    if not any(group.get("minReplicas", 0) for group in cluster["workerGroupSpecs"]):
        yield "no worker is there before work waits for it"
    for group in cluster["workerGroupSpecs"]:
        if not group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]:
            yield f"the size of group {group['groupName']} is outside of its limits"


def _of_job(job: Json) -> Iterator[str]:
    environment = yaml.safe_load(job.get("runtimeEnvYAML", "{}")).get("env_vars", {})
    if set(environment) != {"RAY_JOB_STOP_WAIT_TIME_S"}:
        yield "the job's environment, which everybody can read, holds something else than the time to stop"
    if "activeDeadlineSeconds" not in job:
        yield "nothing ends a job that hangs"
    if "submitterPodTemplate" not in job:
        yield "the submitter cannot know the run's id"
        return
    [submitter] = job["submitterPodTemplate"]["spec"]["containers"]
    yield from _of_command(shlex.split(job["entrypoint"].removeprefix("exec ")), submitter)


def _of_command(command: list[str], container: Json) -> Iterator[str]:
    options = dict(zip(command, [*command[1:], ""], strict=True))
    for word in command:
        if word.startswith("--") and "=" in word:
            name, _, options[name] = word.partition("=")
    if command[0] != "reqflo-ray" or command[1] not in ("run", "submit"):
        yield "it does not run reqflo-ray"
    if not options.get("--store", "").startswith("/shared/"):
        yield "its store is not on the shared volume"
    if options.get("--run-id") != "$(RUN_ID)":
        yield "a second attempt would begin another run"
    named = [variable for variable in container.get("env", ()) if variable["name"] == "RUN_ID"]
    if [one.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath") for one in named] != [JOB_NAME_LABEL]:
        yield "RUN_ID is not the name of the job"


def credentials(document: Any, path: str = "") -> Iterator[str]:
    """Where a document holds a value that looks like a credential, or one under the name of a secret."""
    if isinstance(document, Mapping):
        if document.get("kind") == "Secret":
            yield f"{path}: a Secret does not belong into a file"
        name = document.get("name")
        if isinstance(name, str) and _SECRET_WORDS.search(name) and "value" in document:
            yield f"{path}: `{name}` has its value beside it"
        for key, value in document.items():
            yield from credentials(value, f"{path}.{key}" if path else str(key))
    elif isinstance(document, list):
        for number, value in enumerate(document):
            yield from credentials(value, f"{path}.{number}")
    elif isinstance(document, str):
        yield from (f"{path}: {problem}" for problem in credentials_in_text(document))


def credentials_in_text(text: str) -> Iterator[str]:
    """What looks like a credential in a text: a known shape, or a secret's name with a literal value."""
    if _CREDENTIALS.search(text):
        yield "it holds what looks like a credential"
    for name, value in re.findall(r"([\w-]+)\s*[=:]\s*[\"']?([^\s\"']+)", text):
        if _SECRET_WORDS.search(name) and not value.startswith("$") and name.isupper():
            yield f"`{name}` has a literal value"
