"""The rules for our dashboard: it queries all metrics that workers export and no others, uses only labels that they
have, and reads the data source that is selected."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from reqflo_ray._internal.ray_cluster.metrics import LABELS, METRICS, PREFIX

Json = dict[str, Any]

_OURS = {PREFIX + metric.name: {*LABELS, metric.label} - {""} for metric in METRICS}
_NAME = re.compile(r"\bray_\w+")
_LABELS = re.compile(r"\bby \(([^)]*)\)|\b(\w+)(?==~?\")")
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def problems(dashboard: Json) -> list[str]:
    """What is wrong with a dashboard, in words."""
    found = list(_found(dashboard))
    asked = [name for query in _queries(dashboard) for name in _NAME.findall(query)]
    found += [f"nobody shows {name}" for name in sorted(_OURS.keys() - set(asked))]
    places = [panel["gridPos"] for panel in dashboard["panels"]]
    if any(_overlap(one, other) for index, one in enumerate(places) for other in places[:index]):
        found.append("panels lie on each other")
    if len({panel["id"] for panel in dashboard["panels"]}) < len(places):
        found.append("two panels have one id")
    return found


def _found(dashboard: Json) -> Iterator[str]:
    for query in _queries(dashboard):
        names = _NAME.findall(query)
        if not names:
            yield f"asks for nothing of ours: {query}"
        for name in names:
            if name not in _OURS:
                yield f"no worker exports {name}"
        known = set.union(set(), *(_OURS.get(name, set()) for name in names))
        for grouped, compared in _LABELS.findall(query):
            for label in [part.strip() for part in grouped.split(",") if part] or [compared]:
                if label not in known:
                    yield f"no label {label} in {query}"
        if "histogram_quantile" in query and not all(name.endswith("_bucket") for name in names):
            yield f"no buckets in {query}"
    for source in _values(dashboard, "datasource"):
        if source != _SOURCE:
            yield f"the data source is fixed: {source}"
    chosen = [one for one in dashboard["templating"]["list"] if one["type"] == "datasource"]
    if [(one["name"], one["query"], one["current"]) for one in chosen] != [("datasource", "prometheus", {})]:
        yield "nobody can choose the data source"


def _queries(dashboard: Json) -> list[str]:
    variables = [one["query"]["query"] for one in dashboard["templating"]["list"] if one["type"] == "query"]
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]] + variables


def _values(value: Any, key: str) -> Iterator[Any]:
    """What stands under `key`, anywhere."""
    if isinstance(value, Mapping):
        if key in value:
            yield value[key]
        value = list(value.values())
    if isinstance(value, list):
        for element in value:
            yield from _values(element, key)


def _overlap(one: Json, other: Json) -> bool:
    apart = (
        one["x"] + one["w"] <= other["x"]
        or other["x"] + other["w"] <= one["x"]
        or one["y"] + one["h"] <= other["y"]
        or other["y"] + other["h"] <= one["y"]
    )
    return not apart
