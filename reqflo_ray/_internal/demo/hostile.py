"""The hostile corner of the demo API: answers that a client must survive. Knows no socket; the wire sends the pieces.

All are GETs below `/hostile`, and end their connection:

    slow?every=S              a byte of the body every S seconds (1), without an end
    slow-head?every=S         the same with the head
    hang, reset               no answer at all; the connection closed without one
    bomb/CODING?mib=N         N MiB (1024) of zeros as gzip, deflate, br or zstd, made while they are sent
    binary, invalid-utf8      every byte there is; JSON that is not UTF-8
    deep                      JSON, 100,000 levels deep
    controls                  terminal escapes, CI commands and spreadsheet formulas in a JSON text
    huge-header?kib=N         one header of N KiB (1024); many-headers?count=N of them (100000)
    length/short, length/long, length/two, length/bad    a Content-Length that is wrong
    head/KIND                 a head that breaks a rule: ssh, smtp, tls, http2, none, status, blank, colon, null, both,
                              chunk, cut; or one that is only old: folded
    redirect/loop, redirect/N, redirect/to?url=URL       for ever, N times, anywhere
    retry/429/FORM, retry/503/FORM    a Retry-After as FORM: now, seconds, far, date, past, fraction, negative, text,
                                      empty, two, huge
"""

from __future__ import annotations

import json
import sys
import zlib
from collections.abc import Callable, Iterator
from email.utils import formatdate
from itertools import repeat
from time import time
from typing import Any, Final
from urllib.parse import parse_qs

from reqflo_ray._internal.demo.messages import Answer, Request, Stream, refusal

PREFIX: Final = "/hostile/"
_MIB: Final = 2**20
_DEEP: Final = 100_000
_CONTROLS: Final = {
    "screen": "\x1b[2J\x1b]0;owned\x07\x1b]8;;http://example.invalid\x07link\x1b]8;;\x07",
    "hidden": "a\u202egnp.exe\u200b\r\nforged: line",
    "ci": "\n::error::owned\n##vso[task.setvariable variable=x]y\n##teamcity[message text='x']",
    "formula": '=HYPERLINK("http://example.invalid";"click")',
    "markup": "<script>alert(1)</script>]]>&\x00",
}
_OK: Final = b"HTTP/1.1 200 OK\r\n"
_EMPTY: Final = b"content-length: 2\r\n\r\n{}"
_HEADS: Final = {
    "ssh": b"SSH-2.0-OpenSSH_9.2\r\n",
    "smtp": b"220 mail.example ESMTP\r\n",
    "tls": b"\x15\x03\x03\x00\x02\x02\x28",
    "http2": b"\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    "none": b'{"hostile":true}',
    "status": b"HTTP/1.1 2000 OK\r\n" + _EMPTY,
    "blank": _OK + b"x-a : b\r\n" + _EMPTY,
    "colon": _OK + b"nonsense\r\n" + _EMPTY,
    "null": _OK + b"x-a: a\x00b\r\n" + _EMPTY,
    "both": _OK + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}",
    "chunk": _OK + b"transfer-encoding: chunked\r\n\r\n{}",
    "cut": b"HTTP/1.1 200 O",
    "folded": _OK + b"connection: close\r\nx-a: one\r\n two\r\n" + _EMPTY,
}
_RETRY_AFTER: Final[dict[str, Callable[[], str]]] = {
    "now": lambda: "0",
    "seconds": lambda: "1",
    "far": lambda: "86400",
    "date": lambda: formatdate(time() + 1, usegmt=True),
    "past": lambda: "Wed, 21 Oct 2015 07:28:00 GMT",
    "fraction": lambda: "0.5",
    "negative": lambda: "-1",
    "text": lambda: "soon",
    "empty": lambda: "",
    "two": lambda: "0\r\nretry-after: 7200",
    "huge": lambda: "9" * 400,
}


def hostile(request: Request) -> Answer | Stream:
    """The answer to a path below `PREFIX`."""
    kind, _, detail = request.path.removeprefix(PREFIX).partition("/")
    make = _KINDS.get(kind)
    answer = make(request, detail) if make is not None else None
    return answer if answer is not None else refusal(404, "no such hostility")


def _head(*lines: str, status: str = "200 OK", content_type: str = "application/json") -> bytes:
    named = ["HTTP/1.1 " + status, f"content-type: {content_type}", "connection: close", *lines]
    return ("\r\n".join(named) + "\r\n\r\n").encode("latin-1")


def _whole(body: bytes, *lines: str, status: str = "200 OK", content_type: str = "application/json") -> Stream:
    head = _head(f"content-length: {len(body)}", *lines, status=status, content_type=content_type)
    return Stream(200, iter((head, body)))


