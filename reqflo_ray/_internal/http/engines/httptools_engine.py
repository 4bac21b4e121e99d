"""The default engine: HTTP/1.1 on asyncio with httptools, with as little work per request as possible.

Connections are kept alive and shared, including those through a proxy. It must not know HTTP/2 and SOCKS, which the
other engine supports.
"""

from __future__ import annotations

import asyncio
from time import perf_counter

from reqflo_ray._internal.http.addresses.guard import AddressGuard
from reqflo_ray._internal.http.addresses.target import Target
from reqflo_ray._internal.http.addresses.tls import create_context
from reqflo_ray._internal.http.engines.httptools_connection import Connection
from reqflo_ray._internal.http.engines.httptools_connector import Connector
from reqflo_ray._internal.http.engines.outgoing import Outgoing
from reqflo_ray._internal.http.engines.proxy import Proxy
from reqflo_ray._internal.http.exchange.keep_alive import idle_seconds
from reqflo_ray._internal.http.exchange.watch import CURRENT_WATCH, Watch
from reqflo_ray._internal.model.http.exchange import TransportRequest, TransportResponse
from reqflo_ray._internal.model.plan import HttpSettings

_Origin = tuple[str, str, int]


class HttptoolsEngine:
    """`limit` is the largest number of connections; further requests wait in order of arrival.

    A connection serves one origin, also with a proxy: one that sends all requests of a connection to its first target
    would reveal to one host what is meant for another.
    """

    def __init__(self, settings: HttpSettings, *, limit: int, proxy: Proxy | None = None) -> None:
        self._guard = AddressGuard(allow_link_local=settings.allow_link_local)
        self._connector = Connector(self._guard, create_context(settings), self._make)
        self._proxy = proxy
        self._max_body_bytes = settings.max_body_bytes
        self._limit = limit
        self._room = asyncio.Semaphore(limit)
        self._connections: set[Connection] = set()
        self._idle: dict[_Origin, list[Connection]] = {}
        self._closed = False

    async def exchange(self, outgoing: Outgoing, request: TransportRequest, watch: Watch) -> TransportResponse:
        """See `Engine.exchange`."""
        if self._closed:
            raise RuntimeError("the transport is closed")
        target = outgoing.target
        proxy = self._proxy if self._proxy is not None and self._proxy.serves(target.host, target.port) else None
        forwarder = proxy if target.scheme == "http" else None
        watch.acquire = perf_counter()
        async with self._room:
            if forwarder is not None:
                await self._check_forwarded(target, watch)
            origin = target.origin
            connection = None if watch.fresh else self._kept(origin)
            if connection is None:
                self._make_room()
                connection = await self._connector.open(target, proxy, request, watch)
                self._connections.add(connection)
            else:
                watch.reused = True
            watch.connected = perf_counter()
            response = await connection.exchange(outgoing, request.read_ms / 1000, watch)
            if connection.usable and not self._closed and (idle := idle_seconds(response.headers)):
                connection.idle_until = watch.ended + idle
                self._idle.setdefault(origin, []).append(connection)
            else:
                connection.close()
            if forwarder is not None:
                forwarder.check_forwarded(target.place, response)
            return response

    def close_idle(self) -> None:
        """See `Engine.close_idle`."""
        for connections in self._idle.values():
            for connection in connections:
                connection.close()
        self._idle.clear()

    async def close(self) -> None:
        """See `Engine.close`."""
        self._closed = True
        self._idle.clear()
        for connection in list(self._connections):
            connection.close()
        await asyncio.sleep(0)  # the loop closes the sockets in its next turn

    def _kept(self, origin: _Origin) -> Connection | None:
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            if connection.usable and perf_counter() < connection.idle_until:
                return connection
            connection.close()
        return None

    async def _check_forwarded(self, target: Target, watch: Watch) -> None:
        """Refuse a target that the proxy must not reach; the proxy resolves the name for every request."""
        token = CURRENT_WATCH.set(watch)
        try:
            await self._guard.check_behind_proxy(target.host, target.port)
        finally:
            CURRENT_WATCH.reset(token)

    def _make(self, proxy: Proxy | None) -> Connection:
        return Connection(asyncio.get_running_loop(), self._max_body_bytes, self._connections.discard, proxy)

    def _make_room(self) -> None:
        # Kept-alive connections of other origins count as well; the oldest ones are closed first.
        while self._idle and len(self._connections) >= self._limit:
            origin = next(iter(self._idle))
            idle = self._idle[origin]
            if idle:
                connection = idle.pop(0)
                self._connections.discard(connection)
                connection.close()
            if not idle:
                del self._idle[origin]
