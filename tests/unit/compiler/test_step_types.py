"""Step types, their fields and defaults, and sub-journeys."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from reqflo_ray._internal.compiler.compile import Compilation
from reqflo_ray._internal.errors import Problem
from reqflo_ray._internal.model.artifact import (
    Backoff,
    HttpStep,
    Idempotency,
    NoteStep,
    OnFailure,
    OnInterrupt,
    Retry,
    RetryCause,
    SetVariableStep,
    Timeouts,
    Variable,
    VariableSource,
    WaitStep,
)
from reqflo_ray._internal.model.values import Literal, Namespace, Reference, StepReference, Text, ValueType

Compiler = Callable[..., Compilation]
OnlyProblem = Callable[..., Problem]
Refused = Callable[..., tuple[Problem, ...]]

HEAD = "journey:\n  name: j\n  inputs: [{name: x}]\n  variables: [{name: v}]\n  steps:\n    - "


def http_step(compilation: Compilation) -> HttpStep:
    step = compilation.artifact.steps[0]
    assert isinstance(step, HttpStep)
    return step


def test_steps_that_send_nothing_are_compiled(compiled: Compiler) -> None:
    steps = compiled(
        """
        journey:
          name: j
          inputs: [{name: x}]
          variables: [{name: v}]
          steps:
            - {id: s, type: set_variable, values: {v: "{{ inputs.x }}"}}
            - {id: w, type: wait, duration: 1.5s}
            - {id: n, type: note, name: Remark, text: "x is {{ inputs.x }}"}
        """
    ).artifact.steps
    x = Reference(Namespace.INPUTS, "x")
    assert steps == (
        SetVariableStep(id="s", values=(("v", x),)),
        WaitStep(id="w", duration_ms=1500),
        NoteStep(id="n", name="Remark", text=Text(("x is ", x))),
    )


def test_a_poll_repeats_a_request_until_assertions_hold(compiled: Compiler) -> None:
    until = "until: [{type: json_path, path: $.state, operator: equals, expected: done}]"
    text = f"{{id: p, type: poll, request: {{url: /a}}, poll: {{{until}, interval: 200ms, timeout: 3s}}}}"
    poll = http_step(compiled(HEAD + text)).poll
    assert poll is not None
    assert (poll.interval_ms, poll.timeout_ms) == (200, 3000)
    assert [assertion.target for assertion in poll.until] == ["$.state"]


@pytest.mark.parametrize(
    ("method", "fields", "on_interrupt"),
    [
        ("GET", "", OnInterrupt.RESEND),
        ("PUT", "", OnInterrupt.RESEND),
        ("DELETE", "", OnInterrupt.RESEND),
        ("POST", "", OnInterrupt.FAIL),
        ("PATCH", "", OnInterrupt.FAIL),
        ("POST", ", idempotency: true", OnInterrupt.RESEND),
        ("POST", ", idempotency: {header: X-Key}", OnInterrupt.RESEND),
        ("POST", ", idempotency: false", OnInterrupt.FAIL),
        ("POST", ", on_interrupt: resend", OnInterrupt.RESEND),
        ("GET", ", on_interrupt: fail", OnInterrupt.FAIL),
    ],
)
def test_a_request_is_re_sent_by_default_only_if_that_is_safe(
    compiled: Compiler, method: str, fields: str, on_interrupt: OnInterrupt
) -> None:
    step = http_step(compiled(f"{HEAD}{{id: a, request: {{method: {method}, url: /a}}{fields}}}"))
    assert step.on_interrupt is on_interrupt


def test_all_options_of_a_request_step_are_compiled(compiled: Compiler) -> None:
    step = http_step(
        compiled(
            HEAD + "{id: a, request: {url: /a}, flaky: true, on_failure: halt, idempotency: {header: X-Key}, "
            "timeout: {connect: 1s, read: 2s}, "
            "retry: {count: 3, delay: 100ms, backoff: linear, causes: [failed, failed], max_delay: 5s}}"
        )
    )
    assert step.flaky
    assert step.on_failure is OnFailure.HALT
    assert step.idempotency == Idempotency(header="X-Key")
    assert step.timeouts == Timeouts(connect_ms=1000, read_ms=2000)
    assert step.retry == Retry(
        count=3, delay_ms=100, backoff=Backoff.LINEAR, causes=(RetryCause.FAILED,), max_delay_ms=5000
    )


def test_a_duration_alone_is_the_total_timeout(compiled: Compiler) -> None:
    step = http_step(compiled(HEAD + "{id: a, request: {url: /a}, timeout: 2m}"))
    assert step.timeouts == Timeouts(total_ms=120_000)


def test_on_failure_of_the_journey_is_the_default_of_its_steps(compiled: Compiler) -> None:
    step = http_step(compiled("journey: {name: j, on_failure: halt, cookies: true, steps: [{request: {url: /a}}]}"))
    assert step.on_failure is OnFailure.HALT


def test_step_ids_are_made_from_names_or_numbers(compiled: Compiler) -> None:
    text = "journey: {name: j, steps: [{name: Get a Token!, request: {url: /a}}, {request: {url: /b}}]}"
    assert [step.id for step in compiled(text).artifact.steps] == ["get-a-token", "step-2"]


@pytest.mark.parametrize(
    ("step", "code", "place"),
    [
        ("{id: a, type: connector}", "j.yaml:6:21", "invalid_step"),
        ("{id: a, type: script}", "j.yaml:6:21", "invalid_step"),
        ("{id: a, type: manual_checkpoint}", "j.yaml:6:21", "invalid_step"),
        ("{id: a, type: http}", "j.yaml:6:21", "invalid_step"),
        ("{id: a, type: wait}", "j.yaml:6:7", "invalid_step"),
        ("{id: a, type: wait, duration: 1s, template: t}", "j.yaml:6:41", "invalid_step"),
        ("{id: a, type: note}", "j.yaml:6:7", "invalid_step"),
        ("{id: a, type: set_variable}", "j.yaml:6:7", "invalid_step"),
        ("{id: a, type: set_variable, values: {w: 1}}", "j.yaml:6:44", "invalid_reference"),
        ("{id: a, type: set_variable, values: {x: 1}}", "j.yaml:6:44", "invalid_reference"),
        ("{id: a, type: poll, request: {url: /a}}", "j.yaml:6:7", "invalid_step"),
        ("{id: a, type: sub_journey}", "j.yaml:6:7", "invalid_step"),
        ("{id: a, type: sub_journey, journey: nothing}", "j.yaml:6:43", "unknown_journey"),
        ("{id: a, duration: 1s, request: {url: /a}}", "j.yaml:6:15", "invalid_step"),
    ],
)
def test_a_step_that_cannot_be_carried_out_is_refused(
    only_problem: OnlyProblem, step: str, code: str, place: str
) -> None:
    problem = only_problem(HEAD + step)
    assert (str(problem.position), problem.code) == (code, place)


def test_a_step_id_used_twice_is_refused(only_problem: OnlyProblem) -> None:
    text = HEAD + "{id: a, request: {url: /a}}\n    - {id: a, request: {url: /b}}"
    problem = only_problem(text)
    assert (problem.code, str(problem.position), problem.cause) == (
        "duplicate_step",
        "j.yaml:7:12",
        "the other is at line 6",
    )


def test_declarations_are_compiled(compiled: Compiler) -> None:
    artifact = compiled(
        """
        journey:
          name: j
          inputs:
            - {name: a, required: true, type: number, description: why, sensitive: true}
            - {name: b, default: null}
            - {name: c, default: "{{ inputs.a }}"}
          variables:
            - {name: d, value: [1, x]}
            - {name: e, source: environment, key: shop.version}
            - {name: f, source: me}
            - {name: g, source: preset, type: json, required: true}
          steps: [{id: s, request: {url: /a}}]
        """
    ).artifact
    assert [(entry.name, entry.default) for entry in artifact.inputs] == [
        ("a", None),
        ("b", Literal(None)),
        ("c", Reference(Namespace.INPUTS, "a")),
    ]
    assert artifact.inputs[0].required
    assert artifact.inputs[0].type is ValueType.NUMBER
    assert artifact.variables == (
        Variable(name="d", default=Literal([1, "x"])),
        Variable(name="e", source=VariableSource.ENVIRONMENT, key="shop.version"),
        Variable(name="f", source=VariableSource.ME, key="f"),
        Variable(name="g", required=True, type=ValueType.JSON),
    )


def test_a_secret_is_not_a_source_of_a_variable(only_problem: OnlyProblem) -> None:
    text = "journey: {name: j, variables: [{name: a, source: secret}], steps: [{request: {url: /a}}]}"
    assert only_problem(text).code == "wrong_value"


LOGIN = """
journey:
  name: login
  inputs: [{name: user, required: true, type: string}, {name: realm, default: "main-{{ inputs.user }}"}]
  variables: [{name: secret, default: "{{ secrets.PASSWORD }}", sensitive: true}]
  steps:
    - id: token
      request: {method: POST, url: /t, body: {json: {user: "{{ inputs.user }}", in: "{{ variables.secret }}"}}}
      outputs: {access: {path: body.access, sensitive: true}}
    - {id: check, request: {url: "/c/{{ steps.token.outputs.access }}"}, outputs: {state: body.state}}
