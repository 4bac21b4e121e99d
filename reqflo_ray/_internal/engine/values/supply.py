"""Finds what may supply each input and variable of a run, and what each may stand for. It looks at definitions only and
must not know a row, so it cannot say whether a row has a value."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeGuard

from reqflo_ray._internal.engine.values.declarations import environment_node
from reqflo_ray._internal.model.artifact import Artifact, Input, SetVariableStep, Variable, VariableSource
from reqflo_ray._internal.model.plan import Environment, InputValue
from reqflo_ray._internal.model.values import AnyReference, Namespace, Node, Reference, references


class Supply:
    """The declarations of an artifact and the sources of one run. `assigned` is what steps assign to variables."""

    def __init__(
        self,
        artifact: Artifact,
        environment: Environment,
        given: Mapping[str, InputValue],
        me: Mapping[str, str],
    ) -> None:
        self.declared: dict[str, Input | Variable] = {entry.name: entry for entry in artifact.declarations}
        self.assigned: dict[str, list[Node]] = defaultdict(list)
        for step in artifact.steps:
            if isinstance(step, SetVariableStep):
                for name, node in step.values:
                    self.assigned[name].append(node)
        self._given = given
        self._environment = environment
        self._me = me

    def has_source(self, entry: Input | Variable) -> bool:
        """Return whether anything except a data row or a step supplies a value."""
        return entry.name in self._given or entry.default is not None or self._is_outside(entry)

    def only_rows(self, reference: AnyReference) -> frozenset[str]:
        """Return the inputs and variables of which a row must supply one, because nothing else supplies `reference`;
        empty if something else does."""
        names: set[str] = set()
        while is_declared(reference) and (entry := self.declared.get(reference.name)) is not None:
            if entry.name in names or entry.name in self.assigned or self._is_outside(entry):
                return frozenset()
            names.add(entry.name)
            node = self._given[entry.name].node if entry.name in self._given else entry.default
            if node is None:
                return frozenset(names)
            if not isinstance(node, Reference):
                return frozenset()
            reference = node
        return frozenset()

    def definitions(self, reference: Reference) -> Iterator[Node]:
        """Yield what a reference may stand for, apart from data rows."""
        if reference.namespace is Namespace.ENV:
            node = environment_node(self._environment, str(reference).partition(".")[2])
            if node is not None:
                yield node
            return
        entry = self.declared.get(reference.name)
        if entry is None or not is_declared(reference):
            return
        if entry.name in self._given:
            yield self._given[entry.name].node
        if isinstance(entry, Variable) and entry.source is VariableSource.ENVIRONMENT:
            name, *path = (entry.key or entry.name).split(".")
            yield Reference(Namespace.ENV, name, tuple(path))
        if entry.default is not None:
            yield entry.default
        yield from self.assigned.get(entry.name, ())

    def reached(self, used: Iterable[AnyReference]) -> Iterator[AnyReference]:
        """Yield the references in `used`, and all references that they may stand for."""
        waiting, seen = list(used), set[str]()
        while waiting:
            reference = waiting.pop()
            if str(reference) in seen:
                continue
            seen.add(str(reference))
            yield reference
            if isinstance(reference, Reference):
                waiting.extend(found for node in self.definitions(reference) for found in references(node))

    def _is_outside(self, entry: Input | Variable) -> bool:
        """Return whether the environment, or the identity of the user, supplies it."""
        if isinstance(entry, Variable):
            key = entry.key or entry.name
            if entry.source is VariableSource.ENVIRONMENT and environment_node(self._environment, key) is not None:
                return True
            if entry.source is VariableSource.ME and key in self._me:
                return True
        return entry.name in self._environment.values


def is_declared(reference: AnyReference) -> TypeGuard[Reference]:
    """Return whether it is an input or a variable."""
    return isinstance(reference, Reference) and reference.namespace in (Namespace.INPUTS, Namespace.VARIABLES)
