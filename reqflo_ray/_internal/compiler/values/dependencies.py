"""Checks which step reads what: steps may read only earlier steps, and no declaration may depend on itself.

From the same facts it derives what each step has to keep for later ones, and what a run requires.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import msgspec

from reqflo_ray._internal.compiler.values.credentials import Definitions, as_sensitive, find_credentials, is_sensitive
from reqflo_ray._internal.compiler.values.scope import Ledger, Use
from reqflo_ray._internal.compiler.values.uses import Uses
from reqflo_ray._internal.compiler.yaml.problems import Problems
from reqflo_ray._internal.model.artifact import Capture, CaptureRoot, HttpStep, Input, Requirements, Step, Variable
from reqflo_ray._internal.model.limits import MAX_READS
from reqflo_ray._internal.model.names import suggestion
from reqflo_ray._internal.model.values import Namespace, Reference, StepReference


class Dependencies:
    """The values that the steps of one artifact read, directly and through declarations.

    Of `broken` steps, only what they read is known.
    """

    def __init__(self, steps: Sequence[Step], ledger: Ledger, problems: Problems, broken: Collection[str] = ()) -> None:
        self._steps = steps
        self._ledger = ledger
        self._problems = problems
        self._broken = broken
        self._indexes = {step.id: index for index, step in enumerate(steps)}

    def check(self) -> None:
        """Report references to later, skipped or unsuitable steps, and declarations that depend on themselves.

        Raises:
            DefinitionError: with `journey_limit`, if the steps read more values than the limit allows.
        """
        reads = 0
        for index, step in enumerate(self._steps):
            for use in self._of_step(step):
                reads += 1
                if reads > MAX_READS:
                    self._refuse(use)
                if isinstance(use.reference, StepReference):
                    self._check_step_use(use, use.reference, index)
        for reader in self._readers_in_cycles():
            self._check_cycle(reader)

    def hide_credentials(self, declared: Iterable[Input | Variable], open_outputs: Collection[str]) -> None:
        """Mark values that later steps send as credentials as sensitive, and warn of each.

        Args:
            declared: the inputs and variables of the artifact.
            open_outputs: outputs that are declared `sensitive: false`.
        """
        found = find_credentials(self._steps, Definitions.of(declared, self._steps))
        read: dict[StepReference, Use] = {}
        for step in self._steps if found else ():
            for use in self._of_step(step):
                if isinstance(use.reference, StepReference) and use.reference in found:
                    read.setdefault(use.reference, use)
        self._steps, taken = as_sensitive(self._steps, read, open_outputs)
        for reference in taken:
            credential, use = found[reference], read[reference]
            message = (
                f"`{reference}` is masked as sensitive, because step `{credential.step}` sends it in the header"
                f" `{credential.header}`"
            )
            hint = "set `sensitive: true` on the output to confirm this, or `sensitive: false` if it may be shown"
            if use.root is not CaptureRoot.OUTPUTS:
                hint = f"make it an output of `{reference.step}` with `sensitive: true` to confirm this"
            self._problems.warning("taken_as_sensitive", message, use.position, hint=hint)

    def steps_with_captures(self) -> tuple[Step, ...]:
        """Return the steps, each with the values that later steps read from it, sorted by key."""
        captures: dict[str, dict[str, Capture]] = {}
        for step in self._steps:
            for use in self._of_step(step):
                if isinstance(use.reference, StepReference) and use.root is not None:
                    key = use.reference.capture
                    capture = Capture(key=key, root=use.root, path=use.path)
                    captures.setdefault(use.reference.step, {})[key] = capture
        return tuple(_with_captures(step, captures.get(step.id, {})) for step in self._steps)

    def requirements(self) -> Requirements:
        """Return what must be available before a row can run."""
        by_namespace: dict[Namespace, set[str]] = {namespace: set() for namespace in Namespace}
        for step in self._steps:
            for use in self._of_step(step):
                if isinstance(use.reference, Reference):
                    reference = use.reference
                    name = str(reference).partition(".")[2] if reference.namespace is Namespace.ENV else reference.name
                    by_namespace[reference.namespace].add(name)
        # A URL that begins with a value may be absolute: then it needs no service.
        requests = [step.request for step in self._steps if isinstance(step, HttpStep)]
        services = {request.service for request in requests if not request.path or isinstance(request.path[0], str)}
        return Requirements(
            services=tuple(sorted(services - {""})),
            environment_keys=tuple(sorted(by_namespace[Namespace.ENV])),
            secrets=tuple(sorted(by_namespace[Namespace.SECRETS])),
            me_keys=tuple(sorted(by_namespace[Namespace.ME])),
        )

    def uses(self) -> Uses:
        """Return the places where each value is read."""
        found = Uses()
        for step in self._steps:
            found.add(step.id, self._of_step(step))
        return found

    def _of_step(self, step: Step) -> Iterator[Use]:
        """Yield all values that a step reads, directly or through declarations."""
        waiting, seen = [f"steps.{step.id}"], set[str]()
        while waiting:
            reader = waiting.pop()
            if reader in seen:
                continue
            seen.add(reader)
            for use in self._ledger.uses.get(reader, ()):
                yield use
                waiting.extend(_declaration(use))

    def _check_step_use(self, use: Use, reference: StepReference, reader: int) -> None:
        index = self._indexes.get(reference.step)
        if index is None or reference.step in self._broken:
            return  # the step itself is invalid, which is reported
        producer = self._steps[index]
        message, hint = "", ""
        if producer.skip:
            message = f"`{reference}` has no value: an overlay skips the step `{reference.step}`"
            hint = "skip this step in the overlay too, or set the value in another way"
        elif index == reader:
            message = f"`{reference}` is read by the step itself, which has no response yet"
            hint = "use a `json_path` or `header` assertion to check the response of this step"
        elif index > reader:
            message = f"`{reference}` is read before the step `{reference.step}` has run"
            hint = f"move the step `{reference.step}` up: only earlier steps can be read"
        elif not isinstance(producer, HttpStep):
            message = f"`{reference}` has no value: the step `{reference.step}` sends no request"
        elif use.root is CaptureRoot.OUTPUTS and use.path[0] not in [output.name for output in producer.outputs]:
            message = f"the step `{reference.step}` has no output `{use.path[0]}`"
            hint = suggestion(str(use.path[0]), [output.name for output in producer.outputs])
            hint = hint or f"declare it under `outputs` of `{reference.step}`"
        if message:
            self._problems.error("unresolved_step_output", message, use.position, hint=hint)

    def _refuse(self, use: Use) -> None:
        message = f"the steps read more than {MAX_READS:,} values, including those that declarations read"
        hint = "read only what each step needs, instead of a declaration that contains everything"
        self._problems.error("journey_limit", message, use.position, hint=hint)
        self._problems.raise_errors()

    def _readers_in_cycles(self) -> list[str]:
        """Return the declarations that may be part of a cycle, by removing those without successors or predecessors."""
        reads = {
            reader: {name for use in uses for name in _declaration(use)}
            for reader, uses in self._ledger.uses.items()
            if not reader.startswith("steps.")
        }
        for graph in (reads, _reversed(reads)):
            for reader in _without_end(graph):
                reads.pop(reader, None)
        return list(reads)

    def _check_cycle(self, start: str) -> None:
        waiting, seen = list(self._ledger.uses[start]), set[str]()
        while waiting:
            for reader in _declaration(waiting.pop()):
                if reader == start:
                    place = self._ledger.uses[start][0].position
                    self._problems.error("reference_cycle", f"`{start}` depends on itself", place)
                    return
                if reader not in seen:
                    seen.add(reader)
                    waiting.extend(self._ledger.uses.get(reader, ()))


def _declaration(use: Use) -> list[str]:
    """Return the declaration that is read, as the name of a reader."""
    reference = use.reference
    if isinstance(reference, Reference) and reference.namespace in (Namespace.INPUTS, Namespace.VARIABLES):
        return [f"{reference.namespace.value}.{reference.name}"]
    return []


def _reversed(graph: Mapping[str, set[str]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {name: set() for name in graph}
    for name, targets in graph.items():
        for target in targets:
            found.setdefault(target, set()).add(name)
    return found


def _without_end(graph: Mapping[str, set[str]]) -> list[str]:
    """Return the nodes without successors, then those that lead only to them, and so on; never one of a cycle."""
    comes_from = _reversed(graph)
    left = {name: len(graph.get(name, ())) for name in comes_from}
    ended = [name for name, number in left.items() if not number]
    for name in ended:
        for source in comes_from[name]:
            left[source] -= 1
            if not left[source]:
                ended.append(source)
    return ended


def _with_captures(step: Step, captures: dict[str, Capture]) -> Step:
    if not isinstance(step, HttpStep) or not captures:
        return step
    marked = tuple(
        msgspec.structs.replace(capture, sensitive=is_sensitive(step, capture.root, capture.path))
        for _, capture in sorted(captures.items())
    )
    return msgspec.structs.replace(step, captures=marked)
