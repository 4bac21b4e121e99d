"""Answers of an adversary, byte for byte: each ends in time, under its name, and the next request gets its own."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from reqflo_ray._internal.model.http.exchange import Exchange, FailureKind

LABORATORY = Any

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
HELLO = b"Content-Length: 5\r\n\r\nhello"
CHUNKS = b"5\r\nhello\r\n0\r\n\r\n"

# How a body is taken, where it is no failure.
TAKEN = (200, b"hello")
REFUSED = FailureKind.PROTOCOL
NOTHING = FailureKind.READ_TIMEOUT

# What is answered, and what comes of it; where the engines differ, in the second one too.
ANSWERS: dict[str, tuple[bytes, Any] | tuple[bytes, Any, Any]] = {
    # status lines
    "a status of two digits": (b"HTTP/1.1 20 OK\r\n" + HELLO, REFUSED),
    "a status of four digits": (b"HTTP/1.1 2000 OK\r\n" + HELLO, REFUSED),
    "a negative status": (b"HTTP/1.1 -20 OK\r\n" + HELLO, REFUSED),
    "a status below 100": (b"HTTP/1.1 099 OK\r\n" + HELLO, REFUSED),
    "a status of zeros": (b"HTTP/1.1 000 OK\r\n" + HELLO, REFUSED),
    "the highest status": (b"HTTP/1.1 999 OK\r\n" + HELLO, (999, b"hello")),
    "no status": (b"HTTP/1.1\r\n" + HELLO, REFUSED),
    "no reason": (b"HTTP/1.1 200\r\n" + HELLO, TAKEN),
    "no blank before the reason": (b"HTTP/1.1 200OK\r\n" + HELLO, REFUSED),
    "two blanks": (b"HTTP/1.1  200 OK\r\n" + HELLO, REFUSED),
    "a tab for a blank": (b"HTTP/1.1\t200 OK\r\n" + HELLO, REFUSED),
    "small letters": (b"http/1.1 200 OK\r\n" + HELLO, REFUSED),
    "an unknown version": (b"HTTP/9.9 200 OK\r\n" + HELLO, REFUSED, TAKEN),
    "a return in the reason": (b"HTTP/1.1 200 O\rK\r\n" + HELLO, REFUSED),
    "a null byte in the reason": (b"HTTP/1.1 200 O\0K\r\n" + HELLO, TAKEN, REFUSED),
    "lines before the status": (b"\r\n\r\n" + OK + HELLO, TAKEN, REFUSED),
    "a byte order mark": (b"\xef\xbb\xbf" + OK + HELLO, REFUSED),
    "UTF-16": ((OK + HELLO).decode().encode("utf-16"), REFUSED),
    "a request": (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", REFUSED),
    "RTSP": (b"RTSP/1.0 200 OK\r\n" + HELLO, REFUSED),
    "ICE": (b"ICE/1.0 200 OK\r\n" + HELLO, REFUSED),
    "the greeting of an SSH server": (b"SSH-2.0-OpenSSH_9.2\r\n", REFUSED),
    "the greeting of a mail server": (b"220 mail.example ESMTP\r\n", REFUSED),
    "a body without a head": (b"<html></html>", REFUSED),
    "an alert of TLS": (b"\x15\x03\x03\x00\x02\x02\x28", REFUSED),
    "frames of HTTP/2": (b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18), REFUSED),
    "nothing": (b"", NOTHING),
    "a head without an end": (OK + b"X: y\r\n", NOTHING),
    # header lines
    "bare line ends": (b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", REFUSED, TAKEN),
    "one bare line end": (OK + b"X: y\n" + HELLO, REFUSED, TAKEN),
    "a line without a colon": (OK + b"Nonsense\r\n" + HELLO, REFUSED),
    "an empty name": (OK + b": x\r\n" + HELLO, REFUSED),
    "a blank in a name": (OK + b"Na me: x\r\n" + HELLO, REFUSED),
    "a blank before the colon": (OK + b"Content-Length : 5\r\n\r\nhello", REFUSED),
    "a name beyond ASCII": (OK + b"X\xe9: a\r\n" + HELLO, REFUSED),
    "a line that goes on": (OK + b"X: a\r\n b\r\n" + HELLO, TAKEN),
    "a length that goes on": (OK + b"Content-Length:\r\n 5\r\n\r\nhello", TAKEN),
    "a line that goes on in an interim answer": (b"HTTP/1.1 103 OK\r\nX: a\r\n\tb\r\n\r\n" + OK + HELLO, TAKEN),
    "a line that goes on and one that is wrong": (OK + b"X: a\r\n b\r\nX-A : b\r\n" + HELLO, REFUSED),
    "a first line that goes on": (OK + b" b: c\r\n" + HELLO, REFUSED),
    "a control character": (OK + b"X: a\x01b\r\n" + HELLO, REFUSED, TAKEN),
    # lengths
    **{
        f"a length of {length!r}": (OK + b"Content-Length: %s\r\n\r\nhello!" % length, REFUSED)
        for length in (b"", b"+5", b"-5", b"0x5", b"5.0", b"5 5", b"5, 6", b"0_5", b"9" * 30, b"five", b"\xd9\xa5")
    },
    "a length twice in one line": (OK + b"Content-Length: 5, 5\r\n\r\nhello", REFUSED, TAKEN),
    "a length with zeros": (OK + b"Content-Length: 005\r\n\r\nhello", TAKEN),
    # transfer codings
    **{
        f"a coding of {coding!r}": (OK + b"Transfer-Encoding: %s\r\n\r\n" % coding + CHUNKS, REFUSED)
        for coding in (
            b"",
            b"chunked, chunked",
            b"gzip, chunked",
            b"chunked, gzip",
            b"xchunked",
            b"\x0bchunked",
            b"gzip",
        )
    },
    "two codings": (OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS, REFUSED),
    "capital letters": (OK + b"Transfer-Encoding: CHUNKED\r\n\r\n" + CHUNKS, TAKEN),
    "chunks of HTTP/1.0": (b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS, TAKEN),
    # chunks
    **{
        f"a chunk of {size!r}": (CHUNKED + size + b"\r\nhello\r\n0\r\n\r\n", REFUSED)
        for size in (b"", b"0x5", b"-5", b"+5", b"5g", b"\xef\xbc\x95", b"5;a\nb")
    },
    "a chunk of too many bytes": (CHUNKED + b"5\r\nhello!\r\n0\r\n\r\n", REFUSED),
    "a chunk of too few bytes": (CHUNKED + b"5\r\nhel\r\n0\r\n\r\n", REFUSED),
    "a chunk without an end": (CHUNKED + b"5\r\nhello0\r\n\r\n", REFUSED),
    "a size beyond all numbers": (CHUNKED + b"F" * 17 + b"\r\nhello\r\n0\r\n\r\n", REFUSED, NOTHING),
    "chunks that never end": (CHUNKED + b"5\r\nhello\r\n0\r\n", NOTHING),
    "a trailer without a colon": (CHUNKED + b"5\r\nhello\r\n0\r\nnonsense\r\n\r\n", REFUSED),
    # bodies where none is allowed, and interim answers
    "a body of 204": (b"HTTP/1.1 204 No Content\r\n" + HELLO, (204, b"")),
    "chunks of 204": (b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS, (204, b"")),
    "a body of 304": (b"HTTP/1.1 304 Not Modified\r\n" + HELLO, (304, b"")),
    "a body of an interim answer": (b"HTTP/1.1 103 Early Hints\r\n" + HELLO + OK + HELLO, REFUSED),
    "nonsense in an interim answer": (b"HTTP/1.1 100 Continue\r\nbad\r\n\r\n" + OK + HELLO, REFUSED),
    "an interim answer alone": (b"HTTP/1.1 100 Continue\r\n\r\n", NOTHING),
    "an interim answer of any kind": (b"HTTP/1.1 199 Whatever\r\n\r\n" + OK + HELLO, TAKEN),
    "an upgrade that is offered": (OK + b"Connection: Upgrade\r\nUpgrade: h2c\r\n" + HELLO, TAKEN),
}


class Adversary:
    """Answers the path `/real` with `real`, all else with `answer`; it leaves every connection open."""

    answer = b""

    async def __aenter__(self) -> Adversary:
        self._writers: set[asyncio.StreamWriter] = set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                real = OK + b"Content-Length: 4\r\n\r\nreal"
                writer.write(real if head.startswith(b"GET /real ") else self.answer)
        except (OSError, asyncio.IncompleteReadError):
            writer.close()
        finally:
            self._writers.discard(writer)


def outcome(exchange: Exchange) -> Any:
    if exchange.failure is not None:
        return exchange.failure.kind
    assert exchange.response is not None
    return exchange.response.status, exchange.response.body


def says_why(exchange: Exchange, answer: bytes) -> bool:
    """Whether it is said what is wrong, with the bytes, and not in the words of a library."""
    failure = exchange.failure
    assert failure is not None
    lines = failure.shown.split(b"\r\n")
    # The size of a chunk may be no bytes at all.
    is_shown = failure.shown != b"" or "its size" in failure.message
    return (
        "(" not in failure.message.replace("(is it https?)", "") and is_shown and all(line in answer for line in lines)
    )


@pytest.mark.parametrize("uvloop", [False, True])
def test_every_answer_of_an_adversary_ends_under_its_name(laboratory: LABORATORY, uvloop: bool) -> None:
    wrong: dict[str, Any] = {}
    troubles: list[Any] = []

    async def scenario(bench: Any) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, trouble: troubles.append(trouble))
        async with Adversary() as adversary:
            for name, (adversary.answer, first, *second) in ANSWERS.items():
                expected = second[0] if second and laboratory.engine == "httpx" else first
                waits = expected is NOTHING
                exchange = await bench.send(f"{adversary.url}/bad", read_ms=100 if waits else 2000)
                if outcome(exchange) != expected:
                    wrong[name] = outcome(exchange)
                elif expected is REFUSED and not says_why(exchange, adversary.answer):
                    wrong[name] = exchange.failure.message, exchange.failure.shown
                assert outcome(await bench.send(f"{adversary.url}/real")) == (200, b"real"), name

    laboratory.run(scenario, uvloop=uvloop)
    assert wrong == {}
    assert troubles == []
