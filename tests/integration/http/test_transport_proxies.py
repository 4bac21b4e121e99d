"""Proxies: forwarded requests, tunnels, SOCKS; and that none of them is a way around the address rules."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hostile_server import HostileServer
from proxy_server import ProxyServer

from reqflo_ray._internal.http.factory import create_transport
from reqflo_ray._internal.model.exchange import Exchange, FailureKind, TransportRequest
from reqflo_ray._internal.model.plan import HttpSettings

LABORATORY = Any
TAKE = Any
KINDS = ["http", "socks5"]


@pytest.fixture(params=["aiohttp", "httpx"])
def laboratory(request: pytest.FixtureRequest) -> LABORATORY:
    """The engines that have proxies; the third leaves them to aiohttp."""
    return SimpleNamespace(engine=request.param)


def test_the_default_engine_goes_through_a_proxy_as_well(answered: TAKE) -> None:
    proxy = ProxyServer()

    async def scenario(send: Any, server: HostileServer) -> None:
        url = server.url("/plain")
        assert answered(await send(url)).body == b"hello"
        assert proxy.asked == [f"GET {url}"]

    through(SimpleNamespace(engine="httptools"), proxy, scenario)


def through(
    laboratory: LABORATORY,
    proxy: ProxyServer,
    scenario: Callable[[Any, HostileServer], Awaitable[None]],
    *,
    scheme: str = "http",
    user: str = "",
    context: ssl.SSLContext | None = None,
    **settings: Any,
) -> None:
    """Run `scenario` with a function that sends through `proxy`."""
    if scheme == "socks5" and laboratory.engine != "httpx":
        pytest.skip("the other engines have no SOCKS and refuse such a proxy when they are made")

    async def main() -> None:
        async with HostileServer(context=context) as server, proxy:
            url = f"{scheme}://{user}127.0.0.1:{proxy.port}"
            transport = create_transport(HttpSettings(engine=laboratory.engine, proxy=url, **settings), limit=4)

            async def send(url: str, **options: Any) -> Exchange:
                return await transport.send(TransportRequest(method="GET", url=url, total_ms=5000, **options))

            try:
                await scenario(send, server)
            finally:
                await transport.close()

    asyncio.run(main())


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

    through(laboratory, proxy, scenario)


def test_the_proxys_password_is_sent_to_it_and_shown_to_nobody(laboratory: LABORATORY, answered: TAKE) -> None:
    proxy = ProxyServer()

    async def scenario(send: Any, server: HostileServer) -> None:
        exchange = await send(server.url("/plain"))
        answered(exchange)
        assert proxy.authorizations == ["Basic dXNlcjpodW50ZXIy"]
        assert "dXNlcjpodW50ZXIy" not in str(exchange.request_headers)

    through(laboratory, proxy, scenario, user="user:hunter2@")


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

    through(laboratory, proxy, scenario, context=context, ca_file=str(authority), user="user:hunter2@")


def test_a_socks_proxy_is_given_the_target(laboratory: LABORATORY, answered: TAKE) -> None:
    proxy = ProxyServer()

    async def scenario(send: Any, server: HostileServer) -> None:
        assert answered(await send(server.url("/plain"))).body == b"hello"
        assert proxy.asked == [f"SOCKS 127.0.0.1:{server.port}"]

    through(laboratory, proxy, scenario, scheme="socks5")


def test_a_tunnel_that_the_proxy_refuses_is_told(laboratory: LABORATORY, failed: TAKE) -> None:
    proxy = ProxyServer(refuse="407 Proxy Authentication Required")

    async def scenario(send: Any, server: HostileServer) -> None:
        exchange = await send("https://127.0.0.1:1/")
        assert failed(exchange) is FailureKind.UNREACHABLE
        assert "proxy" in exchange.failure.message
        assert not exchange.failure.sent

    through(laboratory, proxy, scenario)


def test_a_proxy_that_is_not_there_is_told(laboratory: LABORATORY, failed: TAKE) -> None:
    async def main() -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        settings = HttpSettings(engine=laboratory.engine, proxy=f"http://127.0.0.1:{port}")
        transport = create_transport(settings, limit=4)
        exchange = await transport.send(TransportRequest(method="GET", url="http://127.0.0.1:9/"))
        assert failed(exchange) is FailureKind.REFUSED
        assert "proxy" in exchange.failure.message
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

    through(laboratory, proxy, scenario, scheme=scheme)


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

    through(laboratory, proxy, scenario, scheme=scheme)


@pytest.mark.parametrize("scheme", KINDS)
def test_a_name_that_only_the_proxy_knows_is_left_to_it(
    laboratory: LABORATORY, answered: TAKE, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", answers_for({}))
    proxy = ProxyServer(names={"inside.example": "127.0.0.1"})

    async def scenario(send: Any, server: HostileServer) -> None:
        assert answered(await send(f"http://inside.example:{server.port}/plain")).body == b"hello"

    through(laboratory, proxy, scenario, scheme=scheme)
