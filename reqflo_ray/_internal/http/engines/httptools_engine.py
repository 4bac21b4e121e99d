"""The default engine: HTTP/1.1 on asyncio with httptools, for what every step does, and as little of it as can be.

Connections are opened to permitted addresses only, kept alive and shared. No proxies and no HTTP/2: the other engines
have them.
"""

from __future__ import annotations

import asyncio
import socket
from time import perf_counter
from typing import Final

import aiohappyeyeballs

from reqflo_ray._internal.http.addresses.guard import AddressGuard
from reqflo_ray._internal.http.addresses.target import Target
from reqflo_ray._internal.http.addresses.tls import create_context
from reqflo_ray._internal.http.engines.httptools_connection import Connection
from reqflo_ray._internal.http.engines.outgoing import Outgoing
from reqflo_ray._internal.http.exchange.failures import ExchangeError, connect_failure, tls_error, tls_failure
from reqflo_ray._internal.http.exchange.watch import CURRENT_WATCH, Watch
from reqflo_ray._internal.model.exchange import TransportRequest, TransportResponse
from reqflo_ray._internal.model.plan import HttpSettings

# Servers close what is idle for longer, and a connection that is being closed costs a request.
_IDLE_SECONDS: Final = 15.0
# RFC 8305: how long an address is waited for before the next one is tried as well.
_NEXT_ADDRESS_SECONDS: Final = 0.25

_Origin = tuple[str, str, int]


class HttptoolsEngine:
    """`limit` is the largest number of connections; requests beyond it wait, in the order in which they came."""

    def __init__(self, settings: HttpSettings, *, limit: int) -> None:
        self._context = create_context(settings)
        self._guard = AddressGuard(allow_link_local=settings.allow_link_local)
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
        watch.acquire = perf_counter()
        async with self._room:
            origin = outgoing.target.origin
            connection = None if watch.fresh else self._kept(origin)
            if connection is None:
                connection = await self._open(outgoing.target, request, watch)
            else:
                watch.reused = True
            watch.connected = perf_counter()
            response = await connection.exchange(outgoing, request.read_ms / 1000, watch)
            if connection.usable and not self._closed:
                connection.idle_since = watch.ended
                self._idle.setdefault(origin, []).append(connection)
            else:
                connection.close()
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
            young = perf_counter() - connection.idle_since < _IDLE_SECONDS
            if connection.usable and young and not connection.has_unread():
                return connection
            connection.close()
        return None

    async def _open(self, target: Target, request: TransportRequest, watch: Watch) -> Connection:
        self._make_room()
        watch.connecting = perf_counter()
        token = CURRENT_WATCH.set(watch)
        try:
            # One bound over name resolution, all addresses and the handshake.
            async with asyncio.timeout(watch.connect_seconds):
                return await self._connect(target)
        except ExchangeError:
            raise
        except TimeoutError:
            text = f"no connection to {target.place} within {request.connect_ms} ms; {watch.phase()}"
            raise ExchangeError(watch.connect_timeout_kind(), text) from None
        except OSError as error:
            tls = tls_error(error)
            if tls is not None or watch.tls_start:
                raise tls_failure(tls, target.place) from None
            raise connect_failure(error, target.place) from None
        finally:
            CURRENT_WATCH.reset(token)

    async def _connect(self, target: Target) -> Connection:
        loop = asyncio.get_running_loop()
        addresses = [
            (family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, target.port))
            for family, address in await self._guard.resolve(target.host, target.port)
        ]
        connected = await aiohappyeyeballs.start_connection(
            addresses, happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS, loop=loop
        )
        secure = target.scheme == "https"
        try:
            _, connection = await loop.create_connection(
                lambda: Connection(loop, self._max_body_bytes, self._connections.discard),
                sock=connected,
                ssl=self._context if secure else None,
                server_hostname=target.host.removesuffix(".") if secure else None,
            )
        except BaseException:
            connected.close()
            raise
        self._connections.add(connection)
        return connection

    def _make_room(self) -> None:
        # Kept-alive connections of other origins count as well; those that were kept first go first.
        while self._idle and len(self._connections) >= self._limit:
            origin = next(iter(self._idle))
            idle = self._idle[origin]
            if idle:
                connection = idle.pop(0)
                self._connections.discard(connection)
                connection.close()
            if not idle:
                del self._idle[origin]
