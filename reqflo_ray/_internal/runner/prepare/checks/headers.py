"""The part of the run check that finds what no header can carry, in values that are known before any row is read:
defaults, cases, presets, `--set`, the environment, and `me`. It does not read secrets; the row that uses one reports
the fault."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from reqflo_ray._internal.compiler.yaml.problems import Problems
from reqflo_ray._internal.engine.requests.header_values import assigned_names, read_in_headers
from reqflo_ray._internal.engine.values.declarations import environment_node
from reqflo_ray._internal.errors import Position
from reqflo_ray._internal.model.artifact import Artifact, Variable, VariableSource
from reqflo_ray._internal.model.http.headers import unsendable_in_header
from reqflo_ray._internal.model.plan import Environment, InputValue
from reqflo_ray._internal.model.values import Literal, Namespace, Node, Reference, fixed_texts, references


def check_headers(
    artifact: Artifact,
    environment: Environment,
    given: Mapping[str, InputValue],
    me: Mapping[str, str],
    place_of: Callable[[str], Position | None],
    problems: Problems,
) -> None:
    """Report each value of a header that no header can carry, where it is first read.

    Args:
        place_of: returns where a value is read or a step is written, by label.
    """
    known = _Known(artifact, environment, given, me)
    for read in read_in_headers(artifact):
        for what, text in known.texts(read.reference):
            wrong = unsendable_in_header(text)
            if wrong:
                message = f"{what} contains {wrong}, which is not allowed in {read}"
                place = place_of(str(read.reference)) or place_of(f"steps.{read.step}")
                problems.error("wrong_value", message, place, hint="remove it from the value")


class _Known:
    """The values of references that are the same for every row."""

    def __init__(
        self, artifact: Artifact, environment: Environment, given: Mapping[str, InputValue], me: Mapping[str, str]
    ) -> None:
        self._declared = {entry.name: entry for entry in artifact.declarations}
        self._assigned = assigned_names(artifact)
        self._environment = environment
        self._given = given
        self._me = me

    def texts(self, reference: Reference) -> Iterator[tuple[str, str]]:
        """Yield the texts that `reference` may insert, each with a description of where it is written."""
        waiting, seen = [reference], set[str]()
        while waiting:
            here = waiting.pop()
            found = self._definition(here)
            if found is None or str(here) in seen:
                continue
            seen.add(str(here))
            what, node = found
            yield from ((what, text) for text in fixed_texts(node))
            waiting += [one for one in references(node) if isinstance(one, Reference)]

    def _definition(self, reference: Reference) -> tuple[str, Node] | None:
        match reference.namespace:
            case Namespace.ME:
                return (f"`{reference}`", Literal(self._me[reference.name])) if reference.name in self._me else None
            case Namespace.ENV:
                node = environment_node(self._environment, str(reference).partition(".")[2])
                return None if node is None else (f"the environment's `{str(reference).partition('.')[2]}`", node)
            case Namespace.INPUTS | Namespace.VARIABLES if reference.name not in self._assigned:
                return self._of_declaration(reference.name)
        return None

    def _of_declaration(self, name: str) -> tuple[str, Node] | None:
        entry = self._declared.get(name)
        if entry is None:
            return None
        if name in self._given:
            value = self._given[name]
            source = f"{value.source} `{value.source_name}`" if value.source_name else f"--{value.source}"
            return f"the value of `{name}` ({source})", value.node
        if isinstance(entry, Variable) and entry.source is not VariableSource.DECLARATION:
            namespace = Namespace.ME if entry.source is VariableSource.ME else Namespace.ENV
            first, *path = (entry.key or name).split(".")
            found = self._definition(Reference(namespace, first, tuple(path)))
            if found is not None:
                return found
        if entry.default is not None:
            return f"the default of `{name}`", entry.default
        return self._definition(Reference(Namespace.ENV, name))
