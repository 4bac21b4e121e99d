"""The run check makes each URL of what is known before a row, and tells what cannot work where it is written."""

from __future__ import annotations

import pytest
from checked_runs import Checker, codes, only

from reqflo_ray._internal.errors import Severity

ENVIRONMENT = """
environment:
  name: local
  services:
    shop: {base_url: "%s"}
  values:
    fine: "http://h:81/v1"
    host: "h:81"
    user: "http://me:made-up@h"
    port: 70000
    fragment: "http://h#x"
    tenant: "http://{{ secrets.TENANT }}.example"
"""
INPUTS = "inputs: [{name: path}, {name: id}, {name: port, default: '99999'}]\n"


def step(url: str, service: str = "") -> str:
    more = f"service: {service}, " if service else ""
    return f"steps: [{{id: a, request: {{{more}url: '{url}'}}}}]\n"


def environment(base: str = "http://s/v1") -> dict[str, str]:
    return {"e.yaml": ENVIRONMENT % base}


@pytest.mark.parametrize(
    ("url", "place", "cause"),
    [
        ("http://u:made-up@h/x", "j.yaml:4:34", "names a user"),
        ("http://u:made-up@h/{{ inputs.id }}", "j.yaml:4:34", "names a user"),
        ("{{ env.user }}/x", "e.yaml:9:11", "names a user"),
        ("{{ env.user }}{{ inputs.path }}", "e.yaml:9:11", "names a user"),
        ("http://{{ inputs.id }}@h/x", "j.yaml:4:34", "names a user"),
        ("http://h:{{ env.port }}/x", "e.yaml:10:11", "host and port"),
        ("http://h:{{ inputs.port }}/x", "j.yaml:3:38", "host and port"),
        ("http://exa mple/x", "j.yaml:4:34", "host and port"),
        ("http://{region}.example/x", "j.yaml:4:34", "not a valid name"),
        ("http://\u2603.example/x", "j.yaml:4:34", "not a valid name"),
        ("http://2130706433/x", "j.yaml:4:34", "four decimal numbers"),
        ("http://h:0/x", "j.yaml:4:34", "between 1 and 65535"),
        ("{{ env.fragment }}/x", "e.yaml:11:15", "`env.fragment` contains a fragment"),
        ("{{ env.host }}://h/x", "j.yaml:4:34", "scheme other than http"),
    ],
)
def test_a_url_that_no_row_can_mend_is_an_error_at_its_place(check: Checker, url: str, place: str, cause: str) -> None:
    found = [it for it in check(INPUTS + step(url), environment()).problems if it.severity is Severity.ERROR]
    [problem] = found
    assert (problem.code, str(problem.position)) == ("wrong_value", place)
    assert cause in problem.cause
    assert "made-up" not in f"{problem.message}{problem.cause}{problem.hint}"


@pytest.mark.parametrize(
    "url",
    [
        "{{ env.fine }}/x/{{ inputs.id }}",
        "{{ env.fine }}{{ inputs.path }}?q={{ inputs.id }}",
        "http://{{ env.host }}/x",
        "http://{{ inputs.id }}:81/x",
        "http://h:81{{ inputs.path }}",
        "http://[::1]{{ inputs.path }}",
        "{{ env.tenant }}/x",
        "{{ inputs.path }}",
        "{{ inputs.path }}/x",
        "http://169.254.169.254/",
    ],
)
def test_what_a_row_may_mend_and_a_blocked_host_are_left_to_the_run(check: Checker, url: str) -> None:
    checked = check(INPUTS + step(url), environment(), columns=("path", "id"))
    assert [code for severity, code in codes(checked) if severity == "error"] == []


@pytest.mark.parametrize(
    ("base", "cause"),
    [("{{ env.user }}/v1", "names a user"), ("http://{region}.example", "not a valid name"), ("{{ env.port }}", "")],
)
def test_a_base_url_that_is_none_is_told_once_where_it_is_written(check: Checker, base: str, cause: str) -> None:
    steps = "steps: [{id: a, request: {url: /a}}, {id: b, request: {url: /b}}]\n"
    problem = only(check(steps, environment(base)))
    assert (problem.code, str(problem.position)) == ("wrong_value", "e.yaml:5:22")
    assert problem.message == "the base URL of the service `shop` cannot be requested"
    assert cause in problem.cause


@pytest.mark.parametrize(
    ("overrides", "place", "cause"),
    [
        ({"id": ""}, "j.yaml:3:26", "empty: `inputs.id`"),
        ({"path": "ftp://h"}, "j.yaml:3:12", "scheme other than"),
    ],
)
def test_a_value_for_all_rows_that_makes_no_url_is_an_error(
    check: Checker, overrides: dict[str, str], place: str, cause: str
) -> None:
    url = "{{ inputs.path }}" if "path" in overrides else "/x/{{ inputs.id }}"
    problem = only(check(INPUTS + step(url, "shop"), environment(), overrides=overrides))
    assert (problem.code, str(problem.position)) == ("wrong_value", place)
    assert cause in problem.cause


def test_a_value_of_a_case_is_told_where_the_case_gives_it(check: Checker) -> None:
    files = environment() | {"c.yaml": 'case: {name: c, journey: j, values: {path: "http://u:made-up@h/x"}}'}
    problem = only(check(INPUTS + step("{{ inputs.path }}"), files, case="c"))
    assert (problem.code, str(problem.position)) == ("wrong_value", "c.yaml:1:44")


def test_a_value_that_a_row_gives_instead_is_no_finding(check: Checker) -> None:
    journey = INPUTS + step("http://h:{{ inputs.port }}/x")
    assert check(journey, environment(), columns=("port",)).problems == ()


def test_a_url_that_begins_with_a_value_needs_no_service(check: Checker) -> None:
    journey = INPUTS + step("{{ inputs.path }}")
    bare = {
        "e.yaml": ENVIRONMENT % "http://s" + "---\nenvironment: {name: bare, services: {other: {base_url: http://o}}}\n"
    }
    columns = ("path",)
    assert check(journey, bare, columns=columns).problems == ()
    bare["e.yaml"] += "---\nenvironment: {name: none}\n"
    problem = only(check(INPUTS + step("{{ inputs.path }}", "shop"), bare, columns=columns, environment="none"))
    assert (problem.severity, problem.code) == (Severity.WARNING, "incompatible_environment")
    assert "begins with a value that may be a path" in problem.cause
    journey = INPUTS + step("{{ inputs.path }}", "shop")
    problem = only(check(journey, bare, overrides={"path": "/health"}, environment="none"))
    assert (problem.severity, problem.code) == (Severity.ERROR, "incompatible_environment")


def test_secrets_of_a_service_are_settled_for_a_url_that_may_be_its_path(check: Checker) -> None:
    files = environment("http://{{ secrets.TENANT }}.example")
    assert set(check(INPUTS + step("{{ inputs.path }}", "shop"), files, columns=("path",)).secrets) == {"TENANT"}
