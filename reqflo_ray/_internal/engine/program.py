"""The artifact and the run record, compiled once per worker: renderers, paths, patterns, schemas, and dependencies.

It must not know any row. A program is the same for all rows and never changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from reqflo_ray._internal.engine.requests.request import RequestRenderer
from reqflo_ray._internal.engine.responses.assertions import PreparedAssertion, prepare_assertion
from reqflo_ray._internal.engine.responses.captures import (
    PreparedCapture,
    PreparedOutput,
    prepare_capture,
    prepare_output,
)
from reqflo_ray._internal.engine.values.declarations import sources
from reqflo_ray._internal.engine.values.expressions import Renderer, compile_node
from reqflo_ray._internal.engine.values.reach import Reach, hidden_captures
from reqflo_ray._internal.model.artifact import (
    Artifact,
    Assertion,
    AssertionType,
    CaptureRoot,
    HttpStep,
    Input,
    NoteStep,
    OnInterrupt,
    SetVariableStep,
    Step,
    Variable,
)
from reqflo_ray._internal.model.plan import RunRecord
from reqflo_ray._internal.model.values import (
    AnyReference,
    Namespace,
    Node,
    Reference,
    StepReference,
    ValueType,
    references,
)

# Response headers whose value is a URL, relative to the one that was requested.
_LOCATIONS: Final = frozenset(("location", "content-location"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One place that may supply a value. `tainted`: it may contain something secret or sensitive."""

    real: Renderer
    masked: Renderer
    references: tuple[AnyReference, ...]
    type: ValueType | None
    tainted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """An input or variable with all its sources below the data row, highest precedence first. `label` is how
    expressions name it: `inputs.x` or `variables.x`."""

    namespace: Namespace
    name: str
    label: str
    type: ValueType | None
    required: bool
    sensitive: bool
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedRequest:
    """How a step's request is drafted. `masked` is None if it cannot contain anything secret or sensitive; with
    `plain_body` only the URL and the headers can. `with_secrets` are its references that may contain a secret, and
    their texts; `perhaps` are those of them that it contains only if its URL turns out to be a path."""

    real: RequestRenderer
    masked: RequestRenderer | None
    plain_body: bool
    with_secrets: tuple[tuple[AnyReference, str], ...]
    perhaps: frozenset[AnyReference]
    connect_ms: int
    read_ms: int
    total_ms: int
    repeatable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedStep:
    """A step, compiled.

    `secrets` are the names of all secrets that it may need; `needs` are the values of earlier steps that it may read,
    as `steps.<id>.<capture>` or `variables.<name>` (assigned by a step); `dependencies` are its references to values of
    earlier steps outside the request, and their texts. `hidden_captures` are the keys of captures that must not be
    readable where they are stored. `until` is what a poll waits for; it is judged before `assertions`.
    """

    step: Step
    index: int
    secrets: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    hidden_captures: frozenset[str] = frozenset()
    request: PreparedRequest | None = None
    dependencies: tuple[tuple[AnyReference, str], ...] = ()
    until: tuple[PreparedAssertion, ...] = ()
    assertions: tuple[PreparedAssertion, ...] = ()
    outputs: tuple[PreparedOutput, ...] = ()
    captures: tuple[PreparedCapture, ...] = ()
    expects_status: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """Everything that a worker needs to execute rows of one run.

    `inputs` are references to the declared inputs, and their texts. The keys of `environment` are what follows `env.`
    (`<key>` or `<service>.<key>`). `tainted` contains `variables.x` for every variable to which a step may assign
    something secret or sensitive, and `assigned_secrets` the secrets in it. `sensitive_captures` are
    `steps.<id>.<capture>`. `flaky_steps` are the IDs of steps with `flaky: true`, `soft_steps` those of steps with a
    soft assertion.
    """

    artifact: Artifact
    run: RunRecord
    steps: tuple[PreparedStep, ...]
    declared: Mapping[str, Declared]
    inputs: tuple[tuple[Reference, str], ...]
    environment: Mapping[str, Source]
    tainted: frozenset[str]
    assigned_secrets: Mapping[str, tuple[str, ...]]
    sensitive_captures: frozenset[str]
    flaky_steps: frozenset[str]
    soft_steps: frozenset[str]


def prepare(artifact: Artifact, run: RunRecord) -> Program:
    """Compile `artifact` for the steps, values, and environment of `run`.

    Raises:
        DefinitionError: a path, pattern, schema, or file of the artifact cannot be used.
    """
    reach = Reach(artifact, run)
    entries: list[Input | Variable] = [*artifact.inputs, *artifact.variables]
    assigned = {
        f"variables.{name}" for step in artifact.steps if isinstance(step, SetVariableStep) for name, _ in step.values
    }
    secrets = {label.removeprefix("variables."): _secrets_of_assigned(label, reach) for label in assigned}
    return Program(
        artifact=artifact,
        run=run,
        steps=tuple(_prepare_step(step, index, artifact, run, reach) for index, step in enumerate(artifact.steps)),
        declared={entry.name: _declared(entry, run, reach) for entry in entries},
        inputs=tuple((Reference(Namespace.INPUTS, entry.name), f"inputs.{entry.name}") for entry in artifact.inputs),
        environment={key: _source(node, None, reach) for key, node in reach.environment.items()},
        tainted=frozenset(label for label in assigned if reach.is_tainted([_variable(label)])),
        assigned_secrets=secrets,
        sensitive_captures=reach.sensitive_captures,
        flaky_steps=frozenset(step.id for step in artifact.steps if isinstance(step, HttpStep) and step.flaky),
        soft_steps=frozenset(
            step.id
            for step in artifact.steps
            if isinstance(step, HttpStep) and any(assertion.soft for assertion in step.assertions)
        ),
    )


