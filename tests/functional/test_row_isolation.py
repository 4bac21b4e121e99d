"""No value, cookie or connection state of one row reaches another: interleaved rows, and an API that says what it saw.

Every row has marks of its own, in its key, its inputs, its outputs, variables and cookies. Whatever the API has
received and whatever the store holds of a row is searched for the marks of all others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from echo_api import EchoApi

ROWS = 60
_MARK = re.compile(r"mark(\d{4})")

WORKSPACE = """
workspace:
  name: isolation
  defaults: {environment: local}
  http: {engine: ENGINE}
---
environment:
  name: local
  services: {api: {base_url: "ECHO"}}
---
journey:
  name: isolated
  cookies: COOKIES
  inputs:
    - {name: ref, required: true}
    - {name: first_status, required: true, type: integer}
    - {name: optional, default: null}
    - {name: password, sensitive: true}
  variables:
    - {name: remembered, default: nothing yet}
  steps:
    - id: login
      request: {service: api, url: /cookie, query: {session: "{{ inputs.ref }}"}, headers: {X-Row: "{{ row.key }}"}}
    - id: create
      request: {service: api, url: /status, query: {code: "{{ inputs.first_status }}", ref: "{{ inputs.ref }}"}}
      assertions: [{type: status_code, expected: 200}]
      outputs: {id: "$.body.query.ref"}
    - id: remember
      type: set_variable
      values: {remembered: "{{ steps.create.outputs.id }}"}
    - id: use
      request:
        method: POST
        service: api
        url: /echo
        headers: {X-Row: "{{ row.key }}"}
        body:
          json:
            id: "{{ steps.create.outputs.id }}"
            remembered: "{{ variables.remembered }}"
            password: "{{ inputs.password }}"
    - id: free
      request:
        method: POST
        service: api
        url: /echo
        headers: {X-Row: "{{ row.key }}"}
        body: {json: {remembered: "{{ variables.remembered }}", optional: "{{ inputs.optional }}"}}
      outputs: {cookies: "$.body.cookies"}
"""


@pytest.fixture(
    params=[("httptools", "true"), ("httptools", "false"), ("httpx", "true")],
    ids=lambda value: "-".join(value),
)
def finished(
    request: pytest.FixtureRequest,
    echo: EchoApi,
    command: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[EchoApi, list[dict[str, Any]], list[dict[str, Any]], bool]:
    """A run of interleaved rows: every third fails its second step, every fourth has an optional value."""
    engine, cookies = request.param
    text = WORKSPACE.replace("ECHO", echo.url).replace("ENGINE", engine).replace("COOKIES", cookies)
    (tmp_path / "reqflo.yaml").write_text(text)
    rows = [
        {
            "ref": f"mark{index:04d}",
            "first_status": 500 if index % 3 == 0 else 200,
            "password": f"password-of-mark{index:04d}",
            **({"optional": f"mark{index:04d}"} if index % 4 == 0 else {}),
        }
        for index in range(ROWS)
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.chdir(tmp_path)
    ended = command("run", "isolated", "--data", "rows.jsonl", "--key", "ref", "--concurrency", str(ROWS))
    assert ended.code == 1, ended.err

    def ask(query: str) -> list[dict[str, Any]]:
        answer = command("sql", query, "--format", "json")
        assert answer.code == 0, answer.err
        found: list[dict[str, Any]] = json.loads(answer.out)
        return found

    return echo, ask("select * from results order by 1, 2"), ask("select * from steps"), cookies == "true"


def _marks(value: Any) -> set[str]:
    return set(_MARK.findall(json.dumps(value)))


def test_rows_that_run_at_once_share_nothing(finished: Any) -> None:
    echo, results, steps, cookies = finished
    requests = list(echo.seen)
    assert len(results) == ROWS
    # They were interleaved, and shared connections: else this would prove nothing.
    order = [row for seen in requests if (row := seen.headers.get("X-Row"))]
    assert sum(before != after for before, after in pairwise(order)) > ROWS
    assert len({seen.connection for seen in requests}) < len(requests)
    for seen in requests:
        assert len(_marks(seen.document())) == 1, seen
    for line in (*results, *steps):
        assert _marks(line) == {f"{line['row_index']:04d}"}, line
    # A cookie comes back only in its own row, and only if the journey keeps them.
    kept = {seen.cookies.get("session") for seen in requests if seen.path == "/echo"}
    assert kept == ({f"mark{index:04d}" for index in range(ROWS)} if cookies else {None})


def test_what_a_failed_step_would_have_given_is_nothing_and_never_an_earlier_rows(finished: Any) -> None:
    echo, _, steps, _ = finished
    by_row = {(line["row_index"], line["step_id"]): line for line in steps}
    for index in range(ROWS):
        failed = index % 3 == 0
        assert by_row[index, "create"]["status"] == ("failed" if failed else "passed")
        assert by_row[index, "remember"]["status"] == ("skipped" if failed else "passed")
        assert by_row[index, "use"]["status"] == ("skipped" if failed else "passed")
        assert not failed or by_row[index, "use"]["error_code"] == "unresolved_dependency"
    free = {seen.headers["X-Row"]: json.loads(seen.body) for seen in echo.seen if "optional" in seen.body}
    assert len(free) == ROWS
    for index in range(ROWS):
        sent = free[f"mark{index:04d}"]
        assert sent["remembered"] == ("nothing yet" if index % 3 == 0 else f"mark{index:04d}")
        assert sent.get("optional") == (f"mark{index:04d}" if index % 4 == 0 else None)


def test_a_sensitive_value_is_masked_in_its_own_row_only(
    echo: EchoApi, command: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "reqflo.yaml").write_text(
        WORKSPACE.replace("ECHO", echo.url).replace("ENGINE", "httptools").replace("COOKIES", "false")
    )
    # The word that is sensitive in one row is plain data in the other.
    (tmp_path / "rows.csv").write_text(
        "ref,first_status,optional,password\nfirst,200,plain-text-0,canary-of-one\nsecond,200,canary-of-one,other-word\n"
    )
    monkeypatch.chdir(tmp_path)
    assert command("run", "isolated", "--data", "rows.csv", "--key", "ref").code == 0
    first = command("show", "latest", "--row", "first", "--full").out
    second = command("show", "latest", "--row", "second", "--full").out
    assert "canary-of-one" not in first and "sensitive:" in first
    assert "canary-of-one" in second and "other-word" not in second
