"""Proxies: forwarded requests, tunnels, SOCKS; and that none of them is a way around the address rules."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
from hostile_server import HostileServer
from proxy_server import ProxyServer

from reqflo_ray._internal.http.factory import create_transport
from reqflo_ray._internal.model.http.exchange import FailureKind, TransportRequest
from reqflo_ray._internal.model.plan import HttpSettings

LABORATORY = Any
TAKE = Any
KINDS = ["http", "socks5"]


def answers_for(names: dict[str, str]) -> Any:
    real = socket.getaddrinfo

    def resolve(host: Any, port: Any, *args: Any, **options: Any) -> Any:
        text = host.decode() if isinstance(host, bytes) else host
        if text in names:
            return [(socket.AF_INET, 1, 6, "", (names[text], port))]
        if text.endswith(".example"):
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return real(host, port, *args, **options)

    return resolve


def test_a_plain_request_is_forwarded_with_its_whole_url(laboratory: LABORATORY, answered: TAKE) -> None:
    proxy = ProxyServer()

    async def scenario(send: Any, server: HostileServer) -> None:
        url = server.url("/a%2fb/../c?x=%41")
        assert answered(await send(url)).body == b"hello"
        assert proxy.asked == [f"GET {url}"]

    laboratory.through(proxy, scenario)


def test_the_proxys_password_is_sent_to_it_and_shown_to_nobody(laboratory: LABORATORY, answered: TAKE) -> None:
    proxy = ProxyServer()

    async def scenario(send: Any, server: HostileServer) -> None:
        exchange = await send(server.url("/plain"))
        answered(exchange)
        assert proxy.authorizations == ["Basic dXNlcjpodW50ZXIy"]
        assert "dXNlcjpodW50ZXIy" not in str(exchange.request_headers)

    laboratory.through(proxy, scenario, login=("user", "hunter2"))


def test_https_goes_through_a_tunnel(
    laboratory: LABORATORY, answered: TAKE, self_signed: tuple[ssl.SSLContext, Path]
) -> None:
    context, authority = self_signed
    proxy = ProxyServer()

    async def scenario(send: Any, server: HostileServer) -> None:
        for _ in range(2):
            assert answered(await send(server.url("/plain"))).body == b"hello"
        assert proxy.asked == [f"CONNECT 127.0.0.1:{server.port}"]
        assert server.received[0].header("Proxy-Authorization") is None

    laboratory.through(proxy, scenario, context=context, ca_file=str(authority), login=("user", "hunter2"))


def test_a_socks_proxy_is_given_the_target(laboratory: LABORATORY, answered: TAKE) -> None:
    proxy = ProxyServer()

    async def scenario(send: Any, server: HostileServer) -> None:
        assert answered(await send(server.url("/plain"))).body == b"hello"
        assert proxy.asked == [f"SOCKS 127.0.0.1:{server.port}"]

    laboratory.through(proxy, scenario, scheme="socks5")


def test_a_tunnel_that_the_proxy_refuses_is_told(laboratory: LABORATORY, failed: TAKE) -> None:
    proxy = ProxyServer(refuse="407 Proxy Authentication Required")

    async def scenario(send: Any, server: HostileServer) -> None:
        exchange = await send("https://127.0.0.1:1/")
        assert failed(exchange) is FailureKind.PROXY
        assert "proxy" in exchange.failure.message
        assert not exchange.failure.sent

    laboratory.through(proxy, scenario)


def test_a_proxy_that_is_not_there_is_told(laboratory: LABORATORY, failed: TAKE) -> None:
    async def main() -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        settings = HttpSettings(engine=laboratory.engine, proxy=f"http://127.0.0.1:{port}")
        transport = create_transport(settings, limit=4)
        exchange = await transport.send(TransportRequest(method="GET", url="http://127.0.0.1:9/"))
        assert failed(exchange) is FailureKind.REFUSED
        assert exchange.failure is not None and "proxy" in exchange.failure.message
        await transport.close()

    asyncio.run(main())


@pytest.mark.parametrize("scheme", KINDS)
@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize(
    "host", ["169.254.169.254", "2852039166", "[fe80::1]", "innocent.example", "metadata.google.internal"]
)
def test_a_proxy_is_never_asked_for_a_blocked_address(
    laboratory: LABORATORY, failed: TAKE, monkeypatch: pytest.MonkeyPatch, host: str, scheme: str, secure: bool
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", answers_for({"innocent.example": "169.254.169.254"}))
    proxy = ProxyServer()

    async def scenario(send: Any, server: HostileServer) -> None:
        exchange = await send(f"http{'s' if secure else ''}://{host}/latest/meta-data")
        assert failed(exchange) is FailureKind.BLOCKED
        assert not exchange.failure.sent
        assert proxy.asked == []

    laboratory.through(proxy, scenario, scheme=scheme)


@pytest.mark.parametrize("scheme", KINDS)
def test_a_kept_alive_proxy_connection_is_no_way_around_the_rules(
    laboratory: LABORATORY, answered: TAKE, failed: TAKE, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    names = {"innocent.example": "127.0.0.1"}
    monkeypatch.setattr(socket, "getaddrinfo", answers_for(names))
    proxy = ProxyServer(names={"innocent.example": "127.0.0.1"})

    async def scenario(send: Any, server: HostileServer) -> None:
        url = f"http://innocent.example:{server.port}/plain"
        answered(await send(url))
        names["innocent.example"] = "169.254.169.254"
        asked = len(server.received)
        assert failed(await send(url)) is FailureKind.BLOCKED
        assert len(server.received) == asked

    laboratory.through(proxy, scenario, scheme=scheme)


@pytest.mark.parametrize("scheme", KINDS)
def test_a_name_that_only_the_proxy_knows_is_left_to_it(
    laboratory: LABORATORY, answered: TAKE, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", answers_for({}))
    proxy = ProxyServer(names={"inside.example": "127.0.0.1"})

    async def scenario(send: Any, server: HostileServer) -> None:
        assert answered(await send(f"http://inside.example:{server.port}/plain")).body == b"hello"

    laboratory.through(proxy, scenario, scheme=scheme)


@pytest.mark.parametrize("scheme", KINDS)
def test_credentials_of_any_letters_reach_the_proxy(laboratory: LABORATORY, answered: TAKE, scheme: str) -> None:
    proxy = ProxyServer(login="us\u00ebr:p@ss:w\u00f6rd /%41")

    async def scenario(send: Any, server: HostileServer) -> None:
        assert answered(await send(server.url("/plain"))).body == b"hello"

    laboratory.through(proxy, scenario, scheme=scheme, login=("us\u00ebr", "p@ss:w\u00f6rd /%41"))


def test_an_own_header_of_a_step_takes_the_place_of_the_credentials(laboratory: LABORATORY, answered: TAKE) -> None:
    if laboratory.engine == "httpx":
        pytest.skip("httpcore sends both")
    proxy = ProxyServer()

    async def scenario(send: Any, server: HostileServer) -> None:
        answered(await send(server.url("/plain"), headers=(("proxy-authorization", "Bearer x"),)))
        assert proxy.authorizations == ["Bearer x"]

    laboratory.through(proxy, scenario, login=("user", "hunter2"))


@pytest.mark.parametrize("uvloop", [False, True])
@pytest.mark.parametrize("secure", [False, True])
def test_a_proxy_is_spoken_to_over_tls(
    laboratory: LABORATORY, answered: TAKE, self_signed: tuple[ssl.SSLContext, Path], secure: bool, uvloop: bool
) -> None:
    context, authority = self_signed
    proxy = ProxyServer(context=context, login="user:hunter2")

    async def scenario(send: Any, server: HostileServer) -> None:
        for _ in range(2):
            exchange = await send(server.url("/size?bytes=300000"), "POST", body=b"x" * 300_000)
            assert len(answered(exchange).body) == 300_000
            assert (exchange.timings.tls_ms is not None) is not exchange.timings.reused
        assert (proxy.connections, server.connections) == (1, 1 if secure else 2)

    laboratory.through(
        proxy,
        scenario,
        scheme="https",
        login=("user", "hunter2"),
        context=context if secure else None,
        ca_file=str(authority),
        uvloop=uvloop,
    )


def test_a_proxy_that_prefers_http_2_is_spoken_to_in_http_1(
    laboratory: LABORATORY, answered: TAKE, self_signed: tuple[ssl.SSLContext, Path]
) -> None:
    context, authority = self_signed
    modern = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    modern.load_cert_chain(authority)
    modern.set_alpn_protocols(["h2"])
    proxy = ProxyServer(context=modern)

    async def scenario(send: Any, server: HostileServer) -> None:
        for _ in range(2):
            assert answered(await send(server.url("/until-close"))).body == b"all of it"
        assert proxy.protocols == [None, None]

    laboratory.through(proxy, scenario, scheme="https", context=context, ca_file=str(authority))


@pytest.mark.parametrize("secure", [False, True])
def test_an_excepted_host_is_asked_directly(
    laboratory: LABORATORY, answered: TAKE, self_signed: tuple[ssl.SSLContext, Path], secure: bool
) -> None:
    context, authority = self_signed
    proxy = ProxyServer()

    async def scenario(send: Any, server: HostileServer) -> None:
        assert answered(await send(server.url("/plain"))).body == b"hello"
        assert proxy.asked == []
        assert server.received[0].target == "/plain"

    laboratory.through(
        proxy,
        scenario,
        context=context if secure else None,
        ca_file=str(authority),
        proxy_bypass=("localhost",),
    )


def test_a_redirect_goes_its_own_way(laboratory: LABORATORY, answered: TAKE) -> None:
    proxy = ProxyServer(login="user:hunter2")

    async def scenario(send: Any, server: HostileServer) -> None:
        here = server.url(f"/redirect?to={server.url('/plain')}", host="localhost")
        assert answered(await send(here)).body == b"hello"
        assert [one.target for one in proxy.ledger] == [here]
        assert all(received.header("Proxy-Authorization") is None for received in server.received)

    laboratory.through(proxy, scenario, login=("user", "hunter2"), max_redirects=2, proxy_bypass=("127.0.0.1",))


def test_requests_to_one_origin_share_a_connection_and_others_do_not(laboratory: LABORATORY, answered: TAKE) -> None:
    proxy = ProxyServer()

    async def scenario(send: Any, server: HostileServer) -> None:
        for host in ("127.0.0.1", "localhost", "127.0.0.1", "localhost"):
            answered(await send(server.url("/plain", host=host)))
        assert [one.connection for one in proxy.ledger] == [1, 2, 1, 2]

    laboratory.through(proxy, scenario)


def test_the_certificate_behind_a_tunnel_must_be_for_the_target(
    laboratory: LABORATORY, failed: TAKE, self_signed: tuple[ssl.SSLContext, Path]
) -> None:
    context, authority = self_signed
    proxy = ProxyServer(names={"inside.example": "127.0.0.1"})

    async def scenario(send: Any, server: HostileServer) -> None:
        exchange = await send(server.url("/plain", host="inside.example"))
        assert failed(exchange) is FailureKind.TLS
        assert f"inside.example:{server.port}: its certificate is for another host" in exchange.failure.message
        assert not exchange.failure.sent
        assert server.received == []

    laboratory.through(proxy, scenario, context=context, ca_file=str(authority))
