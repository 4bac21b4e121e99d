"""Lowers the steps of an assembled journey to those of the artifact, and its declarations to inputs and variables.

A step that an overlay skips becomes a note.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from reqflo_ray._internal.compiler.assertions.assertion import AssertionCompiler
from reqflo_ray._internal.compiler.assertions.response_paths import compile_outputs
from reqflo_ray._internal.compiler.authoring.journey import InputModel, VariableModel
from reqflo_ray._internal.compiler.authoring.steps import StepModel
from reqflo_ray._internal.compiler.journeys.journey import JourneyUnit, StepUnit
from reqflo_ray._internal.compiler.journeys.templates import TemplateIndex, only_service
from reqflo_ray._internal.compiler.requests.bodies import BodyCompiler
from reqflo_ray._internal.compiler.requests.request import RequestCompiler, give_values
from reqflo_ray._internal.compiler.values.nodes import ValueCompiler
from reqflo_ray._internal.compiler.workspace.bundled_files import BundledFiles
from reqflo_ray._internal.compiler.workspace.load import Workspace
from reqflo_ray._internal.compiler.yaml.problems import Problems
from reqflo_ray._internal.compiler.yaml.tree import YamlNode, child, members, nearest
from reqflo_ray._internal.errors import Position
from reqflo_ray._internal.model.artifact import (
    Assertion,
    AssertionOrigin,
    HttpStep,
    Idempotency,
    Input,
    NoteStep,
    OnFailure,
    OnInterrupt,
    Poll,
    RequestTemplate,
    Retry,
    SetVariableStep,
    Step,
    Timeouts,
    Variable,
    VariableSource,
    WaitStep,
)
from reqflo_ray._internal.model.http.exchange import IDEMPOTENT_METHODS
from reqflo_ray._internal.model.names import suggestion
from reqflo_ray._internal.model.values import Literal, Node

# Findings with these codes may be caused by a part that was dropped.
_MAY_BE_DROPPED: Final = frozenset(
    (
        *("invalid_step", "invalid_template", "invalid_reference"),
        *("missing_key", "missing_required_value", "undeclared_value"),
    )
)


@dataclass(slots=True, kw_only=True)
class Lowered:
    """The lowered parts of a journey.

    `places` says where steps, their URLs, inputs, and variables are written. `open_outputs` are the outputs
    (`steps.<id>.outputs.<name>`) that are declared `sensitive: false`. `broken` are the IDs of steps that could not be
    lowered; a note replaces each of them.
    """

    steps: list[Step] = field(default_factory=list)
    inputs: list[Input] = field(default_factory=list)
    variables: list[Variable] = field(default_factory=list)
    cookies: bool = False
    places: dict[str, Position] = field(default_factory=dict)
    open_outputs: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)


class JourneyLowering:
    """Lowers one journey and all journeys that it runs."""

    def __init__(self, workspace: Workspace, templates: TemplateIndex, files: BundledFiles, problems: Problems) -> None:
        self._only_service = only_service(workspace)
        self._templates = templates
        self._files = files
        self._problems = problems
        self._lowered = Lowered()

    def lower(self, unit: JourneyUnit) -> Lowered:
        """Return the inputs, variables, and steps of the artifact."""
        for index, declared in enumerate(unit.model.inputs):
            self._lowered.inputs.append(self._input(declared, nearest(unit.node, ("inputs", index)), unit))
        self._variables(unit)
        self._steps(unit, unit.model.on_failure)
        return self._lowered

    def _steps(self, unit: JourneyUnit, on_failure: OnFailure) -> None:
        self._lowered.cookies |= unit.model.cookies
        for step in unit.steps:
            self._lowered.places[f"steps.{step.head.id}"] = step.node.position
            if step.inner is not None:
                self._bind_inputs(step, step.inner, unit)
                self._variables(step.inner)
                halts = OnFailure.HALT in (on_failure, step.inner.model.on_failure)
                self._steps(step.inner, OnFailure.HALT if halts else OnFailure.CONTINUE)
                continue
            lowered = self._step(step, unit, on_failure)
            if lowered is None:  # what it reads can still be checked
                self._lowered.broken.add(step.head.id)
                lowered = NoteStep(id=step.head.id, name=step.model.name, text=Literal(""))
            self._lowered.steps.append(lowered)

    def _step(self, step: StepUnit, unit: JourneyUnit, on_failure: OnFailure) -> Step | None:
        if step.model.skip:
            return NoteStep(id=step.head.id, name=step.model.name, skip=True, text=Literal(""))
        if not step.dropped:
            return self._lowered_step(step, unit, on_failure, self._problems)
        values, found = self._values(unit, f"steps.{step.head.id}"), Problems()
        for node in step.dropped:
            values.value(node)  # its expressions can still be checked
        lowered = self._lowered_step(step, unit, on_failure, found)
        tell_of_partial(found, self._problems)
        return lowered

    def _lowered_step(
        self, step: StepUnit, unit: JourneyUnit, on_failure: OnFailure, problems: Problems
    ) -> Step | None:
        """Lower the step; errors in its structure go to `problems`."""
        id, name = step.head.id, step.model.name
        values = self._values(unit, f"steps.{step.head.id}")
        match step.model.type:
            case "set_variable":
                return SetVariableStep(id=id, name=name, values=self._assignments(step, unit, values, problems))
            case "wait":
                if step.model.duration is None:
                    hint = "add `duration: 1s`"
                    problems.error("invalid_step", "a `wait` step needs a `duration`", step.node, hint=hint)
                return WaitStep(id=id, name=name, duration_ms=step.model.duration or 0)
            case "note":
                text = child(step.node, "text")
                if text is None:
                    problems.error("invalid_step", "a `note` step needs a `text`", step.node, hint="add `text:`")
                    return None
                return NoteStep(id=id, name=name, text=values.value(text))
            case "sub_journey":
                return None  # its errors were reported when it was assembled
        expected = ValueCompiler(unit.scope.resolver(f"steps.{step.head.id}", is_expected=True), self._problems)
        outputs = step.model.outputs
        self._lowered.open_outputs |= {f"steps.{id}.outputs.{one.name}" for one in outputs if one.sensitive is False}
        http = _HttpLowering(self._only_service, self._templates, self._files, problems, values, expected)
        lowered = http.lower(step, on_failure)
        if http.url_place is not None:
            self._lowered.places[f"urls.{id}"] = http.url_place
        return lowered

    def _assignments(
        self, step: StepUnit, unit: JourneyUnit, values: ValueCompiler, problems: Problems
    ) -> tuple[tuple[str, Node], ...]:
        assigned: list[tuple[str, Node]] = []
        for key, value in members(child(step.node, "values")):
            if key.value not in unit.scope.variables:
                hint = suggestion(key.value, unit.scope.variables) or "declare it under `variables`"
                message = f"the journey declares no variable `{key.value}`"
                self._problems.error("invalid_reference", message, key, hint=hint)
            assigned.append((unit.scope.prefix + key.value, values.value(value)))
        if not assigned:
            problems.error("invalid_step", "a `set_variable` step needs `values`", step.node, hint="add `values:`")
        return tuple(assigned)

    def _values(self, unit: JourneyUnit, reader: str) -> ValueCompiler:
        return ValueCompiler(unit.scope.resolver(reader), self._problems)

    def _default(self, node: YamlNode, unit: JourneyUnit, reader: str) -> Node | None:
        written = child(node, "default")
        return None if written is None else self._values(unit, reader).value(written)

    def _input(self, model: InputModel, node: YamlNode, unit: JourneyUnit) -> Input:
        reader = f"inputs.{model.name}"
        self._lowered.places[reader] = node.position
        return Input(
            name=model.name,
            required=model.required,
            type=model.type,
            default=self._default(node, unit, reader),
            sensitive=model.sensitive,
            description=model.description,
        )

    def _variables(self, unit: JourneyUnit) -> None:
        for index, model in enumerate(unit.model.variables):
            self._lowered.variables.append(self._variable(model, nearest(unit.node, ("variables", index)), unit))

    def _variable(self, model: VariableModel, node: YamlNode, unit: JourneyUnit) -> Variable:
        name = unit.scope.prefix + model.name
        self._lowered.places[f"variables.{name}"] = node.position
        source = VariableSource.DECLARATION
        if model.source in (VariableSource.ENVIRONMENT.value, VariableSource.ME.value):
            source = VariableSource(model.source)
        elif model.key:
            message = "`key` is valid only with `source: environment` or `source: me`"
            self._problems.error("wrong_value", message, nearest(node, ("key",)))
        return Variable(
            name=name,
            source=source,
            key="" if source is VariableSource.DECLARATION else model.key or model.name,
            required=model.required,
            type=model.type,
            default=self._default(node, unit, f"variables.{name}"),
            sensitive=model.sensitive,
            description=model.description,
        )

    def _bind_inputs(self, step: StepUnit, inner: JourneyUnit, outer: JourneyUnit) -> None:
        """Lower the inputs of a sub-journey to variables; the value that the step sets becomes the default."""
        given = {key.value: (key, value) for key, value in members(child(step.node, "inputs"))}
        for name, (key, _) in given.items():
            if name not in inner.scope.inputs:
                hint = suggestion(name, inner.scope.inputs) or "remove it: the journey has no inputs"
                message = f"the journey `{inner.model.name}` has no input `{name}`"
                self._problems.error("undeclared_value", message, key, hint=hint)
        for index, model in enumerate(inner.model.inputs):
            node = nearest(inner.node, ("inputs", index))
            name = inner.scope.prefix + model.name
            reader = f"variables.{name}"
            if model.name in given:
                written = given[model.name][1]
                default: Node | None = self._values(outer, reader).value(written)
                self._lowered.places[reader] = written.position
            else:
                default = self._default(node, inner, reader)
                self._lowered.places[reader] = step.node.position
                if model.required and default is None and not step.dropped:
                    message = f"the journey `{inner.model.name}` requires the input `{model.name}`"
                    hint = f"set `{model.name}` under `inputs` of the step"
                    self._problems.error("missing_required_value", message, step.node, hint=hint)
            self._lowered.variables.append(
                Variable(
                    name=name,
                    required=model.required and not step.dropped,
                    type=model.type,
                    default=default,
                    sensitive=model.sensitive,
                    description=model.description,
                )
            )


class _HttpLowering:
    """Lowers one step that sends a request, and sets `url_place` to the place of its URL."""

    def __init__(
        self,
        service: str,
        templates: TemplateIndex,
        files: BundledFiles,
        problems: Problems,
        values: ValueCompiler,
        expected: ValueCompiler,
    ) -> None:
        self._service = service
        self._templates = templates
        self._files = files
        self._problems = problems
        self._values = values
        self._expected = expected
        self.url_place: Position | None = None

    def lower(self, step: StepUnit, on_failure: OnFailure) -> HttpStep | None:
        model, node = step.model, step.node
        found = self._request(model, node)
        is_partial = bool(step.dropped)
        own = AssertionCompiler(self._expected, self._problems, AssertionOrigin.STEP, is_partial=is_partial)
        assertions = own.compile_all(model.assertions, nearest(node, ("assertions",)))
        outputs = compile_outputs(model.outputs, nearest(node, ("outputs",)), self._problems)
        poll = self._poll(model, node, own)
        if found is None:
            return None
        request, inherited = found
        idempotency = None
        if model.idempotency is not None and model.idempotency.enabled:
            idempotency = Idempotency(header=model.idempotency.header)
        safe = request.method in IDEMPOTENT_METHODS or idempotency is not None
        return HttpStep(
            id=step.head.id,
            name=model.name,
            request=request,
            assertions=inherited + assertions,
            outputs=outputs,
            retry=_retry(model),
            poll=poll,
            timeouts=_timeouts(model),
            idempotency=idempotency,
            on_interrupt=model.on_interrupt or (OnInterrupt.RESEND if safe else OnInterrupt.FAIL),
            on_failure=model.on_failure or on_failure,
            flaky=model.flaky,
        )

    def _request(self, model: StepModel, node: YamlNode) -> tuple[RequestTemplate, tuple[Assertion, ...]] | None:
        """Return the request, and the assertions of its template."""
        if (model.template is None) == (model.request is None):
            hint = 'write `template: "POST /orders"`, or `request: {method: …, url: …}`'
            message = "a step that sends a request must have either a `template` or a `request`"
            self._problems.error("invalid_step", message, node, hint=hint)
            return None
        if model.request is not None:
            for key, _ in members(child(node, "values")):
                hint = "write the value into the request"
                self._problems.error("undeclared_value", "a step with a `request` cannot have `values`", key, hint=hint)
            compiler = RequestCompiler(self._values, self._bodies(self._values), self._problems)
            self.url_place = nearest(node, ("request", "url")).position
            return compiler.compile(model.request, nearest(node, ("request",)), None, self._service), ()
        assert model.template is not None
        found = self._templates.find(model.template, nearest(node, ("template",)), self._problems)
        if found is None:
            for _, value in members(child(node, "values")):
                self._values.value(value)
            return None
        problems = Problems() if found.dropped else self._problems
        self.url_place = nearest(found.node, ("url",)).position
        given = give_values(found.model, node, self._values, self._values.resolve, problems)
        given.partial = bool(found.dropped)
        inside = ValueCompiler(given.resolve, self._problems)
        for dropped in found.dropped:
            inside.value(dropped)
        compiler = RequestCompiler(inside, BodyCompiler(inside, self._files, problems), problems)
        request = compiler.compile(found.model, found.node, given, self._service)
        inherited = AssertionCompiler(inside, problems, AssertionOrigin.TEMPLATE, is_partial=given.partial)
        assertions = inherited.compile_all(found.model.assertions, nearest(found.node, ("assertions",)))
        if given.partial:
            tell_of_partial(problems, self._problems)
        return request, assertions

    def _bodies(self, values: ValueCompiler) -> BodyCompiler:
        return BodyCompiler(values, self._files, self._problems)

    def _poll(self, model: StepModel, node: YamlNode, own: AssertionCompiler) -> Poll | None:
        if model.poll is None:
            if model.type == "poll":
                hint = "add `poll: {until: […], interval: 1s, timeout: 30s}`"
                self._problems.error("invalid_step", "a `poll` step needs `poll`", node, hint=hint)
            return None
        until = own.compile_all(model.poll.until, nearest(node, ("poll", "until")))
        return Poll(interval_ms=model.poll.interval, timeout_ms=model.poll.timeout, until=until)


def tell_of_partial(found: Problems, problems: Problems) -> None:
    """Add the findings about a partly dropped definition, except those that the dropped part may have caused."""
    problems.add(*(problem for problem in found.all() if problem.code not in _MAY_BE_DROPPED))


def _retry(model: StepModel) -> Retry:
    if model.retry is None:
        return Retry()
    return Retry(
        count=model.retry.count,
        delay_ms=model.retry.delay,
        backoff=model.retry.backoff,
        causes=tuple(dict.fromkeys(model.retry.causes)),
        max_delay_ms=model.retry.max_delay,
    )


def _timeouts(model: StepModel) -> Timeouts:
    if model.timeout is None:
        return Timeouts()
    return Timeouts(connect_ms=model.timeout.connect, read_ms=model.timeout.read, total_ms=model.timeout.total)
