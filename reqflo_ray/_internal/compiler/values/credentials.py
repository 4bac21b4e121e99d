"""Finds values of responses that later requests send as credentials, and marks them as sensitive.

Without this, a token that nobody declared as sensitive would be stored unencrypted in evidence and journals.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from reqflo_ray._internal.compiler.values.expressions import path_text
from reqflo_ray._internal.compiler.values.scope import Use
from reqflo_ray._internal.model.artifact import CaptureRoot, HttpStep, Input, Output, SetVariableStep, Step, Variable
from reqflo_ray._internal.model.http.exchange import is_credential_header
from reqflo_ray._internal.model.values import AnyReference, Namespace, Node, Reference, StepReference, Text, references


@dataclass(frozen=True, slots=True)
class Credential:
    """A value of a response, and the step and header that send it."""

    reference: StepReference
    header: str
    step: str


@dataclass(slots=True)
class Definitions:
    """The nodes from which each input and variable of an artifact may get its value, by name."""

    nodes: dict[str, list[Node]] = field(default_factory=dict)

    @classmethod
    def of(cls, declared: Iterable[Input | Variable], steps: Iterable[Step]) -> Definitions:
        """Collect the defaults, and the values that steps assign."""
        found = cls()
        for entry in declared:
            if entry.default is not None:
                found.nodes.setdefault(entry.name, []).append(entry.default)
        for step in steps:
            for name, node in step.values if isinstance(step, SetVariableStep) else ():
                found.nodes.setdefault(name, []).append(node)
        return found

    def behind(self, reference: AnyReference) -> Sequence[Node]:
        """Return the nodes from which `reference` may get its value; none if it refers to a response."""
        declared = (Namespace.INPUTS, Namespace.VARIABLES)
        if isinstance(reference, Reference) and reference.namespace in declared:
            return self.nodes.get(reference.name, ())
        return ()


def find_credentials(steps: Sequence[Step], definitions: Definitions) -> dict[StepReference, Credential]:
    """Return the values of responses that are sent in credential headers, each with the first such header."""
    found: dict[StepReference, Credential] = {}
    for step in steps:
        if not isinstance(step, HttpStep):
            continue
        own = step.idempotency.header.lower() if step.idempotency is not None else ""
        for name, node in step.request.headers:
            if not is_credential_header(name) or name.lower() == own:
                continue
            for reference in _in_header(node, definitions):
                found.setdefault(reference, Credential(reference, name, step.id))
    return found


def as_sensitive(
    steps: Sequence[Step], uses: Mapping[StepReference, Use], open_outputs: Collection[str]
) -> tuple[tuple[Step, ...], tuple[StepReference, ...]]:
    """Mark the outputs that `uses` read as sensitive. Return the steps, and the references that are newly sensitive.

    A value that is read without an output gets an output of its own.

    Args:
        open_outputs: outputs (`steps.<id>.outputs.<name>`) that are declared `sensitive: false`.
    """
    by_step: dict[str, list[tuple[StepReference, Use]]] = {}
    for reference, use in uses.items():
        by_step.setdefault(reference.step, []).append((reference, use))
    changed: list[Step] = []
    taken: list[StepReference] = []
    for step in steps:
        if isinstance(step, HttpStep):
            for reference, use in by_step.get(step.id, ()):
                is_open = use.root is CaptureRoot.OUTPUTS and f"steps.{step.id}.outputs.{use.path[0]}" in open_outputs
                if use.root is CaptureRoot.STATUS or is_open or is_sensitive(step, use.root, use.path):
                    continue
                outputs = _with(step.outputs, reference, use)
                if outputs != step.outputs:
                    step = msgspec.structs.replace(step, outputs=outputs)
                    taken.append(reference)
        changed.append(step)
    return tuple(changed), tuple(taken)


def is_sensitive(step: HttpStep, root: CaptureRoot | None, path: tuple[str | int, ...]) -> bool:
    """Return whether the value read from a step is, contains, or is part of a sensitive output, however it is read."""
    for output in step.outputs:
        if not output.sensitive:
            continue
        match root:
            case CaptureRoot.OUTPUTS if output.name in (path[0], path_text((root.value, *path))):
                return True
            case CaptureRoot.HEADERS if output.root is root and output.path.lower() == path[0]:
                return True
            case CaptureRoot.STATUS if output.root is root:
                return True
            case CaptureRoot.BODY if output.root is root and _overlap(output.path, path):
                return True
    return False


def _in_header(node: Node, definitions: Definitions) -> Iterator[StepReference]:
    """Yield the values of responses in a header, except the name of a scheme, which is before the first blank."""
    waiting: list[tuple[Node, bool]] = [(node, True)]
    seen: set[str] = set()
    while waiting:
        here, is_whole = waiting.pop()
        found = list(references(here))
        if isinstance(here, Text) and is_whole and _begins_with_scheme(here):
            del found[0]
        for reference in found:
            if str(reference) in seen:
                continue
            seen.add(str(reference))
            if isinstance(reference, StepReference):
                yield reference
            waiting += [(behind, here is reference and is_whole) for behind in definitions.behind(reference)]


def _begins_with_scheme(text: Text) -> bool:
    first, *rest = text.parts
    return not isinstance(first, str) and bool(rest) and isinstance(rest[0], str) and rest[0].startswith(" ")


def _with(outputs: tuple[Output, ...], reference: StepReference, use: Use) -> tuple[Output, ...]:
    """Return the outputs with the one that is read marked as sensitive."""
    match use.root:
        case CaptureRoot.OUTPUTS:
            own = next((output for output in outputs if output.name == use.path[0]), None)
            if own is None:
                return outputs  # the reference is invalid, which is reported
            if len(use.path) == 1 or own.root is not CaptureRoot.BODY:
                sensitive = msgspec.structs.replace(own, sensitive=True)
                return tuple(sensitive if output is own else output for output in outputs)
            added = _hidden(reference, CaptureRoot.BODY, own.path + _below(use.path[1:]))
        case CaptureRoot.BODY:
            added = _hidden(reference, CaptureRoot.BODY, "$" + _below(use.path))
        case CaptureRoot.HEADERS:
            added = _hidden(reference, CaptureRoot.HEADERS, str(use.path[0]))
        case _:
            return outputs
    return (*outputs, added)


def _hidden(reference: StepReference, root: CaptureRoot, path: str) -> Output:
    return Output(name=reference.capture, root=root, path=path, required=False, sensitive=True)


def _below(keys: Iterable[str | int]) -> str:
    """Return the JSONPath segments for keys and indexes."""
    text = ""
    for key in keys:
        if isinstance(key, int):
            text += f"[{key}]"
        else:
            escaped = key.replace("\\", "\\\\").replace("'", "\\'")
            text += f"['{escaped}']"
    return text


def _overlap(path: str, keys: tuple[str | int, ...]) -> bool:
    """Return whether a JSONPath may match a node above or below the one at `keys`; True in doubt."""
    import jsonpath_rfc9535

    query = jsonpath_rfc9535.compile(path)
    if not query.singular_query():
        return True
    found = [selector for segment in query.segments for selector in segment.selectors]
    names = [getattr(selector, "name", getattr(selector, "index", None)) for selector in found]
    return all(
        name == key or (isinstance(name, int) and name < 0 and isinstance(key, int))
        for name, key in zip(names, keys, strict=False)
    )
