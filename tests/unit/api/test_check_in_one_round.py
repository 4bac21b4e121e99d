"""`check` tells everything in one round: a mistake hides nothing that can still be looked at, and makes nothing up."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

import reqflo_ray
from reqflo_ray import Journey, Problem

SETTINGS = "workspace: {name: w, defaults: {environment: local}}\n"
ENVIRONMENT = """\
environment:
  name: local
  services: {api: {base_url: "http://127.0.0.1:1"}}
  values: {region: eu}
"""


def found(folder: Path, journey: str, **files: str) -> list[Problem]:
    """What `check` says of the journey `j`."""
    texts = {"reqflo": SETTINGS, "environment": ENVIRONMENT, "j": dedent(journey)} | files
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text)
    return list(reqflo_ray.check(Journey("j", workspace=folder)))


def codes(problems: list[Problem]) -> list[str]:
    return sorted(problem.code for problem in problems)


def test_ten_faults_of_ten_kinds_in_three_files_are_ten_findings(tmp_path: Path) -> None:
    journey = """
        journey:
          name: j
          titel: a key of no meaning
          inputs: [{name: must, required: true}, {name: n, type: intger}]
          variables: [{name: v, source: environment}]
          steps:
            - id: one
              retrys: 3
              request: {service: api, url: "/{{ inputs.mst }}"}
              assertions: [{type: json_path, path: $.a, operator: equls, expected: "{{ variables.v }}"}]
            - {id: two, type: wait, duration: 5 parsecs}
    """
    settings = "workspace: {name: w, defaults: {environment: local}, http: {ca_file: nowhere.pem}}\n"
    environment = ENVIRONMENT.replace("eu", '"{{ inputs.must }}"')
    assert codes(found(tmp_path, journey, reqflo=settings, environment=environment)) == [
        "incompatible_environment",
        "invalid_assertion",
        "invalid_reference",
        "invalid_reference",
        "invalid_tls_settings",
        "missing_required_value",
        "unknown_key",
        "unknown_key",
        "wrong_value",
        "wrong_value",
    ]


STEP = "journey: {name: j, steps: [{id: a, request: {service: api, url: /a}, REST}, {id: b, request: {url: 'URL'}}]}"
READS = "http://x.example/{{ steps.a.outputs.o }}"


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        ("retry: 3", ["wrong_type"]),
        ("outputs: {o: 5}", ["wrong_type"]),
        ("output: {o: body.o}", ["unknown_key"]),
        ("outputs: {o: body.o}, assertions: [{type: stat, expected: 200}]", ["wrong_value"]),
        ("outputs: {o: body.o}, assertions: [{type: status_code, expcted: 200}]", ["unknown_key"]),
        (
            "outputs: {o: body.o}, assertions: [{type: json_path, operatr: equals, path: $, expected: 1}]",
            ["unknown_key"],
        ),
        ("outputs: {o: body.o}, assertions: [{tpe: status_code, expected: 200}]", ["missing_key", "unknown_key"]),
        ("outputs: {o: body.o}, timeout: soon", ["wrong_value"]),
        ("outputs: {o: body.o}, poll: {until: []}", ["wrong_value"]),
    ],
)
def test_one_mistake_in_a_step_is_one_finding_and_makes_no_other_step_wrong(
    tmp_path: Path, rest: str, expected: list[str]
) -> None:
    assert codes(found(tmp_path, STEP.replace("REST", rest).replace("URL", READS))) == expected


@pytest.mark.parametrize(
    "step",
    [
        "{id: a, tmplate: t}",
        "{id: a, reqest: {url: /a}}",
        "{id: a, request: {urll: /a}}",
        "{id: a, type: wait, duraton: 1s}",
        "{id: a, type: set_variable, vlues: {v: 1}}",
        "{id: a, type: sub_journey, journy: k}",
        "{id: a, type: note, txt: x}",
        "{id: a, type: sub_journey, journey: k, inpts: {x: 1}}",
        "{id: a, template: t, valus: {x: 1}}",
    ],
)
def test_what_a_misspelt_key_would_have_said_is_not_missing(tmp_path: Path, step: str) -> None:
    journey = f"journey: {{name: j, variables: [{{name: v}}], steps: [{step}]}}"
    inner = "journey: {name: k, inputs: [{name: x, required: true}], steps: [{id: s, request: {service: api, url: /}}]}"
    template = "template: {key: t, service: api, url: '/{{ values.x }}', values: [{name: x, required: true}]}"
    problems = found(tmp_path, journey, k=inner, t=template)
    assert set(codes(problems)) <= {"unknown_key", "missing_key"} and len(problems) in (1, 2)


@pytest.mark.parametrize(
    ("journey", "expected"),
    [
        ("{name: j, input: [{name: x}], steps: [STEP]}", ["unknown_key"]),
        ("{name: j, inputs: 5, steps: [STEP]}", ["wrong_type"]),
        ("{name: j, owner: 5, inputs: [{name: x}], steps: [STEP, {id: b, type: wit}]}", ["invalid_step", "wrong_type"]),
        ("{name: j, owner: 5, steps: [STEP]}", ["invalid_reference", "wrong_type"]),
        ("{name: j, inputs: [{name: x, requird: true}], steps: [STEP, 5]}", ["unknown_key", "wrong_type"]),
    ],
)
def test_a_journey_that_is_wrong_is_looked_at_all_the_same(tmp_path: Path, journey: str, expected: list[str]) -> None:
    step = "{id: a, request: {service: api, url: '/a', query: {q: '{{ inputs.x }}'}}}"
    assert codes(found(tmp_path, "journey: " + journey.replace("STEP", step))) == expected


def test_a_template_that_is_wrong_is_looked_at_and_so_is_what_it_is_given(tmp_path: Path) -> None:
    template = "template: {key: t, service: api, url: '/{{ env.nothing }}/{{ values.y }}', values: [{nam: y}], tgs: []}"
    journey = "journey: {name: j, steps: [{id: a, template: t, values: {y: '{{ inputs.z }}'}}]}"
    assert codes(found(tmp_path, journey, t=template)) == [
        "incompatible_environment",
        "invalid_reference",
        "missing_key",
        "unknown_key",
        "unknown_key",
    ]


def test_a_sub_journey_that_is_wrong_is_looked_at(tmp_path: Path) -> None:
    inner = "journey: {name: k, owner: 5, steps: [{id: s, request: {service: api, url: '/{{ inputs.z }}'}}]}"
    journey = "journey: {name: j, steps: [{id: a, type: sub_journey, journey: k}]}"
    assert codes(found(tmp_path, journey, k=inner)) == ["invalid_reference", "wrong_type"]


JOURNEY = """
    journey:
      name: j
      inputs: [{name: x, required: true}]
      steps: [{id: a, template: t, values: {q: "{{ env.tenant }}"}}, {id: b, type: wit}]
