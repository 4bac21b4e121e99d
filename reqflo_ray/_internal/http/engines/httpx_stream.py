"""A connection of the httpx engine: the network interface of httpcore, on asyncio alone.

Incoming bytes are read immediately, whether requested or not, so that nothing stays unseen in the layers below: an
answer that arrives while a body is still being sent, and unrequested bytes. Of HTTP it must know only the beginning of
an answer.
"""

from __future__ import annotations

import asyncio
import re
import select
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, cast

import httpcore

# No more is received before it is read.
_MOST_UNREAD: Final = 2**18
_INTERIM: Final = re.compile(rb"HTTP/1\.[01] 1(?!01)[0-9]{2}[^\n]*\n(?:[^\r\n][^\n]*\n)*\r?\n")
_MAY_BE_INTERIM: Final = re.compile(rb"HTTP/1\.[01] 1(?!01)|(?:H|HT|HTT|HTTP|HTTP/|HTTP/1|HTTP/1\.|HTTP/1\.[01] ?)?\Z")


async def connect(host: str, port: int) -> SocketStream:
    """Open a stream to an address. Raises `httpcore.ConnectError`."""
    with _as(httpcore.ConnectError):
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(_Connection, host, port)
    return SocketStream(connection)


class SocketStream(httpcore.AsyncNetworkStream):
    """One connection, with or without TLS. Errors are those of httpcore."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return received bytes; b"" at the end."""
        try:
            with _as(httpcore.ReadError):
                async with asyncio.timeout(timeout):
                    return await self._connection.read(max_bytes)
        except TimeoutError:
            raise httpcore.ReadTimeout from None

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of `buffer`."""
        await self.write_unless_answered(buffer, timeout, is_http1=False)

    async def write_unless_answered(self, buffer: bytes, timeout: float | None, *, is_http1: bool) -> None:
        """Send all of `buffer`. An answer that arrives meanwhile raises `httpcore.WriteError`, after which httpcore
        reads it."""
        try:
            with _as(httpcore.WriteError):
                async with asyncio.timeout(timeout):
                    await self._connection.write(buffer, is_http1)
        except TimeoutError:
            raise httpcore.WriteTimeout from None

    async def aclose(self) -> None:
        """Close the connection; unsent bytes are dropped."""
        self._connection.transport.abort()
        await asyncio.sleep(0)  # the loop closes the socket in its next turn

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> SocketStream:
        """Return the same connection with TLS. An error closes it."""
        try:
            with _as(httpcore.ConnectError):
                async with asyncio.timeout(timeout):
                    return SocketStream(await self._connection.secured(ssl_context, server_hostname))
        except TimeoutError:
            raise httpcore.ConnectTimeout from None

    def get_extra_info(self, info: str) -> Any:
        """Return information: `is_readable`, whether there are unread bytes or the end; `is_ended`, whether there is
        the end; other names as in httpcore."""
        if info == "is_readable":
            return self._connection.has_unread()
        if info == "is_ended":
            return self._connection.has_ended()
        name = {"server_addr": "peername", "client_addr": "sockname"}.get(info, info)
        return self._connection.transport.get_extra_info(name)


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self._unread = bytearray()
        self._changed: asyncio.Future[None] | None = None
        self._is_full = False
        self._is_ended = False
        self._is_reading = True
        self._failure: Exception | None = None

    async def read(self, max_bytes: int) -> bytes:
        while not self._unread and not self._is_ended:
            await self._change()
        if not self._unread and self._failure is not None:
            raise self._failure
        data = bytes(self._unread[:max_bytes])
        del self._unread[:max_bytes]
        if not self._is_reading and len(self._unread) < _MOST_UNREAD and not self.transport.is_closing():
            self._is_reading = True
            self.transport.resume_reading()
        return data

    async def write(self, data: bytes, is_http1: bool) -> None:
        if self._is_ended:
            raise self._failure or ConnectionResetError
        self.transport.write(data)
        while self._is_full:
            if self._is_ended:
                raise self._failure or ConnectionResetError
            if is_http1 and _is_answer(self._unread):
                raise ConnectionAbortedError
            await self._change()

    async def secured(self, context: ssl.SSLContext, name: str | None) -> _Connection:
        inner = _Connection()
        loop = asyncio.get_running_loop()
        try:
            transport = await loop.start_tls(self.transport, inner, context, server_hostname=name)
        except BaseException:
            self.transport.abort()
            raise
        if transport is None:
            raise ConnectionAbortedError
        inner.connection_made(transport)
        return inner

    def has_ended(self) -> bool:
        return self._is_ended or self.transport.is_closing()

    def has_unread(self) -> bool:
        if self._unread or self.has_ended():
            return True
        # Bytes may have arrived that wait for the next turn of the event loop.
        poll = select.poll()
        poll.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(poll.poll(0))

    async def _change(self) -> None:
        self._changed = asyncio.get_running_loop().create_future()
        try:
            await self._changed
        finally:
            self._changed = None

    def _tell(self) -> None:
        if self._changed is not None and not self._changed.done():
            self._changed.set_result(None)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        # With this limit, `pause_writing` reports unsent bytes; `httptools_connection` says why it is not 0.
        self.transport.set_write_buffer_limits(1)

    def data_received(self, data: bytes) -> None:
        self._unread += data
        if len(self._unread) >= _MOST_UNREAD and self._is_reading:
            self._is_reading = False
            self.transport.pause_reading()
        self._tell()

    def eof_received(self) -> bool:
        self._is_ended = True
        self._tell()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_ended = True
        self._failure = exc
        self._tell()

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        self._tell()


def _is_answer(data: bytearray) -> bool:
    """Return whether a final answer has begun; bytes that are not HTTP count as one."""
    begin = 0
    while (interim := _INTERIM.match(data, begin)) is not None:
        begin = interim.end()
    return begin < len(data) and _MAY_BE_INTERIM.match(data, begin) is None


@contextmanager
def _as(kind: type[Exception]) -> Iterator[None]:
    """Turn errors of the system and of TLS into `kind`."""
    try:
        yield
    except TimeoutError:
        raise
    except OSError as error:
        raise kind(str(error)) from error
