"""Opens the connections of the default engine: to permitted addresses only, directly or through a proxy, with TLS for
https. It must not know exchanges, nor other connections."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from time import perf_counter
from typing import Final, TypeVar, cast

import aiohappyeyeballs

from reqflo_ray._internal.http.addresses.guard import AddressGuard
from reqflo_ray._internal.http.addresses.target import Target
from reqflo_ray._internal.http.engines.httptools_connection import Connection
from reqflo_ray._internal.http.engines.proxy import Proxy, Tunnel, proxy_failure, proxy_for
from reqflo_ray._internal.http.exchange.failures import (
    ExchangeError,
    closed_failure,
    connect_failure,
    tls_error,
    tls_failure,
)
from reqflo_ray._internal.http.exchange.watch import CURRENT_WATCH, Watch
from reqflo_ray._internal.model.http.exchange import TransportRequest

# RFC 8305: how long to wait for an address before the next one is tried as well.
_NEXT_ADDRESS_SECONDS: Final = 0.25

Protocol = TypeVar("Protocol", bound=asyncio.BaseProtocol)


class Connector:
    """`make` makes the protocol of a connection; its argument is the proxy that forwards the requests, if any. One
    `context` serves all TLS, to targets and to a proxy."""

    def __init__(
        self, guard: AddressGuard, context: ssl.SSLContext, make: Callable[[Proxy | None], Connection]
    ) -> None:
        self._guard = guard
        self._context = context
        self._make = make

    async def open(self, target: Target, proxy: Proxy | None, request: TransportRequest, watch: Watch) -> Connection:
        """Open a connection for requests to `target`, through `proxy` if there is one.

        Raises `ExchangeError`. One time limit covers name resolution, all addresses, the proxy, and all handshakes.
        """
        watch.connecting = perf_counter()
        token = CURRENT_WATCH.set(watch)
        try:
            async with asyncio.timeout(watch.connect_seconds):
                if proxy is None:
                    return await self._direct(target)
                if target.scheme == "https":
                    return await self._through_tunnel(target, proxy, watch)
                return await self._to_forwarder(target, proxy)
        except TimeoutError:
            place = target.place if proxy is None or watch.tunnel_start else proxy_for(target.place)
            text = f"no connection to {place} within {request.connect_ms} ms; {watch.phase()}"
            raise ExchangeError(watch.connect_timeout_kind(), text) from None
        finally:
            CURRENT_WATCH.reset(token)

    async def _direct(self, target: Target) -> Connection:
        name = target.host if target.scheme == "https" else ""
        _, connection = await self._connect(target.host, target.port, target.place, name, lambda: self._make(None))
        return connection

    async def _to_forwarder(self, target: Target, proxy: Proxy) -> Connection:
        name = proxy.host if proxy.is_secure else ""
        _, connection = await self._connect(
            proxy.host, proxy.port, proxy_for(target.place), name, lambda: self._make(proxy)
        )
        return connection

    async def _through_tunnel(self, target: Target, proxy: Proxy, watch: Watch) -> Connection:
        await self._guard.check_behind_proxy(target.host, target.port)
        name = proxy.host if proxy.is_secure else ""
        transport, opening = await self._connect(
            proxy.host, proxy.port, proxy_for(target.place), name, lambda: _TunnelProtocol(Tunnel(proxy, target.place))
        )
        try:
            watch.tunnel_start = perf_counter()
            await opening.opened
            watch.tunnel_end = perf_counter()
            secured = await self._secured(transport, opening, target)
            if opening.is_over or secured.is_closing():
                raise closed_failure(target.place)
        except BaseException:
            transport.abort()
            raise
        connection = self._make(None)
        secured.set_protocol(connection)
        connection.connection_made(secured)
        return connection

    async def _connect(
        self, host: str, port: int, place: str, tls_name: str, make: Callable[[], Protocol]
    ) -> tuple[asyncio.Transport, Protocol]:
        """Connect to the first permitted address of `host` that answers; with `tls_name`, over TLS to a server whose
        certificate has that name. `place` is its name in errors."""
        loop = asyncio.get_running_loop()
        addresses = [
            (family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port))
            for family, address in await self._guard.resolve(host, port)
        ]
        try:
            connected = await aiohappyeyeballs.start_connection(
                addresses, happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS, loop=loop
            )
        except TimeoutError:
            raise
        except OSError as error:
            raise connect_failure(error, place) from None
        try:
            transport, protocol = await loop.create_connection(
                make,
                sock=connected,
                ssl=self._context if tls_name else None,
                server_hostname=tls_name.removesuffix(".") or None,
            )
        except BaseException as error:
            connected.close()
            raise _named(error, place) from None
        return transport, protocol

    async def _secured(
        self, transport: asyncio.Transport, opening: _TunnelProtocol, target: Target
    ) -> asyncio.Transport:
        if opening.is_over:
            raise proxy_failure(target.place, "sent more than its answer")
        loop, name = asyncio.get_running_loop(), target.host.removesuffix(".")
        try:
            secured = await loop.start_tls(transport, opening, self._context, server_hostname=name)
        except BaseException as error:
            raise _named(error, target.place) from None
        if secured is None:  # it was closed meanwhile
            raise tls_failure(None, target.place)
        return secured


def _named(error: BaseException, place: str) -> BaseException:
    """Return an error of the open connection to `place` in the words of this project; other errors as they are."""
    if isinstance(error, TimeoutError) or not isinstance(error, OSError):
        return error
    tls = tls_error(error)
    if tls is not None or CURRENT_WATCH.get().tls_start:
        return tls_failure(tls, place)
    return connect_failure(error, place)


class _TunnelProtocol(asyncio.Protocol):
    """Asks a proxy for a tunnel. `opened` is done when it is open, or fails with `ExchangeError`. `is_over`: the proxy
    sent something too early, or the connection has ended."""

    def __init__(self, tunnel: Tunnel) -> None:
        self._tunnel = tunnel
        self.is_over = False
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # The task that awaited it may have been canceled before it fails.
        self.opened.add_done_callback(lambda done: done.cancelled() or done.exception())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).write(self._tunnel.request)

    def data_received(self, data: bytes) -> None:
        if self.opened.done():
            self.is_over = True
            return
        try:
            if self._tunnel.feed(data):
                self.opened.set_result(None)
        except ExchangeError as refusal:
            self.opened.set_exception(refusal)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_over = True
        if not self.opened.done():
            self.opened.set_exception(self._tunnel.cut())
