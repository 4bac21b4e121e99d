"""Overlays: what they change, in which order, and what they cannot name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from reqflo_ray._internal.compiler.compile import Compilation
from reqflo_ray._internal.errors import Problem
from reqflo_ray._internal.model.artifact import HttpStep, NoteStep
from reqflo_ray._internal.model.values import Literal

Compiler = Callable[..., Compilation]
OnlyProblem = Callable[..., Problem]

TEMPLATE = """
template:
  key: t
  url: /a
  values: [{name: p, in: query}, {name: q, in: query}]
  assertions: [{type: status_code, expected: 200}]
"""
JOURNEY = """
journey:
  name: j
  steps:
    - id: one
      template: t
      values: {p: 1, q: 2}
      retry: {count: 2}
      outputs: {a: body.a, b: body.b}
      assertions:
        - {type: body_contains, expected: x, id: x}
        - {type: body_contains, expected: y}
        - {type: body_contains, expected: z, id: z}
    - {id: two, request: {url: "/{{ steps.one.outputs.a }}"}}
"""


@pytest.fixture
def changed(compiled: Compiler) -> Callable[..., HttpStep]:
    def compile_with(*changes: str) -> HttpStep:
        compilation = compiled(JOURNEY, names(changes), t=TEMPLATE, o=overlays(changes))
        step = compilation.artifact.steps[0]
        assert isinstance(step, HttpStep)
        return step

    return compile_with


def names(changes: Sequence[str]) -> list[str]:
    return [f"o{number}" for number in range(len(changes))]


def overlays(changes: Sequence[str]) -> str:
    return "\n---\n".join(
        f"overlay: {{name: o{number}, journey: j, steps: {{one: {change}}}}}" for number, change in enumerate(changes)
    )


Changed = Callable[..., HttpStep]


def expected(step: HttpStep) -> list[object]:
    return [assertion.expected.value for assertion in step.assertions if isinstance(assertion.expected, Literal)]


def test_values_are_merged_by_key(changed: Changed) -> None:
    assert dict(changed("{values: {q: 3}}").request.query) == {"p": Literal(1), "q": Literal(3)}
    assert dict(changed("{values: {q: null}}").request.query) == {"p": Literal(1), "q": Literal(None)}


def test_other_fields_are_replaced(changed: Changed) -> None:
    step = changed("{retry: {delay: 1s}, name: New, timeout: 3s}")
    assert (step.retry.count, step.retry.delay_ms, step.name, step.timeouts.total_ms) == (0, 1000, "New", 3000)


def test_a_template_can_be_replaced_by_a_request(compiled: Compiler) -> None:
    overlay = "overlay: {name: o, journey: j, steps: {two: {template: t}}}"
    second = compiled(JOURNEY, ["o"], t=TEMPLATE, o=overlay).artifact.steps[1]
    assert isinstance(second, HttpStep)
    assert second.request.template == "t"


def test_outputs_are_removed_and_added(changed: Changed) -> None:
    step = changed("{outputs: {remove: [b], add: {a: body.other, c: status}}}")
    assert [(output.name, output.path) for output in step.outputs] == [("a", "$.other"), ("c", "")]


@pytest.mark.parametrize(
    ("change", "left"),
    [
        ("{replace: [{type: body_contains, expected: n}]}", [200, "n"]),
        ("{replace: []}", [200]),
        ("{add: [{type: body_contains, expected: n}]}", [200, "x", "y", "z", "n"]),
        ("{remove: [x]}", [200, "y", "z"]),
        ("{remove: [0, z]}", [200, "y"]),
        ("{remove: [1, 2]}", [200, "x"]),
        ("{replace: [{type: body_contains, expected: n, id: n}], add: [{type: header, name: h}], remove: [n]}", [200]),
    ],
)
def test_own_assertions_change_and_template_assertions_stay(changed: Changed, change: str, left: list[object]) -> None:
    assert expected(changed(f"{{assertions: {change}}}")) == left


def test_several_overlays_apply_in_order(changed: Changed) -> None:
    step = changed("{values: {p: 5, q: 5}, assertions: {remove: [0]}}", "{values: {q: 6}, assertions: {remove: [0]}}")
    assert dict(step.request.query) == {"p": Literal(5), "q": Literal(6)}
    assert expected(step) == [200, "z"]


def test_a_later_overlay_can_undo_a_skip(compiled: Compiler, changed: Changed) -> None:
    assert not changed("{skip: true}", "{skip: false}").skip
    skip_both = "overlay: {name: o, journey: j, steps: {one: {skip: true}, two: {skip: true}}}"
    steps = compiled(JOURNEY, ["o"], t=TEMPLATE, o=skip_both).artifact.steps
    assert all(isinstance(step, NoteStep) and step.skip for step in steps)


def test_a_skipped_step_needs_nothing(compiled: Compiler) -> None:
    needy = '{id: a, request: {url: "/{{ secrets.S }}/{{ env.e }}"}}'
    text = f"journey: {{name: j, steps: [{needy}, {{id: b, request: {{url: /b}}}}]}}"
    artifact = compiled(text, ["o"], o="overlay: {name: o, journey: j, steps: {a: {skip: true}}}").artifact
    assert (artifact.requires.secrets, artifact.requires.environment_keys) == ((), ())


def test_reading_a_skipped_step_is_an_error(only_problem: OnlyProblem) -> None:
    overlay = "overlay: {name: o, journey: j, steps: {one: {skip: true}}}"
    problem = only_problem(JOURNEY, ["o"], t=TEMPLATE, o=overlay)
    assert (problem.code, str(problem.position)) == ("unresolved_step_output", "j.yaml:14:34")


@pytest.mark.parametrize(
    ("overlay", "code", "place"),
    [
        ("{name: o, journey: j, steps: {on: {skip: true}}}", "unknown_step", "o.yaml:1:40"),
        ("{name: o, journey: j, steps: {one: {skp: true}}}", "unknown_key", "o.yaml:1:46"),
        ("{name: o, journey: j, steps: {one: {id: x}}}", "unknown_key", "o.yaml:1:46"),
        ("{name: o, journey: j, steps: {one: {outputs: {remove: [c]}}}}", "unknown_output", "o.yaml:1:65"),
        ("{name: o, journey: j, steps: {one: {outputs: {c: body}}}}", "unknown_key", "o.yaml:1:56"),
        ("{name: o, journey: j, steps: {one: {assertions: {remove: [3]}}}}", "unknown_assertion", "o.yaml:1:68"),
        ("{name: o, journey: j, steps: {one: {assertions: {remove: [q]}}}}", "unknown_assertion", "o.yaml:1:68"),
        ("{name: o, journey: j, steps: {one: {assertions: [{type: header, name: x}]}}}", "wrong_type", "o.yaml:1:58"),
        ("{name: o, journey: j, steps: {one: {values: {r: 1}}}}", "undeclared_value", "o.yaml:1:55"),
        ("{name: o, journey: j, steps: {one: {type: script}}}", "invalid_step", "o.yaml:1:52"),
        ("{name: o, journey: j, steps: {}}", "wrong_value", "o.yaml:1:39"),
    ],
)
def test_an_invalid_overlay_is_refused_at_its_own_place(
    only_problem: OnlyProblem, overlay: str, code: str, place: str
) -> None:
    problem = only_problem(JOURNEY, ["o"], t=TEMPLATE, o=f"overlay: {overlay}")
    assert (problem.code, str(problem.position)) == (code, place)


def test_an_overlay_of_another_journey_is_refused(only_problem: OnlyProblem) -> None:
    problem = only_problem(JOURNEY, ["o"], t=TEMPLATE, o="overlay: {name: o, journey: k, steps: {a: {skip: true}}}")
    assert (problem.code, problem.hint) == ("unknown_overlay", "use it with the journey `k`")


def test_overlays_of_different_journeys_may_share_a_name(compiled: Compiler) -> None:
    both = (
        "overlay: {name: o, journey: k, steps: {a: {skip: true}}}\n---\n"
        "overlay: {name: o, journey: j, steps: {two: {skip: true}}}"
    )
    assert compiled(JOURNEY, ["o"], t=TEMPLATE, o=both).artifact.steps[1].skip


NAMED = "journey: {name: j, overlays: [fits], steps: [{id: a, request: {url: /a}}]}"


def test_overlays_that_a_journey_names_exist_and_fit_it(compiled: Compiler) -> None:
    overlay = "overlay: {name: fits, journey: j, steps: {a: {skip: true}}}"
    found = compiled(NAMED, o=overlay)
    assert (found.problems, found.artifact.journey.overlays) == ((), ())


@pytest.mark.parametrize(
    ("overlay", "hint"),
    [
        ("overlay: {name: fit, journey: j, steps: {a: {skip: true}}}", "did you mean `fit`?"),
        ("overlay: {name: fits, journey: k, steps: {a: {skip: true}}}", "use it with the journey `k`"),
    ],
)
def test_a_named_overlay_that_does_not_exist_is_an_error_at_its_name(
    only_problem: OnlyProblem, overlay: str, hint: str
) -> None:
    problem = only_problem(NAMED, o=overlay)
    assert (problem.code, str(problem.position), problem.hint) == ("unknown_overlay", "j.yaml:1:31", hint)


def test_a_named_overlay_that_does_not_fit_causes_a_warning(compiled: Compiler) -> None:
    found = compiled(NAMED, o="overlay: {name: fits, journey: j, steps: {b: {skip: true}}}")
    assert [(problem.code, problem.severity.value) for problem in found.problems] == [("unknown_step", "warning")]
