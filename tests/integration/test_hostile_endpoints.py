"""The demo API's hostile answers against the engines that runs use, and against a whole run."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from peak_memory import forget_peak, peak_kib

import reqflo_ray
from reqflo_ray import Dataset, Journey, Target
from reqflo_ray._internal.cli.display.terminal import Terminal
from reqflo_ray._internal.cli.main import run_command_line
from reqflo_ray._internal.demo.process import DemoServer
from reqflo_ray._internal.http.factory import create_transport
from reqflo_ray._internal.model.http.exchange import Exchange, FailureKind, TransportRequest
from reqflo_ray._internal.model.plan import HttpSettings

MIB = 2**20
Get = Callable[..., Exchange]


@pytest.fixture(params=["httptools", "httpx"])
def get(request: pytest.FixtureRequest, shop: DemoServer) -> Get:
    """Asks the demo API with one of the engines, and looks afterwards whether it still answers others."""

    def send(path: str, *, total_ms: int = 60_000, max_redirects: int = 10) -> Exchange:
        async def main() -> Exchange:
            settings = HttpSettings(engine=request.param, max_body_bytes=MIB, max_redirects=max_redirects)
            transport = create_transport(settings, limit=4)
            try:
                wanted = TransportRequest(method="GET", url=f"{shop.url}{path}", total_ms=total_ms, read_ms=30_000)
                hostile = await transport.send(wanted)
                after = await transport.send(TransportRequest(method="GET", url=f"{shop.url}/health"))
            finally:
                await transport.close()
            assert after.response is not None and after.response.status == 200
            return hostile

        return asyncio.run(main())

    return send


@pytest.mark.parametrize("path", ["slow?every=0.01", "slow-head?every=0.01", "hang"])
def test_a_slow_answer_is_ended_by_the_deadline(get: Get, path: str) -> None:
    exchange = get(f"/hostile/{path}", total_ms=500)
    assert exchange.failure is not None
    assert exchange.failure.kind is FailureKind.DEADLINE


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_a_bomb_ends_at_the_limit_and_takes_little_memory(get: Get, coding: str) -> None:
    get(f"/hostile/bomb/{coding}?mib=2")  # what the codec itself needs once
    before = forget_peak()
    exchange = get(f"/hostile/bomb/{coding}?mib=512")
    assert exchange.failure is not None
    assert exchange.failure.kind is FailureKind.TOO_LARGE
    assert (peak_kib() - before) / 1024 <= 64


def test_a_body_that_is_cut_short_is_told(get: Get) -> None:
    exchange = get("/hostile/length/short")
    assert exchange.failure is not None
    assert exchange.failure.kind is FailureKind.SHORT_BODY
    assert exchange.failure.message.endswith("closed the connection after 16 of 1000 bytes of the body")


@pytest.mark.parametrize(
    ("path", "what", "shown"),
    [
        ("head/ssh", "is that of an SSH server, not HTTP", b"SSH-2.0-OpenSSH_9.2\r\n"),
        ("head/blank", "has a blank before the colon of a header", b"x-a : b"),
        ("head/both", "has both a Content-Length and a Transfer-Encoding header",
         b"content-length: 2\r\ntransfer-encoding: chunked"),
        ("head/chunk", "has a chunk that does not begin with its size in hexadecimal", b"{}"),
        ("length/two", "has more than one Content-Length header", b"content-length: 2\r\ncontent-length: 16"),
        ("length/bad", "has a Content-Length that is not a number of bytes", b"content-length: -5"),
        ("huge-header", "has a head of more than 65536 bytes", b""),
        ("many-headers", "has a head of more than 65536 bytes", b""),
    ],
)  # fmt: skip
def test_an_answer_that_is_no_http_says_what_is_wrong_and_shows_it(
    get: Get, path: str, what: str, shown: bytes
) -> None:
    failure = get(f"/hostile/{path}").failure
    assert failure is not None and failure.kind is FailureKind.PROTOCOL
    assert failure.message.endswith(what)
    assert failure.shown == shown


def test_a_head_that_is_cut_short_says_what_came(get: Get) -> None:
    failure = get("/hostile/head/cut").failure
    assert failure is not None and failure.kind is FailureKind.CLOSED
    assert failure.message.endswith("closed the connection in the middle of the response head, after 14 bytes")
    assert failure.shown == b"HTTP/1.1 200 O"


def test_a_folded_header_is_one_line(get: Get) -> None:
    response = get("/hostile/head/folded").response
    assert response is not None and ("x-a", "one two") in response.headers and response.body == b"{}"


def test_what_follows_a_body_is_not_taken_for_a_part_of_it(get: Get) -> None:
    exchange = get("/hostile/length/long")
    if exchange.response is not None:
        assert exchange.response.body == b'{"h'
    else:  # the engine looked further, and found that it is no HTTP
        assert exchange.failure is not None and exchange.failure.kind is FailureKind.PROTOCOL


def test_a_connection_that_is_closed_without_an_answer_is_told(get: Get) -> None:
    exchange = get("/hostile/reset")
    assert exchange.failure is not None
    assert exchange.failure.kind is FailureKind.CLOSED


def test_redirects_end(get: Get, shop: DemoServer) -> None:
    for path in ("loop", "11"):
        exchange = get(f"/hostile/redirect/{path}")
        assert exchange.failure is not None
        assert exchange.failure.kind is FailureKind.REDIRECTS
    arrived = get("/hostile/redirect/9").response
    assert arrived is not None and arrived.body == b'{"arrived":true}'


@pytest.mark.parametrize(
    "target", ["http://169.254.169.254/latest/", "http://[::ffff:169.254.169.254]/", "file:///etc"]
)
def test_an_open_redirect_does_not_lead_to_where_nobody_may_go(get: Get, target: str) -> None:
    exchange = get(f"/hostile/redirect/to?url={target}")
    assert exchange.failure is not None
    assert exchange.failure.kind is FailureKind.BLOCKED


def test_bytes_of_any_kind_come_as_they_are(get: Get) -> None:
    binary = get("/hostile/binary").response
    assert binary is not None and binary.body == bytes(range(256)) * 16
    broken = get("/hostile/invalid-utf8").response
    assert broken is not None and b"\xff\xfe" in broken.body


_WORKSPACE = """\
workspace: {name: hostile, http: {engine: ENGINE, total_timeout: 20s, max_body_bytes: 1048576}}
---
journey:
  name: hostile
  inputs: [{name: url, required: true}]
  steps:
    - id: ask
      request: {url: "{{ inputs.url }}"}
      assertions:
        - {type: status_code, expected: 200}
        - {type: json_path, path: "$.formula", operator: exists, soft: true}
      retry: {count: 2, delay: 10ms, max_delay: 2s}
