"""Every engine against httpbin, a server that we did not write."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from reqflo_ray._internal.model.http.exchange import FailureKind

httpbin = pytest.importorskip("httpbin", reason="the package httpbin is not installed")
serving = pytest.importorskip("werkzeug.serving")

LABORATORY = Any
TAKE = Any


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    handler = type("Handler", (serving.WSGIRequestHandler,), {"protocol_version": "HTTP/1.1"})
    server = serving.make_server("127.0.0.1", 0, httpbin.app, threaded=True, request_handler=handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_methods_headers_arguments_and_bodies_arrive(
    laboratory: LABORATORY, answered: TAKE, address: str, method: str
) -> None:
    body = None if method == "GET" else b'{"a": [1, 2]}'
    headers = (("X-Trace", "t1"), ("Content-Type", "application/json"))
    exchange = laboratory.once(f"{address}/{method.lower()}?q=a%20b&q=c", method, headers=headers, body=body)
    seen = json.loads(answered(exchange).body)
    assert seen["args"] == {"q": ["a b", "c"]}
    assert seen["headers"]["X-Trace"] == "t1"
    assert body is None or seen["json"] == {"a": [1, 2]}


@pytest.mark.parametrize("path", ["gzip", "deflate", "brotli"])
def test_compressed_answers_are_decoded(laboratory: LABORATORY, answered: TAKE, address: str, path: str) -> None:
    response = answered(laboratory.once(f"{address}/{path}"))
    assert json.loads(response.body)["method"] == "GET"
    assert response.wire_size < len(response.body)


@pytest.mark.parametrize("status", [200, 204, 301, 304, 404, 418, 500, 503])
def test_statuses_come_through(laboratory: LABORATORY, answered: TAKE, address: str, status: int) -> None:
    assert answered(laboratory.once(f"{address}/status/{status}")).status == status


def test_streams_ranges_and_binary(laboratory: LABORATORY, answered: TAKE, address: str) -> None:
    lines = answered(laboratory.once(f"{address}/stream/20")).body.splitlines()
    assert [json.loads(line)["id"] for line in lines] == list(range(20))
    assert len(answered(laboratory.once(f"{address}/stream-bytes/50000?chunk_size=1000")).body) == 50_000
    assert answered(laboratory.once(f"{address}/image/png")).body.startswith(b"\x89PNG")


def test_redirects_end_where_they_should(laboratory: LABORATORY, answered: TAKE, failed: TAKE, address: str) -> None:
    exchange = laboratory.once(f"{address}/redirect/3", max_redirects=3)
    assert answered(exchange).status == 200
    assert [event.kind for event in exchange.events] == ["redirect"] * 3
    assert failed(laboratory.once(f"{address}/redirect/4", max_redirects=3)) is FailureKind.REDIRECTS
    assert answered(laboratory.once(f"{address}/redirect/4")).status == 302


def test_basic_authorization_from_the_url(laboratory: LABORATORY, answered: TAKE, address: str) -> None:
    place = address.removeprefix("http://")
    exchange = laboratory.once(f"http://user:p%40ss@{place}/basic-auth/user/p%40ss")
    assert answered(exchange).status == 200
    assert exchange.url == f"{address}/basic-auth/user/p%40ss"


def test_a_delay_is_waited_for_or_not(laboratory: LABORATORY, answered: TAKE, failed: TAKE, address: str) -> None:
    exchange = laboratory.once(f"{address}/delay/0.3")
    assert answered(exchange).status == 200
    assert exchange.timings.wait_ms >= 290
    assert failed(laboratory.once(f"{address}/delay/1", read_ms=200)) is FailureKind.READ_TIMEOUT
    assert failed(laboratory.once(f"{address}/drip?duration=2&numbytes=20", total_ms=300)) is FailureKind.DEADLINE
