"""Values that their definitions alone make too large, or that define themselves, are told before anything is sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import reqflo_ray
from reqflo_ray import Journey, Target
from reqflo_ray._internal.errors import DefinitionError, Problem
from reqflo_ray._internal.model.limits import MAX_CHAIN, MAX_RENDERED, MAX_STEPS

Check = Callable[..., tuple[Problem, ...]]

ENVIRONMENT = (
    "workspace: {name: w, defaults: {environment: e}}\n---\n"
    "environment: {name: e, services: {s: {base_url: 'http://x'}}"
)


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Checks a journey of these variables and steps, in an environment of these values."""

    def of(variables: dict[str, str], *steps: str, env: dict[str, str] | None = None, **selection: Any) -> Any:
        values = ", ".join(f"{name}: {text}" for name, text in (env or {"unused": "x"}).items())
        (tmp_path / "reqflo.yaml").write_text(f"{ENVIRONMENT}, values: {{{values}}}}}\n" + selection.pop("more", ""))
        declared = "".join(f"    - {{name: {name}, default: {text}}}\n" for name, text in variables.items())
        (tmp_path / "j.yaml").write_text(
            "journey:\n  name: j\n  variables:\n" + declared + "  steps:\n" + "".join(f"    - {one}\n" for one in steps)
        )
        return reqflo_ray.check(Journey("j", workspace=tmp_path, **selection))

    return of


def doubling(root: str, levels: int) -> dict[str, str]:
    twice = {f"v{n}": "'" + f"{{{{ {root}.v{n - 1} }}}}" * 2 + "'" for n in range(1, levels)}
    return {"v0": "x" * 8} | twice


def note(text: str) -> str:
    return f"{{id: n, type: note, text: '{text}'}}"


def test_variables_that_double_are_refused_where_they_become_too_large(check: Check) -> None:
    (problem,) = check(doubling("variables", 60), note("{{ variables.v59 }}"))
    assert (problem.code, problem.message) == ("journey_limit", "`variables.v21` expands to more than 8 MiB of text")
    assert str(problem.position).endswith("j.yaml:25:7")


def test_variables_that_come_to_just_what_is_allowed_are_taken(check: Check) -> None:
    assert MAX_RENDERED == 8 * 2**20
    assert check(doubling("variables", 21), note("{{ variables.v20 }}")) == ()


def test_what_no_step_reads_may_be_as_large_as_it_likes(check: Check) -> None:
    assert check(doubling("variables", 60), note("{{ variables.v3 }}")) == ()


def test_lists_of_lists_that_double_are_refused_too(check: Check) -> None:
    lists = {f"v{n}": f"['{{{{ variables.v{n - 1} }}}}', '{{{{ variables.v{n - 1} }}}}']" for n in range(1, 40)}
    body = "{id: a, request: {service: s, method: POST, url: /x, body: {json: '{{ variables.v39 }}'}}}"
    (problem,) = check({"v0": "[1, 2]"} | lists, body)
    assert problem.code == "journey_limit"


def test_an_environment_that_doubles_is_refused_where_it_is_written(check: Check) -> None:
    (problem,) = check({"a": "x"}, note("{{ env.v59 }}"), env=doubling("env", 60))
    assert problem.message == "`env.v21` expands to more than 8 MiB of text"
    assert problem.position is not None and problem.position.file.endswith("reqflo.yaml")


def test_a_variable_that_steps_double_again_and_again_is_refused_at_the_step(check: Check) -> None:
    twice = "{type: set_variable, values: {v: '{{ variables.v }}{{ variables.v }}'}}"
    (problem,) = check({"v": "x" * 8}, *[twice] * 60)
    assert problem.message == "step `step-21` expands to more than 8 MiB of text"
    assert str(problem.position).endswith("j.yaml:26:7")


def test_two_variables_that_steps_let_double_by_way_of_each_other_are_refused(check: Check) -> None:
    back = "{type: set_variable, values: {v: '{{ variables.w }}'}}"
    (problem,) = check({"v": "x" * 8, "w": "'{{ variables.v }}{{ variables.v }}'"}, *[back] * 60)
    assert problem.code == "journey_limit"


