"""A laboratory: the hostile server and a transport of the engine under test, in one event loop."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
import sys
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from reqflo_ray._internal.http.factory import create_transport
from reqflo_ray._internal.model.http.exchange import (
    CookieStore,
    Exchange,
    FailureKind,
    Headers,
    Transport,
    TransportRequest,
    TransportResponse,
)
from reqflo_ray._internal.model.plan import HttpSettings

sys.path.insert(0, str(Path(__file__).parents[2] / "apps"))

from hostile_server import HostileServer
from proxy_server import ProxyServer

Result = TypeVar("Result")


@dataclass
class Bench:
    """A running server and a transport that may call it."""

    server: HostileServer
    transport: Transport

    async def send(
        self,
        path: str,
        method: str = "GET",
        *,
        headers: Headers = (),
        body: bytes | None = None,
        connect_ms: int = 2000,
        read_ms: int = 2000,
        total_ms: int = 5000,
        allowed_hosts: tuple[str, ...] | None = None,
        private_headers: frozenset[str] = frozenset(),
        private_body: bool = False,
        cookies: CookieStore | None = None,
    ) -> Exchange:
        """Send to a path of the server, or to a whole URL."""
        return await self.transport.send(
            TransportRequest(
                method=method,
                url=self.server.url(path) if path.startswith("/") else path,
                headers=headers,
                body=body,
                connect_ms=connect_ms,
                read_ms=read_ms,
                total_ms=total_ms,
                allowed_hosts=allowed_hosts,
                private_headers=private_headers,
                private_body=private_body,
            ),
            cookies,
        )


@dataclass
class Laboratory:
    """Runs scenarios on one engine."""

    engine: str

    def run(
        self,
        scenario: Callable[[Bench], Awaitable[Result]],
        *,
        limit: int = 8,
        uvloop: bool = False,
        context: ssl.SSLContext | None = None,
        **settings: Any,
    ) -> Result:
        """Run `scenario` against a fresh server, with a transport of these settings."""

        async def main() -> Result:
            async with HostileServer(context=context) as server:
                transport = create_transport(HttpSettings(engine=self.engine, **settings), limit=limit)
                try:
                    return await scenario(Bench(server, transport))
                finally:
                    await transport.close()

        return self.in_loop(main(), uvloop=uvloop)

    def through(
        self,
        proxy: ProxyServer,
        scenario: Callable[[Any, HostileServer], Awaitable[None]],
        *,
        scheme: str = "http",
        at: str = "",
        login: tuple[str, str] = ("", ""),
        context: ssl.SSLContext | None = None,
        uvloop: bool = False,
        **settings: Any,
    ) -> None:
        """Run `scenario` with a function that sends through `proxy`, and the server that it is to reach."""
        if scheme == "socks5" and self.engine != "httpx":
            pytest.skip("the default engine has no SOCKS and refuses such a proxy when it is made")

        async def main() -> None:
            async with HostileServer(context=context) as server, proxy:
                url = at or f"{scheme}://127.0.0.1:{proxy.port}"
                http = HttpSettings(engine=self.engine, proxy=url, **settings)
                transport = create_transport(http, limit=4, credentials=lambda: login)

                async def send(url: str, method: str = "GET", **options: Any) -> Exchange:
                    return await transport.send(
                        TransportRequest(method=method, url=url, **{"total_ms": 5000, **options})
                    )

                try:
                    await scenario(send, server)
                finally:
                    await transport.close()

        self.in_loop(main(), uvloop=uvloop)

    def in_loop(self, main: Coroutine[Any, Any, Result], *, uvloop: bool = False) -> Result:
        """Run `main` in an event loop of its own."""
        with asyncio.Runner(loop_factory=_uvloop() if uvloop else None) as runner:
            return runner.run(main)

    def once(self, path: str, method: str = "GET", **options: Any) -> Exchange:
        """One request; options of `Bench.send` and of `run` together."""
        names = {"headers", "body", "connect_ms", "read_ms", "total_ms", "allowed_hosts"}
        sending = {name: options.pop(name) for name in names & set(options)}
        return self.run(lambda bench: bench.send(path, method, **sending), **options)


def _uvloop() -> Callable[[], asyncio.AbstractEventLoop]:
    import uvloop

    return uvloop.new_event_loop


@pytest.fixture(params=["httptools", "httpx"])
def laboratory(request: pytest.FixtureRequest) -> Laboratory:
    return Laboratory(request.param)


@pytest.fixture
def answered() -> Callable[[Exchange], TransportResponse]:
    """Takes the response of an exchange that must have one."""

    def take(exchange: Exchange) -> TransportResponse:
        assert exchange.failure is None, (exchange.failure.kind, exchange.failure.message)
        assert exchange.response is not None
        return exchange.response

    return take


@pytest.fixture
def failed() -> Callable[[Exchange], FailureKind]:
    """Takes the kind of failure of an exchange that must have none but that."""

    def take(exchange: Exchange) -> FailureKind:
        assert exchange.response is None
        assert exchange.failure is not None
        return exchange.failure.kind

    return take


@pytest.fixture(scope="session")
def self_signed(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """A server context for 127.0.0.1, and the file that a client has to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")])
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - day, now + day)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    public = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path_factory.mktemp("loopback") / "certificate.pem"
    path.write_bytes(public + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context, path