"""
OUTER = """
journey:
  name: j
  inputs: [{name: x}]
  steps:
    - {id: first, request: {url: /a}, outputs: {who: body.who}}
    - {id: in, type: sub_journey, journey: login, inputs: {user: "{{ steps.first.outputs.who }}"}}
    - id: last
      request: {url: "/{{ steps.in.outputs.access }}/{{ steps.in.check.outputs.state }}/{{ steps.in.token.status }}"}
"""


def test_a_sub_journey_is_inlined_under_the_id_of_its_step(compiled: Compiler) -> None:
    artifact = compiled(OUTER, login=LOGIN).artifact
    assert [step.id for step in artifact.steps] == ["first", "in.token", "in.check", "last"]
    last = artifact.steps[3]
    assert isinstance(last, HttpStep)
    assert [part for part in last.request.path if not isinstance(part, str)] == [
        StepReference("in.token", "outputs.access"),
        StepReference("in.check", "outputs.state"),
        StepReference("in.token", "status"),
    ]


def test_inputs_of_a_sub_journey_become_variables(compiled: Compiler) -> None:
    artifact = compiled(OUTER, login=LOGIN).artifact
    user = Reference(Namespace.VARIABLES, "in.user")
    by_name = {variable.name: variable for variable in artifact.variables}
    assert by_name["in.user"].default == StepReference("first", "outputs.who")
    assert by_name["in.user"].type is ValueType.STRING
    assert by_name["in.realm"].default == Text(("main-", user))
    assert by_name["in.secret"].sensitive
    assert artifact.requires.secrets == ("PASSWORD",)
    first = artifact.steps[0]
    assert isinstance(first, HttpStep)
    assert [capture.key for capture in first.captures] == ["outputs.who"]


def test_a_sub_journey_can_run_twice(compiled: Compiler) -> None:
    text = OUTER + "    - {id: again, type: sub_journey, journey: login, inputs: {user: b}}\n"
    assert [step.id for step in compiled(text, login=LOGIN).artifact.steps][-2:] == ["again.token", "again.check"]


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('{user: "{{ steps.first.outputs.who }}"}', "{}", "missing_required_value"),
        ("{user: ", "{usr: a, user: ", "undeclared_value"),
        ("steps.in.outputs.access", "steps.in.outputs.nothing", "unresolved_step_output"),
        ("steps.in.outputs.access", "steps.in.body.access", "invalid_reference"),
        ("steps.in.outputs.access", "steps.in.nowhere.outputs.access", "unresolved_step_output"),
        ("steps.in.outputs.access", "variables.secret", "invalid_reference"),
    ],
)
def test_an_invalid_use_of_a_sub_journey_is_refused(only_problem: OnlyProblem, old: str, new: str, code: str) -> None:
    assert only_problem(OUTER.replace(old, new), login=LOGIN).code == code


def test_journeys_that_run_each_other_are_refused(only_problem: OnlyProblem) -> None:
    other = "journey: {name: k, steps: [{id: b, type: sub_journey, journey: j}]}"
    problem = only_problem("journey: {name: j, steps: [{id: a, type: sub_journey, journey: k}]}", k=other)
    assert (problem.code, problem.cause) == ("journey_cycle", "j → k → j")


def test_halting_on_failure_applies_to_sub_journeys_too(compiled: Compiler) -> None:
    text = (
        "journey: {name: j, on_failure: halt, steps: [{id: in, type: sub_journey, journey: login, inputs: {user: a}}]}"
    )
    steps = compiled(text, login=LOGIN).artifact.steps
    assert [step.on_failure for step in steps if isinstance(step, HttpStep)] == [OnFailure.HALT] * 2


def test_an_output_of_several_inner_steps_must_be_read_from_one_step(only_problem: OnlyProblem) -> None:
    login = LOGIN.replace("{state: body.state}", "{access: body.state}")
    outer = OUTER.replace("steps.in.check.outputs.state", "steps.first.status")
    problem = only_problem(outer, login=login)
    assert (problem.code, problem.hint) == ("invalid_reference", "name one of them: `steps.in.check.outputs.access`")
