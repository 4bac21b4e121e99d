"""Runs through a proxy with credentials: they reach it, and nothing that is kept or shown holds them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from echo_api import EchoApi
from output_formats import read_parquet_too
from proxy_server import CLOSE, ProxyServer, proxy_in_thread

PASSWORD = "canary-pröxy/+41"
LOGIN = f"team-blue:{PASSWORD}"
BASIC = "Basic " + base64.b64encode(LOGIN.encode()).decode()

WORKSPACE = """
workspace:
  name: proxied
  defaults: {environment: office}
  http:
    engine: ENGINE
    proxy: {url: "http://127.0.0.1:PORT", username: team-blue, password: "{{ secrets.PROXY_PASSWORD }}"}
---
environment:
  name: office
  services: {api: {base_url: "ECHO"}}
---
environment:
  name: home
  services: {api: {base_url: "ECHO"}}
  proxy: none
---
environment:
  name: inside
  services: {api: {base_url: "ECHO"}}
  proxy: {url: "http://127.0.0.1:1", bypass: "other.example, localhost"}
---
environment:
  name: tunnel
  services: {api: {base_url: "https://127.0.0.1:1"}}
---
journey:
  name: ask
  steps:
    - {id: first, request: {service: api, url: /echo}, outputs: {path: "$.body.path"}}
    - {id: second, request: {method: POST, service: api, url: /echo, body: {json: {a: 1}}}}
"""


@pytest.fixture
def proxy() -> Iterator[ProxyServer]:
    with proxy_in_thread(ProxyServer(login=LOGIN)) as proxy:
        yield proxy


@pytest.fixture(params=["httptools", "httpx"])
def workspace(
    request: pytest.FixtureRequest,
    echo: EchoApi,
    proxy: ProxyServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    text = WORKSPACE.replace("ECHO", echo.url).replace("ENGINE", request.param).replace("PORT", str(proxy.port))
    (tmp_path / "reqflo.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PROXY_PASSWORD", PASSWORD)
    # A run is the same on every machine: proxies of the process are not looked at.
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:2")
    return tmp_path


@pytest.fixture
def run(workspace: Path, command: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *more: command("run", "ask", "--backend", "local", "--run-id", "r1", *more)


def leaks(folder: Path, *told: str) -> list[str]:
    """Where the password or the header that it stands in is found."""
    forms = [PASSWORD.encode(), json.dumps(PASSWORD)[1:-1].encode(), BASIC.removeprefix("Basic ").encode()]
    found = [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and any(form in data for data in read_parquet_too(path) for form in forms)
    ]
    return found + [text for text in told if any(form in text.encode() for form in forms)]


def test_a_run_goes_through_the_proxy_and_keeps_nothing_of_its_password(
    run: Callable[..., Any], command: Callable[..., Any], workspace: Path, proxy: ProxyServer, echo: EchoApi
) -> None:
    ended = run("--report", "html=report.html", "--report", "json=report.json")
    assert ended.code == 0, ended.err
    assert proxy.asked == [f"GET {echo.url}/echo", f"POST {echo.url}/echo"]
    assert set(proxy.authorizations) == {BASIC}
    assert all("proxy-authorization" not in seen.document()["headers"] for seen in echo.seen)
    shown = command("show", "r1", "--row", "0", "--full")
    assert leaks(workspace, ended.out, ended.err, shown.out, shown.err) == []


def test_a_proxy_that_repeats_its_password_does_not_make_it_known(
    run: Callable[..., Any], command: Callable[..., Any], workspace: Path, proxy: ProxyServer
) -> None:
    body = json.dumps({"path": f"{BASIC} and {PASSWORD}"}).encode()
    head = f"HTTP/1.1 200 OK\r\nX-Told: {BASIC}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    proxy.script = (head.encode() + body, CLOSE)
    ended = run("--report", "html=report.html", "--report", "json=report.json")
    assert ended.code == 0, ended.err
    shown = command("show", "r1", "--row", "0", "--full")
    assert "[secret:PROXY_PASSWORD]" in shown.out
    assert leaks(workspace, ended.out, ended.err, shown.out, shown.err) == []


@pytest.mark.parametrize("environment", ["home", "inside"])
def test_an_environment_has_its_own_proxy_or_none(
    run: Callable[..., Any], proxy: ProxyServer, echo: EchoApi, monkeypatch: pytest.MonkeyPatch, environment: str
) -> None:
    monkeypatch.delenv("PROXY_PASSWORD")
    ended = run("--env", environment)
    assert ended.code == 0, ended.err
    assert (len(echo.seen), proxy.asked) == (2, [])


@pytest.mark.parametrize("environment", ["office", "tunnel"])
def test_a_proxy_that_refuses_is_an_error_of_the_row_and_no_answer(
    run: Callable[..., Any],
    command: Callable[..., Any],
    workspace: Path,
    proxy: ProxyServer,
    echo: EchoApi,
    environment: str,
) -> None:
    proxy.login = "somebody:else"
    assert run("--env", environment).code == 1
    asked = "select status, error_code, error_message, http_response_status_code from steps where step_id = 'first'"
    [step] = command("sql", asked, "--format", "json").json
    assert (step["status"], step["error_code"]) == ("error", "proxy_failure")
    assert step["error_message"].endswith("was not reached: the proxy does not accept the credentials (407)")
    assert step["http_response_status_code"] == (None if environment == "tunnel" else 407)
    assert echo.seen == []
    assert leaks(workspace) == []


def test_a_password_that_is_missing_is_found_before_anything_is_sent(
    run: Callable[..., Any], workspace: Path, proxy: ProxyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PROXY_PASSWORD")
    ended = run()
    assert ended.code == 2
    assert "error[missing_secret]: the secret `PROXY_PASSWORD` cannot be used" in ended.err
    assert "reqflo.yaml:" in ended.err
    assert (proxy.connections, (workspace / ".reqflo").exists()) == (0, False)


def test_a_run_under_the_same_id_with_another_proxy_is_refused(run: Callable[..., Any], workspace: Path) -> None:
    assert run().code == 0
    path = workspace / "reqflo.yaml"
    path.write_text(path.read_text().replace("team-blue", "team-red"))
    ended = run()
    assert ended.code == 2
    assert "http.proxy_username" in ended.err
