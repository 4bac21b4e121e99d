"""Keeps the connections of the httpx engine: each serves one request at a time and is reused only when it is idle.

httpcore's own pool is not used: a canceled request (and every deadline cancels) can leave a connection in it that is
neither closed nor ever used again, and its cost per request grows with the square of its connections. This module must
not know requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpcore

Connection = httpcore.AsyncConnectionInterface


class ConnectionPool:
    """At most `limit` connections, including idle ones; callers wait in line for a free one. `create` makes a new one
    for an origin, without connecting it."""

    def __init__(self, create: Callable[[httpcore.Origin], Connection], limit: int) -> None:
        self._create = create
        self._limit = limit
        self._slots = asyncio.Semaphore(limit)
        self._busy = 0
        self._idle: list[tuple[httpcore.Origin, Connection, float]] = []  # the time until which it may be used again
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def closing(self) -> int:
        """The number of connections that are being closed; they do not count toward the limit."""
        return len(self._closing)

    async def acquire(self, origin: httpcore.Origin, *, fresh: bool) -> tuple[Connection, bool]:
        """Return a connection to `origin` for the caller alone, and whether it was used before. `fresh`: a new one."""
        await self._slots.acquire()
        # Nothing waits from here to the return, so that a cancellation cannot lose the slot.
        self._busy += 1
        connection = None if fresh else self._take_idle(origin)
        if connection is not None:
            return connection, True
        if self._idle and self._busy + len(self._idle) > self._limit:
            self._discard(self._idle.pop(0)[1])
        return self._create(origin), False

    def release(self, origin: httpcore.Origin, connection: Connection, idle_seconds: float) -> None:
        """Take a connection back in any state: only an idle one is kept, to be used again within `idle_seconds`."""
        self._busy -= 1
        if idle_seconds and connection.is_idle() and not connection.is_closed() and not _has_more(connection):
            self._idle.append((origin, connection, self._now() + idle_seconds))
        else:
            self._discard(connection)
        self._slots.release()

    def close_idle(self) -> None:
        """Begin to close all idle connections."""
        for _, connection, _ in self._idle:
            self._discard(connection)
        self._idle.clear()

    async def close(self) -> None:
        """Close all idle connections, and wait for those that are closing."""
        self.close_idle()
        while self._closing:
            await asyncio.wait(self._closing)

    def _take_idle(self, origin: httpcore.Origin) -> Connection | None:
        # The server is least likely to have closed the one used last.
        for index in range(len(self._idle) - 1, -1, -1):
            if self._idle[index][0] == origin:
                _, connection, until = self._idle.pop(index)
                if self._now() < until and connection.is_available() and not connection.has_expired():
                    return connection
                self._discard(connection)
        return None

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _discard(self, connection: Connection) -> None:
        # In a separate task, because closing must finish even if the caller is canceled.
        task = asyncio.ensure_future(_close(connection))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def _has_more(connection: Any) -> bool:
    """Return whether bytes after the answer were read, which would be taken for the next one. With HTTP/2, whose frames
    name their stream, there are none."""
    # httpcore nests connections, and has no public access to the bytes that its parser has left over.
    while (inner := getattr(connection, "_connection", None)) is not None:
        connection = inner
    parser = getattr(connection, "_h11_state", None)
    return parser is not None and bool(parser.trailing_data[0])


async def _close(connection: Any) -> None:
    # A server that does not answer the end of a TLS connection is not awaited, because nothing is left to send.
    with suppress(Exception):
        async with asyncio.timeout(1.0):
            await connection.aclose()
