"""The arguments of `reqflo_ray.run` as one flat set of keywords, named after the fields of its parameter types."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeVar

from reqflo_ray import Dataset, Execution, Journey, Target

_Kind = TypeVar("_Kind", Journey, Dataset, Execution, Target)


def run_arguments(**facts: Any) -> dict[str, Any]:
    """The arguments of `reqflo_ray.run` that say `facts`: fields of its four types (`name` and `source` of what runs
    and on what among them), and what `run` itself takes."""

    def of(kind: type[_Kind]) -> _Kind:
        return kind(**{field.name: facts.pop(field.name) for field in fields(kind) if field.name in facts})

    journey, execution, target = of(Journey), of(Execution), of(Target)
    data = of(Dataset) if {"source", "key", "strict", "encoding"} & set(facts) else None
    return {"journey": journey, "data": data, "execution": execution, "target": target, **facts}
