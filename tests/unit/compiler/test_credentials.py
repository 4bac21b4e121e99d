"""A value of a response that a later request sends as a credential is sensitive, and the compiler warns of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from reqflo_ray._internal.compiler.compile import Compilation
from reqflo_ray._internal.model.artifact import HttpStep, Output

Compiler = Callable[..., Compilation]


def journey(second: str, outputs: str = "{t: body.token, id: body.id}", above: str = "") -> str:
    return f"""
journey:
  name: j
  {above}
  steps:
    - {{id: one, request: {{url: /a}}, outputs: {outputs}}}
    - {second}
"""


def sends(header: str, value: str) -> str:
    return f"{{id: two, request: {{url: /b, headers: {{{header}: '{value}'}}}}}}"


def outputs_of(compilation: Compilation, step: int = 0) -> tuple[Output, ...]:
    found = compilation.artifact.steps[step]
    assert isinstance(found, HttpStep)
    return found.outputs


def sensitive(compilation: Compilation, step: int = 0) -> list[str]:
    return [output.name for output in outputs_of(compilation, step) if output.sensitive]


def codes(compilation: Compilation) -> list[str]:
    return [problem.code for problem in compilation.problems]


T = "{{ steps.one.outputs.t }}"


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Authorization", f"Bearer {T}"),
        ("authorization", T),
        ("Proxy-Authorization", f"Basic {T}"),
        ("Cookie", f"sid={T}; theme=dark"),
        ("X-Api-Key", T),
        ("X-CSRF-Token", T),
        ("PRIVATE-TOKEN", T),
        ("X_AUTH_TOKEN", T),
        ("Token", T),
        ("Authorization", f"{{{{ steps.one.outputs.id }}}} {T}"),
    ],
)
def test_an_output_that_is_sent_as_a_credential_is_sensitive(compiled: Compiler, header: str, value: str) -> None:
    found = compiled(journey(sends(header, value)))
    assert sensitive(found) == ["t"]
    (problem,) = found.problems
    assert (problem.code, problem.severity.value) == ("taken_as_sensitive", "warning")
    assert (
        problem.message
        == f"`steps.one.outputs.t` is masked as sensitive, because step `two` sends it in the header `{header}`"
    )


@pytest.mark.parametrize(
    "second",
    [
        sends("X-Request-Id", T),
        sends("Idempotency-Key", T),
        sends("X-Monkey", T),
        sends("Tokens", T),
        f"{{id: two, request: {{url: /b, headers: {{X-Op-Key: '{T}'}}}}, idempotency: {{header: X-Op-Key}}}}",
        f"{{id: two, request: {{url: /b, query: {{token: '{T}'}}}}}}",
        sends("Authorization", "Bearer {{ secrets.KEY }}"),
        sends("X-Status-Key", "{{ steps.one.status }}"),
    ],
)
def test_an_output_that_is_not_sent_as_a_credential_is_not_sensitive(compiled: Compiler, second: str) -> None:
    found = compiled(journey(second))
    assert (sensitive(found), codes(found)) == ([], [])


@pytest.mark.parametrize(("written", "taken"), [("true", ["t"]), ("false", [])])
def test_sensitive_on_an_output_overrides_the_detection(compiled: Compiler, written: str, taken: list[str]) -> None:
    found = compiled(journey(sends("X-Api-Key", T), f"{{t: {{path: body.token, sensitive: {written}}}}}"))
    assert (sensitive(found), codes(found)) == (taken, [])


@pytest.mark.parametrize(
    ("reference", "path"),
    [
        ("steps.one.body.token", "$['token']"),
        ('steps.one.body.list[0]["odd \'key"]', "$['list'][0]['odd \\'key']"),
        ("steps.one.body", "$"),
        ("steps.one.headers.X-Token", "x-token"),
        ("steps.one.outputs.all.token", "$.tokens['token']"),
    ],
)
def test_a_credential_read_without_an_output_gets_an_output_of_its_own(
    compiled: Compiler, reference: str, path: str
) -> None:
    written = reference.replace("'", "''")
    found = compiled(journey(sends("Authorization", f"Bearer {{{{ {written} }}}}"), "{all: body.tokens}"))
    (hidden,) = [output for output in outputs_of(found) if output.sensitive]
    assert (hidden.path, hidden.required, hidden.name) == (path, False, hidden.name)
    assert codes(found) == ["taken_as_sensitive"]
    step = found.artifact.steps[0]
    assert isinstance(step, HttpStep) and [capture.sensitive for capture in step.captures] == [True]


def test_part_of_a_sensitive_output_causes_no_warning(compiled: Compiler) -> None:
    outputs = "{all: {path: body.tokens, sensitive: true}}"
    found = compiled(journey(sends("Authorization", "Bearer {{ steps.one.body.tokens.access }}"), outputs))
    assert ([output.name for output in outputs_of(found)], codes(found)) == (["all"], [])


@pytest.mark.parametrize(
    ("above", "between"),
    [
        (f"variables: [{{name: v, default: '{T}'}}]", ""),
        (f"variables: [{{name: w, default: '{T}'}}, {{name: v, default: 'Bearer {{{{ variables.w }}}}'}}]", ""),
        ("variables: [{name: v}]", f"{{id: set, type: set_variable, values: {{v: '{T}'}}}}\n    - "),
    ],
)
def test_a_credential_is_followed_through_variables(compiled: Compiler, above: str, between: str) -> None:
    found = compiled(journey(between + sends("Authorization", "{{ variables.v }}"), above=above))
    assert (sensitive(found), codes(found)) == (["t"], ["taken_as_sensitive"])


def test_a_credential_is_followed_through_templates(compiled: Compiler) -> None:
    template = (
        "template: {key: get, url: /b, headers: {Authorization: 'Bearer {{ values.token }}'}, values: [{name: token}]}"
    )
    found = compiled(journey(f"{{id: two, template: get, values: {{token: '{T}'}}}}"), t=template)
    assert sensitive(found) == ["t"]
    assert [str(problem.position) for problem in found.problems] == ["j.yaml:7:49"]


def test_a_header_that_a_template_value_becomes_counts_too(compiled: Compiler) -> None:
    template = "template: {key: get, url: /b, values: [{name: X-Api-Key, in: header}]}"
    found = compiled(journey(f"{{id: two, template: get, values: {{X-Api-Key: '{T}'}}}}"), t=template)
    assert sensitive(found) == ["t"]


def test_a_credential_is_followed_into_and_out_of_sub_journeys(compiled: Compiler) -> None:
    login = "journey: {name: login, steps: [{id: get, request: {url: /l}, outputs: {t: body.t}}]}"
    use = (
        "journey: {name: use, inputs: [{name: token}], steps: "
        "[{id: call, request: {url: /u, headers: {X-Token: '{{ inputs.token }}'}}}]}"
    )
    text = """
journey:
  name: j
  steps:
    - {id: l, type: sub_journey, journey: login}
    - {id: u, type: sub_journey, journey: use, inputs: {token: "{{ steps.l.outputs.t }}"}}
"""
    found = compiled(text, login=login, use=use)
    assert (sensitive(found), codes(found)) == (["t"], ["taken_as_sensitive"])
    assert found.problems[0].message.startswith(
        "`steps.l.get.outputs.t` is masked as sensitive, because step `u.call` sends it"
    )


def test_a_token_that_many_steps_send_is_reported_once(compiled: Compiler) -> None:
    steps = "\n    - ".join(sends("Authorization", f"Bearer {T}").replace("two", f"s{number}") for number in range(5))
    assert codes(compiled(journey(steps))) == ["taken_as_sensitive"]


def test_a_missing_output_is_one_error_and_no_warning(
    refused: Callable[..., tuple[object, ...]],
) -> None:
    assert len(refused(journey(sends("Authorization", "Bearer {{ steps.one.outputs.nothing }}")))) == 1
