"""One hostile row among good ones, over real HTTP, for every kind of answer and value that breaks programs: the others
pass, the run is complete, the row has a verdict, and every command answers."""

from __future__ import annotations

import csv
import json
import os
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from command_line import PROGRAM, STEERING, run_here
from pyarrow import parquet
from threaded_api import QuietHandler, ThreadedApi

JSON = "application/json"
_GOOD = b'{"title": "fine", "tags": [{"n": 1, "s": "x"}], "token": "token-of-a-good-row"}'


def _titled(text: bytes) -> bytes:
    return b'{"title": ' + text + b', "tags": [{"n": ' + text + b', "s": ' + text + b'}], "token": ' + text + b"}"


# What a row's API answers: content type and body.
ANSWERS: dict[str, tuple[str, bytes]] = {
    "half of a pair": (JSON, _titled(b'"Hello \\ud83d"')),
    "the other half": (JSON, _titled(b'"\\ude00 world"')),
    "halves in names": (JSON, b'{"title": {"\\ud83d": 1}, "tags": [{"\\udc00": "x"}], "token": "some-token"}'),
    "CESU-8": (JSON, _titled(b'"Hello \xed\xa0\xbd\xed\xb8\x80"')),
    "half of CESU-8": (JSON, _titled(b'"Hello \xed\xa0\xbd"')),
    "NUL": (JSON, _titled(b'"a\\u0000b"')),
    "bare NUL": (JSON, _titled(b'"a\0b"')),
    "non-characters": (JSON, _titled('"\ufdd0\uffff\U0010ffff"'.encode())),
    "no UTF-8": (JSON, _titled(b'"\xff\xfe\xc0\x80"')),
    "deep": (JSON, _titled(b"[" * 900 + b"]" * 900)),
    "somewhat deep": (JSON, _titled(b"[" * 300 + b"]" * 300)),
    "deeper than any stack": (JSON, _titled(b"[" * 100_000 + b"]" * 100_000)),
    "deep objects": (JSON, _titled(b'{"a":' * 50_000 + b"1" + b"}" * 50_000)),
    "many digits": (JSON, _titled(b"9" * 5000)),
    "some digits": (JSON, _titled(b"1234567890" * 8 + b".5")),
    "a large exponent": (JSON, _titled(b"1e999999")),
    "an endless exponent": (JSON, _titled(b"1e99999999999999999999")),
    "a tiny number": (JSON, _titled(b"-1e-400")),
    "minus nothing": (JSON, _titled(b"-0.0")),
    "NaN": (JSON, _titled(b"NaN")),
    "minus infinity": (JSON, _titled(b"-Infinity")),
    "a BOM": (JSON, b"\xef\xbb\xbf" + _titled(b'"x"')),
    "UTF-16": ("application/json; charset=utf-16", _titled(b'"x"').decode().encode("utf-16")),
    "UTF-32": (JSON, _titled(b'"x"').decode().encode("utf-32")),
    "UTF-7": ("application/json; charset=utf-7", _titled(b'"+2D0-"')),
    "a wrong charset": ("application/json; charset=shift_jis", _titled('"é"'.encode())),
    "an unknown charset": ("application/json; charset=klingon-8", _titled('"é"'.encode())),
    "no charset at all": ('application/json; charset=;;;"', _titled('"é"'.encode())),
    "a codec that is none": ("text/plain; charset=punycode", b"a-" * 50_000),
    "a codec of escapes": ("text/plain; charset=unicode-escape", b"\\ud83d \\N{no name} \\x"),
    "a codec of bytes": ("text/plain; charset=zlib", b"x\x9c"),
    "an endless charset": ("text/plain; charset=" + "x" * 5000, b"text"),
    "nothing": (JSON, b""),
    "a bare text": (JSON, b'"\\ud83d"'),
    "a bare number": (JSON, b"9" * 5000),
    "one member many times": (JSON, b'{"title": 1, "title": "\\ud83d", "tags": [], "tags": {}}'),
    "controls": (JSON, _titled(b'"\\u001b[2J\\u202e\\u0007"')),
    "separators": (JSON, _titled('"\u2028\u2029\u0085"'.encode())),
    "formulas": (JSON, _titled(b'"=cmd|calc"')),
    "orders to CI": (JSON, _titled(b'"\\n::error::x\\n##vso[task.complete]"')),
    "markup": (JSON, _titled(b'"]]><script>alert(1)</script>&#0;"')),
    "templates": (JSON, _titled(b'"{{ secrets.X }} ${{ run.id }}"')),
}
# Lines of the head of an answer, as bytes.
HEADS: dict[str, bytes] = {
    "bytes in a header": b"X-Name: Zo\xc3\xab \xff\x80\r\n",
    "UTF-8 in a header name": b"X-N\xc3\xa4me: x\r\n",
    "odd cookies": b"Set-Cookie: \xff\xfe=\x80; Path=/\r\nSet-Cookie: =\r\nSet-Cookie: a=b; Expires=99 Foo 0000\r\n",
    "cookies of any time": b"Set-Cookie: a=b; Expires=Fri, 31 Dec 9999 23:59:59 -2359; Max-Age="
    + b"9" * 5000
    + b"\r\nDate: Mon, 01 Jan 0001 00:00:00 +2359\r\n",
    "a cookie for nobody": b"Set-Cookie: a=b; Domain=[::1; Path=\xff\r\n",
    "an odd retry": b"Retry-After: " + b"9" * 5000 + b"\r\n",
    "many headers": b"".join(b"X-%d: y\r\n" % number for number in range(90)),
}