def _slow(request: Request, _: str) -> Stream:
    def pieces() -> Iterator[bytes]:
        yield _head("content-length: 1000000")
        yield from repeat(b" ")

    return Stream(200, pieces(), _number(request, "every", 1.0))


def _slow_head(request: Request, _: str) -> Stream:
    def pieces() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nx-slow: "
        yield from repeat(b"a")

    return Stream(200, pieces(), _number(request, "every", 1.0))


def _hang(_: Request, __: str) -> Stream:
    return Stream(0, repeat(b""), 60.0)


def _reset(_: Request, __: str) -> Stream:
    return Stream(0, iter(()))


def _bomb(request: Request, coding: str) -> Stream | None:
    compressor = _compressor(coding)
    if compressor is None:
        return None
    compress, finish = compressor
    size = int(_number(request, "mib", 1024.0))

    def pieces() -> Iterator[bytes]:
        yield _head(f"content-encoding: {coding}")
        block = bytes(_MIB)
        for _ in range(size):
            yield compress(block)
        yield finish()

    return Stream(200, pieces())


def _compressor(coding: str) -> tuple[Callable[[bytes], bytes], Callable[[], bytes]] | None:
    compressor: Any
    match coding:
        case "gzip" | "deflate":
            compressor = zlib.compressobj(1, wbits=31 if coding == "gzip" else 15)
            return compressor.compress, compressor.flush
        case "br":
            import brotli

            compressor = brotli.Compressor(quality=1)
            return compressor.process, compressor.finish
        case "zstd":
            compressor = _zstd().ZstdCompressor(level=1)
            return compressor.compress, compressor.flush
        case _:
            return None


def _zstd() -> Any:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd


def _binary(_: Request, __: str) -> Stream:
    return _whole(bytes(range(256)) * 16, content_type="application/octet-stream")


def _invalid_utf8(_: Request, __: str) -> Stream:
    return _whole(b'{"name": "\xff\xfe\xc3(\xed\xa0\x80"}')


def _deep(_: Request, __: str) -> Stream:
    return _whole(b"[" * _DEEP + b"]" * _DEEP)


def _controls(_: Request, __: str) -> Stream:
    return _whole(json.dumps(_CONTROLS).encode())


def _huge_header(request: Request, _: str) -> Stream:
    size = int(_number(request, "kib", 1024.0)) * 1024
    return _whole(b"{}", f"x-huge: {'a' * size}")


def _many_headers(request: Request, _: str) -> Stream:
    def pieces() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n"
        for number in range(int(_number(request, "count", 100_000.0))):
            yield b"x-%d: y\r\n" % number
        yield b"\r\n{}"

    return Stream(200, pieces())


def _length(_: Request, detail: str) -> Stream | None:
    lines = {
        "short": ("content-length: 1000",),
        "long": ("content-length: 3",),
        "two": ("content-length: 2", "content-length: 16"),
        "bad": ("content-length: -5",),
    }.get(detail)
    return None if lines is None else Stream(200, iter((_head(*lines), b'{"hostile":true}')))


def _raw_head(_: Request, detail: str) -> Stream | None:
    return Stream(200, iter((_HEADS[detail],))) if detail in _HEADS else None


def _redirect(request: Request, detail: str) -> Stream | None:
    if detail == "loop":
        target = request.path
    elif detail == "to":
        target = "".join(parse_qs(request.query).get("url", [])[-1:])
    elif detail.isascii() and detail.isdigit() and len(detail) <= 4:
        if int(detail) == 0:
            return _whole(b'{"arrived":true}')
        target = f"{PREFIX}redirect/{int(detail) - 1}"
    else:
        return None
    if not target.isprintable() or not target.isascii():
        return None
    return _whole(b"", f"location: {target}", status="302 Found")


def _retry(_: Request, detail: str) -> Stream | None:
    status, slash, form = detail.partition("/")
    reasons = {"429": "429 Too Many Requests", "503": "503 Service Unavailable"}
    if not slash or status not in reasons or form not in _RETRY_AFTER:
        return None
    return _whole(b'{"error":"later"}', f"retry-after: {_RETRY_AFTER[form]()}", status=reasons[status])


def _number(request: Request, name: str, default: float) -> float:
    given = parse_qs(request.query).get(name, [""])[-1]
    try:
        return min(max(float(given), 0.0), 1e6) if given else default
    except ValueError:
        return default


_KINDS: Final[dict[str, Callable[[Request, str], Answer | Stream | None]]] = {
    "slow": _slow,
    "slow-head": _slow_head,
    "hang": _hang,
    "reset": _reset,
    "bomb": _bomb,
    "binary": _binary,
    "invalid-utf8": _invalid_utf8,
    "deep": _deep,
    "controls": _controls,
    "huge-header": _huge_header,
    "many-headers": _many_headers,
    "length": _length,
    "head": _raw_head,
    "redirect": _redirect,
    "retry": _retry,
}
