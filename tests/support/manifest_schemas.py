"""Strict schemas for the Kubernetes objects in `cluster/`: every field must be known.

Those of KubeRay's objects are our own, of the fields that we use, or KubeRay's resource definitions. Either holds
Kubernetes' schemas of pods, volume claims and network rules too, which serve for plain objects. Rules that no schema
states are elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema_rs
import yaml
from data_sets import OWN_SETS, set_of_others

Json = dict[str, Any]


class Schemas:
    """Validators for the objects of `cluster/`.

    Args:
        definitions: the schema of each of KubeRay's kinds; they are closed in place.
    """

    def __init__(self, definitions: Mapping[str, Json]) -> None:
        for schema in definitions.values():
            schema.setdefault("required", []).extend(["apiVersion", "kind", "metadata", "spec"])
            _close(schema)
        plain = _plain_schemas(definitions["RayJob"], definitions["RayCluster"])
        self._validators = {
            **{("ray.io/v1", kind): jsonschema_rs.validator_for(schema) for kind, schema in definitions.items()},
            **{identity: jsonschema_rs.validator_for(schema) for identity, schema in plain.items()},
        }

    def problems(self, document: Mapping[str, Any]) -> list[str]:
        """What is wrong with an object, as `path: message`; also that its kind is not known."""
        identity = (document.get("apiVersion", ""), document.get("kind", ""))
        validator = self._validators.get(identity)
        if validator is None:
            return [f"no object of kind {identity[0]} {identity[1]} is known"]
        return [
            f"{'.'.join(map(str, error.instance_path))}: {error.message}" for error in validator.iter_errors(document)
        ]


def own_schemas() -> Schemas:
    """Those of the fields that `cluster/` uses, from `tests/data`."""
    return Schemas(_read(OWN_SETS / "kuberay" / "definitions.yaml")["kinds"])


def schemas_of_kuberay() -> Schemas:
    """Those that KubeRay publishes; skips the test where they are missing."""
    folder = set_of_others("kuberay")
    return Schemas({kind: _published(folder / f"ray.io_{kind.lower()}s.yaml") for kind in _RAY_KINDS})


_RAY_KINDS = ("RayCluster", "RayJob", "RayCronJob")
_TEXT: Json = {"type": "string", "minLength": 1}
_TEXTS: Json = {"type": "object", "additionalProperties": {"type": "string"}}
_COUNT: Json = {"type": "integer", "minimum": 0}
_SELECTOR: Json = {"type": "object", "properties": {"matchLabels": _TEXTS}, "additionalProperties": False}


def _published(path: Path) -> Json:
    [version] = (version for version in _read(path)["spec"]["versions"] if version["name"] == "v1")
    schema: Json = version["schema"]["openAPIV3Schema"]
    return schema


def _read(path: Path) -> Json:
    # PyYAML's parser in C: KubeRay's files have tens of thousands of lines.
    document: Json = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
    return document


def _close(schema: Any) -> None:
    """Allow no other properties wherever properties are listed."""
    if isinstance(schema, list):
        for element in schema:
            _close(element)
    if not isinstance(schema, dict):
        return
    listed = isinstance(schema.get("properties"), dict) and schema.get("type") == "object"
    if listed and not schema.get("x-kubernetes-preserve-unknown-fields") and "additionalProperties" not in schema:
        schema["additionalProperties"] = False
    for value in schema.values():
        _close(value)


def _object(api_version: str, kind: str, **fields: Json) -> tuple[tuple[str, str], Json]:
    metadata = {"name": _TEXT, "namespace": _TEXT, "labels": _TEXTS, "annotations": _TEXTS}
    schema = {
        "type": "object",
        "properties": {
            "apiVersion": {"const": api_version},
            "kind": {"const": kind},
            "metadata": _closed(metadata, "name"),
            **fields,
        },
        "required": [
            "apiVersion",
            "kind",
            "metadata",
            *(name for name, field in fields.items() if field.get("required")),
        ],
        "additionalProperties": False,
    }
    return (api_version, kind), schema


def _closed(properties: Json, *required: str) -> Json:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _plain_schemas(ray_job: Json, ray_cluster: Json) -> dict[tuple[str, str], Json]:
    template = ray_job["properties"]["spec"]["properties"]["submitterPodTemplate"]
    claim = next(_found(template, "volumeClaimTemplate"))
    rules = ray_cluster["properties"]["spec"]["properties"]["networkPolicy"]["properties"]["head"]["properties"]
    return dict(
        (
            _object("v1", "Namespace"),
            _object("v1", "ServiceAccount", automountServiceAccountToken={"type": "boolean"}),
            _object("v1", "PersistentVolumeClaim", spec=claim["properties"]["spec"]),
            _object("batch/v1", "CronJob", spec=_cron_job(template)),
            _object(
                "networking.k8s.io/v1",
                "NetworkPolicy",
                spec=_closed(
                    {
                        "podSelector": _SELECTOR,
                        "policyTypes": {"type": "array", "items": {"enum": ["Ingress", "Egress"]}, "minItems": 1},
                        "ingress": rules["ingressRules"],
                        "egress": rules["egressRules"],
                    },
                    "podSelector",
                    "policyTypes",
                ),
            ),
            _object("kueue.x-k8s.io/v1beta2", "ResourceFlavor", spec=_closed({"nodeLabels": _TEXTS})),
            _object("kueue.x-k8s.io/v1beta2", "ClusterQueue", spec=_cluster_queue()),
            _object("kueue.x-k8s.io/v1beta2", "LocalQueue", spec=_closed({"clusterQueue": _TEXT}, "clusterQueue")),
            _object("monitoring.coreos.com/v1", "PodMonitor", spec=_pod_monitor()),
        )
    )


def _cron_job(template: Json) -> Json:
    exit_codes = _closed(
        {
            "containerName": _TEXT,
            "operator": {"enum": ["In", "NotIn"]},
            "values": {"type": "array", "items": {"type": "integer"}, "minItems": 1, "uniqueItems": True},
        },
        "operator",
        "values",
    )
    conditions = {"type": "array", "items": _closed({"type": _TEXT, "status": _TEXT}, "type")}
    rule = _closed(
        {
            "action": {"enum": ["FailJob", "FailIndex", "Ignore", "Count"]},
            "onExitCodes": exit_codes,
            "onPodConditions": conditions,
        },
        "action",
    )
    job = _closed(
        {
            "activeDeadlineSeconds": _COUNT,
            "ttlSecondsAfterFinished": _COUNT,
            "backoffLimit": _COUNT,
            "podFailurePolicy": _closed({"rules": {"type": "array", "items": rule, "maxItems": 20}}, "rules"),
            "template": template,
        },
        "template",
    )
    return _closed(
        {
            "schedule": _TEXT,
            "timeZone": _TEXT,
            "concurrencyPolicy": {"enum": ["Allow", "Forbid", "Replace"]},
            "startingDeadlineSeconds": _COUNT,
            "successfulJobsHistoryLimit": _COUNT,
            "failedJobsHistoryLimit": _COUNT,
            "suspend": {"type": "boolean"},
            "jobTemplate": _closed({"spec": job}, "spec"),
        },
        "schedule",
        "jobTemplate",
    )


def _cluster_queue() -> Json:
    quota = _closed({"name": _TEXT, "nominalQuota": {"type": ["string", "integer"]}}, "name", "nominalQuota")
    flavor = _closed({"name": _TEXT, "resources": {"type": "array", "items": quota}}, "name", "resources")
    group = _closed(
        {
            "coveredResources": {"type": "array", "items": _TEXT, "minItems": 1},
            "flavors": {"type": "array", "items": flavor, "minItems": 1},
        },
        "coveredResources",
        "flavors",
    )
    return _closed(
        {"namespaceSelector": _SELECTOR, "resourceGroups": {"type": "array", "items": group}}, "resourceGroups"
    )


def _pod_monitor() -> Json:
    relabeling = _closed(
        {
            "action": {"enum": ["replace", "keep", "drop", "labeldrop", "labelkeep"]},
            "sourceLabels": {"type": "array", "items": _TEXT, "minItems": 1},
            "targetLabel": _TEXT,
            "regex": _TEXT,
        }
    )
    relabelings = {"type": "array", "items": relabeling}
    endpoint = _closed(
        {
            "port": _TEXT,
            "interval": {"type": "string", "pattern": "^[0-9]+s$"},
            "relabelings": relabelings,
            "metricRelabelings": relabelings,
        },
        "port",
    )
    endpoints = {"type": "array", "items": endpoint, "minItems": 1}
    return _closed({"selector": _SELECTOR, "podMetricsEndpoints": endpoints}, "selector", "podMetricsEndpoints")


def _found(schema: Any, name: str) -> Iterator[Json]:
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key == name and "properties" in value:
                yield value
            else:
                yield from _found(value, name)