"""

_ENDINGS = {
    "bomb/zstd": ("error", "body_too_large"),
    "redirect/loop": ("failed", "assertion_failed"),
    "length/short": ("error", "short_body"),
    "huge-header": ("error", "protocol_error"),
    "reset": ("error", "connection_closed"),
    "head/blank": ("error", "protocol_error"),
    "head/tls": ("error", "protocol_error"),
    "binary": ("passed", ""),
    "invalid-utf8": ("passed", ""),
    "deep": ("passed", ""),
    "controls": ("passed", ""),
    **{
        f"retry/{status}/{form}": ("failed", "assertion_failed")
        for status in (429, 503)
        for form in ("now", "date", "far", "text")
    },
    **{
        f"retry/429/{form}": ("failed", "assertion_failed")
        for form in ("past", "fraction", "negative", "empty", "two", "huge")
    },
}


@pytest.mark.parametrize("engine", ["httptools", "httpx"])
def test_a_run_survives_all_of_it_and_tells_each_apart(tmp_path: Path, shop: DemoServer, engine: str) -> None:
    (tmp_path / "reqflo.yaml").write_text(_WORKSPACE.replace("ENGINE", engine))
    rows = [json.dumps({"path": path, "url": f"{shop.url}/hostile/{path}"}) for path in _ENDINGS]
    (tmp_path / "rows.jsonl").write_text("\n".join(rows))
    outcome = reqflo_ray.run(
        Journey("hostile", workspace=tmp_path),
        Dataset(tmp_path / "rows.jsonl", key="path"),
        target=Target(store=tmp_path / "store", backend="local"),
    )
    assert (outcome.complete, outcome.exit_code) == (True, 1)
    query = "select row_key, status, coalesce(error_code, '') from results"
    found = reqflo_ray.open_store(str(tmp_path / "store")).query(query, runs=[outcome.run_id]).rows()
    assert {path: (status, code) for path, status, code in found} == _ENDINGS


def look(*arguments: str) -> str:
    """Standard output and error of a command, as the log of a CI system gets them."""
    streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2)]
    terminal = Terminal(out=streams[0], err=streams[1], environment={"GITHUB_ACTIONS": "true"})
    assert run_command_line(arguments, terminal) == 0
    return "".join(stream.buffer.getvalue().decode() for stream in streams if isinstance(stream.buffer, io.BytesIO))


def test_what_an_api_answers_steers_neither_terminal_nor_ci_nor_spreadsheet(tmp_path: Path, shop: DemoServer) -> None:
    (tmp_path / "reqflo.yaml").write_text(_WORKSPACE.replace("ENGINE", "httptools"))
    store = str(tmp_path / "store")
    sets = {"url": f"{shop.url}/hostile/controls"}
    journey = Journey("hostile", workspace=tmp_path, overrides=sets)
    reqflo_ray.run(journey, target=Target(store=store, backend="local"))
    body = "json_extract_string(http_response_body, '$.{}')"
    query = f"select {body.format('ci')} as ci, {body.format('formula')} as formula, {body.format('screen')} as screen"
    shown = {
        "show": look("show", "latest", "--row", "0", "--step", "ask", "--store", store),
        "table": look("sql", f"{query} from steps", "--run", "latest", "--store", store),
        "csv": look("sql", f"{query} from steps", "--run", "latest", "--format", "csv", "--store", store),
        "json": look("sql", f"{query} from steps", "--run", "latest", "--format", "json", "--store", store),
    }
    for name, text in shown.items():
        assert "owned" in text, name
        assert not [line for line in text.splitlines() if line.lstrip().startswith("::")], name
        assert "##vso[" not in text and "##teamcity[" not in text, name
        assert name == "csv" or "\x1b" not in text, name
    [row] = csv.DictReader(io.StringIO(shown["csv"]))
    assert row["formula"].startswith("'=HYPERLINK")
