"""The run check: a secret that may go anywhere, in a request that goes wherever an answer says."""

from __future__ import annotations

import pytest
from checked_runs import SETTINGS, Checker, codes, only

STEPS = """
  inputs: [{{name: host, default: api.example}}, {{name: scheme, default: https}}]
  variables: [{{name: next, default: "{{{{ steps.a.body.next }}}}"}}]
  steps:
    - {{id: a, request: {{url: /a}}}}
    - {{id: b, request: {{url: "{url}", {what}}}}}
"""
KEY = 'headers: {X-Key: "{{ secrets.KEY }}"}'
ENVIRONMENT = """
environment:
  name: local
  services: {shop: {base_url: "http://x.example"}}
  values: {login: "{{ secrets.KEY }}"}
"""


def steps(url: str, what: str = KEY) -> str:
    return STEPS.format(url=url, what=what)


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("{{ steps.a.body.next }}", KEY),
        ("{{ steps.a.headers.location }}", KEY),
        ("https://{{ steps.a.body.host }}/x", KEY),
        ("https://api{{ steps.a.body.tail }}", KEY),
        ("{{ variables.next }}", KEY),
        ("{{ inputs.scheme }}://{{ steps.a.body.host }}/x", KEY),
        ("{{ steps.a.body.next }}", 'query: {key: "{{ secrets.KEY }}"}'),
        ("{{ steps.a.body.next }}", 'method: POST, body: {json: {key: ["{{ secrets.KEY }}"]}}'),
        ("{{ steps.a.body.next }}", 'headers: {X-Key: "{{ env.login }}"}'),
    ],
)
def test_a_secret_that_goes_wherever_an_answer_says_is_warned_of(check: Checker, url: str, what: str) -> None:
    problem = only(check(steps(url, what), {"e.yaml": ENVIRONMENT}))
    assert (problem.code, problem.severity.value) == ("secret_anywhere", "warning")
    assert problem.message == "the secret `KEY` is sent to any host that the response of step `a` names"


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("https://api.example/{{ steps.a.body.id }}", KEY),
        ("https://api.example?id={{ steps.a.body.id }}", KEY),
        ("https://{{ inputs.host }}/{{ steps.a.body.id }}", KEY),
        ("/orders/{{ steps.a.body.id }}", KEY),
        ("{{ steps.a.body.next }}", 'headers: {X-Key: "{{ inputs.host }}"}'),
    ],
)
def test_a_host_that_no_answer_chooses_is_not(check: Checker, url: str, what: str) -> None:
    assert check(steps(url, what), {"e.yaml": ENVIRONMENT}).problems == ()


def test_nor_is_a_secret_with_hosts(check: Checker) -> None:
    settings = SETTINGS.removesuffix("}") + ", secrets: {names: {KEY: {hosts: [api.example]}}}}"
    files = {"e.yaml": ENVIRONMENT, "reqflo.yaml": settings}
    assert codes(check(steps("{{ steps.a.body.next }}"), files)) == []
