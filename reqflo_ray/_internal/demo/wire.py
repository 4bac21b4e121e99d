"""HTTP/1.1 on a socket for the demo API: requests out of bytes, answers into bytes. Knows no endpoint.

Takes pipelined requests (answered in order), requests that arrive in pieces, and chunked bodies. What is not HTTP, or
too large, is answered and the connection closed.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from email.utils import formatdate
from functools import lru_cache
from typing import Final, cast

from reqflo_ray._internal.demo.messages import REASONS, Answer, Request, Stream, refusal

_MAXIMUM_HEAD: Final = 64 * 2**10
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET: Final = re.compile(r"[!-~]+")
_CHUNK_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?")
_SINGLE: Final = frozenset(("host", "content-length", "transfer-encoding"))  # twice would be ambiguous
_STATUS_LINES: Final = {status: f"HTTP/1.1 {status} {reason}\r\n".encode() for status, reason in REASONS.items()}


class _RefusedError(Exception):
    """The bytes are not a request that we take."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.answer = refusal(status, message)


class _Head:
    """A request whose head is complete; `remaining` is what is left of the body, None while it comes in chunks."""

    __slots__ = ("body", "close", "headers", "method", "remaining", "target")

    def __init__(self, text: str) -> None:
        request_line, *lines = text.split("\r\n")
        parts = request_line.split(" ")
        if len(parts) != 3 or not _TOKEN.fullmatch(parts[0]) or not _TARGET.fullmatch(parts[1]):
            raise _RefusedError(400, "the request line is not valid")
        self.method, self.target, version = parts
        if version not in ("HTTP/1.1", "HTTP/1.0"):
            raise _RefusedError(505, "only HTTP/1.1 is supported")
        self.headers = _parse_headers(lines)
        connection = self.headers.get("connection", "").lower()
        self.close = "close" in connection or (version == "HTTP/1.0" and "keep-alive" not in connection)
        self.body = bytearray()
        self.remaining = self._body_length(version)

    def _body_length(self, version: str) -> int | None:
        length, coding = self.headers.get("content-length"), self.headers.get("transfer-encoding")
        if "host" not in self.headers and version == "HTTP/1.1":
            raise _RefusedError(400, "the Host header is missing")
        if coding is not None:
            if length is not None or coding.lower() != "chunked":
                raise _RefusedError(400 if length is not None else 501, "this body framing is not supported")
            return None
        if length is None:
            return 0
        if not (length.isascii() and length.isdigit() and len(length) <= 12):
            raise _RefusedError(400, "Content-Length is not a valid length")
        return int(length)


def _parse_headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not _TOKEN.fullmatch(name) or "\n" in value or "\r" in value or "\0" in value:
            raise _RefusedError(400, "a header line is not valid")
        name = name.lower()
        if name not in headers:
            headers[name] = value.strip(" \t")
        elif name in _SINGLE:
            raise _RefusedError(400, f"there are two `{name}` headers")
        else:
            headers[name] += ", " + value.strip(" \t")
    return headers