"""


@pytest.mark.parametrize("name", ["t", "environment", "c"])
def test_what_may_lie_in_a_file_that_cannot_be_read_is_not_missing(tmp_path: Path, name: str) -> None:
    files = {
        "t": "template: {key: t, service: api, url: /a, values: [{name: q, in: query}]}",
        "environment": ENVIRONMENT.replace("region", "tenant"),
        "c": "case: {name: c, journey: j, values: {x: 1}}",
    }
    files[name] = files[name].split()[0] + " [\n"
    for file, text in files.items():
        (tmp_path / f"{file}.yaml").write_text(text)
    (tmp_path / "reqflo.yaml").write_text(SETTINGS)
    (tmp_path / "j.yaml").write_text(dedent(JOURNEY))
    problems = list(reqflo_ray.check(Journey("j", workspace=tmp_path, case="c")))
    assert codes(problems) == ["invalid_step", "yaml_syntax"]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("workspace: {defaults: {environmnt: local}}", ["unknown_key"]),
        ("workspace: {defaults: {environment: local}, secrets: {source: vault}}", ["wrong_value"]),
        (
            "workspace: {defaults: {environment: local}, http: {ca_file: no.pem, proxi: x}}",
            ["invalid_tls_settings", "unknown_key"],
        ),
        ("workspace: [", ["yaml_syntax"]),
    ],
)
def test_settings_that_are_wrong_make_nothing_else_wrong(
    tmp_path: Path, settings: str, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KEY", raising=False)
    step = "{id: a, request: {service: api, url: /a, headers: {X-Key: '{{ secrets.KEY }}', R: '{{ env.region }}'}}}"
    if "secrets" not in settings:
        step = step.replace("X-Key: '{{ secrets.KEY }}', ", "")
    assert codes(found(tmp_path, f"journey: {{name: j, steps: [{step}]}}", reqflo=settings)) == expected


def test_a_case_that_is_wrong_is_looked_at_and_what_it_gives_is_given(tmp_path: Path) -> None:
    for name, text in {
        "reqflo": SETTINGS,
        "environment": ENVIRONMENT,
        "j": "journey: {name: j, inputs: [{name: x, required: true}, {name: n, type: integer}],"
        " steps: [{id: a, request: {service: api, url: /a}}]}",
        "c": "case: {name: c, journey: j, vales: {x: 1}, values: {n: many, m: '{{ inputs.x }}', x: '{{ run.id }}'}}",
    }.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    problems = list(reqflo_ray.check(Journey("j", workspace=tmp_path, case="c")))
    assert codes(problems) == ["invalid_reference", "undeclared_value", "unknown_key", "wrong_type"]


def test_a_value_that_is_wrong_is_told_at_each_of_its_places(tmp_path: Path) -> None:
    steps = "\n".join(
        f"    - {{id: s{number}, request: {{service: api, url: '/a?x={{{{ env.nothing }}}}'}}}}" for number in range(5)
    )
    problems = found(tmp_path, f"journey:\n  name: j\n  steps:\n{steps}\n")
    assert [problem.position and problem.position.line for problem in problems] == [4, 5, 6, 7, 8]
