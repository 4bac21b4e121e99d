"""Data, names and environments that break programs, end to end: what can be kept is sent and kept exactly."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from echo_api import EchoApi

WORKSPACE = """
workspace: {name: w, defaults: {environment: local}, secrets: {source: env, names: {KEY: {}}}}
---
environment: {name: local, services: {api: {base_url: "BASE"}}}
---
journey:
  name: keep
  inputs: [{name: id, required: true}, {name: value}, {name: n, type: number}, {name: hidden, sensitive: true}]
  steps:
    - id: send
      request: {service: api, method: POST, url: /echo, query: {id: "{{ inputs.id }}"},
                body: {json: {value: "{{ inputs.value }}", n: "{{ inputs.n }}", hidden: "{{ inputs.hidden }}"}}}
---
journey:
  name: me
  steps:
    - {id: plain, request: {service: api, url: /echo}}
    - {id: odd, request: {service: api, url: /echo, query: {odd: "{{ me.odd }}"}}}
---
journey:
  name: secret
  steps: [{id: send, request: {service: api, url: /echo, headers: {Authorization: "{{ secrets.KEY }}"}}}]
"""

_NINES = "9" * 5000
# A row's text as it stands in the file, and its JSON value as it must arrive.
ROWS = {
    "good": "1",
    "nul\\u0000": '"\\u0000"',
    "non-character \uffff": '"\ufdd0\U0010ffff"',
    "digits": _NINES,
    "a long fraction": "0." + _NINES,
    "a large exponent": "1E+999999",
    "a tiny one": "-1E-999999",
    "deep": "[" * 400 + "]" * 400,
    "separators \u2028": '{"\u2028":"\u0085"}',
    "formula =1+1": "\"=cmd|'/C calc'!A0\"",
    "also good": '"text"',
}


@pytest.fixture
def workspace(echo: EchoApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "reqflo.yaml").write_text(WORKSPACE.replace("BASE", echo.url))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _exact(text: str) -> Any:
    return json.loads(text, parse_int=str, parse_float=Decimal)


@pytest.mark.parametrize("column", ["value", "hidden"])  # the second is sensitive, so it is staged sealed
def test_values_of_a_dataset_arrive_and_are_kept_with_every_digit_and_character(
    column: str, workspace: Path, echo: EchoApi, command: Callable[..., Any]
) -> None:
    lines = [f'{{"id": "{key}", "{column}": {value}, "n": "{_NINES}7"}}' for key, value in ROWS.items()]
    (workspace / "rows.jsonl").write_text("\n".join(lines), encoding="utf-8")
    ended = command("run", "keep", "--data", "rows.jsonl", "--key", "id", "--run-id", "r1", "--backend", "local")
    assert ended.code == 0, ended.err
    sent = {seen.query["id"]: _exact(seen.body) for seen in echo.seen}
    keys = [json.loads(f'"{key}"') for key in ROWS]
    assert [sent[key][column] for key in keys] == [_exact(value) for value in ROWS.values()]
    assert {body["n"] for body in sent.values()} == {_NINES + "7"}
    answer = command("sql", "select row_key, inputs from results where json_valid(inputs)", "--format", "json")
    kept = {line["row_key"]: _exact(line["inputs"]) for line in json.loads(answer.out)}
    assert kept.keys() == set(keys)
    if column == "value":
        assert [kept[key]["value"] for key in keys] == [_exact(value) for value in ROWS.values()]
    seen = len(echo.seen)
    assert command("resume", "r1").code == 0 and len(echo.seen) == seen
    assert command("verify", "r1").code == 0
    reports = [f"{kind}=report.{kind}" for kind in ("json", "junit", "html", "markdown", "ctrf")]
    assert command("report", "r1", *reports).code == 0
    json.loads((workspace / "report.json").read_bytes(), parse_int=str)


def test_an_environment_that_is_no_utf8_ends_only_the_step_that_sends_it(
    workspace: Path, echo: EchoApi, command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQFLO_ME_ODD", os.fsdecode(b"a\xffb"))
    monkeypatch.setenv("LOGNAME", os.fsdecode(b"us\xffer"))
    ended = command("run", "me", "--run-id", "r1", "--backend", "local")
    assert ended.code == 1 and "at step odd: invalid_request:" in ended.err
    assert len(echo.seen) == 1
    for words in (("runs",), ("show", "r1"), ("show", "r1", "--row", "0", "--full"), ("verify", "r1")):
        assert command(*words).code == 0, words
    answer = command("sql", "select user_name from runs", "--format", "json")
    assert json.loads(answer.out) == [{"user_name": "us\\udcffer"}]
    assert command("report", "r1", "html=r.html", "json=r.json", "junit=r.xml").code == 0


def test_a_secret_that_is_no_utf8_is_refused_before_anything_is_sent_and_not_told(
    workspace: Path, echo: EchoApi, command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", os.fsdecode(b"canary-value\xff"))
    ended = command("run", "secret", "--backend", "local")
    assert ended.code == 2 and "is not UTF-8 text" in ended.err and "canary" not in ended.err
    assert echo.seen == []


def test_a_dataset_whose_name_is_no_utf8_is_read_and_its_rows_are_shown(
    workspace: Path, echo: EchoApi, command: Callable[..., Any]
) -> None:
    name = os.fsdecode(b"rows-\xff.csv")
    (workspace / name).write_text("id,value\na,1\nb,2\n")
    ended = command("run", "keep", "--data", name, "--key", "id", "--run-id", "r1", "--backend", "local")
    assert ended.code == 0, ended.err
    assert len(echo.seen) == 2
    assert command("show", "r1", "--row", "b").code == 0 and command("verify", "r1").code == 0
    assert command("rerun", "r1").code == 0 and len(echo.seen) == 4
