"""The files of `cluster/`, and copies of their objects with one thing changed."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

Json = dict[str, Any]
ROOT = Path(__file__).parents[2]
KUBERAY = ROOT / "cluster" / "kuberay"
REMOVED = object()


@cache
def documents(path: Path) -> tuple[Json, ...]:
    """The objects of a YAML file. A key that is there twice is an error."""
    return tuple(YAML(typ="safe", pure=True).load_all(path.read_text(encoding="utf-8")))


def all_manifests() -> list[tuple[str, Json]]:
    """All objects in `cluster/kuberay`, each with the name of its file."""
    return [(path.name, document) for path in sorted(KUBERAY.glob("*.yaml")) for document in documents(path)]


def manifest(file: str, kind: str, changes: Mapping[str, Any] | None = None) -> Json:
    """A copy of the object of `kind` in a file.

    Args:
        changes: new values by path (`spec.headGroupSpec.template.spec.containers.0.image`); `REMOVED` removes, `…` of a
            list appends.
    """
    [found] = [document for document in documents(KUBERAY / file) if document["kind"] == kind]
    changed: Json = _own_copy(found)
    for path, value in (changes or {}).items():
        *parents, last = (int(part) if part.isdigit() else part for part in path.split("."))
        place: Any = changed
        for parent in parents:
            place = place.setdefault(parent, {}) if isinstance(place, dict) else place[parent]
        if value is REMOVED:
            del place[last]
        elif isinstance(place, list) and last == "…":
            place.append(value)
        else:
            place[last] = value
    return changed


def _own_copy(value: Any) -> Any:
    """A copy in which what several places share (a YAML alias) is there for each: changing one leaves the others."""
    if isinstance(value, dict):
        return {key: _own_copy(element) for key, element in value.items()}
    if isinstance(value, list):
        return [_own_copy(element) for element in value]
    return copy.copy(value)
