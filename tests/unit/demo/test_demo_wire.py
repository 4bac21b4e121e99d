"""HTTP/1.1 of the demo API on a transport in memory: pieces, pipelines, chunks, and what is not HTTP."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reqflo_ray._internal.demo.messages import Answer, Request
from reqflo_ray._internal.demo.wire import HttpConnection

HOST = b"Host: shop\r\n"


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.open = True
        self.reading = True

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        self.open = False

    def is_closing(self) -> bool:
        return not self.open

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


def echo(request: Request) -> Answer:
    return Answer(200, b"%b %b %b" % (request.method.encode(), request.path.encode(), request.body))


def exchange(*pieces: bytes, answer: Callable[[Request], Answer] = echo) -> Wire:
    """What the server does when `pieces` arrive one after the other."""

    async def talk() -> Wire:
        wire = Wire()
        connection = HttpConnection(answer, set(), maximum_body=1000)
        connection.connection_made(wire)
        for piece in pieces:
            if wire.open:
                connection.data_received(piece)
        connection.connection_lost(None)
        return wire

    return asyncio.run(talk())


def bodies(wire: Wire) -> list[bytes]:
    """The bodies of all answers, by their lengths."""
    found, rest = [], wire.written
    while rest:
        head, _, rest = rest.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        found.append(rest[:length])
        rest = rest[length:]
    return found


def status(wire: Wire) -> int:
    return int(wire.written.split(b" ", 2)[1])


def test_a_request_is_answered_and_the_connection_kept() -> None:
    wire = exchange(b"GET /a?x=1 HTTP/1.1\r\n" + HOST + b"\r\n")
    assert wire.written.startswith(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 7\r\ndate: ")
    assert bodies(wire) == [b"GET /a "]
    assert wire.open


POST = b"POST /a HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"POST /b HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    b"3\r\nhel\r\n2;name=value\r\nlo\r\n0\r\nTrailer: x\r\n\r\n"
)


@settings(max_examples=200, deadline=None, database=None)
@given(cuts=st.lists(st.integers(0, 400), max_size=12), order=st.lists(st.booleans(), min_size=1, max_size=4))
def test_requests_may_arrive_in_any_pieces(cuts: list[int], order: list[bool]) -> None:
    stream = b"".join(CHUNKED if chunked else POST for chunked in order)
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    wire = exchange(*(stream[start:end] for start, end in itertools.pairwise(edges)))
    assert bodies(wire) == [b"POST /b hello" if chunked else b"POST /a hello" for chunked in order]
    assert wire.open


def test_one_byte_at_a_time_is_enough() -> None:
    assert bodies(exchange(*(bytes([byte]) for byte in CHUNKED + POST))) == [b"POST /b hello", b"POST /a hello"]


@settings(max_examples=300, deadline=None, database=None)
@given(garbage=st.binary(max_size=200))
def test_no_bytes_break_the_server(garbage: bytes) -> None:
    wire = exchange(garbage + b"\r\n\r\n")
    assert wire.written == b"" or status(wire) in (200, 400, 413, 431, 501, 505)


def test_head_is_answered_without_a_body() -> None:
    wire = exchange(b"HEAD /a HTTP/1.1\r\n" + HOST + b"\r\n")
    assert b"content-length: 8\r\n" in wire.written
    assert wire.written.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("version", "connection", "kept"),
    [
        (b"1.1", b"", True),
        (b"1.1", b"Connection: close\r\n", False),
        (b"1.1", b"Connection: Keep-Alive\r\n", True),
        (b"1.0", b"", False),
        (b"1.0", b"Connection: keep-alive\r\n", True),
    ],
)
def test_the_connection_is_kept_as_the_client_says(version: bytes, connection: bytes, kept: bool) -> None:
    wire = exchange(b"GET / HTTP/%b\r\n%b%b\r\n" % (version, HOST, connection))
    assert wire.open is kept
    assert (b"connection: close" in wire.written) is not kept


def test_nothing_after_a_closing_request_is_answered() -> None:
    request = b"GET / HTTP/1.1\r\n" + HOST
    assert len(bodies(exchange(request + b"Connection: close\r\n\r\n" + request + b"\r\n"))) == 1


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"nonsense", 400),
        (b"GET  / HTTP/1.1", 400),
        (b"GET / x HTTP/1.1", 400),
        (b"GET /\xc3\xa4 HTTP/1.1", 400),
        (b"G\x00T / HTTP/1.1", 400),
        (b"PRI * HTTP/2.0", 505),
        (b"GET / HTTP/1.2", 505),
        (b"GET / HTTP/1.1", 400),  # no Host
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\n folded: x", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nname : x", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nname", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nname: a\nb", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1_0", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \xb2", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked", 501),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001", 413),
        (b"GET / HTTP/1.1\r\nHost: a\r\nx: " + b"a" * 66_000, 431),
    ],
)
def test_what_is_not_http_is_refused_and_the_connection_closed(sent: bytes, expected: int) -> None:
    wire = exchange(sent + b"\r\n\r\n")
    assert status(wire) == expected
    assert not wire.open


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        (b"x\r\n", 400),
        (b"-1\r\n", 400),
        (b"1\r\nabc", 400),
        (b"3e9\r\n", 413),
        (b"3e8\r\n" + b"a" * 1000 + b"\r\n1\r\n", 413),
        (b"1;" + b"x" * 2000, 400),
        (b"0\r\n" + b"t: x\r\n" * 20_000, 431),
    ],
)
def test_broken_chunks_are_refused(chunks: bytes, expected: int) -> None:
    wire = exchange(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
    assert status(wire) == expected
    assert not wire.open


def test_a_body_as_large_as_allowed_is_taken() -> None:
    wire = exchange(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n" + b"a" * 1000)
    assert bodies(wire) == [b"POST / " + b"a" * 1000]


def test_who_expects_to_be_told_to_continue_is_told_before_the_body() -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    assert exchange(head).written == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert exchange(head, b"ok").written.endswith(b"POST / ok")


def test_repeated_headers_are_joined() -> None:
    seen: list[Request] = []

    def keep(request: Request) -> Answer:
        seen.append(request)
        return Answer(200, b"{}")

    exchange(b"GET /a?b=c HTTP/1.1\r\nHost: x\r\nX-A: 1\r\nx-a:  2 \r\n\r\n", answer=keep)
    assert seen[0].headers == {"host": "x", "x-a": "1, 2"}
    assert (seen[0].path, seen[0].query) == ("/a", "b=c")


def test_nothing_more_is_answered_while_the_client_does_not_read() -> None:
    async def talk() -> tuple[int, int, bool, bool]:
        wire = Wire()
        connection = HttpConnection(echo, set())
        connection.connection_made(wire)
        connection.pause_writing()
        connection.data_received(POST * 2000)
        before, reading = len(bodies(wire)), wire.reading
        connection.resume_writing()
        connection.connection_lost(None)
        return before, len(bodies(wire)), reading, wire.reading

    assert asyncio.run(talk()) == (0, 2000, False, True)
