"""What a proxy can do wrong: each has its name, ends in time, and is never taken for an answer of the API."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
from hostile_server import HostileServer
from proxy_server import CLOSE, ProxyServer

from reqflo_ray._internal.model.http.exchange import FailureKind

LABORATORY = Any
TAKE = Any

FORGED = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
OPEN = b"HTTP/1.1 200 Connection established\r\n\r\n"
TO_BASIC = b"HTTP/1.1 407 No\r\nProxy-Authenticate: Negotiate\r\nProxy-Authenticate: BASIC realm=x\r\n\r\n"
TO_NTLM = b"HTTP/1.1 407 No\r\nProxy-Authenticate: NTLM\r\nX-A: basic\r\n\r\n"

REFUSALS: dict[str, tuple[tuple[bytes | float | None, ...], str]] = {
    "asks for credentials": ((TO_BASIC,), "asks for credentials (407)"),
    "asks for others": ((TO_NTLM,), "asks for credentials other than Basic (407)"),
    "forbidden": ((b"HTTP/1.1 403 Forbidden\r\n\r\n",), "answered 403"),
    "bad gateway": ((b"HTTP/1.0 502 Bad Gateway\r\nContent-Length: 2\r\n\r\nno",), "answered 502"),
    "without a reason": ((b"HTTP/1.1 504\r\n\r\n",), "answered 504"),
    "redirect": ((b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\n\r\n",), "answered 302"),
    "upgrade": ((b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",), "answered 101"),
    "closes at once": ((CLOSE,), "closed the connection"),
    "closes in its head": ((b"HTTP/1.1 200 Connec", CLOSE), "closed the connection"),
    "closes after an interim one": ((b"HTTP/1.1 100 Continue\r\n\r\n", CLOSE), "closed the connection"),
    "another protocol": ((b"SSH-2.0-OpenSSH_9.6\r\n",), "did not answer with HTTP"),
    "one wrong letter": ((b"\x15",), "did not answer with HTTP"),
    "a page without a head": ((b"<html>you are offline</html>",), "did not answer with HTTP"),
    "a status of letters": ((b"HTTP/1.1 abc OK\r\n\r\n",), "did not answer with HTTP"),
    "a status of four digits": ((b"HTTP/1.1 2000 OK\r\n\r\n",), "did not answer with HTTP"),
    "HTTP/2": ((b"HTTP/2 200\r\n\r\n",), "did not answer with HTTP"),
    "bare line ends": ((b"HTTP/1.1 200 OK\n\n",), "did not answer with HTTP"),
    "a head that is too large": ((b"HTTP/1.1 200 OK\r\n", *(b"X-A: " + b"a" * 5000,) * 20), "answered with a head of"),
    "a line without end": ((b"HTTP/1.1 200 " + b"a" * 100_000,), "answered with a head of"),
    "interim answers without end": ((b"HTTP/1.1 103 Early Hints\r\n\r\n" * 4000,), "answered with a head of"),
    "an answer of the API's": ((OPEN + FORGED,), "sent more than its answer"),
    "a body": ((b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",), "sent more than its answer"),
    "a line end": ((OPEN + b"\r\n",), "sent more than its answer"),
}


@pytest.mark.parametrize("uvloop", [False, True])
def test_a_tunnel_that_is_refused_says_how(laboratory: LABORATORY, failed: TAKE, uvloop: bool) -> None:
    proxy = ProxyServer()

    async def scenario(send: Any, server: HostileServer) -> None:
        place = f"127.0.0.1:{server.port}"
        for name, (script, reason) in REFUSALS.items():
            proxy.script = script
            exchange = await send(f"https://{place}/hunter2", "POST", body=b"charge", connect_ms=4000)
            assert failed(exchange) is FailureKind.PROXY, name
            assert exchange.failure.message.startswith(f"{place} was not reached: the proxy {reason}"), name
            assert (exchange.failure.sent, exchange.failure.status, exchange.failure.headers) == (False, None, ()), name
            assert exchange.timings.total_ms < 3000, name
            assert proxy.asked.pop() == f"CONNECT {place}"
        assert server.connections == 0

    laboratory.through(proxy, scenario, uvloop=uvloop)


def test_a_proxy_that_hangs_is_a_connect_timeout(laboratory: LABORATORY, failed: TAKE) -> None:
    proxy = ProxyServer()
    half, interim = b"HTTP/1.1 200 Connection est", b"HTTP/1.1 100 Continue\r\n\r\n"
    dripping = tuple(piece for byte in b"HTTP/1.1 200 OK" for piece in (bytes([byte]), 0.05))

    async def scenario(send: Any, server: HostileServer) -> None:
        for script in ((0.0,), (half,), (interim,), dripping):
            proxy.script = script
            exchange = await send(f"https://127.0.0.1:{server.port}/", connect_ms=200)
            assert failed(exchange) is FailureKind.CONNECT_TIMEOUT
            assert exchange.failure.message.endswith("within 200 ms; while waiting for the proxy to connect")
            assert not exchange.failure.sent
            assert 190 <= exchange.timings.total_ms < 3000

    laboratory.through(proxy, scenario)


@pytest.mark.parametrize("uvloop", [False, True])
def test_a_tunnel_to_nowhere_fails_in_the_handshake(laboratory: LABORATORY, failed: TAKE, uvloop: bool) -> None:
    proxy = ProxyServer()

    async def scenario(send: Any, server: HostileServer) -> None:
        for piece in (CLOSE, FORGED, b"HTTP/1.1 502 Bad Gateway\r\n\r\n", b"\0" * 50):
            proxy.script = (OPEN, 0.05, piece)
            exchange = await send(f"https://127.0.0.1:{server.port}/", "POST", body=b"charge")
            assert failed(exchange) is FailureKind.TLS
            assert f"127.0.0.1:{server.port}" in exchange.failure.message
            reason = "closed the connection" if piece is CLOSE else "does not speak TLS"
            assert reason in exchange.failure.message
            assert not exchange.failure.sent

    laboratory.through(proxy, scenario, uvloop=uvloop)


def test_a_tunnel_in_which_nobody_speaks_ends_in_time(laboratory: LABORATORY, failed: TAKE) -> None:
    async def scenario(send: Any, server: HostileServer) -> None:
        exchange = await send(f"https://127.0.0.1:{server.port}/", connect_ms=200)
        assert failed(exchange) is FailureKind.CONNECT_TIMEOUT
        assert exchange.failure.message.endswith("in the TLS handshake")

    laboratory.through(ProxyServer(script=(OPEN,)), scenario)


def test_an_interim_answer_before_the_tunnel_is_passed_over(
    laboratory: LABORATORY, failed: TAKE, self_signed: tuple[ssl.SSLContext, Path]
) -> None:
    proxy = ProxyServer(script=(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 0.02, OPEN))

    async def scenario(send: Any, server: HostileServer) -> None:
        exchange = await send(f"https://127.0.0.1:{server.port}/", connect_ms=300)
        assert exchange.failure.message.endswith("in the TLS handshake")

    laboratory.through(proxy, scenario)


def test_a_proxy_with_a_certificate_of_its_own_is_found_out(
    laboratory: LABORATORY, failed: TAKE, self_signed: tuple[ssl.SSLContext, Path]
) -> None:
    context, _ = self_signed

    async def scenario(send: Any, server: HostileServer) -> None:
        exchange = await send(f"https://127.0.0.1:{server.port}/", headers=(("Authorization", "Bearer hunter2"),))
        assert failed(exchange) is FailureKind.TLS
        assert exchange.failure.message.startswith("no TLS connection to the proxy for 127.0.0.1:")
        assert server.connections == 0

    laboratory.through(ProxyServer(context=context), scenario, scheme="https")


def test_a_proxy_that_does_not_speak_tls_is_told(laboratory: LABORATORY, failed: TAKE) -> None:
    async def scenario(send: Any, server: HostileServer) -> None:
        for scheme in ("http", "https"):
            exchange = await send(f"{scheme}://127.0.0.1:{server.port}/", connect_ms=300)
            assert failed(exchange) in (FailureKind.TLS, FailureKind.CONNECT_TIMEOUT)
            assert "the proxy for 127.0.0.1" in exchange.failure.message

    laboratory.through(ProxyServer(refuse="200 OK"), scenario, scheme="https")


@pytest.mark.parametrize("secure", [False, True])
def test_a_proxy_whose_name_is_unknown_is_a_dns_failure(
    laboratory: LABORATORY, failed: TAKE, monkeypatch: pytest.MonkeyPatch, secure: bool
) -> None:
    async def scenario(send: Any, server: HostileServer) -> None:
        def fail(*_: Any, **__: Any) -> Any:
            raise socket.gaierror(socket.EAI_NONAME, "text of the system")

        monkeypatch.setattr(socket, "getaddrinfo", fail)
        exchange = await send(f"http{'s' if secure else ''}://api.example/")
        assert failed(exchange) is FailureKind.DNS
        assert exchange.failure.message == "the host name proxy.example cannot be resolved"

    laboratory.through(ProxyServer(), scenario, at="http://proxy.example:3128")


def test_a_proxy_at_a_blocked_address_is_not_connected_to(laboratory: LABORATORY, failed: TAKE) -> None:
    async def scenario(send: Any, server: HostileServer) -> None:
        for scheme in ("http", "https"):
            exchange = await send(f"{scheme}://127.0.0.1:{server.port}/")
            assert failed(exchange) is FailureKind.BLOCKED

    laboratory.through(ProxyServer(), scenario, at="http://169.254.169.254:3128")


def test_a_forwarded_request_that_lacks_credentials_has_no_answer(laboratory: LABORATORY, failed: TAKE) -> None:
    proxy = ProxyServer()
    basic, other = "asks for credentials (407)", "asks for credentials other than Basic (407)"

    async def scenario(send: Any, server: HostileServer) -> None:
        for head, reason in ((TO_BASIC, basic), (TO_NTLM, other)):
            proxy.script = (head.replace(b"\r\n\r\n", b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"), CLOSE)
            exchange = await send(server.url("/plain"))
            assert failed(exchange) is FailureKind.PROXY
            assert exchange.failure.message.endswith(reason)
            assert exchange.failure.status == 407

    laboratory.through(proxy, scenario)


@pytest.mark.parametrize("secure", [False, True])
def test_wrong_credentials_are_told_and_not_shown(laboratory: LABORATORY, failed: TAKE, secure: bool) -> None:
    async def scenario(send: Any, server: HostileServer) -> None:
        exchange = await send(f"http{'s' if secure else ''}://127.0.0.1:{server.port}/")
        assert failed(exchange) is FailureKind.PROXY
        assert exchange.failure.message.endswith("does not accept the credentials (407)")
        assert "hunter2" not in repr(exchange)
        assert server.connections == 0

    laboratory.through(ProxyServer(login="user:other"), scenario, login=("user", "hunter2"))


def test_faults_of_a_forwarded_answer_name_the_proxy_too(laboratory: LABORATORY, failed: TAKE) -> None:
    proxy = ProxyServer()
    faults: dict[FailureKind, tuple[bytes | float | None, ...]] = {
        FailureKind.CLOSED: (b"HTTP/1.1 200 OK\r\nConte", CLOSE),
        FailureKind.SHORT_BODY: (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe", CLOSE),
        FailureKind.PROTOCOL: (b"SSH-2.0-OpenSSH_9.6\r\n",),
        FailureKind.READ_TIMEOUT: (0.0,),
    }

    async def scenario(send: Any, server: HostileServer) -> None:
        for kind, script in faults.items():
            proxy.script = script
            exchange = await send(server.url("/plain"), read_ms=300)
            assert failed(exchange) is kind
            assert f"127.0.0.1:{server.port} behind the proxy" in exchange.failure.message

    laboratory.through(proxy, scenario)


def test_what_a_proxy_says_behind_an_answer_is_not_the_next_one(laboratory: LABORATORY, answered: TAKE) -> None:
    real = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nreal"

    async def scenario(send: Any, server: HostileServer) -> None:
        for _ in range(2):
            assert answered(await send(server.url("/plain"))).body == b"real"
        assert [one.connection for one in proxy.ledger] == [1, 2]

    proxy = ProxyServer(script=(real + FORGED,))
    laboratory.through(proxy, scenario)
