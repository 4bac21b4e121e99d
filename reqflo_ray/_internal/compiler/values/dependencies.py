"""Judges who reads what: only earlier steps may be read, nothing may define itself. From the same facts come what each
step has to keep for later ones, and what a run needs."""

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
    """The uses of one artifact's steps, followed through the declarations that they read. Of `broken` steps nothing can
    be said but what they read."""

    def __init__(self, steps: Sequence[Step], ledger: Ledger, problems: Problems, broken: Collection[str] = ()) -> None:
        self._steps = steps
        self._ledger = ledger
        self._problems = problems
        self._broken = broken
        self._indexes = {step.id: index for index, step in enumerate(steps)}

    def check(self) -> None:
        """Report references to later, skipped or unsuitable steps, and declarations that define themselves.

        Raises:
            DefinitionError: all steps read so much that following it would take too long.
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
        """Take as sensitive what later steps send as credentials, and say so.

        Args:
            declared: the inputs and variables of the artifact.
            open_outputs: outputs of which the author has said that they are not sensitive.
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
            message = f"`{reference}` is taken as sensitive: step `{credential.step}` sends it in `{credential.header}`"
            hint = "to say so, or that it may be seen, write `sensitive: true` or `false` at the output"
            if use.root is not CaptureRoot.OUTPUTS:
                hint = f"to say so, make it an output of `{reference.step}` with `sensitive: true`"
            self._problems.warning("taken_as_sensitive", message, use.position, hint=hint)

    def steps_with_captures(self) -> tuple[Step, ...]:
        """The steps, each with what later ones read of it, sorted by key."""
        captures: dict[str, dict[str, Capture]] = {}
        for step in self._steps:
            for use in self._of_step(step):
                if isinstance(use.reference, StepReference) and use.root is not None:
                    key = use.reference.capture
                    capture = Capture(key=key, root=use.root, path=use.path)
                    captures.setdefault(use.reference.step, {})[key] = capture
        return tuple(_with_captures(step, captures.get(step.id, {})) for step in self._steps)

    def requirements(self) -> Requirements:
        """What must be there before a row can run."""
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
        """Where each value is read."""
        found = Uses()
        for step in self._steps:
            found.add(step.id, self._of_step(step))
        return found

    def _of_step(self, step: Step) -> Iterator[Use]:
        """All that a step reads, also by way of declarations."""
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
            return  # the step itself is wrong, and that is reported
        producer = self._steps[index]
        message, hint = "", ""
        if producer.skip:
            message = f"`{reference}` has no value: an overlay skips the step `{reference.step}`"
            hint = "let the overlay skip this step too, or give the value in another way"
        elif index == reader:
            message = f"`{reference}` is read by the step itself, which has no response yet"
            hint = "assertions read the response with `json_path` or `header`"
        elif index > reader:
            message = f"`{reference}` is read before the step `{reference.step}` has run"
            hint = "only earlier steps can be read: move the step up"
        elif not isinstance(producer, HttpStep):
            message = f"`{reference}` has no value: the step `{reference.step}` sends no request"
        elif use.root is CaptureRoot.OUTPUTS and use.path[0] not in [output.name for output in producer.outputs]:
            message = f"the step `{reference.step}` has no output `{use.path[0]}`"
            hint = suggestion(str(use.path[0]), [output.name for output in producer.outputs])
            hint = hint or f"declare it under `outputs` of `{reference.step}`"
        if message:
            self._problems.error("unresolved_step_output", message, use.position, hint=hint)

    def _refuse(self, use: Use) -> None:
        message = f"the steps read more than {MAX_READS:,} values, those counted that declarations read"
        hint = "let each step read only what it needs, not a declaration that holds all"
        self._problems.error("journey_limit", message, use.position, hint=hint)
        self._problems.raise_errors()

    def _readers_in_cycles(self) -> list[str]:
        """The declarations that may read themselves: all but those that lead nowhere, or that nobody comes from."""
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
                    self._problems.error("reference_cycle", f"`{start}` is defined by itself", place)
                    return
                if reader not in seen:
                    seen.add(reader)
                    waiting.extend(self._ledger.uses.get(reader, ()))


def _declaration(use: Use) -> list[str]:
    """The declaration that is read, as a reader itself."""
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
    """What leads nowhere, then what leads only there, and so on; nothing of a cycle is among it."""
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
