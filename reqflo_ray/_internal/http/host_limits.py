"""Limits the requests of one worker that are in flight to one host: the others wait in order of arrival.

A waiting request has not been sent. Redirects are not counted again, because two that each held room and wanted that of
the other would wait forever. It must not know how a request is sent.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import msgspec

from reqflo_ray._internal.http.addresses.target import parse_target
from reqflo_ray._internal.http.exchange.failures import ExchangeError
from reqflo_ray._internal.model.http.exchange import TransportRequest


class NoRoomError(Exception):
    """The time of the request was over before there was room; nothing was sent."""


class HostLimits:
    """At most `limit` requests at a time to each `host:port`; 0 means no limit. Serves one event loop."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._hosts: dict[str, _Host] = {}

    @property
    def hosts(self) -> int:
        """The number of hosts with requests in flight or waiting; nothing is kept about others."""
        return len(self._hosts)

    def room(self, request: TransportRequest) -> _Room:
        """Hold room at the host of `request` during an `async with` block, which receives the request with the rest of
        its time.

        Raises:
            NoRoomError: when the block begins, if `total_ms` passed first.
        """
        return _Room(self, request)

    async def _take(self, request: TransportRequest) -> tuple[TransportRequest, str | None]:
        place = self._place(request)
        if place is None:
            return request, None
        host = self._hosts.setdefault(place, _Host(self._limit))
        host.users += 1
        try:
            left_ms = await self._enter(host, request.total_ms, place)
        except BaseException:
            self._forget(place)
            raise
        return request if left_ms == request.total_ms else msgspec.structs.replace(request, total_ms=left_ms), place

    def _give_back(self, place: str) -> None:
        self._hosts[place].slots.release()
        self._forget(place)

    def _forget(self, place: str) -> None:
        host = self._hosts[place]
        host.users -= 1
        if not host.users:  # a dataset may name any number of hosts
            del self._hosts[place]

    def _place(self, request: TransportRequest) -> str | None:
        try:
            return parse_target(request.url).place
        except ExchangeError:
            return None  # it is not sent: the transport reports what is wrong with it

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
            f"{self._limit} requests to {place} were in flight for all of the {total_ms} ms"
            " (`http.max_in_flight_per_host`)"
        )


class _Room:
    """The context manager of `HostLimits.room`; a generator would cost more than the rest of this module."""

    __slots__ = ("_limits", "_place", "_request")

    def __init__(self, limits: HostLimits, request: TransportRequest) -> None:
        self._limits = limits
        self._request = request
        self._place: str | None = None

    async def __aenter__(self) -> TransportRequest:
        if not self._limits._limit:
            return self._request
        request, self._place = await self._limits._take(self._request)
        return request

    async def __aexit__(self, *_: object) -> None:
        if self._place is not None:
            self._limits._give_back(self._place)


class _Host:
    """Slots, and the number of requests that hold or wait for one."""

    __slots__ = ("slots", "users")

    def __init__(self, limit: int) -> None:
        self.slots = asyncio.Semaphore(limit)
        self.users = 0
