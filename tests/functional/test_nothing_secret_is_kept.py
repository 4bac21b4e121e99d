"""Canaries: values of a secret, a sensitive input, variable and output, looked for in every form in all that is kept or
shown, while a run goes on, after it was killed, and when it has ended. Staged rows are no exception.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from command_line import PROGRAM
from echo_api import EchoApi
from output_formats import answer_formats, commands_with_json, read_parquet_too, report_formats

SECRET = 'canary-sécret/+&="quoted" 41'
INPUT = "canary-input/ä+1 17"
VARIABLE = "canary-variable<&>23"
OUTPUT = "canary-output.tok_77/x"
CANARIES = {"secret": SECRET, "input": INPUT, "variable": VARIABLE, "output": OUTPUT}

WORKSPACE = """
workspace:
  name: canaries
  defaults: {environment: local}
  secrets: {source: env, names: {API_KEY: {env: CANARY_KEY}}}
  http: {engine: ENGINE}
---
environment:
  name: local
  services: {api: {base_url: "ECHO"}}
---
journey:
  name: canaries
  inputs:
    - {name: ref, required: true}
    - {name: password, required: true, sensitive: true}
  variables:
    - {name: pin, sensitive: true}
  steps:
    - id: token
      request: {service: api, url: /token}
      outputs: [{name: token, path: "$.body.token", sensitive: true}]
    - id: everything
      request:
        method: POST
        service: api
        url: "/echo/{{ inputs.password }}"
        query: {key: "{{ secrets.API_KEY }}", pin: "{{ variables.pin }}"}
        headers: {X-Token: "{{ steps.token.outputs.token }}", Authorization: "Bearer {{ steps.token.outputs.token }}"}
        body: {json: {password: "{{ inputs.password }}", key: "{{ secrets.API_KEY }}", pin: "{{ variables.pin }}"}}
      assertions:
        - {type: json_path, path: "$.query.key", operator: equals, expected: "{{ secrets.API_KEY }}"}
        - {type: json_path, path: "$.query.pin", operator: equals, expected: "not {{ variables.pin }}"}
      outputs: {copied: "$.body.body"}
      on_interrupt: resend
    - id: form
      request:
        method: POST
        service: api
        url: /echo
        body:
          form:
            password: "{{ inputs.password }}"
            key: "{{ secrets.API_KEY }}"
            copied: "{{ steps.everything.outputs.copied }}"
      on_interrupt: resend
    - id: broken
      request: {service: api, url: "/status?code=201&key={{ secrets.API_KEY }}"}
      assertions:
        - {type: json_path, path: "$.query.key", operator: equals, expected: "{{ inputs.password }}"}
    - id: hold
      request: {service: api, url: /hold, query: {token: "{{ steps.token.outputs.token }}"}}
    - id: nowhere
      request: {url: "http://127.0.0.1:1/{{ inputs.password }}?key={{ secrets.API_KEY }}"}
