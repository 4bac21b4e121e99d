"""How many requests of one worker may be under way to one host: the others wait, in the order in which they came.

What waits has not been sent. Redirects are not counted anew: two that each held room and wanted the other's would wait
for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import msgspec

from reqflo_ray.http.failures import ExchangeError
from reqflo_ray.http.target import parse_target
from reqflo_ray.model.exchange import TransportRequest


class NoRoomError(Exception):
    """The request's time was over before there was room; nothing was sent."""


class HostLimits:
    """At most `limit` requests at a time to each `host:port`; 0 is no limit. Serves one event loop."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._hosts: dict[str, _Host] = {}

    @asynccontextmanager
    async def room(self, request: TransportRequest) -> AsyncIterator[TransportRequest]:
        """Hold room at the host of `request` while the block runs; gives the request with what is left of its time.

        Raises:
            NoRoomError: its `total_ms` passed first.
        """
        place = self._place(request)
        if place is None:
            yield request
            return
        host = self._hosts.setdefault(place, _Host(self._limit))
        host.users += 1
        try:
            left_ms = await self._enter(host, request.total_ms, place)
            try:
                yield request if left_ms == request.total_ms else msgspec.structs.replace(request, total_ms=left_ms)
            finally:
                host.slots.release()
        finally:
            host.users -= 1
            if not host.users:  # a dataset may name any number of hosts
                del self._hosts[place]

    def _place(self, request: TransportRequest) -> str | None:
        if not self._limit:
            return None
        try:
            return parse_target(request.url).place
        except ExchangeError:
            return None  # nobody will be asked: the transport says what is wrong with it

    async def _enter(self, host: _Host, total_ms: int, place: str) -> int:
        loop = asyncio.get_running_loop()
        began = loop.time()
        with suppress(TimeoutError):
            async with asyncio.timeout(total_ms / 1000):
                await host.slots.acquire()
            left_ms = total_ms - int((loop.time() - began) * 1000)
            if left_ms > 0:
                return left_ms
            host.slots.release()
        raise NoRoomError(
            f"{self._limit} requests to {place} were under way for all of the {total_ms} ms"
            " (http.max_in_flight_per_host)"
        )


class _Host:
    """Slots, and how many requests hold or want one."""

    __slots__ = ("slots", "users")

    def __init__(self, limit: int) -> None:
        self.slots = asyncio.Semaphore(limit)
        self.users = 0