def _prepare_step(step: Step, index: int, artifact: Artifact, run: RunRecord, reach: Reach) -> PreparedStep:
    match step:
        case HttpStep():
            return _prepare_http(step, index, artifact, run, reach)
        case SetVariableStep(values=values):
            used = [reference for _, node in values for reference in references(node)]
        case NoteStep(text=node):
            used = list(references(node))
        case _:
            used = []
    return PreparedStep(step=step, index=index, secrets=reach.secrets(used), needs=reach.needs(used))


def _prepare_http(step: HttpStep, index: int, artifact: Artifact, run: RunRecord, reach: Reach) -> PreparedStep:
    base = _base_url(step, run)
    answered = _located_by(step, artifact)
    sent = reach.of_request(step.request, base)
    located: RequestRenderer | None = None
    if answered is not None:
        asked = msgspec.structs.replace(answered.request, headers=(), body=None)
        located = RequestRenderer(asked, _base_url(answered, run), {}, masked=False)
        sent = tuple(dict.fromkeys((*sent, *reach.of_request(asked, _base_url(answered, run)))))
    until = step.poll.until if step.poll is not None else ()
    expected = _expected((*until, *step.assertions))
    settings, own = run.http, step.timeouts
    everything = (*sent, *expected)
    return PreparedStep(
        step=step,
        index=index,
        secrets=reach.secrets(
            (*everything, *references(settings.proxy_username), *references(settings.proxy_password))
        ),
        needs=reach.needs(everything),
        hidden_captures=hidden_captures(step),
        request=PreparedRequest(
            real=RequestRenderer(
                step.request,
                base,
                artifact.files,
                located.url if located is not None else None,
                masked=False,
            ),
            masked=(
                RequestRenderer(step.request, base, artifact.files, masked=True) if reach.is_tainted(sent) else None
            ),
            plain_body=not reach.is_tainted(reach.of_body(step.request.body)),
            with_secrets=tuple((reference, str(reference)) for reference in sent if reach.secrets([reference])),
            perhaps=(
                frozenset(sent) - frozenset(reach.of_request(step.request, None))
                if step.request.path and not isinstance(step.request.path[0], str)
                else frozenset()
            ),
            connect_ms=own.connect_ms if own.connect_ms is not None else settings.connect_ms,
            read_ms=own.read_ms if own.read_ms is not None else settings.read_ms,
            total_ms=own.total_ms if own.total_ms is not None else settings.total_ms,
            repeatable=step.idempotency is not None or step.on_interrupt is OnInterrupt.RESEND,
        ),
        dependencies=tuple((reference, str(reference)) for reference in expected if reach.needs([reference])),
        until=tuple(_assertion(assertion, step, reach) for assertion in until),
        assertions=tuple(_assertion(assertion, step, reach) for assertion in step.assertions),
        outputs=tuple(
            prepare_output(output, step.id, exact=reach.goes_into_header(f"steps.{step.id}.outputs.{output.name}"))
            for output in step.outputs
        ),
        captures=tuple(
            prepare_capture(capture, exact=reach.goes_into_header(f"steps.{step.id}.{capture.key}"))
            for capture in step.captures
        ),
        expects_status=any(assertion.type is AssertionType.STATUS_CODE for assertion in (*until, *step.assertions)),
    )


def _base_url(step: HttpStep, run: RunRecord) -> Node | None:
    service = run.environment.services.get(step.request.service)
    return service.base_url if service is not None else None


def _located_by(step: HttpStep, artifact: Artifact) -> HttpStep | None:
    """Return the step whose `Location` begins the URL of `step`: it is relative to the URL of that step's request
    (RFC 9110, 10.2.2)."""
    first = step.request.path[0] if step.request.path else None
    if not isinstance(first, StepReference):
        return None
    producer = next((one for one in artifact.steps if one.id == first.step), None)
    if not isinstance(producer, HttpStep):
        return None
    headers = {f"headers.{name}" for name in _LOCATIONS}
    headers |= {
        f"outputs.{output.name}"
        for output in producer.outputs
        if output.root is CaptureRoot.HEADERS and output.path.lower() in _LOCATIONS
    }
    return producer if first.capture in headers else None


def _assertion(assertion: Assertion, step: HttpStep, reach: Reach) -> PreparedAssertion:
    return prepare_assertion(assertion, step.id, tainted=reach.is_tainted(_expected((assertion,))))


def _expected(assertions: Iterable[Assertion]) -> tuple[AnyReference, ...]:
    return tuple(
        reference
        for assertion in assertions
        if assertion.expected is not None
        for reference in references(assertion.expected)
    )


def _declared(entry: Input | Variable, run: RunRecord, reach: Reach) -> Declared:
    namespace = Namespace.INPUTS if isinstance(entry, Input) else Namespace.VARIABLES
    return Declared(
        namespace=namespace,
        name=entry.name,
        label=f"{namespace}.{entry.name}",
        type=entry.type,
        required=entry.required,
        sensitive=entry.sensitive,
        sources=tuple(_source(node, type, reach) for node, type in sources(entry, run.inputs)),
    )


def _source(node: Node, type: ValueType | None, reach: Reach) -> Source:
    used = references(node)
    return Source(
        real=compile_node(node),
        masked=compile_node(node, masked=True),
        references=used,
        type=type,
        tainted=reach.is_tainted(used),
    )


def _variable(label: str) -> Reference:
    return Reference(Namespace.VARIABLES, label.removeprefix("variables."))


def _secrets_of_assigned(label: str, reach: Reach) -> tuple[str, ...]:
    return reach.secrets([_variable(label)])