class HttpConnection(asyncio.Protocol):
    """One connection. `answer` is called for each whole request; its answer leaves `latency` seconds later.

    `connections` holds every open connection; `closed` is done when this one is closed.
    """

    def __init__(
        self,
        answer: Callable[[Request], Answer | Stream],
        connections: set[HttpConnection],
        *,
        latency: float = 0.0,
        maximum_body: int = 2**20,
    ) -> None:
        self._answer = answer
        self._connections = connections
        self._latency = latency
        self._maximum_body = maximum_body
        self._buffer = bytearray()
        self._head: _Head | None = None
        self._timer: asyncio.Handle | None = None
        self._pouring: Stream | None = None
        self._readable = True
        self._writable = True
        self._closing = False
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop has a class of its own
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self._closing = True
        self._pouring = None
        if self._timer:
            self._timer.cancel()
        if not self.closed.done():
            self.closed.set_result(None)

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        if self._pouring is not None:
            self._pour()
        else:
            self._advance()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._advance()

    def shut_down(self) -> None:
        """Close now if nothing is being answered, else after that answer."""
        self._closing = True
        if self._pouring is not None:
            self._transport.abort()
        elif not self._timer:
            self._transport.close()

    def _advance(self) -> None:
        try:
            while self._writable and not self._timer and not self._closing:
                head = self._take_request()
                if head is None:
                    break
                self._serve(head)
        except _RefusedError as refused:
            self._send(refused.answer, with_body=True, close=True)
        readable = len(self._buffer) <= _MAXIMUM_HEAD or (self._writable and not self._timer)
        if readable is not self._readable and not self._transport.is_closing():
            self._readable = readable
            (self._transport.resume_reading if readable else self._transport.pause_reading)()

    def _serve(self, head: _Head) -> None:
        path, _, query = head.target.partition("?")
        answer = self._answer(Request(head.method, path, query, head.headers, bytes(head.body)))
        if not isinstance(answer, Answer):
            self._pouring = answer
            self._pour()
            return
        if self._latency:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._latency, self._send_late, answer, head)
        else:
            self._send(answer, with_body=head.method != "HEAD", close=head.close)

    def _pour(self) -> None:
        """Send the next piece, if it can be taken, and come back for the one after."""
        assert self._pouring is not None
        if self._timer:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._pouring.every, self._pour) if self._pouring.every else None
        piece = next(self._pouring.pieces, None)
        if piece is None:
            self._closing = True
            self._transport.close()
            return
        self._transport.write(piece)
        if self._timer is None and self._writable:
            self._timer = loop.call_soon(self._pour)

    def _send_late(self, answer: Answer, head: _Head) -> None:
        self._timer = None
        self._send(answer, with_body=head.method != "HEAD", close=head.close or self._closing)
        self._advance()

    def _send(self, answer: Answer, *, with_body: bool, close: bool) -> None:
        self._transport.write(
            b"%bcontent-type: application/json\r\ncontent-length: %d\r\ndate: %b\r\n%b%b\r\n%b"
            % (
                _STATUS_LINES[answer.status],
                len(answer.body),
                _date(int(time.time())),
                answer.headers,
                b"connection: close\r\n" if close else b"",
                answer.body if with_body else b"",
            )
        )
        if close:
            self._closing = True
            self._transport.close()

    def _take_request(self) -> _Head | None:
        """The next request of the buffer once it is complete."""
        if self._head is None:
            self._head = self._take_head()
            if self._head is None:
                return None
            if "expect" in self._head.headers and self._head.remaining != 0:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        head = self._head
        if not (self._take_chunks(head) if head.remaining is None else self._take_body(head)):
            return None
        self._head = None
        return head

    def _take_head(self) -> _Head | None:
        while self._buffer[:2] == b"\r\n":  # an empty line before a request is to be ignored
            del self._buffer[:2]
        end = self._buffer.find(b"\r\n\r\n")
        if end > _MAXIMUM_HEAD or (end < 0 and len(self._buffer) > _MAXIMUM_HEAD):
            raise _RefusedError(431, "the head of the request is too large")
        if end < 0:
            return None
        head = _Head(self._buffer[:end].decode("latin-1"))
        del self._buffer[: end + 4]
        if head.remaining is not None and head.remaining > self._maximum_body:
            raise _RefusedError(413, f"a body has at most {self._maximum_body} bytes")
        return head

    def _take_body(self, head: _Head) -> bool:
        assert head.remaining is not None
        if len(self._buffer) < head.remaining:
            return False
        head.body += self._buffer[: head.remaining]
        del self._buffer[: head.remaining]
        return True

    def _take_chunks(self, head: _Head) -> bool:
        while True:
            end = self._buffer.find(b"\r\n", 0, 1024)
            if end < 0:
                if len(self._buffer) >= 1024:
                    raise _RefusedError(400, "a chunk is not valid")
                return False
            size = _CHUNK_SIZE.fullmatch(self._buffer[:end])
            if size is None:
                raise _RefusedError(400, "a chunk is not valid")
            length = int(size[1], 16)
            if length == 0:
                return self._take_trailers(end)
            if len(head.body) + length > self._maximum_body:
                raise _RefusedError(413, f"a body has at most {self._maximum_body} bytes")
            start = end + 2
            if len(self._buffer) < start + length + 2:
                return False
            if self._buffer[start + length : start + length + 2] != b"\r\n":
                raise _RefusedError(400, "a chunk is not valid")
            head.body += self._buffer[start : start + length]
            del self._buffer[: start + length + 2]

    def _take_trailers(self, last_chunk_end: int) -> bool:
        # What follows the last chunk is either the empty line itself, or trailers that end with one.
        end = self._buffer.find(b"\r\n\r\n", last_chunk_end)
        if end < 0:
            if len(self._buffer) > _MAXIMUM_HEAD:
                raise _RefusedError(431, "the trailers are too large")
            return False
        del self._buffer[: end + 4]
        return True


@lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()
