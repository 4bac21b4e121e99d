"""Opens the connections of the httpx engine, to permitted addresses only, and observes them.

It records what is sent and received on the watch of the exchange that uses the connection. It knows the network
interface of httpcore, and must not know requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import httpcore

from reqflo_ray._internal.http.addresses.guard import AddressGuard
from reqflo_ray._internal.http.addresses.target import place_of
from reqflo_ray._internal.http.engines.httpx_stream import SocketStream, connect
from reqflo_ray._internal.http.engines.proxy import Proxy, Tunnel, proxy_for
from reqflo_ray._internal.http.exchange.failures import tls_error, tls_failure
from reqflo_ray._internal.http.exchange.limits import MAX_HEAD_BYTES
from reqflo_ray._internal.http.exchange.watch import CURRENT_WATCH, Watch

if TYPE_CHECKING:
    import ssl

_PIECE: Final = 4096


class _Stream(httpcore.AsyncNetworkStream):
    """A connection that records what is sent and received on the watch of the exchange that uses it."""

    def __init__(self, stream: SocketStream, *, http1: bool, http2: bool = False) -> None:
        self._stream = stream
        # SOCKS has its own handshake, and HTTP/2 has frames that belong to no answer.
        self._http1 = http1
        self._http2 = http2

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = await self._stream.read(max_bytes, timeout)
        watch = CURRENT_WATCH.get()
        # h11 parses only a whole head, and takes anything that ends early for a closed connection.
        if self._http1 and not watch.received and not b"HTTP/".startswith(data[:5]):
            watch.beginning = data
            raise httpcore.RemoteProtocolError("not HTTP")
        if not self._http2:
            watch.received += len(data)
        if self._http1 and not watch.body_bytes:
            watch.beginning += data
            if not watch.head and watch.received > MAX_HEAD_BYTES + max_bytes:
                raise httpcore.RemoteProtocolError("the response head is too large")
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        watch = CURRENT_WATCH.get()
        if not watch.writing:
            # Not a write error: after one, httpcore would take unrequested bytes for the answer.
            if watch.reused and self._stream.get_extra_info("is_ended" if self._http2 else "is_readable"):
                raise httpcore.ReadError("the connection ended while it was idle")
            watch.connected = perf_counter()
            watch.writing = True
        try:
            await self._stream.write_unless_answered(buffer, timeout, is_http1=self._http1)
        except httpcore.WriteError:
            if not self._http2:
                raise
            # What the server sent before it closed comes first: it may say that the request was not processed.
        watch.sent = perf_counter()

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        watch = CURRENT_WATCH.get()
        watch.tls_start = perf_counter()
        left = max(0.001, watch.connect_seconds - (watch.tls_start - watch.connecting))
        try:
            stream = await self._stream.start_tls(ssl_context, server_hostname, left)
        except BaseException:
            with suppress(Exception):
                await self._stream.aclose()
            raise
        watch.tls_end = perf_counter()
        # Everything so far was for a proxy.
        watch.writing, watch.received = False, 0
        chosen = stream.get_extra_info("ssl_object").selected_alpn_protocol()
        return _Stream(stream, http1=chosen != "h2", http2=chosen == "h2")

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class WatchedBackend(httpcore.AsyncNetworkBackend):
    """Connects to the first permitted address that answers. With SOCKS (not `http1`) it is that of the proxy."""

    def __init__(self, guard: AddressGuard, *, http1: bool = True) -> None:
        self._guard = guard
        self._http1 = http1

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        watch = CURRENT_WATCH.get()
        watch.connecting = perf_counter()
        try:
            async with asyncio.timeout(watch.connect_seconds):
                return _Stream(await self._open(host, port, watch), http1=self._http1)
        except TimeoutError:
            raise httpcore.ConnectTimeout from None

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _open(self, host: str, port: int, watch: Watch) -> SocketStream:
        return await self._connect(host, port, watch)

    async def _connect(self, host: str, port: int, watch: Watch) -> SocketStream:
        failure: httpcore.ConnectError | None = None
        for _, address in await self._guard.resolve(host, port):
            try:
                stream = await connect(address, port)
            except httpcore.ConnectError as error:
                failure = error
            else:
                watch.peer = peer_of(stream)
                return stream
        assert failure is not None
        raise failure


class TunnelBackend(WatchedBackend):
    """Connects to a target through `proxy`, an HTTP proxy. `context` is for TLS to the proxy itself, if any."""

    def __init__(self, guard: AddressGuard, proxy: Proxy, context: ssl.SSLContext | None) -> None:
        super().__init__(guard)
        self._proxy = proxy
        self._context = context

    async def _open(self, host: str, port: int, watch: Watch) -> SocketStream:
        proxy, place = self._proxy, place_of(host, port)
        stream = await self._connect(proxy.host, proxy.port, watch)
        try:
            if self._context is not None:
                stream = await self._secured(stream, self._context, watch, place)
            watch.tunnel_start = perf_counter()
            await _open_tunnel(stream, Tunnel(proxy, place))
            watch.tunnel_end = perf_counter()
        except BaseException:
            await stream.aclose()
            raise
        return stream

    async def _secured(self, stream: SocketStream, context: ssl.SSLContext, watch: Watch, place: str) -> SocketStream:
        watch.tls_start = perf_counter()
        try:
            secured = await stream.start_tls(context, self._proxy.host.removesuffix("."))
        except httpcore.ConnectError as error:
            raise tls_failure(tls_error(error), proxy_for(place)) from None
        watch.tls_start = 0.0
        return secured


async def _open_tunnel(stream: SocketStream, tunnel: Tunnel) -> None:
    try:
        await stream.write(tunnel.request)
        while data := await stream.read(_PIECE):
            if tunnel.feed(data):
                return
    except httpcore.NetworkError:
        pass
    raise tunnel.cut()


def peer_of(stream: Any) -> str:
    """Return `address:port` of the other end of a network stream; "" if unknown."""
    address = stream.get_extra_info("server_addr")
    if not isinstance(address, tuple):
        return ""
    return f"[{address[0]}]:{address[1]}" if ":" in str(address[0]) else f"{address[0]}:{address[1]}"
