"""Finds the values that go into headers as they are, so that what no header can contain is found before anything is
sent. It looks at definitions only and must not know a row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from reqflo_ray._internal.model.artifact import Artifact, HttpStep, SetVariableStep
from reqflo_ray._internal.model.values import Namespace, ObjectNode, Reference, references


class HeaderRead(NamedTuple):
    """A header of a step, and a value that it reads."""

    step: str
    header: str
    reference: Reference

    def __str__(self) -> str:
        return f"the header `{self.header}` of step `{self.step}`"


def read_in_headers(artifact: Artifact) -> Iterator[HeaderRead]:
    """Yield every value that a header reads, except those of answers. An object in a header is JSON, which can escape
    everything, so its values are left out."""
    for step in artifact.steps:
        if not isinstance(step, HttpStep) or step.skip:
            continue
        for name, node in step.request.headers:
            if not isinstance(node, ObjectNode):
                yield from (
                    HeaderRead(step.id, name, found) for found in references(node) if isinstance(found, Reference)
                )


def columns_in_headers(artifact: Artifact, key_column: str) -> dict[str, str]:
    """Return the columns of a dataset whose texts go into a header, each with that header in words."""
    assigned = assigned_names(artifact)
    found: dict[str, str] = {}
    for read in read_in_headers(artifact):
        namespace, name, path = read.reference.namespace, read.reference.name, read.reference.path
        if namespace is Namespace.ROW and name == "key":
            found.setdefault(key_column, str(read))
        elif namespace in (Namespace.INPUTS, Namespace.VARIABLES) and not path and name not in assigned:
            found.setdefault(name, str(read))
    found.pop("", None)
    return found


def assigned_names(artifact: Artifact) -> frozenset[str]:
    """Return the variables that steps assign, whose first value may never be read."""
    steps = [step for step in artifact.steps if isinstance(step, SetVariableStep)]
    return frozenset(name for step in steps for name, _ in step.values)
