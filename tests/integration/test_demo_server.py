"""The demo API as a process: it says where it listens, serves over a socket, and ends in good order."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator

import pytest

from reqflo_ray._internal.demo.process import DemoServer
from reqflo_ray._internal.demo.server import ServerOptions
from reqflo_ray._internal.errors import ReqfloError


@pytest.fixture
def server() -> Iterator[DemoServer]:
    with DemoServer(ServerOptions(port=0, client_secret="canary-secret")) as running:
        yield running


def connect(server: DemoServer) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urllib.parse.urlsplit(server.url).netloc, timeout=10)


def ask(
    connection: http.client.HTTPConnection, method: str, path: str, body: object = None, token: str = ""
) -> tuple[int, object]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def test_the_whole_journey_works_over_one_connection(server: DemoServer) -> None:
    connection = connect(server)
    status, token = ask(connection, "POST", "/auth/token", {"client_id": "a", "client_secret": "canary-secret"})
    assert isinstance(token, dict)
    assert status == 200
    bearer = token["access_token"]
    status, created = ask(connection, "POST", "/orders", {"customer_id": "c", "total": 287.0}, bearer)
    assert status == 201
    assert isinstance(created, dict)
    assert ask(connection, "GET", f"/orders/{created['order']['id']}", token=bearer) == (200, created)
    connection.close()
    assert [entry["status"] for entry in server.ledger()["requests"]] == [200, 201, 200]
    server.reset()
    assert server.ledger()["total"] == 0


def test_the_client_secret_is_not_among_the_arguments(server: DemoServer) -> None:
    with open(f"/proc/{server.pid}/cmdline", "rb") as arguments:
        assert b"canary" not in arguments.read()
    connection = connect(server)
    assert ask(connection, "POST", "/auth/token", {"client_id": "a", "client_secret": "wrong"})[0] == 401
    connection.close()


def test_a_chunked_body_and_a_pipeline_are_taken(server: DemoServer) -> None:
    address = urllib.parse.urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as client:
        client.sendall(
            b"POST /orders HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
            b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        )
        received = b""
        while piece := client.recv(65536):
            received += piece
    assert received.index(b"HTTP/1.1 401 ") < received.index(b"HTTP/1.1 200 ")


def test_answers_in_progress_are_finished_on_sigterm() -> None:
    with DemoServer(ServerOptions(port=0, latency_ms=400)) as server:
        idle, busy = connect(server), connect(server)
        idle.connect()
        busy.request("GET", "/health")
        idle_socket = idle.sock
        assert idle_socket is not None
        while not _request_arrived(server):
            time.sleep(0.01)
        os.kill(server.pid, signal.SIGTERM)
        answer = busy.getresponse()
        assert (answer.status, answer.read()) == (200, b'{"status":"ok"}')
        assert idle_socket.recv(1) == b""
        idle.close()
        busy.close()
        assert server.wait(10) == 0


def _request_arrived(server: DemoServer) -> bool:
    # The kernel's receive queue of every connection of the server is empty once it has read the request.
    with open("/proc/net/tcp") as table:
        port = f":{urllib.parse.urlsplit(server.url).port:04X}"
        lines = [line.split() for line in table if line.split()[1].endswith(port)]
    established = [line for line in lines if line[3] == "01"]
    return len(established) == 2 and all(line[4].endswith(":00000000") for line in established)


def test_a_port_in_use_is_told_with_a_hint(server: DemoServer) -> None:
    port = str(urllib.parse.urlsplit(server.url).port)
    ended = subprocess.run(
        [sys.executable, "-m", "reqflo_ray._internal.demo", "--port", port], capture_output=True, text=True, timeout=30
    )
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.startswith("error[address_in_use]: cannot listen on 127.0.0.1:")
    assert "hint: " in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_server_that_cannot_start_is_told_and_leaves_no_process(server: DemoServer) -> None:
    port = urllib.parse.urlsplit(server.url).port
    assert port is not None
    second = DemoServer(ServerOptions(port=port))
    with pytest.raises(ReqfloError) as caught:
        second.__enter__()
    assert caught.value.code == "demo_not_started"


def test_a_server_that_was_not_started_has_no_process() -> None:
    with pytest.raises(ReqfloError):
        _ = DemoServer().pid
