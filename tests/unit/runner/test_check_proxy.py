"""The run check settles the proxy: whose it is, what it is told, and whether the engine can use it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from reqflo_ray._internal.compiler.compile import compile_journey
from reqflo_ray._internal.compiler.workspace.load import load_workspace
from reqflo_ray._internal.errors import Problem
from reqflo_ray._internal.model.plan import HttpSettings, SecretReference
from reqflo_ray._internal.model.values import Literal, Namespace, Reference, Text
from reqflo_ray._internal.runner.prepare.checks.check import CheckedRun, RunSelection, SecretProbe, check_run
from reqflo_ray._internal.runner.prepare.workspace_secrets import workspace_secrets
from reqflo_ray._internal.secrets.sources import SecretLook

PASSWORD = Reference(Namespace.SECRETS, "PROXY_PASSWORD")
JOURNEY = "journey: {name: j, steps: [{id: a, request: {url: 'http://api.example/'}}]}"

Checker = Callable[..., CheckedRun]


@pytest.fixture
def check(tmp_path: Path) -> Checker:
    def run(
        settings: str, environments: str = "", environment: str | None = None, probe: SecretProbe | None = None
    ) -> CheckedRun:
        (tmp_path / "reqflo.yaml").write_text(dedent(settings))
        (tmp_path / "e.yaml").write_text(dedent(environments))
        (tmp_path / "j.yaml").write_text(JOURNEY)
        compilation = compile_journey(load_workspace(tmp_path), "j")
        selection = RunSelection(environment=environment)
        return check_run(compilation, compilation.workspace, selection, look_at_secret=probe)

    return run


def only(checked: CheckedRun) -> Problem:
    assert len(checked.problems) == 1, checked.problems
    return checked.problems[0]


def proxy_of(http: HttpSettings) -> tuple[object, ...]:
    return http.proxy, http.proxy_username, http.proxy_password, http.proxy_bypass


NONE = ("", Literal(""), Literal(""), ())
WORKSPACE = """
workspace:
  http:
    proxy: {url: "http://proxy.example:3128", username: "team-{{ secrets.TEAM }}",
            password: "{{ secrets.PROXY_PASSWORD }}", bypass: [localhost, .internal]}
"""
OF_WORKSPACE = (
    "http://proxy.example:3128",
    Text(("team-", Reference(Namespace.SECRETS, "TEAM"))),
    PASSWORD,
    ("localhost", ".internal"),
)
ENVIRONMENTS = """
environment: {name: plain}
---
environment: {name: direct, proxy: none}
---
environment: {name: own, proxy: "https://me:{{ secrets.OTHER }}@other.example"}
"""


def test_without_a_proxy_nothing_is_told(check: Checker) -> None:
    assert proxy_of(check("workspace: {}").http) == NONE
    assert proxy_of(check("workspace: {http: {proxy: none}}").http) == NONE


@pytest.mark.parametrize(
    ("environment", "proxy", "secrets"),
    [
        (None, OF_WORKSPACE, {"PROXY_PASSWORD", "TEAM"}),
        ("plain", OF_WORKSPACE, {"PROXY_PASSWORD", "TEAM"}),
        ("direct", NONE, set()),
        ("own", ("https://other.example", Literal("me"), Reference(Namespace.SECRETS, "OTHER"), ()), {"OTHER"}),
    ],
)
def test_the_proxy_of_an_environment_takes_the_place_of_the_workspaces(
    check: Checker, environment: str | None, proxy: tuple[object, ...], secrets: set[str]
) -> None:
    checked = check(WORKSPACE, ENVIRONMENTS, environment)
    assert checked.problems == ()
    assert proxy_of(checked.http) == proxy
    assert set(checked.secrets) == secrets


def test_a_secret_of_the_proxy_that_is_missing_is_found_at_its_place(check: Checker) -> None:
    def look(reference: SecretReference) -> SecretLook:
        return SecretLook(reason="not set") if reference.name == "PROXY_PASSWORD" else SecretLook()

    problem = only(check(WORKSPACE, probe=look))
    assert (problem.code, str(problem.position)) == ("missing_secret", "reqflo.yaml:5:24")


@pytest.mark.parametrize(
    ("proxy", "code", "place"),
    [
        ('{url: "http://h", password: "{{ env.password }}"}', "invalid_reference", "reqflo.yaml:1:55"),
        ('{url: "http://h", password: "{{ inputs.password }}"}', "invalid_reference", "reqflo.yaml:1:56"),
        ('{url: "http://h", username: "{{ secrets }}"}', "invalid_reference", "reqflo.yaml:1:56"),
        ('{url: "http://h", username: "{{ secrets.A"}', "invalid_expression", "reqflo.yaml:1:56"),
        ("socks5://h:1080", "unsupported_proxy", "reqflo.yaml:1:27"),
        ('{url: "ftp://h"}', "unsupported_proxy", "reqflo.yaml:1:33"),
    ],
)
def test_what_a_proxy_cannot_be_is_told_with_its_place(check: Checker, proxy: str, code: str, place: str) -> None:
    problem = only(check(f"workspace: {{http: {{proxy: {proxy}}}}}"))
    assert (problem.code, str(problem.position)) == (code, place)
    assert problem.hint


def test_an_environments_proxy_must_suit_the_workspaces_engine(check: Checker) -> None:
    environments = "environment: {name: e, proxy: 'socks5://h'}"
    problem = only(check("workspace: {http: {engine: httptools}}", environments, "e"))
    assert (problem.code, str(problem.position)) == ("unsupported_proxy", "e.yaml:1:31")
    assert problem.hint == "set `http.engine` to `httpx` for SOCKS proxies"
    assert check("workspace: {http: {engine: httpx}}", environments, "e").problems == ()


@pytest.mark.parametrize(("hosts", "refused"), [("[proxy.example]", False), ('["*.example"]', False), ("[api]", True)])
def test_a_secret_goes_to_the_proxy_only_where_it_may_go(check: Checker, hosts: str, refused: bool) -> None:
    names = f"  secrets: {{names: {{PROXY_PASSWORD: {{hosts: {hosts}}}}}}}\n"
    checked = check(WORKSPACE + names)
    if not refused:
        assert checked.problems == ()
        return
    problem = only(checked)
    assert (problem.code, str(problem.position)) == ("secret_host_refused", "reqflo.yaml:5:23")
    assert problem.message == "the secret `PROXY_PASSWORD` may not be sent to the proxy `proxy.example`"


def test_doctor_looks_at_the_secrets_of_every_proxy(check: Checker, tmp_path: Path) -> None:
    check(WORKSPACE, ENVIRONMENTS)
    references = workspace_secrets(tmp_path).references
    assert [reference.name for reference in references] == ["OTHER", "PROXY_PASSWORD", "TEAM"]
