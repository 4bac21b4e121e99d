"""Bounds how large values become by their definitions alone, because a value that reads another twice doubles it.

It counts the characters of definitions; rows, secrets, and responses are not known yet and count as zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from reqflo_ray._internal.compiler.yaml.problems import Problems
from reqflo_ray._internal.engine.values.declarations import environment_node
from reqflo_ray._internal.errors import Position
from reqflo_ray._internal.model.artifact import (
    Artifact,
    Assertion,
    HttpStep,
    Input,
    NoteStep,
    SetVariableStep,
    Step,
    Variable,
    VariableSource,
)
from reqflo_ray._internal.model.limits import MAX_CHAIN, MAX_READS, MAX_RENDERED
from reqflo_ray._internal.model.plan import Environment, InputValue
from reqflo_ray._internal.model.values import (
    AnyReference,
    ArrayNode,
    JsonValue,
    Literal,
    Namespace,
    Node,
    ObjectNode,
    Reference,
    Text,
    references,
)


@dataclass(frozen=True, slots=True)
class _Extent:
    """The number of characters, and the length of the longest chain of definitions that read one another."""

    characters: int = 0
    chain: int = 0


class _Exceeded(Exception):
    """A limit is exceeded; the error is already reported."""


class GrowthCheck:
    """Measures the values of one run. `place_of` returns where a step or declaration is written, otherwise where a
    value is first read; it is None for an artifact, which has no positions."""

    def __init__(
        self,
        artifact: Artifact,
        environment: Environment,
        given: Mapping[str, InputValue],
        place_of: Callable[[str], Position | None] | None,
        problems: Problems,
    ) -> None:
        self._artifact = artifact
        self._environment = environment
        self._given = given
        self._has_places = place_of is not None
        self._place_of = place_of or (lambda label: None)
        self._problems = problems
        declared: list[Input | Variable] = [*artifact.inputs, *artifact.variables]
        self._declared = {entry.name: entry for entry in declared}
        self._assigned: dict[str, _Extent] = {}
        self._known: dict[str, _Extent] = {}
        self._open: dict[str, None] = {}
        self._reads = 0

    def run(self) -> None:
        """Report the first value or step that becomes too large, and values defined in terms of themselves that the
        compiler has not reported."""
        try:
            for step in self._artifact.steps:
                label = f"steps.{step.id}"
                extents = [self._of_node(node, label) for node in nodes_of_step(step)]
                self._need_room(sum(extent.characters for extent in extents), f"step `{step.id}`", label)
                if isinstance(step, SetVariableStep):
                    self._assigned |= {name: self._of_node(node, label) for name, node in step.values}
                    self._known.clear()  # other variables may read these
        except _Exceeded:
            pass

    def _of_node(self, node: Node, label: str) -> _Extent:
        characters, chain = _characters(node), 0
        for reference in references(node):
            self._reads += 1
            if self._reads > MAX_READS:
                message = f"the steps read more than {MAX_READS:,} values, including those that declarations read"
                self._refuse(
                    message, label, "read only what each step needs, instead of a declaration that contains everything"
                )
            found = self._of_reference(reference)
            characters, chain = characters + found.characters, max(chain, found.chain)
        return _Extent(characters, chain)

    def _of_reference(self, reference: AnyReference) -> _Extent:
        if not isinstance(reference, Reference):
            return _Extent()
        label = f"{reference.namespace}.{reference.name}"
        if reference.namespace is Namespace.ENV and reference.name not in self._environment.values and reference.path:
            label += f".{reference.path[0]}"  # of a service
        if label in self._known:
            return self._known[label]
        if label in self._open:
            if reference.namespace is Namespace.ENV or not self._has_places:
                message = f"`{label}` depends on itself"
                self._problems.error("reference_cycle", message, self._place_of(label))
            return _Extent()
        self._open[label] = None
        extent = self._of_definitions(reference, label)
        del self._open[label]
        self._known[label] = extent
        return extent

    def _of_definitions(self, reference: Reference, label: str) -> _Extent:
        nodes = list(self._definitions(reference))
        if not nodes:
            return _Extent()
        first, characters, chain = next(iter(self._open)), 0, 0
        if len(self._open) <= MAX_CHAIN:
            found = [self._of_node(node, label) for node in nodes]
            characters = max(extent.characters for extent in found)  # whichever definition is used
            chain = 1 + max(extent.chain for extent in found)
        if not chain or chain > MAX_CHAIN:
            message = f"`{first}` is at the end of a chain of more than {MAX_CHAIN} declarations that read one another"
            self._refuse(message, first, "shorten the chain: read values directly where they are defined")
        if reference.namespace is not Namespace.ENV and reference.name in self._assigned:
            characters = max(characters, self._assigned[reference.name].characters)
        self._need_room(characters, f"`{label}`", label)
        return _Extent(characters, chain)

    def _definitions(self, reference: Reference) -> Iterator[Node]:
        if reference.namespace is Namespace.ENV:
            key = ".".join([reference.name, *map(str, reference.path)])
            node = environment_node(self._environment, key)
            if node is not None:
                yield node
        entry = self._declared.get(reference.name)
        if entry is None or reference.namespace not in (Namespace.INPUTS, Namespace.VARIABLES):
            return
        if entry.name in self._given:
            yield self._given[entry.name].node
        if isinstance(entry, Variable) and entry.source is VariableSource.ENVIRONMENT:
            name, *path = (entry.key or entry.name).split(".")
            yield Reference(Namespace.ENV, name, tuple(path))
        if entry.default is not None:
            yield entry.default
        yield Reference(Namespace.ENV, entry.name)

    def _need_room(self, characters: int, what: str, label: str) -> None:
        if characters > MAX_RENDERED:
            message = f"{what} expands to more than {MAX_RENDERED // 2**20} MiB of text"
            self._refuse(
                message, label, "remove references (each one counts in full), or send a file with `body: {file: …}`"
            )

    def _refuse(self, message: str, label: str, hint: str) -> None:
        self._problems.error("journey_limit", message, self._place_of(label), hint=hint)
        raise _Exceeded


def nodes_of_step(step: Step) -> Iterator[Node]:
    """Yield all values that a step renders or expects."""
    match step:
        case SetVariableStep(values=values):
            yield from (node for _, node in values)
        case NoteStep(text=text):
            yield text
        case HttpStep(request=request, assertions=assertions, poll=poll):
            yield from (node for node in request.path if not isinstance(node, str))
            if request.url is not None:
                yield request.url
            yield from (node for _, node in (*request.headers, *request.query))
            if request.body is not None:
                parts = (request.body.value, *(part.value for part in request.body.parts))
                yield from (node for node in parts if node is not None)
            conditions: tuple[Assertion, ...] = (*assertions, *(poll.until if poll is not None else ()))
            yield from (one.expected for one in conditions if one.expected is not None)


def _characters(node: Node) -> int:
    """Count the characters written in `node` itself, without references."""
    match node:
        case Literal(value=value):
            return _literal_characters(value)
        case Text(parts=parts):
            return sum(len(part) for part in parts if isinstance(part, str))
        case ObjectNode(fields=fields):
            return sum(len(name) + _characters(child) for name, child in fields)
        case ArrayNode(items=items):
            return sum(map(_characters, items))
    return 0


def _literal_characters(value: JsonValue) -> int:
    total, waiting = 0, [value]
    while waiting:
        here = waiting.pop()
        match here:
            case str():
                total += len(here)
            case dict():
                total += sum(map(len, here))
                waiting += here.values()
            case list():
                waiting += here
            case _:
                total += 1
    return total
