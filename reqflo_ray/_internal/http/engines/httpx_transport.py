"""The transport below httpx: carries out one request on a connection of `httpx_pool`.

httpx decides nothing here: the request is sent unchanged, and the answer comes back unchanged, with its body unread.
httpcore makes the connections, direct or through HTTP and SOCKS proxies. This module must not know exchanges.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import cached_property
from typing import TYPE_CHECKING

import httpcore
import httpx

from reqflo_ray._internal.http.addresses.guard import AddressGuard
from reqflo_ray._internal.http.addresses.tls import create_context
from reqflo_ray._internal.http.engines.httpx_network import TunnelBackend, WatchedBackend
from reqflo_ray._internal.http.engines.httpx_pool import ConnectionPool
from reqflo_ray._internal.http.engines.proxy import Proxy
from reqflo_ray._internal.http.exchange.keep_alive import MOST_IDLE_SECONDS, idle_seconds
from reqflo_ray._internal.http.exchange.watch import CURRENT_WATCH
from reqflo_ray._internal.model.plan import HttpSettings

if TYPE_CHECKING:
    import ssl


class PoolTransport(httpx.AsyncBaseTransport):
    """At most `limit` connections; further requests wait. Errors are those of httpcore, which say more than httpx's.

    The extension `url` of a request, an `httpcore.URL`, says where it goes: exactly that is sent, and its own URL is
    ignored. The extension `timeout` is in seconds, as in httpx.
    """

    def __init__(self, settings: HttpSettings, guard: AddressGuard, proxy: Proxy | None, *, limit: int) -> None:
        # httpcore sets HTTP/2 on the context of the targets, so a proxy needs another one.
        proxy_context = create_context(settings) if proxy is not None and proxy.is_secure else None
        makers = _Makers(create_context(settings), guard, proxy, proxy_context)
        self._pool = ConnectionPool(makers.create, limit)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request` and read the head of its answer. Closing the answer returns the connection to the pool."""
        url: httpcore.URL = request.extensions["url"]
        outgoing = httpcore.Request(
            request.method.encode("ascii"),
            url,
            headers=request.headers.raw,
            content=request.stream,
            extensions={"timeout": request.extensions["timeout"]},
        )
        watch, origin = CURRENT_WATCH.get(), url.origin
        connection, watch.reused = await self._pool.acquire(origin, fresh=watch.fresh)
        try:
            answer = await connection.handle_async_request(outgoing)
        except BaseException:
            self._pool.release(origin, connection, 0)
            raise
        headers = tuple([(name.decode("latin-1"), value.decode("latin-1")) for name, value in answer.headers])
        # Bytes after the answer to HEAD would be taken for the next answer.
        idle = idle_seconds(headers) if request.method != "HEAD" else 0
        body = _Body(answer, lambda: self._pool.release(origin, connection, idle))
        return _Answer(answer.status, headers=answer.headers, stream=body, extensions=dict(answer.extensions))

    def close_idle(self) -> None:
        """Close the connections that carry nothing."""
        self._pool.close_idle()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._pool.close()


class _Answer(httpx.Response):
    """A response that httpx leaves as it is."""

    @property
    def has_redirect_location(self) -> bool:
        """Always False: httpx would parse the Location of a redirect even without following it, and fail on some."""
        return False


class _Body(httpx.AsyncByteStream):
    """The body of an answer; closing it returns the connection to the pool."""

    def __init__(self, answer: httpcore.Response, release: Callable[[], None]) -> None:
        self._answer = answer
        self._release = release

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._answer.aiter_stream()

    async def aclose(self) -> None:
        try:
            await self._answer.aclose()
        finally:
            self._release()


class _Makers:
    """Makes unconnected connections, each of the kind that its target needs."""

    def __init__(
        self,
        context: ssl.SSLContext,
        guard: AddressGuard,
        proxy: Proxy | None,
        proxy_context: ssl.SSLContext | None,
    ) -> None:
        self._context = context
        self._guard = guard
        self._proxy = proxy
        self._proxy_context = proxy_context
        self._direct = self._maker(WatchedBackend(guard))

    def create(self, origin: httpcore.Origin) -> httpcore.AsyncConnectionInterface:
        proxy = self._proxy
        if proxy is None or not proxy.serves(origin.host.decode("ascii"), origin.port):
            return self._direct.create_connection(origin)
        if origin.scheme == b"https" and not proxy.is_socks:
            return self._tunnels.create_connection(origin)
        return self._behind_proxy.create_connection(origin)

    @cached_property
    def _tunnels(self) -> httpcore.AsyncConnectionPool:
        assert self._proxy is not None
        return self._maker(TunnelBackend(self._guard, self._proxy, self._proxy_context))

    @cached_property
    def _behind_proxy(self) -> httpcore.AsyncConnectionPool:
        """For requests that an HTTP proxy forwards, and for SOCKS. Made late, because it needs the credentials."""
        proxy = self._proxy
        assert proxy is not None
        host = f"[{proxy.host}]" if ":" in proxy.host else proxy.host
        return self._maker(
            WatchedBackend(self._guard, http1=not proxy.is_socks),
            httpcore.Proxy(
                f"{proxy.scheme}://{host}:{proxy.port}",
                auth=proxy.credentials,
                ssl_context=self._proxy_context,
            ),
        )

    def _maker(
        self, backend: httpcore.AsyncNetworkBackend, proxy: httpcore.Proxy | None = None
    ) -> httpcore.AsyncConnectionPool:
        # It only makes connections; see `httpx_pool`.
        return httpcore.AsyncConnectionPool(
            ssl_context=self._context,
            proxy=proxy,
            keepalive_expiry=MOST_IDLE_SECONDS,
            http1=True,
            http2=True,
            network_backend=backend,
        )