WORKSPACE = """
workspace: {name: hostile, defaults: {environment: local}}
---
environment: {name: local, services: {api: {base_url: "BASE"}}}
---
journey:
  name: hostile
  cookies: true
  inputs: [{name: kind, required: true}, {name: extra, type: json}]
  variables: [{name: kept}]
  steps:
    - id: read
      request: {service: api, url: "/{{ row.index }}", headers: {X-Kind: "{{ row.index }}"}}
      assertions:
        - {type: json_path, path: "$.title", operator: exists, soft: true}
        - {type: json_path, path: "$.title", operator: equals, expected: fine, soft: true}
        - {type: json_path, path: "$.title", operator: greater_than, expected: 5, soft: true}
        - {type: json_path, path: "$.title", operator: matches, expected: "^f.*e$", soft: true}
        - {type: json_path, path: "$.title", operator: type, expected: integer, soft: true}
        - {type: json_path, path: "$.title", operator: length, expected: 4, soft: true}
        - {type: json_path, path: "$.title", operator: in, expected: [fine, 1.5], soft: true}
        - {type: json_path, path: "$..s", operator: contains, expected: x, soft: true}
        - {type: json_path, path: "$.tags[?@.n > 0 && match(@.s, 'x')]", operator: exists, soft: true}
        - {type: json_path, path: "$.tags[?@.n == @.s]", operator: not_exists, soft: true}
        - {type: json_schema, soft: true, schema: {type: object, properties: {title: {type: [string, number],
           maxLength: 9, maximum: 9, multipleOf: 0.5, pattern: "^f", format: date}}}}
        - {type: body_contains, expected: fine, soft: true}
        - {type: body_equals, expected: fine, soft: true}
        - {type: header, name: X-Name, operator: equals, expected: x, soft: true}
      outputs:
        title: {path: "$.body.title", required: false}
        all: {path: "$.body", required: false}
        tags: {path: "$.body.tags[*].s", required: false}
    - {id: remember, type: set_variable, values: {kept: "{{ steps.read.outputs.title }}"}}
    - {id: say, type: note, text: "it said {{ variables.kept }}"}
    - id: json
      request: {method: POST, service: api, url: /json, headers: {X-Kind: "{{ row.index }}"},
                body: {json: {title: "{{ steps.read.outputs.title }}", all: "{{ steps.read.outputs.all }}"}}}
    - id: form
      request: {method: POST, service: api, url: /form, body: {form: {title: "{{ variables.kept }}"}}}
    - id: text
      request: {method: POST, service: api, url: /text, body: {text: "<{{ variables.kept }}>"}}
    - id: parts
      request: {method: POST, service: api, url: /parts, body: {multipart: [{name: t, value: "{{ variables.kept }}"}]}}
    - id: place
      request: {service: api, url: "/place/{{ variables.kept }}", query: {q: "{{ variables.kept }}"},
                headers: {X-Title: "{{ variables.kept }}"}}
    - id: hidden
      request: {service: api, url: "/{{ row.index }}"}
      outputs: {token: {path: "$.body.token", sensitive: true, required: false}}
    - id: after
      request: {service: api, url: /after, headers: {X-Token: "{{ steps.hidden.outputs.token }}"}}
"""


class HostileApi(ThreadedApi):
    """Answers `/N` as row N wants it, all else with a good answer; counts what came."""

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self.seen = 0
        super().__init__(_handler(self))


def _handler(api: HostileApi) -> type[BaseHTTPRequestHandler]:
    class Handler(QuietHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            api.seen += 1
            number = self.path.lstrip("/")
            kind = api.kinds[int(number)] if number.isdigit() else "good"
            content_type, body = ANSWERS.get(kind, (JSON, _GOOD))
            head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n".encode()
            self.wfile.write(head + HEADS.get(kind, b"") + b"\r\n" + body)

        do_POST = do_GET

    return Handler


@pytest.fixture(scope="module")
def api() -> Iterator[HostileApi]:
    with HostileApi() as running:
        yield running


def _write_rows(path: Path, api: HostileApi) -> None:
    """A good row before and behind every hostile one."""
    for kind in (*ANSWERS, *HEADS):
        api.kinds += ["good", kind]
    api.kinds.append("good")
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("id", "kind"), *((f"{at}-{kind}", kind) for at, kind in enumerate(api.kinds))])


