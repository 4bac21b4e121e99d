"""Laws of one connection, however the bytes of an answer come: no sockets, a transport that only remembers."""

from __future__ import annotations

import asyncio
import gzip
import itertools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqflo_ray._internal.http.addresses.target import parse_target
from reqflo_ray._internal.http.engines.httptools_connection import Connection
from reqflo_ray._internal.http.engines.outgoing import Outgoing, complete
from reqflo_ray._internal.http.exchange.failures import ExchangeError
from reqflo_ray._internal.http.exchange.watch import Watch
from reqflo_ray._internal.model.http.exchange import FailureKind, TransportResponse

LIMIT = 1000
TARGET = parse_target("http://api.example/orders")
BODIES = st.binary(max_size=300)


class Remembering:
    """A transport that keeps what is written, and can be closed."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = False
        self.reads = True

    def write(self, data: bytes) -> None:
        self.written += data

    def writelines(self, parts: Any) -> None:
        self.written += b"".join(parts)

    def abort(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        assert self.reads
        self.reads = False

    def resume_reading(self) -> None:
        assert not self.reads
        self.reads = True

    def is_closing(self) -> bool:
        return self.closed

    def set_write_buffer_limits(self, high: int) -> None:
        assert high == 1

    def get_extra_info(self, name: str) -> Any:
        return {"peername": ("127.0.0.1", 80), "socket": SimpleNamespace(fileno=lambda: 0)}[name]


class Line:
    """A connection and the hand that feeds it."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.transport = Remembering()
        self.connection = Connection(asyncio.get_running_loop(), limit, lambda connection: None)
        self.connection.connection_made(cast("asyncio.Transport", self.transport))

    async def exchange(
        self, pieces: list[bytes], *, method: str = "GET", body: bytes | None = None, ends: bool = False
    ) -> TransportResponse:
        outgoing: Outgoing = complete(method, TARGET, (), body, "test")
        task = asyncio.ensure_future(self.connection.exchange(outgoing, 60.0, Watch((), 5.0)))
        await asyncio.sleep(0)
        for piece in pieces:
            if not self.transport.closed:
                self.connection.data_received(piece)
        if (ends or self.transport.closed) and not task.done():
            self.connection.connection_lost(None)
        return await asyncio.wait_for(task, 5)


