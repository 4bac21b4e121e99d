"""Runs against a server that closes connections, asks to wait and breaks the rules of HTTP: what they send and tell."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from command_line import STEERING, run_here
from threaded_api import QuietHandler, ThreadedApi

OK = b"HTTP/1.1 200 OK\r\n"
HEADS = {
    "/folded": OK + b"X-Long: one\r\n two\r\nContent-Length: 2\r\n\r\n{}",
    "/blank": OK + b"X-Card : 4111-1111\r\nContent-Length: 2\r\n\r\n{}",
    "/both": OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
    "/cookie": OK + b"Set-Cookie : sid=abcdef\r\nContent-Length: 2\r\n\r\n{}",
    "/ssh": b"SSH-2.0-OpenSSH_9.2\r\n",
    "/cut": OK + b"Content-Length: 1000\r\n\r\n{}",
}
WORKSPACE = """
workspace: {name: wire, defaults: {environment: local}}
---
environment: {name: local, services: {api: {base_url: "BASE"}}}
---
journey:
  name: steps
  steps:
    - id: job
      request: {service: api, url: /job}
      poll: {interval: 50ms, timeout: 20s, until: [{type: status_code, expected: 200}]}
    - id: slow
      request: {service: api, url: /slow}
      poll: {interval: 50ms, timeout: 300ms, until: [{type: status_code, expected: 201}]}
    - {id: first, request: {service: api, url: /once}}
    - {id: get, request: {service: api, url: /once}}
    - {id: keyed, idempotency: true, request: {service: api, method: POST, url: /once}}
    - {id: bare, request: {service: api, method: POST, url: /once}}
---
journey:
  name: heads
  inputs: [{name: path}, {name: card, sensitive: true}]
  steps:
    - {id: ask, request: {service: api, url: "/{{ inputs.path }}", headers: {X-Card: "{{ inputs.card }}"}}}
"""


class WireApi(ThreadedApi):
    """Answers as the path says; `asked` are the requests to `/job`, in seconds."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        super().__init__(_handler(self))


def _handler(api: WireApi) -> type[BaseHTTPRequestHandler]:
    class Handler(QuietHandler):
        answered = 0

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            self.close_connection = self.path not in ("/once", "/job")
            if self.path == "/once" and self.answered:
                self.close_connection = True  # and says nothing
            elif self.path == "/job":
                api.asked.append(time.monotonic())
                status = b"202 Accepted" if len(api.asked) % 2 else b"200 OK"
                self.wfile.write(b"HTTP/1.1 %b\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n" % status)
            elif self.path == "/slow":
                time.sleep(1)
            else:
                self.wfile.write(HEADS.get(self.path, OK + b"Content-Length: 0\r\n\r\n"))
            self.answered += 1

        do_POST = do_GET

    return Handler


@pytest.fixture(scope="module")
def api() -> Iterator[WireApi]:
    with WireApi() as running:
        yield running


@pytest.fixture(autouse=True)
def workspace(api: WireApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "reqflo.yaml").write_text(WORKSPACE.replace("BASE", api.url))
    monkeypatch.chdir(tmp_path)
    for name in STEERING:
        monkeypatch.delenv(name, raising=False)


def _ask(query: str) -> list[list[str]]:
    ended = run_here("sql", query, "--run", "r1", "--format", "csv")
    assert ended.code == 0, ended.err
    return list(csv.reader(io.StringIO(ended.out)))[1:]


def test_closed_connections_and_waits_are_told_as_they_were(api: WireApi) -> None:
    ended = run_here("run", "steps", "--backend", "local", "--run-id", "r1")
    assert ended.code == 1, ended.err
    # The first of the two rounds of the job is no matter here.
    steps = "select step_id, attempt, error_code, resend_count from steps where (step_id, attempt) <> ('job', 1)"
    assert _ask(f"{steps} order by all") == [
        ["bare", "1", "connection_closed", "0"],
        ["first", "1", "", "0"],
        ["get", "1", "", "1"],
        ["job", "2", "", "0"],
        ["keyed", "1", "", "1"],
        ["slow", "1", "poll_timeout", "0"],
    ]
    # Both rounds of the job, the slow one, and four steps of which two were sent twice.
    assert _ask("select requests, resent from results") == [["9", "2"]]
    first, second = api.asked
    assert second - first >= 1.0, "Retry-After asked for a second"
    assert float(_ask("select duration_ms from steps where step_id = 'slow'")[0][0]) < 900


def test_answers_that_are_no_http_say_why_and_keep_what_is_sensitive(api: WireApi, tmp_path: Path) -> None:
    rows = [f"{path.lstrip('/')},4111-1111" for path in HEADS]
    (tmp_path / "rows.csv").write_text("\n".join(["path,card", *rows]))
    ended = run_here("run", "heads", "--backend", "local", "--run-id", "r1", "--data", "rows.csv", "--key", "path")
    assert ended.code == 1, ended.err
    found = {
        key: message.partition(f"{api.url[7:]} ")[2]
        for key, message in _ask("select row_key, error_message from results")
    }
    assert found == {
        "folded": "",
        "blank": 'has a blank before the colon of a header: "X-Card : [sensitive:inputs.card]"',
        "both": "has both a Content-Length and a Transfer-Encoding header: "
        '"Content-Length: 2\\r\\nTransfer-Encoding: chunked"',
        "cookie": 'has a blank before the colon of a header: "Set-Cookie"',
        "ssh": 'is that of an SSH server, not HTTP: "SSH-2.0-OpenSSH_9.2\\r\\n"',
        "cut": "closed the connection after 2 of 1000 bytes of the body",
    }
