"""Which step may read what: order, captures, requirements, cycles."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from reqflo_ray._internal.compiler.compile import Compilation
from reqflo_ray._internal.errors import Problem, Severity
from reqflo_ray._internal.model.artifact import Capture, CaptureRoot, HttpStep
from reqflo_ray._internal.model.values import Namespace, Reference, StepReference

Compiler = Callable[..., Compilation]
OnlyProblem = Callable[..., Problem]


def journey(reference: str, above: str = "", first: str = "") -> str:
    return f"""
journey:
  name: j
  inputs: [{{name: x}}]
  {above}
  steps:
    - {{id: one, name: The first, request: {{url: /a}}, outputs: {{o: body.o, "odd name": body.p}}{first}}}
    - {{id: two, request: {{url: '/b/{{{{ {reference} }}}}'}}, outputs: {{p: body.p}}}}
    - {{id: three, request: {{url: /c}}, outputs: {{p: body.p}}}}
"""


def first_step(compilation: Compilation) -> HttpStep:
    step = compilation.artifact.steps[0]
    assert isinstance(step, HttpStep)
    return step


def read_by_second(compilation: Compilation) -> object:
    step = compilation.artifact.steps[1]
    assert isinstance(step, HttpStep)
    return step.request.path[1]


@pytest.mark.parametrize(
    ("reference", "capture"),
    [
        ("steps.one.outputs.o", Capture(key="outputs.o", root=CaptureRoot.OUTPUTS, path=("o",))),
        ("steps.one.outputs.o.a[0]", Capture(key="outputs.o.a[0]", root=CaptureRoot.OUTPUTS, path=("o", "a", 0))),
        (
            'steps.one.outputs["odd name"]',
            Capture(key='outputs["odd name"]', root=CaptureRoot.OUTPUTS, path=("odd name",)),
        ),
        ("steps.one.body", Capture(key="body", root=CaptureRoot.BODY)),
        ("steps.one.body[0].id", Capture(key="body[0].id", root=CaptureRoot.BODY, path=(0, "id"))),
        ('steps["one"].body.a["b"]', Capture(key="body.a.b", root=CaptureRoot.BODY, path=("a", "b"))),
        (
            "steps.one.headers.X-Request-Id",
            Capture(key="headers.x-request-id", root=CaptureRoot.HEADERS, path=("x-request-id",)),
        ),
        ("steps.one.status", Capture(key="status", root=CaptureRoot.STATUS)),
    ],
)
def test_a_step_keeps_what_others_read_under_one_normalized_key(
    compiled: Compiler, reference: str, capture: Capture
) -> None:
    compilation = compiled(journey(reference))
    assert first_step(compilation).captures == (capture,)
    assert read_by_second(compilation) == StepReference("one", capture.key)


def test_a_reference_to_a_step_by_its_name_causes_a_warning(compiled: Compiler) -> None:
    compilation = compiled(journey('steps["The first"].outputs.o'))
    assert [(problem.code, problem.severity) for problem in compilation.problems] == [
        ("step_by_name", Severity.WARNING)
    ]
    assert read_by_second(compilation) == StepReference("one", "outputs.o")


@pytest.mark.parametrize(
    ("reference", "code", "hint"),
    [
        ("steps.two.outputs.p", "unresolved_step_output", "use a `json_path`"),
        ("steps.three.outputs.p", "unresolved_step_output", "move the step `three` up"),
        ("steps.on.outputs.o", "unresolved_step_output", "did you mean `one`?"),
        ("steps.one.outputs.oo", "unresolved_step_output", "did you mean `o`?"),
        ("steps.one.outputs", "invalid_reference", ""),
        ("steps.one.outputs[0]", "invalid_reference", ""),
        ("steps.one", "invalid_reference", "read `steps.one.outputs"),
        ("steps", "invalid_reference", "add it, for example"),
        ("steps.one.response.body", "invalid_reference", "read `steps.one.outputs"),
        ("steps.one.status.code", "invalid_reference", ""),
        ("steps.one.headers", "invalid_reference", "write `headers"),
        ("steps.one.headers.a.b", "invalid_reference", "write `headers"),
        ("inputs.y", "invalid_reference", "known: `x`"),
        ("input.x", "invalid_reference", "did you mean `inputs`?"),
        ("variables.x", "invalid_reference", "write `inputs.x`: it is declared under `inputs`"),
        ("inputs", "invalid_reference", "add it, for example"),
        ("x", "invalid_reference", "known: "),
        ("values.x", "invalid_reference", "use `inputs`"),
        ("secrets.A.B", "invalid_reference", "write only the name"),
        ("secrets", "invalid_reference", "add it, for example"),
        ("me.user.name", "invalid_reference", "write only the name"),
        ("run.name", "invalid_reference", "use `run.id`"),
        ("row.number", "invalid_reference", "use `run.id`"),
        ("env", "invalid_reference", "add it, for example"),
    ],
)
def test_a_reference_that_leads_nowhere_is_refused_at_its_place(
    only_problem: OnlyProblem, reference: str, code: str, hint: str
) -> None:
    problem = only_problem(journey(reference))
    assert (problem.code, str(problem.position)) == (code, "j.yaml:8:36")
    assert problem.hint.startswith(hint)


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("env.shop.version", Reference(Namespace.ENV, "shop", ("version",))),
        ("secrets.A", Reference(Namespace.SECRETS, "A")),
        ("me.user", Reference(Namespace.ME, "user")),
        ("run.id", Reference(Namespace.RUN, "id")),
        ("row.index", Reference(Namespace.ROW, "index")),
        ("row.key", Reference(Namespace.ROW, "key")),
        ("inputs.x.a[1]", Reference(Namespace.INPUTS, "x", ("a", 1))),
    ],
)
def test_every_namespace_can_be_read(compiled: Compiler, reference: str, found: Reference) -> None:
    assert read_by_second(compiled(journey(reference))) == found


def test_requirements_are_sorted_and_follow_declarations(compiled: Compiler) -> None:
    above = 'variables: [{name: v, default: "{{ secrets.B }}{{ variables.w }}"}, {name: w, default: "{{ env.z.y }}"}]'
    requires = compiled(journey("variables.v", above)).artifact.requires
    assert requires.secrets == ("B",)
    assert requires.environment_keys == ("z.y",)
    assert requires.services == ("shop",)
    unused = compiled(journey("me.user", above)).artifact.requires
    assert (unused.secrets, unused.me_keys) == ((), ("user",))


def test_a_step_reads_what_its_declarations_read(compiled: Compiler, only_problem: OnlyProblem) -> None:
    above = 'variables: [{name: v, default: "{{ steps.one.outputs.o }}"}]'
    assert [capture.key for capture in first_step(compiled(journey("variables.v", above))).captures] == ["outputs.o"]
    later = 'variables: [{name: v, default: "{{ steps.three.outputs.p }}"}]'
    problem = only_problem(journey("variables.v", later))
    assert (problem.code, str(problem.position)) == ("unresolved_step_output", "j.yaml:5:35")


@pytest.mark.parametrize(
    "above",
    [
        'variables: [{name: v, default: "{{ variables.v }}"}]',
        'variables: [{name: v, default: "{{ variables.w }}"}, {name: w, default: "{{ variables.v }}"}]',
    ],
)
def test_a_declaration_that_depends_on_itself_is_refused(
    refused: Callable[..., tuple[Problem, ...]], above: str
) -> None:
    assert {problem.code for problem in refused(journey("inputs.x", above))} == {"reference_cycle"}


@pytest.mark.parametrize(
    ("reference", "output", "sensitive"),
    [
        ("steps.one.outputs.s", "{path: body.a.b, sensitive: true}", True),
        ("steps.one.outputs.o", "{path: body.a.b, sensitive: true}", False),
        ("steps.one.body.a.b", "{path: body.a.b, sensitive: true}", True),
        ("steps.one.body.a.b.c", "{path: body.a.b, sensitive: true}", True),
        ("steps.one.body", "{path: body.a.b, sensitive: true}", True),
        ("steps.one.body.a.c", "{path: body.a.b, sensitive: true}", False),
        ("steps.one.body.a.c", "{path: 'body.a[*]', sensitive: true}", True),
        ("steps.one.body.a[3]", "{path: 'body.a[-1]', sensitive: true}", True),
        ("steps.one.headers.token", "{path: headers.Token, sensitive: true}", True),
        ("steps.one.headers.other", "{path: headers.Token, sensitive: true}", False),
        ("steps.one.status", "{path: status, sensitive: true}", True),
        ("steps.one.outputs.s", "{path: body.a.b}", False),
    ],
)
def test_a_sensitive_value_stays_sensitive_however_it_is_read(
    compiled: Compiler, reference: str, output: str, sensitive: bool
) -> None:
    text = journey(reference).replace("{o: body.o,", f"{{o: body.o, s: {output},")
    (capture,) = first_step(compiled(text)).captures
    assert capture.sensitive is sensitive


def test_an_expression_has_its_own_place_in_a_line_and_in_a_block(refused: Callable[..., tuple[Problem, ...]]) -> None:
    problems = refused(
        """
        journey:
          name: j
          steps:
            - id: a
              request:
                url: /a
                headers: {A: "{{ inputs.p }} and {{ inputs.q }} and {{ inputs.p }}"}
                body:
                  text: |
                    one
                    two {{ inputs.r }}
                    three {{ inputs.s | upper }}
        """
    )
    assert [(problem.code, str(problem.position)) for problem in problems] == [
        ("invalid_reference", "j.yaml:8:23"),
        ("invalid_reference", "j.yaml:8:42"),
        ("invalid_reference", "j.yaml:8:61"),
        ("invalid_expression", "j.yaml:13:31"),
    ]


def test_a_step_that_sends_nothing_cannot_be_read(only_problem: OnlyProblem) -> None:
    text = "journey: {name: j, steps: [{id: n, type: note, text: x}, {id: a, request: {url: '/{{ steps.n.status }}'}}]}"
    assert only_problem(text).code == "unresolved_step_output"
