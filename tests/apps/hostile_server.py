"""An HTTP server that misbehaves on demand and records what it received, byte for byte. Raw asyncio streams, loopback:
no HTTP library, so nothing is repaired on the way. By hand: `python tests/apps/hostile_server.py` prints its address.

The path names the behaviour: `/close` closes without an answer, `/drip-body` sends one byte a second, and so on; see
`hostile_behaviours.py`. Unknown paths answer 200 with a small body.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field
from types import TracebackType
from urllib.parse import urlsplit

from hostile_behaviours import BEHAVIOURS, OK, Exchange, Reader, Received, Writer, plain

_READ_THE_BODY_THEMSELVES = ("/answer-early", "/expect", "/expect-continue", "/expect-refused", "/read-slowly")


@dataclass
class HostileServer:
    """`async with HostileServer() as server: server.url("/close")`."""

    context: ssl.SSLContext | None = None
    host: str = "127.0.0.1"
    port: int = 0
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    open_connections: int = 0
    contents: dict[str, tuple[bytes, bytes]] = field(default_factory=dict)

    async def __aenter__(self) -> HostileServer:
        self._server = await asyncio.start_server(self._serve, self.host, 0, ssl=self.context, backlog=2048)
        self.port = self._server.sockets[0].getsockname()[1]
        self._tasks: set[asyncio.Task[None]] = set()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def url(self, path: str, host: str = "") -> str:
        scheme = "https" if self.context else "http"
        return f"{scheme}://{host or self.host}:{self.port}{path}"

    def serve(self, path: str, head: bytes, body: bytes) -> str:
        """Answer `path` with these header lines and this body; gives its URL."""
        self.contents[path] = (head, body)
        return self.url(path)

    async def _serve(self, reader: Reader, writer: Writer) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        self.open_connections += 1
        number = self.connections
        try:
            while await self._one(reader, writer, number):
                pass
        except (OSError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            self.open_connections -= 1
            self._tasks.discard(task)
            writer.close()

    async def _one(self, reader: Reader, writer: Writer, number: int) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        line, *lines = head[:-4].decode("latin-1").split("\r\n")
        pairs = tuple((name, value.strip()) for name, _, value in (entry.partition(":") for entry in lines))
        path = urlsplit(line.split(" ")[1]).path
        length = next((int(value) for name, value in pairs if name.lower() == "content-length"), 0)
        body = b""
        if path not in _READ_THE_BODY_THEMSELVES:
            body = await reader.readexactly(length)
        request = Received(line, pairs, body, number)
        self.received.append(request)
        exchange = Exchange(request, reader, writer)
        if path in self.contents:
            await exchange.answer(OK + self.contents[path][0], self.contents[path][1])
            return True
        return await BEHAVIOURS.get(path, plain)(exchange)


async def main() -> None:
    async with HostileServer() as server:
        print(server.url("/"), *sorted(BEHAVIOURS), sep="\n  ")
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
