"""A proxy on loopback: absolute URLs, CONNECT and SOCKS 5 on one port, with TLS if wanted. It keeps a ledger of what it
was asked for, and misbehaves on demand.

By hand: `python tests/apps/proxy_server.py` prints its address.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from urllib.parse import urlsplit

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter

CLOSE = None
"""In a script: end the connection."""


@dataclass(frozen=True)
class Asked:
    """One request to the proxy. `connection` counts from 1 in the order in which connections were accepted."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    connection: int

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


@dataclass
class ProxyServer:
    """`async with ProxyServer() as proxy`.

    With `refuse`, every request is answered with that status line; with `script`, with these pieces of bytes and pauses
    in seconds, whereupon it stays silent, or closes where the script says so. With `login` (`user:password`), requests
    without these credentials are answered with 407. `names` maps host names to addresses that only the proxy knows.
    `protocols` are those that were agreed on over TLS, one a connection.
    """

    refuse: str = ""
    script: tuple[bytes | float | None, ...] = ()
    login: str = ""
    names: dict[str, str] = field(default_factory=dict)
    context: ssl.SSLContext | None = None
    ledger: list[Asked] = field(default_factory=list)
    protocols: list[str | None] = field(default_factory=list)
    port: int = 0

    @property
    def connections(self) -> int:
        return len(self.protocols)

    @property
    def asked(self) -> list[str]:
        return [f"{one.method} {one.target}" for one in self.ledger]

    @property
    def authorizations(self) -> list[str]:
        return [value for one in self.ledger if (value := one.header("Proxy-Authorization")) is not None]

    async def __aenter__(self) -> ProxyServer:
        self._tasks: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: Reader, writer: Writer) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        tls = writer.get_extra_info("ssl_object")
        self.protocols.append(None if tls is None else tls.selected_alpn_protocol())
        number = self.connections
        try:
            first = await reader.readexactly(1)
            if first == b"\x05":
                await self._socks(reader, writer, number)
            else:
                while await self._one(first, reader, writer, number):
                    first = b""
        except (OSError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _one(self, first: bytes, reader: Reader, writer: Writer, number: int) -> bool:
        """Serve one request; whether the connection stays open."""
        head = first + await reader.readuntil(b"\r\n\r\n")
        line, *lines = head[:-4].decode("latin-1").split("\r\n")
        method, target, _ = line.split(" ")
        pairs = tuple((name, value.strip()) for name, _, value in (entry.partition(":") for entry in lines))
        asked = Asked(method, target, pairs, number)
        self.ledger.append(asked)
        if self.script:
            return await self._play(reader, writer)
        wanted = "Basic " + b64encode(self.login.encode()).decode()
        if self.refuse or (self.login and asked.header("Proxy-Authorization") != wanted):
            status = self.refuse or '407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="test"'
            writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
            return False
        if method == "CONNECT":
            host, _, port = target.rpartition(":")
            there = await self._open(host.removeprefix("[").removesuffix("]"), int(port))
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await self._pump(reader, writer, *there)
            return False
        return await self._forward(asked, reader, writer)

    async def _forward(self, asked: Asked, reader: Reader, writer: Writer) -> bool:
        parts = urlsplit(asked.target)
        path = asked.target.partition("://")[2].partition("/")[2]
        body = await reader.readexactly(int(asked.header("Content-Length") or 0))
        lines = [f"{name}: {value}" for name, value in asked.headers if not name.lower().startswith("proxy-")]
        there, to_there = await self._open(parts.hostname or "", parts.port or 80)
        try:
            to_there.write("\r\n".join([f"{asked.method} /{path} HTTP/1.1", *lines, "", ""]).encode("latin-1") + body)
            head = await there.readuntil(b"\r\n\r\n")
            writer.write(head)
            length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), None)
            if length is not None:
                writer.write(await there.readexactly(int(length.partition(b":")[2])))
            else:
                writer.write(await there.read())
            await writer.drain()
            return length is not None
        finally:
            to_there.close()

    async def _play(self, reader: Reader, writer: Writer) -> bool:
        for piece in self.script:
            if piece is CLOSE:
                return False
            if isinstance(piece, float):
                await asyncio.sleep(piece)
            else:
                writer.write(piece)
                await writer.drain()
        await reader.read()
        return False

    async def _socks(self, reader: Reader, writer: Writer, number: int) -> None:
        methods = await reader.readexactly((await reader.readexactly(1))[0])
        if self.login:
            writer.write(b"\x05\x02" if 2 in methods else b"\x05\xff")
            await reader.readexactly(1)
            given = [(await reader.readexactly((await reader.readexactly(1))[0])).decode() for _ in range(2)]
            if ":".join(given) != self.login:
                writer.write(b"\x01\x01")
                return
            writer.write(b"\x01\x00")
        else:
            writer.write(b"\x05\x00")
        kind = (await reader.readexactly(4))[3]
        if kind == 1:
            host = ".".join(str(byte) for byte in await reader.readexactly(4))
        else:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        port = int.from_bytes(await reader.readexactly(2), "big")
        self.ledger.append(Asked("SOCKS", f"{host}:{port}", (), number))
        there = await self._open(host, port)
        writer.write(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")
        await self._pump(reader, writer, *there)

    async def _open(self, host: str, port: int) -> tuple[Reader, Writer]:
        return await asyncio.open_connection(self.names.get(host, host), port)

    async def _pump(self, reader: Reader, writer: Writer, there: Reader, to_there: Writer) -> None:
        async def copy(source: Reader, target: Writer) -> None:
            while data := await source.read(65_536):
                target.write(data)
                await target.drain()

        try:
            copies = [asyncio.ensure_future(copy(reader, to_there)), asyncio.ensure_future(copy(there, writer))]
            await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
        finally:
            to_there.close()
            for task in copies:
                task.cancel()
            await asyncio.gather(*copies, return_exceptions=True)


@contextmanager
def proxy_in_thread(proxy: ProxyServer) -> Iterator[ProxyServer]:
    """Let `proxy` serve from a thread of its own, while the block runs."""
    started, loop = threading.Event(), asyncio.new_event_loop()
    ended = asyncio.Event()

    async def serve() -> None:
        async with proxy:
            started.set()
            await ended.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert started.wait(10)
        yield proxy
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(10)
        assert not thread.is_alive()
        loop.close()


async def main() -> None:
    async with ProxyServer() as proxy:
        print(f"http://127.0.0.1:{proxy.port} and socks5://127.0.0.1:{proxy.port}")
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
