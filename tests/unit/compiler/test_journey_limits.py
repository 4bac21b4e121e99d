"""A journey that multiplies itself is refused where it does so, before it is expanded: no test here may take long."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise

import pytest

from reqflo_ray._internal.compiler.compile import Compilation
from reqflo_ray._internal.compiler.workspace.files import Selection
from reqflo_ray._internal.compiler.yaml.problems import Problems
from reqflo_ray._internal.errors import DefinitionError, Problem
from reqflo_ray._internal.model.limits import MAX_EXPRESSION, MAX_NESTING, MAX_PROBLEMS, MAX_STEPS, subschemas
from reqflo_ray._internal.model.names import suggestion

Compiler = Callable[..., Compilation]
Refused = Callable[..., tuple[Problem, ...]]
OnlyProblem = Callable[..., Problem]

REQUEST = "{id: a, request: {url: /x}}"


def journey(name: str, *steps: str) -> str:
    return f"---\njourney:\n  name: {name}\n  steps:\n" + "".join(f"    - {step}\n" for step in steps)


def calls(name: str, times: int = 1) -> list[str]:
    return [f"{{id: s{number}, type: sub_journey, journey: {name}}}" for number in range(times)]


def chain(length: int, first: str = "j") -> str:
    """Return `length` journeys `first`, `c1`, `c2` …, each of which runs the next."""
    names = [first, *(f"c{number}" for number in range(1, length))]
    inner = [journey(one, *calls(other)) for one, other in pairwise(names)]
    return "".join([*inner, journey(names[-1], REQUEST)])


def tree(levels: int, width: int) -> str:
    names = ["j", *(f"k{number}" for number in range(1, levels))]
    inner = [journey(one, *calls(other, width)) for one, other in pairwise(names)]
    return "".join([*inner, journey(names[-1], REQUEST)])


def test_sub_journeys_that_multiply_are_refused_where_they_exceed_the_limit(only_problem: OnlyProblem) -> None:
    started = time.process_time()
    problem = only_problem(tree(8, 10))
    assert (problem.code, str(problem.position)) == ("journey_limit", "j.yaml:51:7")
    assert problem.message == "with this step the journey `k3` has more than 10,000 steps"
    assert time.process_time() - started < 2


def test_sub_journeys_with_ten_to_the_thirty_steps_are_not_expanded(only_problem: OnlyProblem) -> None:
    started = time.process_time()
    assert only_problem(tree(30, 10)).code == "journey_limit"
    assert time.process_time() - started < 5


def test_a_journey_of_the_largest_allowed_size_is_compiled(compiled: Compiler) -> None:
    inner = journey("k", *([REQUEST.replace("id: a", f"id: a{number}") for number in range(99)]))
    assert len(compiled(journey("j", *calls("k", 5)) + inner).artifact.steps) == 495


def test_one_step_too_many_is_refused(only_problem: OnlyProblem) -> None:
    # 100 calls of 99 steps each are 100 + 9,900.
    notes = [f"{{id: n{number}, type: note, text: x}}" for number in range(99)]
    text = journey("j", *calls("k", MAX_STEPS // 100), REQUEST) + journey("k", *notes)
    problem = only_problem(text)
    assert (problem.code, str(problem.position)) == ("journey_limit", "j.yaml:105:7")


def test_journeys_may_be_nested_as_deeply_as_the_limit(compiled: Compiler) -> None:
    assert len(compiled(chain(MAX_NESTING)).artifact.steps) == 1


@pytest.mark.parametrize("length", [MAX_NESTING + 1, 500])
def test_a_longer_chain_of_journeys_is_refused_at_its_place(only_problem: OnlyProblem, length: int) -> None:
    problem = only_problem(chain(length))
    assert (problem.code, problem.message) == ("journey_limit", "journeys are nested more than 32 levels deep")
    assert problem.position is not None
    assert problem.position.text.strip().startswith("- {id: s0, type: sub_journey, journey: c")


def test_a_long_chain_that_an_overlay_calls_is_refused(refused: Refused) -> None:
    text = journey("j", *calls("d")) + journey("d", REQUEST) + chain(40, first="c0")
    overlay = "overlay: {name: o, journey: j, steps: {s0: {journey: c0}}}"
    assert [problem.code for problem in refused(text, overlays=("o",), o=overlay)] == ["journey_limit"]


def test_a_step_that_an_overlay_skips_does_not_count(compiled: Compiler) -> None:
    overlay = "overlay: {name: o, journey: j, steps: {s0: {skip: true}}}"
    text = chain(40)
    assert len(compiled(text, overlays=("o",), o=overlay).artifact.steps) == 1


def test_journeys_that_all_run_each_other_are_refused_quickly(only_problem: OnlyProblem) -> None:
    names = ["j", *(f"k{number}" for number in range(30))]
    text = "".join(
        journey(one, *(f"{{id: to-{other}, type: sub_journey, journey: {other}}}" for other in names if other != one))
        for one in names
    )
    started = time.process_time()
    assert only_problem(text).code == "journey_cycle"
    assert time.process_time() - started < 2


@pytest.mark.parametrize("steps", [50, 500])
def test_a_large_template_counts_for_every_step_that_uses_it(refused: Refused, steps: int) -> None:
    template = f"template: {{key: t, method: POST, url: /x, body: {{json: [{'1,' * 5000}]}}}}"
    text = journey("j", *(f"{{id: s{number}, template: t}}" for number in range(steps)))
    (problem,) = refused(text, t=template)
    assert problem.message == "with this step the journey `j` has more than 200,000 values"
    assert problem.position is not None and problem.position.line < 50


def test_long_texts_of_a_template_count_too(refused: Refused) -> None:
    template = f"template: {{key: t, method: POST, url: /x, body: {{text: '{'x' * 900_000}'}}}}"
    (problem,) = refused(journey("j", *(f"{{id: s{number}, template: t}}" for number in range(50))), t=template)
    assert problem.message == "with this step the journey `j` has more than 32 MiB of text"


def declared(defaults: dict[str, str]) -> str:
    return "  variables:\n" + "".join(f"    - {{name: {name}, default: {text}}}\n" for name, text in defaults.items())


def test_steps_that_each_read_all_declarations_are_refused(refused: Refused) -> None:
    names = [f"v{number}" for number in range(520)]
    everything = "[" + ", ".join(f"'{{{{ variables.{name} }}}}'" for name in names) + "]"
    head = declared(dict.fromkeys(names, "x") | {"all": everything})
    notes = [f"{{id: n{number}, type: note, text: '{{{{ variables.all }}}}'}}" for number in range(500)]
    text = journey("j", *notes).replace("  steps:\n", f"{head}  steps:\n")
    (problem,) = refused(text)
    assert problem.code == "journey_limit"
    assert problem.message.startswith("the steps read more than 250,000 values")
    assert problem.position is not None


@pytest.mark.parametrize("size", [1, 2, 500])
def test_only_declarations_that_are_part_of_a_cycle_are_reported(refused: Refused, size: int) -> None:
    ring = {f"v{number}": f"'{{{{ variables.v{(number + 1) % size} }}}}'" for number in range(size)}
    head = declared(ring | {"to": "'{{ variables.v0 }}'", "plain": "x"})
    text = journey("j", "{id: n, type: note, text: '{{ variables.to }}'}").replace("  steps:\n", f"{head}  steps:\n")
    problems = refused(text)
    assert {problem.code for problem in problems} <= {"reference_cycle", "too_many_errors"}
    assert "`variables.to` depends on itself" not in [problem.message for problem in problems]
    assert len(problems) == (size if size < MAX_PROBLEMS else MAX_PROBLEMS + 2)


LONG = {
    "path": "{type: json_path, path: '$%s', operator: exists}" % (".a" * MAX_EXPRESSION),
    "nested path": "{type: json_path, path: '$%s', operator: exists}" % ("[?@" * 600 + "]" * 600),
    "pattern": "{type: json_path, path: $.a, operator: matches, expected: '%s'}" % ("a|" * MAX_EXPRESSION),
    "header's pattern": "{type: header, name: x, operator: matches, expected: '%s'}" % ("(" * (MAX_EXPRESSION + 1)),
    "expression": "{type: body_equals, expected: '{{ run.id%s }}'}" % (" " * MAX_EXPRESSION),
}


@pytest.mark.parametrize("name", LONG)
def test_an_excessively_long_path_pattern_or_expression_is_refused(only_problem: OnlyProblem, name: str) -> None:
    step = f"{{id: a, request: {{url: /x}}, assertions: [{LONG[name]}]}}"
    problem = only_problem(journey("j", step))
    assert problem.code == "journey_limit"
    assert problem.position is not None
    assert (problem.position.file, problem.position.line) == ("j.yaml", 5)


def test_tens_of_thousands_of_expressions_in_one_text_keep_their_places(compiled: Compiler) -> None:
    started = time.process_time()
    text = "{{ run.id }}" * 5_000 + "{{ row.key }}"
    found = compiled(journey("j", f"{{id: n, type: note, text: '{text}'}}")).uses
    assert str(found.first("row.key")) == f"j.yaml:5:{len('    - {id: n, type: note, text: ') + 2 + 12 * 5_000}"
    assert time.process_time() - started < 5


@pytest.mark.parametrize("ranges", ["[\\u0100-\\uffff]" * 600, "[Ā-\ufffd]" * 1500, "[\\U00000000-\\U0010ffff]" * 3])
@pytest.mark.parametrize("flag", ["", "(?i)"])
def test_a_pattern_with_ranges_that_compile_too_slowly_is_refused(
    only_problem: OnlyProblem, ranges: str, flag: str
) -> None:
    assertion = f"{{type: json_path, path: $.a, operator: matches, expected: '{flag}{ranges}'}}"
    started = time.process_time()
    problem = only_problem(journey("j", f"{{id: a, request: {{url: /x}}, assertions: [{assertion}]}}"))
    assert problem.message == "the pattern has ranges of more than 2,000,000 characters"
    assert time.process_time() - started < 2


@pytest.mark.parametrize("pattern", ["[a-z]" * 1000, "[\\u4e00-\\u9fff]" * 50, "a-z-0-9", "[\\0-\\x7f]"])
def test_patterns_with_ordinary_ranges_are_accepted(compiled: Compiler, pattern: str) -> None:
    assertion = f"{{type: json_path, path: $.a, operator: matches, expected: '{pattern}'}}"
    assert compiled(journey("j", f"{{id: a, request: {{url: /x}}, assertions: [{assertion}]}}")).digest


def schema(text: str) -> str:
    return journey("j", f"{{id: a, request: {{url: /x}}, assertions: [{{type: json_schema, schema: {text}}}]}}")


def multiplying(levels: int, keyword: str) -> str:
    definitions = [
        f"a{number}: {{{keyword}: [{', '.join([f'{{$ref: {chr(34)}#/$defs/a{number + 1}{chr(34)}}}'] * 10)}]}}"
        for number in range(levels)
    ]
    return f"{{$ref: '#/$defs/a0', $defs: {{{', '.join(definitions)}, a{levels}: {{type: string}}}}}}"


@pytest.mark.parametrize("keyword", ["allOf", "anyOf", "oneOf"])
def test_a_json_schema_that_multiplies_itself_is_refused(only_problem: OnlyProblem, keyword: str) -> None:
    problem = only_problem(schema(multiplying(30, keyword)))
    assert problem.message == "more than 10,000 subschemas of this JSON Schema apply to the same value"
    assert problem.position is not None and problem.position.line == 5


@pytest.mark.parametrize(
    "text",
    [
        "{$ref: '#'}",
        "{type: object, properties: {child: {$ref: '#'}, other: {$ref: '#'}, more: {items: {$ref: '#'}}}}",
        "{allOf: [{$ref: '#/$defs/a'}], $defs: {a: {anyOf: [{$ref: '#/$defs/a'}, {type: 'null'}]}}}",
        multiplying(3, "allOf"),
    ],
)
def test_a_recursive_or_ordinary_json_schema_is_accepted(compiled: Compiler, text: str) -> None:
    assert compiled(schema(text)).digest


def test_a_chain_of_thousands_of_references_is_counted_without_recursion() -> None:
    definitions: dict[str, object] = {f"a{number}": {"$ref": f"#/$defs/a{number + 1}"} for number in range(5000)}
    # The end of the chain, and each reference that leads to it.
    assert subschemas({"$ref": "#/$defs/a0", "$defs": {**definitions, "a5000": True}}) == 5002
    assert subschemas({"$ref": "#/$defs/a~1b/0", "$defs": {"a/b": [{"not": {}}]}}) == 3
    assert subschemas({"$ref": "#/nowhere/1/2"}) == 1
    assert subschemas(True) == 0


def test_too_many_errors_end_the_search_and_are_reported(refused: Refused) -> None:
    steps = [f"{{id: n{number}, type: note, text: '{{{{ steps.m{number}.status }}}}'}}" for number in range(400)]
    started = time.process_time()
    problems = refused(journey("j", *steps))
    assert len(problems) == MAX_PROBLEMS + 2
    assert [problem.message for problem in problems if problem.code == "too_many_errors"] == [
        f"there are more than {MAX_PROBLEMS} errors"
    ]
    assert time.process_time() - started < 10


def test_of_thousands_of_unknown_keys_only_the_first_are_reported(refused: Refused) -> None:
    keys = ", ".join(f"k{number}: 1" for number in range(1000))
    started = time.process_time()
    problems = refused(journey("j", f"{{id: a, request: {{url: /x}}, {keys}}}"))
    assert {problem.code for problem in problems} <= {"unknown_key", "too_many_errors"}
    assert len(problems) <= MAX_PROBLEMS + 2
    assert time.process_time() - started < 5


def test_warnings_and_repeated_findings_do_not_end_the_search() -> None:
    problems = Problems(most=2)
    for number in range(10):
        problems.warning("w", f"{number}", None)
        problems.error("e", "the same", None)
    problems.error("e", "another", None)
    assert problems.errors == 2
    with pytest.raises(DefinitionError) as caught:
        problems.error("e", "one more", None)
    assert [problem.code for problem in caught.value.problems][:4] == ["e", "e", "e", "too_many_errors"]


def test_no_suggestion_is_searched_among_too_many_names() -> None:
    names = [f"name{number}" for number in range(20_000)]
    started = time.process_time()
    for _ in range(20):
        assert suggestion("nam17", names).startswith("known: ")
    assert suggestion("x" * 100_000, ["x" * 100_001]).startswith("known: ")
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    ("pattern", "path", "taken"),
    [
        ("**/a/" * 14 + "b", "a/" * 40 + "c", False),
        ("**/a/" * 14 + "b", "a/" * 40 + "b", True),
        ("**/" * 30 + "x", "y/" * 60 + "z", False),
        ("*a" * 40 + "b", "a" * 200, False),
        ("**", "a/b", True),
        ("a/**/b", "a/b/c", True),
        ("a/**/b", "a/x/y/b/c", True),
        ("a/**/b", "a/x/y", False),
        ("a", "a/b", True),
        ("a/b", "a", False),
    ],
)
def test_matching_a_file_pattern_takes_no_exponential_time(pattern: str, path: str, taken: bool) -> None:
    started = time.process_time()
    assert Selection(include=(pattern,)).takes(path.split("/")) == taken
    assert time.process_time() - started < 1
