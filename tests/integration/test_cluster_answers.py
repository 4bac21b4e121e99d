"""What answers at the address of a cluster, and what is made of it: against a real HTTP server."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version

import pytest

from reqflo_ray._internal.errors import ClusterError
from reqflo_ray._internal.ray_cluster.address import ClusterAddress, check_cluster

TOKEN = "made-up-token"
Serve = Callable[[int, bytes], ClusterAddress]


@pytest.fixture
def heard() -> list[tuple[str, str | None]]:
    """Path and Authorization header of every request."""
    return []


@pytest.fixture
def serve(heard: list[tuple[str, str | None]]) -> Iterator[Serve]:
    """Answers every request with a status and a body; a redirect goes to another path of the same server."""
    servers: list[HTTPServer] = []

    def start(status: int, body: bytes) -> ClusterAddress:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                heard.append((self.path, self.headers.get("Authorization")))
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "/login")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        server = HTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return ClusterAddress(f"http://127.0.0.1:{server.server_port}", TOKEN)

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def error_of(cluster: ClusterAddress) -> ClusterError:
    with pytest.raises(ClusterError) as refused:
        check_cluster(cluster)
    assert TOKEN not in f"{refused.value.message}{refused.value.cause}{refused.value.hint}"
    return refused.value


def test_a_cluster_of_the_same_version_is_taken(serve: Serve, heard: list[tuple[str, str | None]]) -> None:
    check_cluster(serve(200, json.dumps({"ray_version": version("ray")}).encode()))
    assert heard == [("/api/version", f"Bearer {TOKEN}")]


@pytest.mark.parametrize("theirs", ["2.58.0", "2.59.0", "2.60.0"])
def test_a_cluster_of_any_supported_version_is_taken(
    serve: Serve, heard: list[tuple[str, str | None]], theirs: str
) -> None:
    check_cluster(serve(200, json.dumps({"ray_version": theirs}).encode()))
    assert [path for path, _ in heard] == ["/api/version"]


def test_another_version_of_ray_is_refused_with_both_named(serve: Serve) -> None:
    refused = error_of(serve(200, b'{"ray_version": "2.9.3"}'))
    assert refused.code == "ray_version_skew"
    assert refused.message == f"the cluster runs Ray 2.9.3, and this machine has Ray {version('ray')}"
    assert "Ray 2.58 to 2.60" in refused.hint


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_is_not_accepted_is_told(serve: Serve, status: int) -> None:
    assert error_of(serve(status, b"Forbidden")).code == "cluster_authentication"


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, b"<html>"), (200, b"[]"), (200, b'{"ray_version": 2}'), (404, b""), (500, b"oops"), (200, b"\xff")],
)
def test_what_is_no_dashboard_is_told(serve: Serve, status: int, body: bytes) -> None:
    assert error_of(serve(status, body)).code == "no_dashboard"


def test_a_redirect_does_not_carry_the_token_away(serve: Serve, heard: list[tuple[str, str | None]]) -> None:
    assert error_of(serve(302, b"")).code == "no_dashboard"
    assert [path for path, _ in heard] == ["/api/version"]


def test_a_port_where_nothing_listens_is_told(serve: Serve) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    assert error_of(ClusterAddress(f"http://127.0.0.1:{port}", TOKEN)).code == "cluster_unreachable"