def run(scenario: Callable[[Line], Any]) -> Any:
    async def main() -> Any:
        return await scenario(Line())

    return asyncio.run(main())


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """`data` in pieces, cut at `places` (of a thousand)."""
    at = sorted({place * len(data) // 1000 for place in places} | {0, len(data)})
    return [data[start:end] for start, end in itertools.pairwise(at) if end > start]


def chunked(body: bytes, sizes: list[int]) -> bytes:
    """`body` in chunks of these sizes, the rest in one."""
    parts, position = [], 0
    for size in (*sizes, len(body)):
        part = body[position : position + size]
        position += len(part)
        if part:
            parts.append(b"%x;extension=1\r\n%b\r\n" % (len(part), part))
    return b"".join(parts) + b"0\r\nX-Trailer: 1\r\n\r\n"


def answer(kind: str, body: bytes, sizes: list[int], fold: bytes = b"") -> bytes:
    start = b"HTTP/1.1 103 Early Hints\r\nLink: %b</a>\r\n\r\nHTTP/1.1 201 Made\r\nX-A: %b b \r\nx-a: \r\n" % (
        fold,
        fold,
    )
    if kind == "chunks":
        return start + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(body, sizes)
    if kind == "length":
        return start + b"Content-Length: %d\r\n\r\n" % len(body) + body
    return start + b"\r\n" + body


@given(
    kind=st.sampled_from(["length", "chunks", "until the end"]),
    body=BODIES,
    sizes=st.lists(st.integers(1, 40), max_size=5),
    places=st.lists(st.integers(0, 1000), max_size=30),
    fold=st.sampled_from([b"", b"\r\n ", b" \r\n\t\r\n\t "]),
)
def test_an_answer_is_the_same_however_it_is_cut(
    kind: str, body: bytes, sizes: list[int], places: list[int], fold: bytes
) -> None:
    async def scenario(line: Line) -> None:
        pieces = cut(answer(kind, body, sizes, fold), places)
        response = await line.exchange(pieces, ends=kind == "until the end")
        assert (response.status, response.reason, response.body) == (201, "Made", body)
        assert response.headers[:2] == (("X-A", "b"), ("x-a", ""))
        assert response.wire_size == len(body)
        assert line.connection.usable is (kind != "until the end")

    run(scenario)


@given(body=BODIES, more=st.binary(min_size=1, max_size=50), places=st.lists(st.integers(0, 1000), max_size=5))
def test_a_connection_on_which_more_came_than_one_answer_is_not_used_again(
    body: bytes, more: bytes, places: list[int]
) -> None:
    async def scenario(line: Line) -> None:
        response = await line.exchange(cut(answer("length", body, []) + more, places))
        assert response.body == body
        # An empty line after an answer is what some old servers send, and says nothing.
        assert not line.connection.usable or not more.strip(b"\r\n")

    run(scenario)


@given(
    wrong=st.sampled_from([b"X-A : b", b"Nonsense", b": b", b"X\xe9: b", b"X: a\0b", b"Content-Length: -5"]),
    fold=st.sampled_from([b"", b"\r\n ", b"\r\n\t"]),
    places=st.lists(st.integers(0, 1000), max_size=30),
)
def test_a_head_is_refused_with_the_bytes_however_it_is_cut(wrong: bytes, fold: bytes, places: list[int]) -> None:
    async def scenario(line: Line) -> None:
        head = b"HTTP/1.1 200 OK\r\nX: %by\r\n" % fold + wrong + b"\r\nContent-Length: 0\r\n\r\n"
        with pytest.raises(ExchangeError) as caught:
            await line.exchange(cut(head, places))
        # What has not come yet when it is refused cannot be shown.
        assert caught.value.kind is FailureKind.PROTOCOL
        assert caught.value.shown and wrong.startswith(caught.value.shown)

    run(scenario)


_FRAGMENTS = st.sampled_from(
    [
        *(b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 200\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 101 Up\r\n"),
        *(b"Content-Length: 5\r\n", b"Content-Length: 99999999999999999999\r\n", b"Transfer-Encoding: chunked\r\n"),
        *(b"Transfer-Encoding: gzip\r\n", b"Content-Encoding: gzip\r\n", b"Connection: close\r\n", b"Upgrade: x\r\n"),
        *(
            b"\r\n",
            b"\n",
            b"\r",
            b"5\r\nhello\r\n",
            b"0\r\n\r\n",
            b"ffffffffffffffff\r\n",
            b"hello",
            b"\x1f\x8b",
            b": ",
        ),
    ]
)


@given(
    data=st.lists(st.one_of(_FRAGMENTS, st.binary(max_size=20)), max_size=12).map(b"".join),
    places=st.lists(st.integers(0, 1000), max_size=8),
    method=st.sampled_from(["GET", "HEAD", "POST"]),
)
def test_any_bytes_end_in_an_answer_or_in_a_failure_of_ours(data: bytes, places: list[int], method: str) -> None:
    async def scenario(line: Line) -> None:
        try:
            await line.exchange(cut(data, places), method=method, body=b"x" if method == "POST" else None, ends=True)
        except ExchangeError as error:
            assert error.kind in (FailureKind.CLOSED, FailureKind.PROTOCOL, FailureKind.SHORT_BODY)
            assert not line.connection.usable

    run(scenario)


def test_a_body_over_the_limit_closes_the_connection() -> None:
    async def scenario(line: Line) -> None:
        with pytest.raises(ExchangeError) as caught:
            await line.exchange([answer("length", bytes(LIMIT + 1), [])])
        assert caught.value.kind is FailureKind.TOO_LARGE and line.transport.closed

    run(scenario)


def test_an_exchange_that_is_cancelled_closes_the_connection() -> None:
    async def scenario(line: Line) -> None:
        task = asyncio.ensure_future(line.exchange([b"HTTP/1.1 200 OK\r\n"]))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0)
        assert line.transport.closed and not line.connection.usable

    run(scenario)


def test_each_exchange_on_a_kept_connection_has_its_own_time_of_silence() -> None:
    async def exchange(line: Line, read_seconds: float, *, after: float) -> TransportResponse:
        outgoing = complete("GET", TARGET, (), None, "test")
        asyncio.get_running_loop().call_later(after, line.connection.data_received, answer("length", b"here", []))
        return await line.connection.exchange(outgoing, read_seconds, Watch((), 5.0))

    async def scenario(line: Line) -> None:
        await exchange(line, 30.0, after=0.0)
        await exchange(line, 0.02, after=0.0)
        # The time of the one before is over while this one waits.
        assert (await exchange(line, 30.0, after=0.05)).body == b"here"
        with pytest.raises(ExchangeError) as caught:
            await exchange(line, 0.02, after=5.0)
        assert caught.value.kind is FailureKind.READ_TIMEOUT and "20 ms" in caught.value.message

    run(scenario)


def test_what_comes_while_nobody_asks_closes_the_connection() -> None:
    async def scenario(line: Line) -> None:
        await line.exchange([answer("length", b"first", [])])
        before = line.connection.usable
        line.connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        assert (before, line.connection.usable, line.transport.closed) == (True, False, True)

    run(scenario)


LARGE = 4 * 2**20
SMALL = gzip.compress(bytes(LARGE))
GZIPPED = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
WITH_LENGTH = GZIPPED + b"Content-Length: %d\r\n\r\n%b" % (len(SMALL), SMALL)


def test_others_come_in_between_while_a_small_piece_is_decoded_that_holds_much() -> None:
    async def scenario() -> None:
        line, turns = Line(LARGE), 0

        async def other() -> None:
            nonlocal turns
            while not task.done():
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.ensure_future(line.exchange([WITH_LENGTH]))
        await asyncio.sleep(0)
        await other()
        assert (await task).body == bytes(LARGE)
        assert turns >= LARGE // 2**18
        assert line.connection.usable and line.transport.reads
        assert (await line.exchange([WITH_LENGTH])).body == bytes(LARGE)

    asyncio.run(scenario())


def test_a_body_that_ends_with_its_connection_is_whole_and_a_broken_one_is_not() -> None:
    async def scenario() -> None:
        whole = await Line(LARGE).exchange([GZIPPED + b"\r\n" + SMALL], ends=True)
        assert whole.body == bytes(LARGE)
        with pytest.raises(ExchangeError) as short:
            await Line(LARGE).exchange([WITH_LENGTH[:-1]], ends=True)
        assert short.value.kind is FailureKind.SHORT_BODY
        with pytest.raises(ExchangeError) as large:
            await Line(LARGE - 1).exchange([WITH_LENGTH])
        assert large.value.kind is FailureKind.TOO_LARGE

    asyncio.run(scenario())


def test_what_comes_behind_an_answer_that_is_still_decoded_is_taken_for_no_other() -> None:
    async def scenario() -> None:
        for more in (
            [WITH_LENGTH + WITH_LENGTH],
            [WITH_LENGTH + b"no HTTP"],
            [WITH_LENGTH, b"x"],
            [WITH_LENGTH, WITH_LENGTH],
        ):
            line = Line(LARGE)
            assert (await line.exchange(more)).body == bytes(LARGE)
            assert not line.connection.usable

    asyncio.run(scenario())
