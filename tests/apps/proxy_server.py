"""A proxy on loopback: absolute URLs, CONNECT and SOCKS 5 on one port. It records what it was asked for.

By hand: `python tests/apps/proxy_server.py` prints its address.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from types import TracebackType
from urllib.parse import urlsplit

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter


@dataclass
class ProxyServer:
    """`async with ProxyServer() as proxy`. With `refuse`, every request is answered with that status line.
    `names` maps host names to addresses that only the proxy knows."""

    refuse: str = ""
    names: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)
    port: int = 0

    async def __aenter__(self) -> ProxyServer:
        self._tasks: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
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
        try:
            first = await reader.readexactly(1)
            await (self._socks(reader, writer) if first == b"\x05" else self._http(first, reader, writer))
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _http(self, first: bytes, reader: Reader, writer: Writer) -> None:
        head = first + await reader.readuntil(b"\r\n\r\n")
        line = head.split(b"\r\n")[0].decode("latin-1")
        method, target, _ = line.split(" ")
        self.asked.append(f"{method} {target}")
        for entry in head.decode("latin-1").split("\r\n"):
            if entry.lower().startswith("proxy-authorization:"):
                self.authorizations.append(entry.partition(":")[2].strip())
        if self.refuse:
            writer.write(f"HTTP/1.1 {self.refuse}\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
            return
        if method == "CONNECT":
            host, _, port = target.rpartition(":")
            there = await self._open(host, int(port))
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            parts = urlsplit(target)
            there = await self._open(parts.hostname or "", parts.port or 80)
            there[1].write(head)
        await self._pump(reader, writer, *there)

    async def _socks(self, reader: Reader, writer: Writer) -> None:
        await reader.readexactly((await reader.readexactly(1))[0])
        writer.write(b"\x05\x00")
        kind = (await reader.readexactly(4))[3]
        if kind == 1:
            host = ".".join(str(byte) for byte in await reader.readexactly(4))
        else:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        port = int.from_bytes(await reader.readexactly(2), "big")
        self.asked.append(f"SOCKS {host}:{port}")
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
            for task in copies:
                task.cancel()
            await asyncio.gather(*copies, return_exceptions=True)
            to_there.close()


async def main() -> None:
    async with ProxyServer() as proxy:
        print(f"http://127.0.0.1:{proxy.port} and socks5://127.0.0.1:{proxy.port}")
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
