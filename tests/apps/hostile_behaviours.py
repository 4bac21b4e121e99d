"""What the hostile server can do to a request, each under a path of its own. Raw bytes: nothing is repaired."""

from __future__ import annotations

import asyncio
import gzip
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter


@dataclass(frozen=True)
class Received:
    """One request as it came in. `connection` counts from 1 in the order in which connections were accepted."""

    line: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    connection: int

    @property
    def method(self) -> str:
        return self.line.split(" ")[0]

    @property
    def target(self) -> str:
        return self.line.split(" ")[1]

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


@dataclass
class Exchange:
    """What a behaviour can use."""

    request: Received
    reader: Reader
    writer: Writer

    @property
    def options(self) -> dict[str, str]:
        return {key: values[-1] for key, values in parse_qs(urlsplit(self.request.target).query).items()}

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, head: bytes, body: bytes = b"") -> None:
        await self.send(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Behaviour = Callable[[Exchange], Awaitable[bool]]
BEHAVIOURS: dict[str, Behaviour] = {}
OK = b"HTTP/1.1 200 OK\r\n"


def behaviour(path: str) -> Callable[[Behaviour], Behaviour]:
    """Register what happens at `/path`. It returns whether the connection stays open."""

    def register(function: Behaviour) -> Behaviour:
        BEHAVIOURS["/" + path] = function
        return function

    return register


@behaviour("plain")
async def plain(x: Exchange) -> bool:
    await x.answer(OK, b"" if x.request.method == "HEAD" else b"hello")
    return True


@behaviour("head")
async def head(x: Exchange) -> bool:
    await x.send(OK + b"Content-Length: 1000\r\n\r\n")
    return True


@behaviour("status")
async def status(x: Exchange) -> bool:
    await x.send(b"HTTP/1.1 %s Whatever\r\n\r\n" % x.options["code"].encode())
    return True


@behaviour("weird")
async def weird(x: Exchange) -> bool:
    await x.answer(
        b"HTTP/1.1 299 Weird Reason\r\nX-MiXed-Case: One\r\nset-cookie: a=1; Path=/\r\nSet-Cookie: b=2\r\n"
        b"X-Latin: caf\xe9\r\nX-Empty:\r\n",
        b"body",
    )
    return True


@behaviour("close")
async def close(x: Exchange) -> bool:
    return False


@behaviour("reset")
async def reset(x: Exchange) -> bool:
    x.reset()
    return False


@behaviour("close-in-head")
async def close_in_head(x: Exchange) -> bool:
    await x.send(b"HTTP/1.1 200 OK\r\nX-Half: ")
    return False


@behaviour("reset-in-head")
async def reset_in_head(x: Exchange) -> bool:
    await x.send(b"HTTP/1.1 200 OK\r\nX-Half: ")
    await asyncio.sleep(0.05)
    x.reset()
    return False


@behaviour("short-body")
async def short_body(x: Exchange) -> bool:
    await x.send(OK + b"Content-Length: 100\r\n\r\nonly this")
    return False


@behaviour("short-chunk")
async def short_chunk(x: Exchange) -> bool:
    await x.send(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    return False


@behaviour("reset-in-body")
async def reset_in_body(x: Exchange) -> bool:
    await x.send(OK + b"Content-Length: 100\r\n\r\nonly this")
    await asyncio.sleep(0.05)
    x.reset()
    return False


@behaviour("until-close")
async def until_close(x: Exchange) -> bool:
    await x.send(OK + b"Connection: close\r\n\r\nall of it")
    return False


@behaviour("reset-until-close")
async def reset_until_close(x: Exchange) -> bool:
    await x.send(OK + b"Connection: close\r\n\r\nsome of it")
    await asyncio.sleep(0.05)
    x.reset()
    return False


@behaviour("reset-in-gzip")
async def reset_in_gzip(x: Exchange) -> bool:
    await x.send(OK + b"Content-Encoding: gzip\r\nConnection: close\r\n\r\n" + gzip.compress(b"whole")[:-9])
    await asyncio.sleep(0.05)
    x.reset()
    return False


@behaviour("bad-chunk")
async def bad_chunk(x: Exchange) -> bool:
    await x.send(OK + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\nhello\r\n")
    return False


@behaviour("chunked")
async def chunked(x: Exchange) -> bool:
    await x.send(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nX-Trailer: t\r\n\r\n")
    return True


@behaviour("silent")
async def silent(x: Exchange) -> bool:
    await x.reader.read()
    return False


@behaviour("stall-body")
async def stall_body(x: Exchange) -> bool:
    await x.send(OK + b"Content-Length: 100\r\n\r\nonly this")
    await x.reader.read()
    return False


@behaviour("drip-head")
async def drip_head(x: Exchange) -> bool:
    for byte in OK + b"X-Slow: " + b"a" * 100:
        await x.send(bytes((byte,)))
        await asyncio.sleep(float(x.options.get("every", "1")))
    return False


@behaviour("drip-body")
async def drip_body(x: Exchange) -> bool:
    await x.send(OK + b"Content-Length: 1000\r\n\r\n")
    for _ in range(1000):
        await x.send(b"a")
        await asyncio.sleep(float(x.options.get("every", "1")))
    return True


@behaviour("slow")
async def slow(x: Exchange) -> bool:
    await asyncio.sleep(float(x.options["seconds"]))
    return await plain(x)


@behaviour("endless")
async def endless(x: Exchange) -> bool:
    await x.send(OK + b"Transfer-Encoding: chunked\r\n\r\n")
    piece = b"10000\r\n" + b"a" * 0x10000 + b"\r\n"
    while True:
        await x.send(piece)


@behaviour("size")
async def size(x: Exchange) -> bool:
    await x.answer(OK, bytes(int(x.options["bytes"])))
    return True


@behaviour("not-http")
async def not_http(x: Exchange) -> bool:
    await x.send(b"220 mail.example ESMTP\r\n")
    return False


@behaviour("http-0.9")
async def http_0_9(x: Exchange) -> bool:
    await x.send(b"<html>no head at all</html>")
    return False


@behaviour("bad-status")
async def bad_status(x: Exchange) -> bool:
    await x.send(b"HTTP/1.1 abc OK\r\n\r\n")
    return False


@behaviour("http-1.0")
async def http_1_0(x: Exchange) -> bool:
    await x.send(b"HTTP/1.0 200 OK\r\n\r\nold")
    return False


@behaviour("large-header")
async def large_header(x: Exchange) -> bool:
    await x.answer(OK + b"X-Large: " + b"a" * 1_000_000 + b"\r\n")
    return False


@behaviour("many-headers")
async def many_headers(x: Exchange) -> bool:
    await x.answer(OK + b"".join(b"X-%d: 1\r\n" % number for number in range(10_000)))
    return False


@behaviour("endless-head")
async def endless_head(x: Exchange) -> bool:
    await x.send(OK)
    while True:
        await x.send(b"X-More: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n")


@behaviour("two-lengths")
async def two_lengths(x: Exchange) -> bool:
    await x.send(OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!")
    return False


@behaviour("same-lengths")
async def same_lengths(x: Exchange) -> bool:
    await x.send(OK + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello")
    return False


@behaviour("bad-length")
async def bad_length(x: Exchange) -> bool:
    await x.send(OK + b"Content-Length: -5\r\n\r\nhello")
    return False


@behaviour("length-and-chunked")
async def length_and_chunked(x: Exchange) -> bool:
    await x.send(OK + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
    return False


@behaviour("null-in-header")
async def null_in_header(x: Exchange) -> bool:
    await x.answer(OK + b"X-Null: a\x00b\r\n")
    return False


@behaviour("cr-in-header")
async def cr_in_header(x: Exchange) -> bool:
    await x.answer(OK + b"X-Return: a\rX-Injected: b\r\n")
    return False


@behaviour("interim")
async def interim(x: Exchange) -> bool:
    await x.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n")
    return await plain(x)


@behaviour("interim-flood")
async def interim_flood(x: Exchange) -> bool:
    while True:
        await x.send(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n" * 50)


@behaviour("unasked-upgrade")
async def unasked_upgrade(x: Exchange) -> bool:
    await x.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\nConnection: Upgrade\r\n\r\n")
    return False


@behaviour("once")
async def once(x: Exchange) -> bool:
    """Answers, says that the connection stays open, and closes it at the next request on it."""
    await plain(x)
    await x.reader.read(1)
    await asyncio.sleep(float(x.options.get("linger", "0")))
    if "partial" in x.options:
        await x.send(b"HTTP/1.1 2")
    if "reset" in x.options:
        x.reset()
    return False


@behaviour("two-answers")
async def two_answers(x: Exchange) -> bool:
    await plain(x)
    await asyncio.sleep(0.02)
    await x.answer(OK, b"nobody asked")
    return True


@behaviour("answer-early")
async def answer_early(x: Exchange) -> bool:
    await x.answer(b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\n", b"no")
    await asyncio.sleep(0.05)
    return False


@behaviour("expect")
async def expect(x: Exchange) -> bool:
    """Waits for the body without ever sending 100 (Continue)."""
    await x.reader.readexactly(int(x.request.header("Content-Length") or 0))
    return await plain(x)


@behaviour("expect-continue")
async def expect_continue(x: Exchange) -> bool:
    """Has its say before the body comes, and gives the body back."""
    await x.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    await x.answer(OK, await x.reader.readexactly(int(x.request.header("Content-Length") or 0)))
    return True


@behaviour("expect-refused")
async def expect_refused(x: Exchange) -> bool:
    """Wants no body, and goes on as if none would come."""
    await x.answer(b"HTTP/1.1 417 Expectation Failed\r\n", b"no")
    return True


@behaviour("read-slowly")
async def read_slowly(x: Exchange) -> bool:
    """Takes half a second for the body; answers how long it was."""
    left = length = int(x.request.header("Content-Length") or 0)
    while left:
        await asyncio.sleep(0.5 / 8)
        left -= len(await x.reader.readexactly(min(left, length // 8 + 1)))
    await x.answer(OK, str(length).encode())
    return True


@behaviour("trailers")
async def trailers(x: Exchange) -> bool:
    await x.send(OK + b"Transfer-Encoding: chunked\r\n\r\n5;q=1\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n")
    return True


@behaviour("trailer-flood")
async def trailer_flood(x: Exchange) -> bool:
    await x.send(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n")
    while True:
        await x.send(b"X-More: " + b"x" * 1000 + b"\r\n")


@behaviour("extension-flood")
async def extension_flood(x: Exchange) -> bool:
    await x.send(OK + b"Transfer-Encoding: chunked\r\n\r\n5;")
    while True:
        await x.send(b"x" * 1000)


@behaviour("head-with-body")
async def head_with_body(x: Exchange) -> bool:
    """Sends a body with its answer to HEAD, which nobody may."""
    await x.answer(OK, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong")
    return True


@behaviour("byte-by-byte")
async def byte_by_byte(x: Exchange) -> bool:
    for byte in OK + b"X-A: b\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n":
        await x.send(bytes([byte]))
        await asyncio.sleep(0)
    return True


@behaviour("redirect")
async def redirect(x: Exchange) -> bool:
    code = x.options.get("code", "302").encode()
    location = x.options["to"].encode("latin-1", "replace")
    cookie = x.options.get("cookie", "").encode()
    line = b"Set-Cookie: %s\r\n" % cookie if cookie else b""
    await x.answer(b"HTTP/1.1 %s Found\r\nLocation: %s\r\n%s" % (code, location, line), b"moved")
    return True


@behaviour("redirect-nowhere")
async def redirect_nowhere(x: Exchange) -> bool:
    await x.answer(b"HTTP/1.1 302 Found\r\n", b"no location")
    return True


@behaviour("redirect-twice")
async def redirect_twice(x: Exchange) -> bool:
    await x.answer(b"HTTP/1.1 302 Found\r\nLocation: /a\r\nLocation: /b\r\n")
    return True


@behaviour("loop")
async def loop(x: Exchange) -> bool:
    await x.answer(b"HTTP/1.1 302 Found\r\nLocation: /loop\r\n")
    return True
