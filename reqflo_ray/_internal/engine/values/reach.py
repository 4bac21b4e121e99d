"""Follows references through declarations, the environment, and assignments, to the secrets, sensitive values, and
values of earlier steps that something may depend on. It must not know a row, so it only says what *may* be.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from reqflo_ray._internal.engine.values.declarations import sources
from reqflo_ray._internal.model.artifact import (
    Artifact,
    Body,
    CaptureRoot,
    HttpStep,
    Input,
    RequestTemplate,
    SetVariableStep,
    Variable,
)
from reqflo_ray._internal.model.http.exchange import CREDENTIAL_HEADERS
from reqflo_ray._internal.model.plan import RunRecord
from reqflo_ray._internal.model.values import AnyReference, Namespace, Node, Reference, StepReference, references


class Reach:
    """The references of one artifact in one run.

    `environment` maps what follows `env.` to nodes; `sensitive_captures` are labels
    (`steps.<id>.<capture>`).
    """

    def __init__(self, artifact: Artifact, run: RunRecord) -> None:
        self.environment: dict[str, Node] = {
            f"{service}.{key}": node
            for service, settings in run.environment.services.items()
            for key, node in settings.config.items()
        } | run.environment.values
        self.sensitive_captures = frozenset(
            f"steps.{step.id}.{key}"
            for step in artifact.steps
            if isinstance(step, HttpStep)
            for key in _sensitive_captures(step)
        )
        declared: list[Input | Variable] = [*artifact.inputs, *artifact.variables]
        self._sensitive = frozenset(entry.name for entry in declared if entry.sensitive)
        self._sources = {entry.name: [node for node, _ in sources(entry, run.inputs)] for entry in declared}
        self._assigned: dict[str, list[Node]] = defaultdict(list)
        for step in artifact.steps:
            if isinstance(step, SetVariableStep):
                for name, node in step.values:
                    self._assigned[name].append(node)
        headers = [node for step in artifact.steps if isinstance(step, HttpStep) for _, node in step.request.headers]
        used = self._closure(reference for node in headers for reference in references(node))
        self._in_headers = frozenset(str(reference) for reference in used)

    def is_tainted(self, used: Iterable[AnyReference]) -> bool:
        """Return whether the values of these references may contain something secret or sensitive."""
        return any(self._is_hidden(reference) for reference in self._closure(used))

    def secrets(self, used: Iterable[AnyReference]) -> tuple[str, ...]:
        """Return the names of all secrets that these references may need, sorted."""
        return tuple(
            sorted(
                {
                    reference.name
                    for reference in self._closure(used)
                    if isinstance(reference, Reference) and reference.namespace is Namespace.SECRETS
                }
            )
        )

    def needs(self, used: Iterable[AnyReference]) -> tuple[str, ...]:
        """Return the values of earlier steps that these references may read, sorted: `steps.<id>.<capture>` and
        `variables.<name>`."""
        return tuple(
            sorted(
                {
                    str(reference) if isinstance(reference, StepReference) else f"variables.{reference.name}"
                    for reference in self._closure(used, through_assignments=False)
                    if isinstance(reference, StepReference) or self._is_assigned(reference)
                }
            )
        )

    def goes_into_header(self, label: str) -> bool:
        """Return whether the value named `label`, such as `steps.<id>.<capture>`, may be in a header of any step."""
        return label in self._in_headers

    def of_request(self, request: RequestTemplate, base: Node | None) -> tuple[AnyReference, ...]:
        """Return all references of a request and of its base URL, each once."""
        nodes: list[Node] = [node for node in request.path if not isinstance(node, str)]
        nodes += [node for node in (request.url if request.url is not None else base,) if node is not None]
        nodes += [node for _, node in (*request.headers, *request.query)]
        nodes += _body_nodes(request.body)
        return tuple(dict.fromkeys(reference for node in nodes for reference in references(node)))

    def of_body(self, body: Body | None) -> tuple[AnyReference, ...]:
        """Return all references of a body."""
        return tuple(reference for node in _body_nodes(body) for reference in references(node))

    def _closure(self, used: Iterable[AnyReference], *, through_assignments: bool = True) -> Iterator[AnyReference]:
        waiting, seen = list(used), set()
        while waiting:
            reference = waiting.pop()
            if str(reference) in seen:
                continue
            seen.add(str(reference))
            yield reference
            if isinstance(reference, Reference):
                for node in self._definitions(reference, through_assignments):
                    waiting.extend(references(node))

    def _definitions(self, reference: Reference, through_assignments: bool) -> list[Node]:
        name = reference.name
        match reference.namespace:
            case Namespace.INPUTS | Namespace.VARIABLES:
                return self._sources.get(name, []) + (self._assigned.get(name, []) if through_assignments else [])
            case Namespace.ENV:
                key = name if name in self.environment or not reference.path else f"{name}.{reference.path[0]}"
                return [self.environment[key]] if key in self.environment else []
            case _:
                return []

    def _is_hidden(self, reference: AnyReference) -> bool:
        if isinstance(reference, StepReference):
            return str(reference) in self.sensitive_captures
        if reference.namespace in (Namespace.INPUTS, Namespace.VARIABLES):
            return reference.name in self._sensitive
        return reference.namespace is Namespace.SECRETS

    def _is_assigned(self, reference: Reference) -> bool:
        return reference.namespace is Namespace.VARIABLES and reference.name in self._assigned


def hidden_captures(step: HttpStep) -> frozenset[str]:
    """Return the keys of captures that must not be readable: sensitive ones, and headers that are always masked."""
    credentials = [
        capture.key
        for capture in step.captures
        if capture.root is CaptureRoot.HEADERS and capture.path and capture.path[0] in CREDENTIAL_HEADERS
    ]
    return frozenset((*_sensitive_captures(step), *credentials))


def brings_hidden(step: HttpStep) -> bool:
    """Return whether a step may yield values that must not be readable."""
    return bool(hidden_captures(step)) or any(output.sensitive for output in step.outputs)


def _sensitive_captures(step: HttpStep) -> list[str]:
    outputs = {output.name for output in step.outputs if output.sensitive}
    return [
        capture.key
        for capture in step.captures
        if capture.sensitive or (capture.root is CaptureRoot.OUTPUTS and capture.path and capture.path[0] in outputs)
    ]


def _body_nodes(body: Body | None) -> list[Node]:
    if body is None:
        return []
    return [node for node in (body.value, *(part.value for part in body.parts)) if node is not None]
