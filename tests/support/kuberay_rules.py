"""The rules of KubeRay's operator that its schemas do not state: what it accepts at the API and refuses later, in the
status of an object that never starts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml

Json = Mapping[str, Any]

# 63 characters of a service's name, less what the operator appends to make it.
_LONGEST_NAMES = {"RayCluster": 53, "RayJob": 47, "RayCronJob": 36}
_DNS_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_OLDEST_RAY_WITH_TOKENS = (2, 52, 0)
_SIZES_IN_START_PARAMETERS = ("num-cpus", "num-gpus", "memory", "resources")
_AUTOSCALER_V2 = "RAY_enable_autoscaler_v2"
_CRON_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_DELETED_IN_THIS_ORDER = ("DeleteWorkers", "DeleteCluster", "DeleteSelf")


def problems(document: Json) -> list[str]:
    """All that the operator would refuse in a RayCluster, RayJob or RayCronJob."""
    return list(_problems(document))


def _problems(document: Json) -> Iterator[str]:
    kind, name, spec = document["kind"], document["metadata"]["name"], document["spec"]
    if len(name) > _LONGEST_NAMES[kind]:
        yield f"the name of a {kind} has at most {_LONGEST_NAMES[kind]} characters"
    if not _DNS_1035.fullmatch(name):
        yield f"`{name}` is no DNS label"
    if kind == "RayCluster":
        yield from _of_cluster(spec)
    elif kind == "RayJob":
        yield from _of_job(spec)
    else:
        yield from _of_schedule(spec)
        yield from _of_job(spec["jobTemplate"])


def _of_schedule(spec: Json) -> Iterator[str]:
    schedule = spec["schedule"]
    if "TZ" in schedule:
        yield "a schedule holds no time zone: use timeZone"
    elif not is_cron(schedule):
        yield f"`{schedule}` is no schedule"
    if "timeZone" in spec:
        try:
            ZoneInfo(spec["timeZone"])
        except (ZoneInfoNotFoundError, ValueError, IsADirectoryError):
            yield f"`{spec['timeZone']}` is no time zone"


def is_cron(schedule: str) -> bool:
    """Whether `schedule` has five fields of numbers in their ranges."""
    fields = schedule.split()
    return len(fields) == len(_CRON_RANGES) and all(map(_is_cron_field, fields, _CRON_RANGES))


def _is_cron_field(field: str, allowed: tuple[int, int]) -> bool:
    for part in field.split(","):
        match = re.fullmatch(r"(\*|(\d+)(?:-(\d+))?)(?:/([1-9]\d*))?", part)
        if match is None:
            return False
        first, last = match[2], match[3]
        if first is not None and not allowed[0] <= int(first) <= int(last or first) <= allowed[1]:
            return False
    return True


def _of_job(spec: Json) -> Iterator[str]:
    selects, shuts_down = bool(spec.get("clusterSelector")), spec.get("shutdownAfterJobFinishes", False)
    mode, retries = spec.get("submissionMode", "K8sJobMode"), spec.get("backoffLimit", 0)
    if spec.get("suspend") and not shuts_down:
        yield "only a RayJob with shutdownAfterJobFinishes can be suspended"
    if spec.get("suspend") and selects:
        yield "a RayJob with clusterSelector cannot be suspended"
    if not selects and "rayClusterSpec" not in spec:
        yield "either rayClusterSpec or clusterSelector must be set"
    if selects and not spec["clusterSelector"].get("ray.io/cluster"):
        yield "clusterSelector must name a cluster under ray.io/cluster"
    if selects and retries > 0:
        yield "backoffLimit cannot be combined with clusterSelector"
    if retries < 0:
        yield "backoffLimit must not be negative"
    for name in ("activeDeadlineSeconds", "preRunningDeadlineSeconds"):
        if spec.get(name, 1) <= 0:
            yield f"{name} must be positive"
    if mode not in ("K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode"):
        yield f"`{mode}` is no submission mode"
    if mode == "InteractiveMode" and retries > 0:
        yield "backoffLimit cannot be combined with InteractiveMode"
    if mode == "SidecarMode" and (selects or "submitterPodTemplate" in spec or "submitterConfig" in spec):
        yield "SidecarMode allows no clusterSelector, submitterPodTemplate or submitterConfig"
    if not isinstance(yaml.safe_load(spec.get("runtimeEnvYAML", "{}")), dict):
        yield "runtimeEnvYAML is no mapping"
    yield from _of_deletion(spec, shuts_down=shuts_down, selects=selects)
    if cluster := spec.get("rayClusterSpec"):
        if cluster.get("authOptions", {}).get("enableK8sTokenAuth"):
            yield "a RayJob cannot use Kubernetes' own tokens for Ray"
        yield from _of_cluster(cluster)


def _of_deletion(spec: Json, *, shuts_down: bool, selects: bool) -> Iterator[str]:
    if spec.get("ttlSecondsAfterFinished", 0) and not shuts_down:
        yield "ttlSecondsAfterFinished needs shutdownAfterJobFinishes"
    if (strategy := spec.get("deletionStrategy")) is None:
        return
    rules = strategy.get("deletionRules", ())
    old = [name for name in ("onSuccess", "onFailure") if name in strategy]
    if rules and shuts_down:
        yield "deletionRules cannot be combined with shutdownAfterJobFinishes"
    if rules and old:
        yield "deletionRules cannot be combined with onSuccess and onFailure"
    if not rules and len(old) < 2:
        yield "deletionStrategy needs deletionRules, or both onSuccess and onFailure"
    seconds: dict[tuple[str, str], dict[str, int]] = {}
    for rule in rules:
        condition, policy = rule["condition"], rule["policy"]
        named = [name for name in ("jobStatus", "jobDeploymentStatus") if name in condition]
        if len(named) != 1:
            yield "a deletion rule names either jobStatus or jobDeploymentStatus"
            continue
        if selects and policy in ("DeleteCluster", "DeleteWorkers"):
            yield f"{policy} cannot be combined with clusterSelector"
        if policy == "DeleteWorkers" and spec.get("rayClusterSpec", {}).get("enableInTreeAutoscaling"):
            yield "DeleteWorkers cannot be combined with autoscaling"
        of_status = seconds.setdefault((named[0], condition[named[0]]), {})
        if policy in of_status:
            yield f"two deletion rules say {policy} for the same status"
        of_status[policy] = condition.get("ttlSeconds", 0)
    for of_status in seconds.values():
        in_order = [of_status[policy] for policy in _DELETED_IN_THIS_ORDER if policy in of_status]
        if in_order != sorted(in_order):
            yield "a cluster must not outlive its RayJob, nor workers their cluster"


def _of_cluster(spec: Json) -> Iterator[str]:
    head, workers = spec["headGroupSpec"], spec.get("workerGroupSpecs", [])
    for group in (head, *workers):
        yield from _of_group(group)
    if not head["template"]["spec"].get("containers"):
        return
    environment = {variable["name"]: variable.get("value") for variable in _ray_container(head).get("env", ())}
    if "RAY_REDIS_ADDRESS" in environment:
        yield "RAY_REDIS_ADDRESS needs, or contradicts, gcsFaultToleranceOptions"
    if spec.get("enableInTreeAutoscaling"):
        yield from _of_autoscaling(spec, head, workers, environment)
    elif environment.get(_AUTOSCALER_V2) in ("1", "true"):
        yield f"{_AUTOSCALER_V2} needs enableInTreeAutoscaling"
    options = spec.get("authOptions")
    if options and options.get("mode", "token") == "token":
        version = tuple(int(part) for part in re.findall(r"\d+", spec.get("rayVersion", "0"))[:3])
        if version < _OLDEST_RAY_WITH_TOKENS:
            yield "token authentication needs rayVersion 2.52.0 or later"


def _of_group(group: Json) -> Iterator[str]:
    name, parameters = group.get("groupName", "head"), group.get("rayStartParams") or {}
    if not group["template"]["spec"].get("containers"):
        yield f"group {name} has no container"
    if group.get("resources") and any(parameters.get(size) for size in _SIZES_IN_START_PARAMETERS):
        yield f"group {name} states resources twice"
    if "labels" in parameters:
        yield f"group {name} has labels in rayStartParams"


def _of_autoscaling(spec: Json, head: Json, workers: Sequence[Json], environment: Json) -> Iterator[str]:
    version = spec.get("autoscalerOptions", {}).get("version")
    if version and _AUTOSCALER_V2 in environment:
        yield f"both autoscalerOptions.version and {_AUTOSCALER_V2} are set"
    for group in (head, *workers):
        name = group.get("groupName", "head")
        if group.get("suspend"):
            yield f"group {name} cannot be suspended with autoscaling"
        if version == "v2" and group["template"]["spec"].get("restartPolicy", "Never") != "Never":
            yield f"group {name} must have restartPolicy Never with autoscaler v2"
        if version != "v2" and ("idleTimeoutSeconds" in group or group.get("priority")):
            yield f"group {name} has options of autoscaler v2"


def _ray_container(group: Json) -> Json:
    first: Json = group["template"]["spec"]["containers"][0]
    return first
