"""Strings that break programs, as row keys and values, end to end; and an API that we did not write."""

from __future__ import annotations

import csv
import json
import logging
import os
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import PROGRAM
from echo_api import EchoApi

import reqflo_ray

ROOT = Path(__file__).parent.parent.parent
# What can steer a terminal or hide text: C0 but line feeds, C1, direction marks, line separators, lone surrogates.
_UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")

ECHO_WORKSPACE = """
workspace: {name: strange, defaults: {environment: local}}
---
environment: {name: local, services: {api: {base_url: "BASE"}}}
---
journey:
  name: echo
  inputs:
    - {name: id, required: true}
    - {name: value, required: true, type: string}
  steps:
    - id: echo
      request:
        method: POST
        service: api
        url: "/echo/{{ inputs.value }}"
        query: {value: "{{ inputs.value }}"}
        body: {json: {value: "{{ inputs.value }}", inside: "<{{ inputs.value }}>"}}
      assertions:
        - {type: json_path, path: "$.query.value", operator: equals, expected: "{{ inputs.value }}"}
        - {type: json_path, path: "$.body", operator: contains, expected: "value", soft: true}
      outputs: {value: "$.body.query.value"}
"""


@pytest.fixture
def workspace(echo: EchoApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "reqflo.yaml").write_text(ECHO_WORKSPACE.replace("BASE", echo.url))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _csv(path: Path, rows: list[tuple[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerows([("id", "value"), *rows])


@pytest.mark.parametrize("kind", ["csv", "json", "jsonl"])
def test_naughty_strings_come_back_as_they_went_in(
    kind: str, workspace: Path, naughty_strings: list[str], echo: EchoApi, command: Callable[..., Any]
) -> None:
    rows = list(zip(naughty_strings, naughty_strings, strict=True))
    file = workspace / f"rows.{kind}"
    if kind == "csv":
        _csv(file, rows)
    elif kind == "json":
        file.write_text(json.dumps([{"id": key, "value": value} for key, value in rows]), encoding="utf-8")
    else:
        lines = (json.dumps({"id": key, "value": value}, ensure_ascii=False) for key, value in rows)
        file.write_text("\n".join(lines), encoding="utf-8")
    ended = command("run", "echo", "--data", str(file), "--key", "id", "--output", "result.json")
    assert ended.code == 0, ended.err
    # What the API got, in body and query.
    sent = [json.loads(seen.body) for seen in echo.seen]
    assert sorted(body["value"] for body in sent) == sorted(naughty_strings)
    assert all(body["inside"] == f"<{body['value']}>" for body in sent)
    assert sorted(seen.query["value"] for seen in echo.seen) == sorted(naughty_strings)
    # What the results say.
    document = json.loads((workspace / "result.json").read_bytes())
    assert [row["row_key"] for row in document["rows"]] == naughty_strings
    assert [row["inputs"]["value"] for row in document["rows"]] == naughty_strings
    answer = command("sql", "select row_key, outputs from steps order by row_index", "--format", "json")
    assert [json.loads(line["outputs"])["value"] for line in json.loads(answer.out)] == naughty_strings
    assert [line["row_key"] for line in json.loads(answer.out)] == naughty_strings


def test_nothing_that_is_shown_of_naughty_strings_steers_a_terminal(
    workspace: Path, naughty_strings: list[str], command: Callable[..., Any]
) -> None:
    text = (workspace / "reqflo.yaml").read_text()
    # Every row fails, so that keys and values are told in messages too.
    (workspace / "reqflo.yaml").write_text(text.replace('"{{ inputs.value }}"}\n        - ', '"never"}\n        - '))
    _csv(workspace / "rows.csv", list(zip(naughty_strings, naughty_strings, strict=True)))
    ended = command("run", "echo", "--data", "rows.csv", "--key", "id", "--run-id", "r1")
    assert ended.code == 1
    shown = [ended, command("show", "r1"), command("sql", "select row_key, outputs from steps limit 600")]
    # By their keys, as a person would paste them; what begins with a dash needs an equals sign.
    shown += [command("show", "r1", f"--row={key}", "--full") for key in naughty_strings[::40]]
    assert [entry.code for entry in shown] == [1] + [0] * (len(shown) - 1)
    for entry in shown:
        assert not _UNSAFE.search(entry.out + entry.err)


@pytest.mark.parametrize("key", ["0", "1", "-1", "1e3", "null", "latest", "'; drop table results; --", "%", "*", " "])
def test_a_row_is_found_by_its_exact_key(key: str, workspace: Path, command: Callable[..., Any]) -> None:
    _csv(workspace / "rows.csv", [("other", "first"), (key, "mine"), ("another", "third")])
    assert command("run", "echo", "--data", "rows.csv", "--key", "id").code == 0
    found = command("show", "latest", f"--row={key}", "--json").json
    assert found["result"]["row_key"] == key
    assert found["result"]["inputs"]["value"] == "mine"


def test_what_a_response_says_is_never_read_as_a_template(workspace: Path, command: Callable[..., Any]) -> None:
    text = "{{ secrets.KEY }} ${{ run.id }} {{ inputs.id }} {% raw %} {{"
    _csv(workspace / "rows.csv", [("a", text)])
    assert command("run", "echo", "--data", "rows.csv", "--key", "id").code == 0
    found = command("show", "latest", "--row", "a", "--json").json
    assert found["steps"][0]["outputs"] == {"value": text}


HTTPBIN = """
workspace: {name: httpbin, defaults: {environment: local}, http: {engine: ENGINE, max_redirects: 3}}
---
environment: {name: local, services: {bin: {base_url: "BASE"}}}
---
journey:
  name: tour
  cookies: true
  inputs: [{name: who, default: "Ünï & co"}]
  steps:
    - id: get
      request:
        service: bin
        url: "/get?fixed=1"
        query: {who: "{{ inputs.who }}", many: [a, b]}
        headers: {X-Trace: t1}
      assertions:
        - {type: json_path, path: "$.args.who", operator: equals, expected: "{{ inputs.who }}"}
        - {type: json_path, path: "$.args.many", operator: equals, expected: [a, b]}
        - {type: json_path, path: "$.args.fixed", operator: equals, expected: "1"}
        - {type: json_path, path: "$.headers['X-Trace']", operator: equals, expected: t1}
    - id: post_json
      request:
        method: POST
        service: bin
        url: /post
        body: {json: {n: 12345678901234567890, who: "{{ inputs.who }}"}}
      assertions:
        - {type: json_path, path: "$.json.n", operator: equals, expected: 12345678901234567890}
        - {type: json_path, path: "$.json.who", operator: equals, expected: "{{ inputs.who }}"}
        - {type: json_path, path: "$.headers['Content-Type']", operator: contains, expected: application/json}
    - id: post_form
      request: {method: POST, service: bin, url: /post, body: {form: {who: "{{ inputs.who }}", n: 1}}}
      assertions:
        - {type: json_path, path: "$.form", operator: equals, expected: {who: "Ünï & co", n: "1"}}
    - id: upload
      request:
        method: POST
        service: bin
        url: /post
        body: {multipart: [{name: note, value: hello}, {name: file, file: logo.bin, content_type: application/x-own}]}
      assertions:
        - {type: json_path, path: "$.form.note", operator: equals, expected: hello}
        - {type: json_path, path: "$.files.file", operator: contains, expected: "base64,AAH/"}
    - id: methods
      request: {method: PATCH, service: bin, url: /patch, body: {text: "plain text"}}
      assertions: [{type: json_path, path: "$.data", operator: equals, expected: "plain text"}]
    - id: gzip
      request: {service: bin, url: /gzip}
      assertions: [{type: json_path, path: "$.gzipped", operator: equals, expected: true}]
    - id: redirected
      request: {service: bin, url: /redirect/2}
      assertions:
        - {type: status_code, expected: 200}
        - {type: json_path, path: "$.url", operator: ends_with, expected: /get}
    - id: cookie
      request: {service: bin, url: /response-headers, query: {Set-Cookie: "flavour=oat; Path=/"}}
    - id: cookies
      request: {service: bin, url: /cookies}
      assertions: [{type: json_path, path: "$.cookies.flavour", operator: equals, expected: oat}]
    - id: headers
      request: {service: bin, url: /response-headers, query: {X-Reply: "yes"}}
      assertions: [{type: header, name: x-reply, operator: equals, expected: "yes"}]
    - id: picture
      request: {service: bin, url: /image/png}
      assertions: [{type: header, name: Content-Type, operator: equals, expected: image/png}]
    - id: unicode
      request: {service: bin, url: /encoding/utf8}
      assertions: [{type: body_contains, expected: "ℕ ⊆ ℕ₀ ⊂ ℤ"}]
    - id: teapot
      request: {service: bin, url: /status/418}
      assertions: [{type: status_code, expected: 4xx}]
---
journey:
  name: unavailable
  steps:
    - id: call
      request: {service: bin, url: /status/503}
      retry: {count: 2, delay: 10ms}
      assertions: [{type: status_code, expected: 200}]
---
journey:
  name: slow
  steps:
    - {id: call, request: {service: bin, url: /delay/8}, timeout: {read: 300ms}}
---
journey:
  name: around
  steps:
    - {id: call, request: {service: bin, url: /redirect/9}, assertions: [{type: status_code, expected: 200}]}
"""


@pytest.fixture(scope="module")
def httpbin() -> Iterator[str]:
    """httpbin in a process of its own."""
    pytest.importorskip("httpbin", reason="the package httpbin is not installed")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    script = ROOT / "tests" / "apps" / "httpbin_server.py"
    with subprocess.Popen(
        [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as app:
        assert app.stdin and app.stdout
        yield app.stdout.readline().strip()
        app.stdin.close()


@pytest.fixture(params=["httptools", "httpx"])
def bin_workspace(
    request: pytest.FixtureRequest, httpbin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    assert httpbin.startswith("http://127.0.0.1:"), httpbin
    (tmp_path / "reqflo.yaml").write_text(HTTPBIN.replace("BASE", httpbin).replace("ENGINE", request.param))
    (tmp_path / "logo.bin").write_bytes(bytes([0, 1, 255, 254]))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_tour_of_an_api_that_we_did_not_write(bin_workspace: Path, command: Callable[..., Any]) -> None:
    ended = command("run", "tour", "--run-id", "r1")
    assert ended.code == 0, command("sql", "select step_id, message from assertions where status = 'failed'").out
    picture = command("show", "r1", "--row", "0", "--step", "picture")
    assert "bytes that are not UTF-8" in picture.out
    redirects = command("sql", "select count(*) as n from logs where kind = 'redirect' and step_id = 'redirected'")
    assert redirects.out.split() == ["n", "2"]


def test_an_unavailable_service_is_tried_again_and_every_try_is_kept(
    bin_workspace: Path, command: Callable[..., Any]
) -> None:
    assert command("run", "unavailable").code == 1
    tries = command("sql", "select attempt, http_response_status_code as status from steps", "--format", "json")
    assert json.loads(tries.out) == [{"attempt": number, "status": 503} for number in (1, 2, 3)]


def test_a_slow_answer_and_an_endless_redirect_are_errors_of_the_step(
    bin_workspace: Path, command: Callable[..., Any]
) -> None:
    slow = command("run", "slow")
    assert slow.code == 1 and "error row 0 at step call: read_timeout:" in slow.err
    around = command("run", "around")
    assert around.code == 1 and "error row 0 at step call: too_many_redirects:" in around.err


def test_output_in_a_character_set_of_old_is_escaped_and_no_crash(workspace: Path) -> None:
    _csv(workspace / "rows.csv", [("schlüssel-日本", "x")])
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "NO_COLOR": "1"}
    ended = subprocess.run(
        [PROGRAM, "run", "echo", "--data", "rows.csv", "--key", "id"], capture_output=True, env=environment, check=False
    )
    assert ended.returncode == 0
    shown = subprocess.run(
        [PROGRAM, "show", "latest", "--row", "schlüssel-日本"], capture_output=True, env=environment, check=False
    )
    assert shown.returncode == 0 and b"schl\\xfcssel-\\u65e5\\u672c" in shown.stdout


ODD = ["null", "5", "[]", "{}", "[null]", "{a: null}", "''", "'{{ x }}'", "'{{ steps.create.status }}'", "*x", "'$.a['"]


@pytest.mark.parametrize("seed", range(8))
def test_a_workspace_with_a_few_mistakes_is_checked_to_the_end(
    seed: int, example: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)
    monkeypatch.chdir(example("orders"))
    originals = {path: path.read_text() for path in sorted(Path().rglob("*.yaml"))}
    for _ in range(12):
        for path in chance.sample(list(originals), 2):
            lines = originals[path].splitlines()
            at = chance.randrange(len(lines))
            words = list(re.finditer(r"[^\s{}\[\],:]+", lines[at]))
            if words and chance.random() < 0.7:
                word = chance.choice(words)
                other = chance.choice([word[0][:-1], *ODD])
                lines[at] = lines[at][: word.start()] + other + lines[at][word.end() :]
            else:
                lines[at : at + 1] = [lines[at]] * chance.choice([0, 2])
            path.write_text("\n".join(lines) + "\n")
        problems = reqflo_ray.check(reqflo_ray.Journey("place-order", case="Gift order"))
        assert len({(problem.code, problem.message, problem.position) for problem in problems}) == len(problems)
        for path, text in originals.items():
            path.write_text(text)
