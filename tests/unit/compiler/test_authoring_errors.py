"""Every mistake in the structure of a journey is reported at its exact place, all of them together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from reqflo_ray._internal.compiler.authoring.json_schema import document_schema
from reqflo_ray._internal.compiler.yaml.reader import read_documents
from reqflo_ray._internal.compiler.yaml.tree import plain
from reqflo_ray._internal.errors import Problem

Refused = Callable[..., tuple[Problem, ...]]

EXAMPLES = Path(__file__).parents[3] / "examples"


def journey(step: str, above: str = "") -> str:
    return f"journey:\n  name: j\n  steps:\n    - {step}\n{above}"


@pytest.mark.parametrize(
    ("step", "code", "place", "hint"),
    [
        ("{id: a, request: {url: /a}, retries: 2}", "unknown_key", "4:35", "did you mean `retry`?"),
        ("{id: a, request: {url: /a, methud: GET}}", "unknown_key", "4:34", "did you mean `method`?"),
        ("{id: a, request: {url: /a, method: get}}", "wrong_value", "4:42", "did you mean `GET`?"),
        ("{id: a, request: {method: GET}}", "missing_key", "4:24", "add `url:`"),
        ("{id: a b, request: {url: /a}}", "wrong_value", "4:12", ""),
        ("{id: a, name: 12, request: {url: /a}}", "wrong_type", "4:21", "put it in quotes"),
        ("{id: a, request: {url: /a}, flaky: yes}", "wrong_type", "4:42", ""),
        ("{id: a, request: {url: /a}, retry: {count: 1.5}}", "wrong_type", "4:50", ""),
        ("{id: a, request: {url: /a}, retry: {count: -1}}", "wrong_value", "4:50", ""),
        ("{id: a, request: {url: /a}, retry: {delay: 200}}", "wrong_type", "4:50", ""),
        ("{id: a, request: {url: /a}, retry: {delay: 2 days}}", "wrong_value", "4:50", ""),
        ("{id: a, request: {url: /a}, retry: {causes: [eror]}}", "wrong_value", "4:52", "did you mean `error`?"),
        ("{id: a, request: {url: /a}, retry: {backoff: quick}}", "wrong_value", "4:52", "known: "),
        ("{id: a, request: {url: /a}, timeout: 30}", "wrong_type", "4:44", ""),
        ("{id: a, request: {url: /a}, timeout: {total: 25h}}", "wrong_value", "4:52", ""),
        ("{id: a, request: {url: /a}, on_interrupt: retry}", "wrong_value", "4:49", ""),
        ("{id: a, request: {url: /a}, assertions: {type: x}}", "wrong_type", "4:47", ""),
        ("{id: a, request: {url: /a}, assertions: [{type: statuscode}]}", "wrong_value", "4:55", "did you mean"),
        ("{id: a, request: {url: /a}, outputs: {o: {paht: x}}}", "unknown_key", "4:49", "did you mean `path`?"),
        ("{id: a, request: {url: /a}, outputs: [{name: o}]}", "missing_key", "4:45", "add `path:`"),
        ("{id: a, request: {url: /a}, idempotency: {haeder: X}}", "unknown_key", "4:49", "did you mean `header`?"),
        ('{id: a, request: {url: /a}, idempotency: {header: "a b"}}', "wrong_value", "4:57", ""),
        ('{id: a, request: {url: /a, body: {text: a, content_type: "a\\r\\nB: c"}}}', "wrong_value", "4:64", ""),
        ("{id: a, request: {url: /a}, timeout: 0s}", "wrong_value", "4:44", ""),
        ("a", "wrong_type", "4:7", ""),
    ],
)
def test_a_mistake_in_a_step_is_reported_at_its_place(
    refused: Refused, step: str, code: str, place: str, hint: str
) -> None:
    problems = refused(journey(step))
    found = {(problem.code, str(problem.position)) for problem in problems}
    assert (code, f"j.yaml:{place}") in found
    assert any(problem.hint.startswith(hint) for problem in problems if problem.code == code)
    assert all(problem.position and problem.position.text for problem in problems)


def test_a_url_may_have_8000_characters(compiled: Callable[..., Any], refused: Refused) -> None:
    long = f"{{id: a, request: {{url: '/{'a' * 7_999}'}}}}"
    assert compiled(journey(long)).artifact.steps
    [problem] = refused(journey(long.replace("'/", "'//")))
    assert (problem.code, str(problem.position)) == ("wrong_value", "j.yaml:4:30")
    assert problem.message == "`url` is too long: 8,001 characters, at most 8,000 are allowed"


def test_template_names_and_paths_have_limits_of_their_own(compiled: Callable[..., Any]) -> None:
    url = f"/{'a' * 500}"
    step = f"{{id: a, template: 'GET {url}', outputs: {{o: 'body.{'a' * 500}'}}}}"
    assert compiled(journey(step), t=f"template: {{key: t, url: '{url}'}}").artifact.steps


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (f"{{id: {'a' * 201}, request: {{url: /a}}}}", "`id` is too long: 201 characters, at most 100 are allowed"),
        (
            f"{{id: a, request: {{url: /a}}, outputs: {{o: 'body.{'a' * 10_000}'}}}}",
            "`path` is too long: 10,005 characters, at most 10,000 are allowed",
        ),
    ],
)
def test_a_value_that_is_too_long_is_reported_with_both_lengths(refused: Refused, step: str, message: str) -> None:
    assert [problem.message for problem in refused(journey(step))] == [message]


def test_all_mistakes_are_reported_together(refused: Refused) -> None:
    problems = refused(
        """
        journey:
          name: j
          versoin: "1"
          inputs: [{required: true}]
          steps:
            - {id: a, request: {url: /a}, timeout: 3}
            - {id: b, request: {url: 5}}
        """
    )
    assert sorted(problem.code for problem in problems) == ["missing_key", "unknown_key", "wrong_type", "wrong_type"]


def test_mistakes_of_structure_and_of_meaning_are_reported_together(refused: Refused) -> None:
    problems = refused(
        """
        journey:
          name: j
          steps:
            - {id: a, request: {url: "/{{ inputs.x }}"}, outputs: {o: nowhere}}
            - {id: b, template: nothing}
            - {id: c, request: {url: "/{{ steps.d.outputs.x }}"}}
        """
    )
    assert [problem.code for problem in problems] == [
        "invalid_reference",
        "invalid_path",
        "unknown_template",
        "unresolved_step_output",
    ]


def test_a_journey_needs_a_name_and_steps(refused: Refused) -> None:
    assert [problem.code for problem in refused("journey: {name: j, steps: []}")] == ["wrong_value"]
    assert [problem.code for problem in refused("journey: {name: j}")] == ["missing_key"]


def test_access_metadata_is_accepted_and_ignored(compiled: Callable[..., Any]) -> None:
    plain_digest = compiled("journey: {name: j, steps: [{id: a, request: {url: /a}}]}").digest
    access = "owners: [a], editors: [b], viewers: [c], private: true"
    assert compiled(f"journey: {{name: j, {access}, steps: [{{id: a, request: {{url: /a}}}}]}}").digest == plain_digest


def test_a_name_declared_twice_is_refused(refused: Refused) -> None:
    (problem,) = refused(
        "journey:\n  name: j\n  inputs: [{name: x}]\n  variables: [{name: x}]\n  steps: [{id: a, request: {url: /a}}]"
    )
    assert (problem.code, str(problem.position)) == ("duplicate_name", "j.yaml:4:22")


def validator() -> Any:
    return jsonschema_rs.validator_for(document_schema())


@pytest.mark.parametrize("file", sorted(EXAMPLES.rglob("*.y*ml")), ids=lambda file: str(file.relative_to(EXAMPLES)))
def test_the_json_schema_accepts_every_example(file: Path) -> None:
    for document in read_documents(file.read_bytes(), file.name):
        assert [str(error) for error in validator().iter_errors(_with_floats(plain(document)))] == []


def test_the_json_schema_accepts_the_short_forms() -> None:
    assert validator().is_valid(
        {
            "journey": {
                "name": "j",
                "variables": [{"name": "v", "value": 1}],
                "steps": [
                    {
                        "template": "t",
                        "timeout": "2s",
                        "idempotency": True,
                        "outputs": {"o": "$.body.x"},
                        "assertions": [
                            {"type": "header", "header": "x", "value": "y"},
                            {"type": "response_time", "max": "200ms"},
                        ],
                    }
                ],
            }
        }
    )


@pytest.mark.parametrize(
    ("proxy", "valid"),
    [
        ("http://h:1", True),
        ("none", True),
        (None, True),
        ({"url": "none"}, True),
        ({"url": "http://h", "bypass": "a,b"}, True),
        ({"url": "http://h", "username": "u", "password": "{{ secrets.P }}", "bypass": ["localhost", ".b"]}, True),
        (1, False),
        (True, False),
        ([], False),
        ({}, False),
        ({"url": "http://h", "user": "u"}, False),
        ({"url": "h", "bypass": [1]}, False),
    ],
)
def test_the_json_schema_knows_a_proxy_and_its_short_form(proxy: Any, valid: bool) -> None:
    assert validator().is_valid({"workspace": {"http": {"proxy": proxy}}}) is valid
    assert validator().is_valid({"environment": {"name": "e", "proxy": proxy}}) is valid


def test_the_json_schema_refuses_an_unknown_key() -> None:
    assert not validator().is_valid({"journey": {"name": "j", "stepz": []}})
    assert not validator().is_valid({"workspace": {"http": {"engine": "aiohtp"}}})


def _with_floats(value: Any) -> Any:
    import json
    from decimal import Decimal

    return json.loads(json.dumps(value, default=lambda item: float(item) if isinstance(item, Decimal) else item))


def test_a_mistake_does_not_hide_another_one_elsewhere(refused: Refused) -> None:
    found = refused(
        """
        journey:
          name: j
          inputs:
            - {name: x, requird: true}
            - {name: y, type: strng}
          steps:
            - {id: a, templat: nope}
            - {id: b, template: nope}
            - {id: c, request: {url: "/{{ steps.a.status }}/{{ inputs.x }}/{{ inputs.y }}/{{ inputs.z }}"}}
        """
    )
    assert sorted((problem.code, problem.position.line) for problem in found if problem.position) == [
        ("invalid_reference", 10),
        ("unknown_key", 5),
        ("unknown_key", 8),
        ("unknown_template", 9),
        ("wrong_value", 6),
    ]
    assert len(found) == 5


@pytest.mark.parametrize(
    "text",
    [
        "journey: {name: j, steps: [1, {id: a, request: {url: /a}}]}",
        "journey: {name: j, steps: {a: 1}}",
        "journey: {name: j}",
        "journey: {name: j, stps: [{id: a, request: {url: '/{{ inputs.x }}'}}]}",
        "journey: {name: j, inputs: [{nme: x}], steps: [{id: a, request: {url: /a}}]}",
        "journey: {name: j, inputs: 5, steps: [{id: a, request: {url: /a}}]}",
    ],
)
def test_a_part_that_cannot_be_examined_is_reported_once(text: str, refused: Refused) -> None:
    found = refused(text)
    assert len({problem.position for problem in found}) == len(found)
    assert {problem.code for problem in found} <= {"wrong_type", "missing_key", "unknown_key"}
