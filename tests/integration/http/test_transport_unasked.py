"""What a server says behind an answer is never taken for the next one: the connection is closed instead, in every
engine. And an answer that comes while the body is still going out is the answer."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import product
from typing import Any

import pytest

from reqflo_ray._internal.model.http.exchange import Exchange, TransportResponse

LABORATORY = Any
TAKE = Callable[[Exchange], TransportResponse]

FORGED = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
REAL = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nreal"
ANSWERS = {
    "length": ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
    "length, with a line end": ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{}\r\n"),
    "no body": ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    "chunked": ("GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
    "chunked with trailers": ("GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-A: b\r\n\r\n"),
    "204": ("DELETE", b"HTTP/1.1 204 No Content\r\n\r\n"),
    "304": ("GET", b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n'),
    "HEAD": ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 43\r\n\r\n"),
    "after an interim one": ("GET", b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
}
MORE = {
    "answer": FORGED,
    "408": b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "interim": b"HTTP/1.1 100 Continue\r\n\r\n",
    "beginning": b"HTTP/1.1 2",
    "one letter": b"H",
    "garbage": b"\0\1\2",
    "body": b"more of the body",
    "line end": b"\r\n",
}


class ScriptedServer:
    """Answers the first request with `first` (pieces of bytes, or seconds to wait) and all others with `REAL`, from a
    thread of its own: it goes on while the event loop of the client does not turn."""

    def __init__(
        self,
        first: tuple[bytes | float, ...],
        context: ssl.SSLContext | None,
        *,
        reads_bodies: bool,
        hangs_up: bool,
    ) -> None:
        self._first = first
        self._hangs_up = hangs_up
        self._context = context
        self._reads_bodies = reads_bodies
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.connections = 0
        self.said = threading.Event()
        scheme = "http" if context is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._socket.getsockname()[1]}/"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join(5)
            assert not thread.is_alive()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                accepted, _ = self._socket.accept()
                self.connections += 1
                thread = threading.Thread(target=self._serve, args=(accepted, self.connections == 1))
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket, is_first: bool) -> None:
        with suppress(OSError):
            self._open.append(connection)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
                self._open.append(connection)
            file = connection.makefile("rb")
            while line := file.readline():
                length = 0
                while (line := file.readline()) not in (b"\r\n", b""):
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                if self._reads_bodies:
                    file.read(length)
                for piece in self._first if is_first else (REAL,):
                    if isinstance(piece, bytes):
                        connection.sendall(piece)
                    else:
                        time.sleep(piece)
                if is_first and self._hangs_up:
                    connection.close()
                    file.close()
                self.said.set()
                if is_first and self._hangs_up:
                    return
                if is_first and not self._reads_bodies:
                    time.sleep(0.1)
                    break
                is_first = False
            connection.close()


@contextmanager
def serving(
    *first: bytes | float,
    context: ssl.SSLContext | None = None,
    reads_bodies: bool = True,
    hangs_up: bool = False,
) -> Iterator[ScriptedServer]:
    server = ScriptedServer(first, context, reads_bodies=reads_bodies, hangs_up=hangs_up)
    try:
        yield server
    finally:
        server.close()


async def check(bench: Any, server: ScriptedServer, method: str, wait: Callable[[], Awaitable[object]]) -> None:
    """Two requests; what `wait` does in between. The second is answered on another connection."""
    first = await bench.send(server.url, method)
    # What follows at once may be found to be wrong with this answer already.
    assert first.response is None or first.response.body != b"forged"
    await wait()
    second = await bench.send(server.url, method="POST", body=b"x")
    assert second.failure is None, second.failure
    assert (second.response.status, second.response.body) == (200, b"real")
    assert server.connections == 2


async def nothing() -> None:
    """The second request follows at once."""


@pytest.mark.parametrize("kind", ANSWERS)
def test_bytes_behind_an_answer_close_the_connection(laboratory: LABORATORY, kind: str) -> None:
    method, answer = ANSWERS[kind]

    async def scenario(bench: Any) -> None:
        for more in MORE.values():
            with serving(answer + more) as server:
                await check(bench, server, method, nothing)

    laboratory.run(scenario)


@pytest.mark.parametrize("uvloop", [False, True])
def test_bytes_that_come_later_close_the_connection(laboratory: LABORATORY, uvloop: bool) -> None:
    async def scenario(bench: Any) -> None:
        for kind, more in product(["length", "chunked", "204", "HEAD"], ["answer", "408", "one letter"]):
            method, answer = ANSWERS[kind]
            with serving(answer, 0.02, MORE[more]) as server:
                await check(bench, server, method, partial(asyncio.to_thread, server.said.wait, 5))

    laboratory.run(scenario, uvloop=uvloop)


@pytest.mark.parametrize("uvloop", [False, True])
@pytest.mark.parametrize("secure", [False, True])
def test_bytes_that_the_event_loop_has_not_seen_yet_close_the_connection(
    laboratory: LABORATORY, self_signed: tuple[ssl.SSLContext, Any], secure: bool, uvloop: bool
) -> None:
    async def while_the_loop_stands(server: ScriptedServer) -> None:
        assert server.said.wait(5)
        time.sleep(0.005)  # noqa: ASYNC251

    async def scenario(bench: Any) -> None:
        for more in ["answer", "408", "one letter"]:
            context = self_signed[0] if secure else None
            with serving(ANSWERS["length"][1], 0.02, MORE[more], context=context) as server:
                await check(bench, server, "GET", partial(while_the_loop_stands, server))

    laboratory.run(scenario, uvloop=uvloop, verify=False)


@pytest.mark.parametrize("uvloop", [False, True])
@pytest.mark.parametrize("secure", [False, True])
def test_a_post_is_not_written_to_a_connection_that_has_ended(
    laboratory: LABORATORY, self_signed: tuple[ssl.SSLContext, Any], secure: bool, uvloop: bool
) -> None:
    async def scenario(bench: Any) -> None:
        context = self_signed[0] if secure else None
        with serving(ANSWERS["length"][1], context=context, hangs_up=True) as server:
            assert (await bench.send(server.url)).failure is None
            assert server.said.wait(5)
            time.sleep(0.005)  # noqa: ASYNC251
            second = await bench.send(server.url, method="POST", body=b"x")
            assert second.failure is None and second.response.body == b"real"
            assert second.events == (), "nothing was sent twice"
            assert server.connections == 2

    laboratory.run(scenario, uvloop=uvloop, verify=False)


def test_another_tls_record_behind_an_answer_closes_the_connection(
    laboratory: LABORATORY, self_signed: tuple[ssl.SSLContext, Any]
) -> None:
    async def until_said(server: ScriptedServer) -> None:
        assert server.said.wait(5)

    async def scenario(bench: Any) -> None:
        for kind, pause in product(["length", "chunked", "204"], [0.0, 0.02]):
            method, answer = ANSWERS[kind]
            with serving(answer, pause, FORGED, context=self_signed[0]) as server:
                await check(bench, server, method, partial(until_said, server))

    laboratory.run(scenario, verify=False)


@pytest.mark.parametrize("secure", [False, True])
def test_an_answer_with_nothing_behind_it_leaves_the_connection_open(
    laboratory: LABORATORY, self_signed: tuple[ssl.SSLContext, Any], secure: bool
) -> None:
    async def scenario(bench: Any) -> None:
        for kind, (method, answer) in ANSWERS.items():
            with serving(answer, context=self_signed[0] if secure else None) as server:
                assert (await bench.send(server.url, method)).failure is None
                for _ in range(3):
                    assert (await bench.send(server.url)).response.body == b"real"
                # httpx never uses a connection again after HEAD.
                assert server.connections == (2 if (kind, laboratory.engine) == ("HEAD", "httpx") else 1), kind

    laboratory.run(scenario, verify=False)


EARLY = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 9\r\n%s\r\ntoo large"


@pytest.mark.parametrize("uvloop", [False, True])
@pytest.mark.parametrize("secure", [False, True])
def test_an_answer_before_the_body_is_out_is_the_answer(
    laboratory: LABORATORY, answered: TAKE, self_signed: tuple[ssl.SSLContext, Any], secure: bool, uvloop: bool
) -> None:
    answers = [EARLY % b"Connection: close\r\n", EARLY % b"", b"HTTP/1.1 100 Continue\r\n\r\n" + EARLY % b""]

    async def scenario(bench: Any) -> None:
        for answer, size in product(answers, [1_000, 8_000_000]):
            with serving(answer, context=self_signed[0] if secure else None, reads_bodies=False) as server:
                response = answered(await bench.send(server.url, "POST", body=bytes(size)))
                assert (response.status, response.body) == (413, b"too large")
                assert answered(await bench.send(server.url)).body == b"real"

    laboratory.run(scenario, uvloop=uvloop, verify=False)


@pytest.mark.parametrize(
    "interim", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"]
)
def test_an_interim_answer_does_not_end_the_sending_of_a_body(
    laboratory: LABORATORY, answered: TAKE, interim: bytes
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for part in (interim[:5], interim[5:12], interim[12:]):
            writer.write(part)
            await asyncio.sleep(0.02)
        whole = await reader.readexactly(8_000_000)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n%d" % len(whole))
        writer.close()

    async def scenario(bench: Any) -> None:
        async with await asyncio.start_server(serve, "127.0.0.1", 0, limit=1024) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            assert answered(await bench.send(url, "POST", body=bytes(8_000_000))).body == b"8000000"

    laboratory.run(scenario)