def test_one_step_that_reads_a_large_value_many_times_is_refused(check: Check) -> None:
    parts = ", ".join(["'{{ variables.v }}'"] * 20)
    body = f"{{id: a, request: {{service: s, method: POST, url: /x, body: {{json: [{parts}]}}}}}}"
    (problem,) = check({"v": "x" * 500_000}, body)
    assert problem.message == "step `a` expands to more than 8 MiB of text"


def chain(root: str, length: int) -> dict[str, str]:
    return {"v0": "x"} | {f"v{n}": f"'{{{{ {root}.v{n - 1} }}}}'" for n in range(1, length)}


@pytest.mark.parametrize("root", ["variables", "env"])
@pytest.mark.parametrize("length", [MAX_CHAIN, MAX_CHAIN + 1, 2000])
def test_definitions_may_read_one_another_so_many_times_and_no_more(check: Check, root: str, length: int) -> None:
    definitions = chain(root, length)
    of = {"env": definitions} if root == "env" else {}
    found = check(definitions if root == "variables" else {"a": "x"}, note(f"{{{{ {root}.v{length - 1} }}}}"), **of)
    assert [problem.code for problem in found] == ["journey_limit"] * (length > MAX_CHAIN)
    for problem in found:
        assert problem.message.startswith(
            f"`{root}.v{length - 1}` is at the end of a chain of more than 64 declarations"
        )
        assert problem.position is not None


def test_as_long_a_chain_as_is_allowed_can_be_run(check: Check, tmp_path: Path) -> None:
    assert check(chain("variables", MAX_CHAIN), note(f"{{{{ variables.v{MAX_CHAIN - 1} }}}}")) == ()
    store = str(tmp_path / "store")
    outcome = reqflo_ray.run(Journey("j", workspace=tmp_path), target=Target(backend="local", store=store))
    assert outcome.exit_code == 0


@pytest.mark.parametrize("size", [1, 2, 50])
def test_an_environment_that_is_defined_by_itself_is_refused(check: Check, size: int) -> None:
    ring = {f"v{n}": f"'{{{{ env.v{(n + 1) % size} }}}}'" for n in range(size)}
    (problem,) = check({"a": "x"}, note("{{ env.v0 }}"), env=ring)
    assert (problem.code, problem.message) == ("reference_cycle", "`env.v0` depends on itself")
    assert problem.position is not None


def test_a_preset_named_thousands_of_times_is_read_once_and_the_last_one_wins(check: Check) -> None:
    names = ["p", "q"] * 4000 + ["p"]
    more = (
        f"---\ncase: {{name: c, journey: j, presets: [{', '.join(names)}]}}\n"
        "---\npreset: {name: p, values: {v: '{{ secrets.P }}'}}\n"
        "---\npreset: {name: q, values: {v: '{{ secrets.Q }}'}}\n"
    )
    (problem,) = check({"v": "x"}, note("{{ variables.v }}"), more=more, case="c")
    assert problem.message == "the secret `P` cannot be used"


# The same of an artifact from a file, which our compiler need not have made.


def literal(value: Any) -> dict[str, Any]:
    return {"kind": "literal", "value": value}


def variable(name: str) -> dict[str, Any]:
    return {"kind": "reference", "namespace": "variables", "name": name}


def nested(levels: int) -> dict[str, Any]:
    node: dict[str, Any] = variable("v")
    for _ in range(levels):
        node = {"kind": "array", "items": [node]}
    return node


def request(**assertion: Any) -> dict[str, Any]:
    return {
        "kind": "http_request",
        "id": "a",
        "request": {"method": "GET", "service": "s", "path": ["/x"]},
        "assertions": [assertion],
    }


def noted(text: Any, step: str = "a") -> dict[str, Any]:
    return {"kind": "note", "id": step, "text": text}