@pytest.fixture(scope="module")
def finished(api: HostileApi, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a run of all hostile rows and good ones between them."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "reqflo.yaml").write_text(WORKSPACE.replace("BASE", api.url))
    _write_rows(folder / "rows.csv", api)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in STEERING:
            patch.delenv(name, raising=False)
        command_line = ("run", "hostile", "--data", "rows.csv", "--key", "id", "--run-id", "r1", "--backend", "local")
        ended = run_here(*command_line)
        # All of it is the rows' doing: nothing of ours is wrong, and nothing is left unfinished.
        assert ended.code == 1 and "internal" not in ended.err, ended.err
        yield folder


def _ask(query: str) -> list[dict[str, Any]]:
    answer = run_here("sql", query, "--format", "json")
    assert answer.code == 0, answer.err
    found: list[dict[str, Any]] = json.loads(answer.out)
    return found


def test_no_answer_ends_more_than_its_own_row(finished: Path, api: HostileApi) -> None:
    found = _ask("select row_index, status, error_code from results order by row_index")
    assert len(found) == len(api.kinds)
    good = [row for row, kind in zip(found, api.kinds, strict=True) if kind == "good"]
    assert {row["status"] for row in good} == {"passed"} and len(good) > 40
    assert not [row for row in found if row["error_code"] == "internal_error"]
    assert {row["status"] for row in found} == {"passed", "error"}
    assert (finished / ".reqflo/runs/r1/manifest.json").exists()


def test_a_resume_sends_nothing_and_the_evidence_verifies(finished: Path, api: HostileApi) -> None:
    seen = api.seen
    assert run_here("resume", "r1").code == 1 and api.seen == seen
    assert run_here("verify", "r1").code == 0


def test_what_was_taken_from_an_answer_is_kept_as_it_was(finished: Path, api: HostileApi) -> None:
    files = sorted((finished / ".reqflo/runs/r1/steps").iterdir())
    lines = [line for file in files for line in parquet.read_table(file).to_pylist() if line["step_id"] == "read"]
    assert len(lines) == len(api.kinds)
    exact = 0
    for line in lines:
        kind = api.kinds[line["row_index"]]
        _, body = ANSWERS.get(kind, (JSON, _GOOD))
        if line["http_response_status_code"] is None:  # an answer that is no HTTP
            continue
        kept = line["http_response_body"]
        assert (kept.encode() if kept is not None else line["http_response_body_binary"]) in (body, body[:65_536])
        outputs = json.loads(line["outputs"] or "{}", parse_int=str, parse_float=Decimal)
        if "title" in outputs and kind not in ("NaN", "minus infinity"):  # JSON has no form for these
            codec = "shift_jis" if kind == "a wrong charset" else json.detect_encoding(body)
            text = body.decode(codec, "surrogatepass" if codec.startswith("utf") else "strict")
            sent = json.loads(text, parse_int=str, parse_float=Decimal)
            assert _utf16(outputs["title"]) == _utf16(sent["title"]), kind
            exact += 1
    assert exact > 60


def _utf16(value: Any) -> Any:
    return value.encode("utf-16", "surrogatepass") if isinstance(value, str) else value


@pytest.mark.parametrize("kind", ["table", "csv", "json", "parquet"])
def test_questions_about_all_rows_are_answered_in_every_format(kind: str, finished: Path) -> None:
    questions = (
        "select * exclude (http_response_body, http_request_body, http_response_body_binary) from steps",
        "select row_key, outputs->>'title' as title, json_valid(outputs) from steps where outputs is not null",
        "select path, expected, actual, message from assertions where status = 'failed'",
        "select * from logs",
        "select * from results",
    )
    for question in questions:
        answer = (
            run_here("sql", question, "--format", kind, "--output", f"answer.{kind}")
            if kind == "parquet"
            else (run_here("sql", question, "--format", kind))
        )
        assert answer.code == 0, (question, answer.err)
        if kind == "json":
            json.loads(answer.out)
        # One long value makes its own line long, and not those of a thousand others.
        assert len(answer.out) < 30_000_000, question


@pytest.mark.parametrize("kind", ["junit", "html", "markdown", "json", "ctrf"])
def test_every_report_is_written_and_can_be_read(kind: str, finished: Path) -> None:
    ended = run_here("report", "r1", f"{kind}=report.{kind}")
    assert ended.code == 0, ended.err
    text = (finished / f"report.{kind}").read_text(encoding="utf-8")
    if kind == "junit":
        ElementTree.fromstring(text)
    elif kind in ("json", "ctrf"):
        json.loads(text)


@pytest.mark.parametrize(
    "kind",
    ["half of a pair", "halves in names", "NUL", "somewhat deep", "many digits", "NaN", "controls", "odd cookies"],
)
def test_a_hostile_row_is_shown(kind: str, finished: Path, api: HostileApi) -> None:
    row = str(api.kinds.index(kind))
    for option in ("--full", "--json"):
        shown = run_here("show", "r1", "--row", row, option)
        assert shown.code == 0, shown.err
    json.loads(shown.out, parse_int=str)


def test_a_stream_that_takes_ascii_only_is_no_obstacle(finished: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii:strict", "NO_COLOR": "1"}
    ended = subprocess.run(
        [PROGRAM, "sql", "select outputs from steps"], capture_output=True, env=environment, check=False
    )
    assert ended.returncode == 0 and ended.stdout.isascii() and b"\\ud83d" in ended.stdout, ended.stderr