"""


def _forms(value: str) -> set[bytes]:
    raw = value.encode()
    texts = {value, quote(value, safe=""), quote(value), quote_plus(value), json.dumps(value)[1:-1]}
    texts |= {
        json.dumps(value, ensure_ascii=False)[1:-1],
        raw.hex(),
        value.encode("latin-1", "replace").decode("latin-1"),
    }
    texts |= {base64.b64encode(raw).decode().rstrip("="), base64.urlsafe_b64encode(raw).decode().rstrip("=")}
    return {text.encode() for text in texts}


FORMS = {name: _forms(value) for name, value in CANARIES.items()}


def _found(data: bytes) -> set[str]:
    return {name for name, forms in FORMS.items() if any(form in data for form in forms)}


def _leaks(store: Path) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for path in store.rglob("*"):
        if not path.is_file():
            continue
        if leaked := {name for data in read_parquet_too(path) for name in _found(data)}:
            found[str(path.relative_to(store))] = leaked
    return found


@pytest.fixture(params=["httptools", "httpx"])
def workspace(request: pytest.FixtureRequest, echo: EchoApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    echo.token = OUTPUT
    (tmp_path / "reqflo.yaml").write_text(WORKSPACE.replace("ECHO", echo.url).replace("ENGINE", request.param))
    rows = [{"ref": f"row-{index}", "password": INPUT, "pin": VARIABLE} for index in range(3)]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CANARY_KEY", SECRET)
    monkeypatch.delenv("REQFLO_STORE", raising=False)
    return tmp_path


_READ_AS_JSON: dict[str, list[tuple[str, ...]]] = {
    "show": [
        ("show", "r1"),
        ("show", "r1", "--row", "row-1"),
        ("show", "r1", "--row", "row-0", "--step", "everything"),
    ],
    "runs": [("runs",)],
    "verify": [("verify", "r1")],
    "check": [("check", "canaries", "--data", "rows.json", "--key", "ref")],
    "doctor": [("doctor",)],
}
_JSON_ELSEWHERE = {
    *("run", "resume", "rerun"),  # a run that is killed and resumed, below
    *("submit", "status"),  # they need a cluster
}


def _shown_everywhere(command: Callable[..., Any], workspace: Path) -> Iterator[tuple[str, bytes]]:
    """All that can be seen of run `r1`, by what shows it."""
    assert commands_with_json() == _READ_AS_JSON.keys() | _JSON_ELSEWHERE, "search what a command shows as JSON"
    as_json = [(*arguments, "--json") for asked in _READ_AS_JSON.values() for arguments in asked]
    for arguments in (
        ("show", "r1"),
        ("show", "r1", "--row", "row-0", "--full"),
        ("runs",),
        ("verify", "r1"),
        *as_json,
    ):
        ended = command(*arguments)
        assert ended.code == 0, ended.err
        yield " ".join(arguments), (ended.out + ended.err).encode()
    for name, read in answer_formats():
        for view in ("runs", "results", "steps", "assertions", "logs"):
            query = ("sql", f"select * from {view}", "--format", name)
            path = workspace / f"{view}.{name}"
            ended = command(*query, *(() if name == "table" else ("--output", str(path))))
            assert ended.code == 0, ended.err
            for data in read(ended.out.encode() if name == "table" else path.read_bytes()):
                yield " ".join(query), data + ended.err.encode()
    for name, read in report_formats():
        report = workspace / f"report.{name}"
        assert command("report", "r1", f"{name}={report}").code == 0
        for data in read(report.read_bytes()):
            yield f"report {name}", data
        if name == "html":
            assert b"secret:API_KEY" in report.read_bytes(), "the evidence is there, masked"


def test_the_forms_that_are_looked_for_are_found() -> None:
    assert _found(f"…{quote(INPUT)}…".encode()) == {"input"}
    assert _found(base64.b64encode(SECRET.encode())) == {"secret"}
    assert _found(b"nothing") == set()


def test_a_killed_and_resumed_run_keeps_and_shows_no_canary(
    workspace: Path, echo: EchoApi, command: Callable[..., Any], eventually: Callable[..., Any]
) -> None:
    store = workspace / ".reqflo"
    arguments = [
        PROGRAM,
        "run",
        "canaries",
        "--data",
        "rows.json",
        "--key",
        "ref",
        "--run-id",
        "r1",
        "--backend",
        "local",
    ]
    environment = {**os.environ, "NO_COLOR": "1"}
    process = subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        eventually(lambda: process.poll() is not None or sum(seen.path == "/hold" for seen in list(echo.seen)) == 3)
        assert process.poll() is None, process.communicate()[0].decode()
        # All that was journaled lies on the disk now; the rows are staged.
        journals = list((store / "runs" / "r1" / "journal").rglob("*.log"))
        assert journals and all(path.stat().st_size for path in journals)
        assert _leaks(store) == {}
        process.send_signal(signal.SIGKILL)
        told, _ = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    assert _found(told) == set()
    assert _leaks(store) == {}
    echo.release()
    ended = command("resume", "r1", "--output", "result.json", "--json")
    assert ended.code == 1, ended.err
    assert _found((ended.out + ended.err).encode()) == set()
    assert _found((workspace / "result.json").read_bytes()) == set()
    assert _leaks(store) == {}
    for what, shown in _shown_everywhere(command, workspace):
        assert _found(shown) == set(), what
    # They were really sent, and what is masked says which it was.
    received = next(seen for seen in echo.seen if seen.path.startswith("/echo/"))
    assert received.query == {"key": SECRET, "pin": VARIABLE}
    assert received.headers["X-Token"] == OUTPUT
    masked = command("show", "r1", "--row", "row-0", "--step", "everything", "--full").out
    assert "secret:API_KEY" in masked and "sensitive:" in masked


def test_what_is_given_on_the_command_line_for_a_sensitive_value_is_not_shown(
    workspace: Path, echo: EchoApi, command: Callable[..., Any]
) -> None:
    echo.release()
    ended = command(
        *("run", "canaries", "--set", f"password={INPUT}", "--set", f"pin={VARIABLE}", "--set", "ref=one"),
        *("--run-id", "r1", "--output", "result.json"),
    )
    assert ended.code == 1, ended.err
    assert _found((ended.out + ended.err).encode()) == set()
    assert _found((workspace / "result.json").read_bytes()) == set()
    assert _leaks(workspace / ".reqflo") == {}


def test_a_refused_value_is_not_quoted(workspace: Path, command: Callable[..., Any]) -> None:
    text = (workspace / "reqflo.yaml").read_text()
    (workspace / "reqflo.yaml").write_text(
        text.replace(
            "{name: password, required: true, sensitive", "{name: password, required: true, type: integer, sensitive"
        )
    )
    for arguments in (("--set", f"password={INPUT}", "--set", "ref=1"), ("--data", "rows.json")):
        ended = command("run", "canaries", *arguments)
        assert ended.code == 2
        assert _found((ended.out + ended.err).encode()) == set(), ended.err