ARTIFACTS: dict[str, tuple[dict[str, Any], str]] = {
    "steps": (
        {"steps": [noted(literal("x"), f"n{n}") for n in range(MAX_STEPS + 1)]},
        "the journey has more than 10,000 steps",
    ),
    "nodes": ({"steps": [noted(nested(200))]}, "step `a` has a value that is nested more than 100 levels deep"),
    "values": (
        {"variables": [{"name": "v", "default": literal(json.loads("[" * 300 + "]" * 300))}]},
        "`v` has a value that is nested more than 100 levels deep",
    ),
    "path": (
        {"steps": [request(type="json_path", target="$" + ".a" * 9000, operator="exists")]},
        "a path or pattern in step `a` has more than 10,000 characters",
    ),
    "pattern": (
        {"steps": [request(type="header", target="x", operator="matches", expected=literal("a|" * 9000))]},
        "a path or pattern in step `a` has more than 10,000 characters",
    ),
    "ranges": (
        {"steps": [request(type="header", target="x", operator="matches", expected=literal("[Ā-\uffff]" * 500))]},
        "a path or pattern in step `a` has ranges of more than 2,000,000 characters",
    ),
    "schema": (
        {
            "steps": [
                request(
                    type="json_schema",
                    operator="matches",
                    expected=literal(
                        {
                            "$ref": "#/$defs/a0",
                            "$defs": {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 10} for n in range(30)},
                        }
                    ),
                )
            ]
        },
        "a JSON Schema in step `a` applies more than 10,000 subschemas to one value",
    ),
    "doubling": (
        {
            "variables": [
                {"name": "v0", "default": literal("xxxxxxxx")},
                *(
                    {"name": f"v{n}", "default": {"kind": "text", "parts": [variable(f"v{n - 1}")] * 2}}
                    for n in range(1, 60)
                ),
            ],
            "steps": [noted(variable("v59"))],
        },
        "`variables.v21` expands to more than 8 MiB of text",
    ),
    "chain": (
        {
            "variables": [
                {"name": "v0", "default": literal("x")},
                *({"name": f"v{n}", "default": variable(f"v{n - 1}")} for n in range(1, 3000)),
            ],
            "steps": [noted(variable("v2999"))],
        },
        "`variables.v2999` is at the end of a chain of more than 64 declarations that read one another",
    ),
    "circle": (
        {
            "variables": [{"name": "v", "default": variable("w")}, {"name": "w", "default": variable("v")}],
            "steps": [noted(variable("v"))],
        },
        "`variables.v` depends on itself",
    ),
    "reads": (
        {
            "variables": [
                {"name": "v", "default": {"kind": "array", "items": [variable("w")] * 600}},
                {"name": "w", "default": literal("x")},
            ],
            "steps": [
                *(
                    step
                    for n in range(500)
                    for step in (
                        noted(variable("v"), f"n{n}"),
                        {"kind": "set_variable", "id": f"s{n}", "values": [["w", literal("y")]]},
                    )
                )
            ],
        },
        "the steps read more than 250,000 values, including those that declarations read",
    ),
}


def of_artifact(folder: Path, text: str) -> list[Problem]:
    (folder / "reqflo.yaml").write_text(ENVIRONMENT + "}\n")
    (folder / "a.json").write_text(text)
    try:
        return list(reqflo_ray.check(Journey(artifact=folder / "a.json", workspace=folder)))
    except DefinitionError as refused:
        return list(refused.all_problems())


@pytest.mark.parametrize("name", ARTIFACTS)
def test_an_artifact_from_a_file_keeps_the_same_limits(tmp_path: Path, name: str) -> None:
    artifact, message = ARTIFACTS[name]
    (problem,) = of_artifact(tmp_path, json.dumps({"format": 1, "journey": {"name": "j"}} | artifact))
    assert (problem.code, problem.message) == ("reference_cycle" if name == "circle" else "journey_limit", message)


@pytest.mark.parametrize("levels", [5_000, 1_000_000])
def test_an_artifact_that_is_nested_without_end_is_no_artifact(tmp_path: Path, levels: int) -> None:
    text = '{"format": 1, "journey": {"name": "j"}, "steps": ' + "[" * levels
    (problem,) = of_artifact(tmp_path, text)
    assert problem.code == "invalid_artifact"


def test_an_artifact_within_the_limits_is_taken(tmp_path: Path) -> None:
    artifact = {"variables": [{"name": "v", "default": literal("x")}], "steps": [noted(nested(90))]}
    assert of_artifact(tmp_path, json.dumps({"format": 1, "journey": {"name": "j"}} | artifact)) == []
