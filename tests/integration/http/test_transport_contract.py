"""What every engine must do alike: evidence, exact requests, pool, cancellation. Deviations are asked for by name."""

from __future__ import annotations

import asyncio
import gzip
import logging
import zlib
from typing import Any
from urllib.parse import quote

import brotli
import pytest

from reqflo_ray._internal.model.http.exchange import FailureKind

LABORATORY = Any
TAKE = Any


def test_names_order_duplicates_reason_and_odd_bytes_come_as_received(laboratory: LABORATORY, answered: TAKE) -> None:
    response = answered(laboratory.once("/weird"))
    assert (response.status, response.reason, response.http_version, response.body) == (
        299,
        "Weird Reason",
        "1.1",
        b"body",
    )
    assert response.headers == (
        ("X-MiXed-Case", "One"),
        ("set-cookie", "a=1; Path=/"),
        ("Set-Cookie", "b=2"),
        ("X-Latin", "caf\udce9"),
        ("X-Empty", ""),
        ("Content-Length", "4"),
    )
    assert response.wire_size == 4
    assert response.peer.startswith("127.0.0.1:")


def test_the_url_reaches_the_server_untouched(laboratory: LABORATORY) -> None:
    async def scenario(bench: Any) -> None:
        for path in (
            "/a%2fb/../c?x=%41",
            "//double//",
            "/%7Ex/./y",
            "/a?b?c&&=",
            "/a?",
            '/{}|\\^`"<>',
            "/+%20+?a+b=%2B",
        ):
            exchange = await bench.send(path)
            assert bench.server.received[-1].target == path
            assert exchange.url == bench.server.url(path)

    laboratory.run(scenario)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"])
@pytest.mark.parametrize("body", [None, b"some bytes \x00\xff"])
def test_exactly_the_shown_headers_are_sent(laboratory: LABORATORY, method: str, body: bytes | None) -> None:
    async def scenario(bench: Any) -> None:
        headers = (("x-LOWER", "1"), ("X-Twice", "a"), ("x-twice", "b"), ("Accept", "text/*"), ("X-Empty", ""))
        exchange = await bench.send("/plain", method, headers=headers, body=body)
        received = bench.server.received[-1]
        assert received.headers == exchange.request_headers
        assert [pair for pair in received.headers if pair in headers] == list(headers)
        assert (received.method, received.body) == (method, body or b"")

    laboratory.run(scenario)


def test_a_header_beyond_ascii_is_sent_as_utf_8(laboratory: LABORATORY) -> None:
    async def scenario(bench: Any) -> None:
        await bench.send("/plain", headers=(("X-Name", "Zo\u00eb"),))
        assert bench.server.received[-1].header("X-Name") == "Zo\u00eb".encode().decode("latin-1")

    laboratory.run(scenario)


@pytest.mark.parametrize(
    "value",
    [
        "Zo\u00eb".encode(),
        b"caf\xe9",
        b"\xc3\xa9\xe9\xff\xfe\x80",
        "\U0001f600 \u2028".encode(),
        b"\xed\xa0\xbd",
        b"a\tb",
    ],
)
def test_a_header_that_was_received_goes_back_byte_for_byte(
    laboratory: LABORATORY, answered: TAKE, value: bytes
) -> None:
    async def scenario(bench: Any) -> None:
        url = bench.server.serve("/value", b"X-Value: %b\r\nSet-Cookie: a=%b\r\n" % (value, value), b"")
        received = dict(answered(await bench.send(url)).headers)
        cookie = received["Set-Cookie"].partition("=")[2]
        await bench.send("/plain", headers=(("X-Value", received["X-Value"]), ("Cookie", cookie)))
        last = bench.server.received[-1]
        assert last.header("X-Value").encode("latin-1") == last.header("Cookie").encode("latin-1") == value

    laboratory.run(scenario)


@pytest.mark.parametrize("size", [1, 65_536, 65_537, 1_500_000])
def test_bodies_of_any_size_arrive(laboratory: LABORATORY, answered: TAKE, size: int) -> None:
    async def scenario(bench: Any) -> None:
        body = bytes(range(256)) * (size // 256 + 1)
        answered(await bench.send("/plain", "POST", body=body[:size]))
        assert bench.server.received[-1].body == body[:size]

    laboratory.run(scenario)


@pytest.mark.parametrize(
    ("encoding", "wire"),
    [
        ("gzip", gzip.compress(b"hello" * 100, mtime=0)),
        ("deflate", zlib.compress(b"hello" * 100)),
        ("br", brotli.compress(b"hello" * 100)),
        ("gzip, br", brotli.compress(gzip.compress(b"hello" * 100, mtime=0))),
        ("identity", b"hello" * 100),
        ("made-up", b"hello" * 100),
    ],
)
def test_the_body_is_decoded_and_its_wire_size_kept(
    laboratory: LABORATORY, answered: TAKE, encoding: str, wire: bytes
) -> None:
    async def scenario(bench: Any) -> None:
        url = bench.server.serve("/encoded", f"Content-Encoding: {encoding}\r\n".encode(), wire)
        response = answered(await bench.send(url))
        assert (response.body, response.wire_size) == (b"hello" * 100, len(wire))
        assert ("Content-Encoding", encoding) in response.headers

    laboratory.run(scenario)


def test_a_body_that_its_encoding_does_not_fit_breaks_the_protocol(laboratory: LABORATORY, failed: TAKE) -> None:
    async def scenario(bench: Any) -> None:
        for wire in (b"plainly not gzip", gzip.compress(b"cut" * 100)[:-9]):
            exchange = await bench.send(bench.server.serve("/encoded", b"Content-Encoding: gzip\r\n", wire))
            assert failed(exchange) is FailureKind.PROTOCOL
            assert exchange.failure.status == 200

    laboratory.run(scenario)


@pytest.mark.parametrize(
    "body", [b"\x89PNG\r\n\x1a\n\x00\x00", b"\x00" * 10, b"\xff\xfe\x00\xd8", "naïve \u2028".encode("utf-16")]
)
def test_binary_bodies_are_kept_byte_for_byte(laboratory: LABORATORY, answered: TAKE, body: bytes) -> None:
    async def scenario(bench: Any) -> None:
        url = bench.server.serve("/binary", b"Content-Type: text/plain; charset=utf-8\r\n", body)
        assert answered(await bench.send(url)).body == body

    laboratory.run(scenario)


@pytest.mark.parametrize(
    ("path", "method", "body"),
    [
        ("/head", "HEAD", b""),
        ("/status?code=204", "GET", b""),
        ("/status?code=304", "GET", b""),
        ("/chunked", "GET", b"hello world"),
        ("/until-close", "GET", b"all of it"),
        ("/http-1.0", "GET", b"old"),
        ("/interim", "GET", b"hello"),
    ],
)
def test_every_kind_of_body_end_is_understood(
    laboratory: LABORATORY, answered: TAKE, path: str, method: str, body: bytes
) -> None:
    assert answered(laboratory.once(path, method)).body == body


def test_an_answer_before_the_body_was_read_is_an_answer(laboratory: LABORATORY, answered: TAKE) -> None:
    assert answered(laboratory.once("/answer-early", "POST", body=bytes(1000))).status == 413


def test_the_body_follows_soon_when_nobody_says_continue(laboratory: LABORATORY, answered: TAKE) -> None:
    exchange = laboratory.once("/expect", "POST", body=b"abc", headers=(("Expect", "100-continue"),))
    assert answered(exchange).status == 200
    assert exchange.timings.total_ms < 4000


def test_the_body_follows_at_once_when_the_server_says_continue(laboratory: LABORATORY, answered: TAKE) -> None:
    exchange = laboratory.once("/expect-continue", "POST", body=b"abc" * 50_000, headers=(("Expect", "100-continue"),))
    assert answered(exchange).body == b"abc" * 50_000


def test_after_an_answer_that_wanted_no_body_the_connection_is_not_used_again(
    laboratory: LABORATORY, answered: TAKE
) -> None:
    if laboratory.engine == "httpx":
        pytest.skip("httpx does not wait for 100 (Continue)")

    async def scenario(bench: Any) -> None:
        expect = (("Expect", "100-continue"),)
        refused = await bench.send("/expect-refused", "POST", body=b"GET /evil HTTP/1.1\r\n\r\n", headers=expect)
        assert answered(refused).status == 417
        assert answered(await bench.send("/plain")).body == b"hello"
        assert [received.target for received in bench.server.received] == ["/expect-refused", "/plain"]

    laboratory.run(scenario)


def test_trailers_are_no_headers_and_leave_the_connection_usable(laboratory: LABORATORY, answered: TAKE) -> None:
    async def scenario(bench: Any) -> None:
        for _ in range(2):
            response = answered(await bench.send("/trailers"))
            assert (response.body, response.headers) == (b"hello", (("Transfer-Encoding", "chunked"),))
        assert bench.server.connections == 1

    laboratory.run(scenario)


def test_an_answer_in_single_bytes_is_the_same_answer(laboratory: LABORATORY, answered: TAKE) -> None:
    response = answered(laboratory.once("/byte-by-byte"))
    assert (response.headers, response.body) == ((("X-A", "b"), ("Transfer-Encoding", "chunked")), b"hello")


@pytest.mark.parametrize("uvloop", [False, True])
def test_the_wait_for_an_answer_begins_when_the_request_is_out(
    laboratory: LABORATORY, answered: TAKE, uvloop: bool
) -> None:
    body = bytes(16 * 2**20)
    exchange = laboratory.once("/read-slowly", "POST", body=body, read_ms=300, total_ms=20_000, uvloop=uvloop)
    assert answered(exchange).body == str(len(body)).encode()


def test_no_cookie_is_kept_between_requests(laboratory: LABORATORY) -> None:
    async def scenario(bench: Any) -> None:
        await bench.send("/weird")
        await bench.send("/plain")
        assert bench.server.received[-1].header("Cookie") is None

    laboratory.run(scenario)


def test_connections_are_reused_and_phases_timed(laboratory: LABORATORY) -> None:
    async def scenario(bench: Any) -> None:
        first = (await bench.send("/slow?seconds=0.05")).timings
        second = (await bench.send("/slow?seconds=0.05")).timings
        assert bench.server.connections == 1
        assert (first.reused, second.reused) == (False, True)
        assert first.connect_ms is not None
        assert (second.connect_ms, second.dns_ms, second.tls_ms) == (None, None, None)
        for timings in (first, second):
            assert timings.blocked_ms is not None
            assert timings.blocked_ms >= 0
            assert timings.wait_ms is not None
            assert 45 <= timings.wait_ms <= timings.total_ms
            assert timings.receive_ms is not None
            parts = (timings.blocked_ms, timings.connect_ms or 0, timings.wait_ms, timings.receive_ms)
            assert sum(parts) <= timings.total_ms + 0.001

    laboratory.run(scenario)


def test_waiting_for_a_connection_has_its_own_time(laboratory: LABORATORY) -> None:
    async def scenario(bench: Any) -> None:
        exchanges = await asyncio.gather(*[bench.send("/slow?seconds=0.4") for _ in range(3)])
        blocked = sorted(exchange.timings.blocked_ms for exchange in exchanges)
        assert blocked[1] - blocked[0] >= 200
        assert blocked[2] - blocked[1] >= 200
        assert bench.server.connections == 1

    laboratory.run(scenario, limit=1)


def test_a_deadline_counts_the_wait_for_a_connection(laboratory: LABORATORY, failed: TAKE) -> None:
    async def scenario(bench: Any) -> None:
        first = asyncio.create_task(bench.send("/slow?seconds=0.6"))
        await asyncio.sleep(0.05)
        second = await bench.send("/plain", total_ms=150)
        assert failed(second) is FailureKind.DEADLINE
        assert not second.failure.sent
        assert "waiting for a free connection" in second.failure.message
        assert second.timings.blocked_ms >= 100
        await first

    laboratory.run(scenario, limit=1)


@pytest.mark.parametrize("uvloop", [False, True])
def test_the_pool_is_usable_after_400_requests_were_cancelled(
    laboratory: LABORATORY, answered: TAKE, uvloop: bool
) -> None:
    async def scenario(bench: Any) -> None:
        tasks = [asyncio.create_task(bench.send("/silent")) for _ in range(400)]
        await asyncio.sleep(0.3)
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results)
        for exchange in await asyncio.gather(*[bench.send("/plain") for _ in range(32)]):
            assert answered(exchange).status == 200

    laboratory.run(scenario, limit=8, uvloop=uvloop)


def test_the_pool_is_usable_after_deadlines_struck_at_every_moment(laboratory: LABORATORY, answered: TAKE) -> None:
    async def scenario(bench: Any) -> None:
        for round_ in range(8):
            await asyncio.gather(*[bench.send("/plain", total_ms=1 + (round_ + n) % 6) for n in range(40)])
        for exchange in await asyncio.gather(*[bench.send("/plain") for _ in range(16)]):
            assert answered(exchange).status == 200

    laboratory.run(scenario, limit=4)


@pytest.mark.parametrize("uvloop", [False, True])
def test_many_requests_at_once_over_few_connections(laboratory: LABORATORY, answered: TAKE, uvloop: bool) -> None:
    async def scenario(bench: Any) -> None:
        exchanges = await asyncio.gather(*[bench.send(f"/plain?n={number}", "POST") for number in range(200)])
        assert all(answered(exchange).status == 200 for exchange in exchanges)
        assert sorted(int(r.target.partition("=")[2]) for r in bench.server.received) == list(range(200))
        assert bench.server.connections <= 4

    laboratory.run(scenario, limit=4, uvloop=uvloop)


def test_a_closed_transport_says_so(laboratory: LABORATORY) -> None:
    async def scenario(bench: Any) -> None:
        await bench.send("/plain")
        await bench.transport.close()
        with pytest.raises(RuntimeError, match="closed"):
            await bench.send("/plain")

    laboratory.run(scenario)


@pytest.mark.parametrize("to", ["http://[::1", "http://h:99999999/", "//", "http://a.b\u00fc%00/", "data:,x", "\\"])
@pytest.mark.parametrize("code", [302, 308])
def test_a_redirect_that_is_not_followed_is_not_read(
    laboratory: LABORATORY, answered: TAKE, code: int, to: str
) -> None:
    exchange = laboratory.once(f"/redirect?code={code}&to={quote(to)}")
    assert answered(exchange).status == code
    assert not exchange.events


def test_what_is_private_follows_a_redirect_within_its_origin_only(
    laboratory: LABORATORY, answered: TAKE, failed: Any
) -> None:
    async def scenario(bench: Any) -> None:
        async def hop(place: str, **given: Any) -> Any:
            where = quote(bench.server.url("/plain?hop", host=place))
            headers = (("X-Shop-Key", "s3cr3t-1"), ("X-Trace", "1"))
            private = {"private_headers": frozenset({"x-shop-key"}), "headers": headers, **given}
            return await bench.send(f"/redirect?code=307&to={where}&k=s3cr3t-2", "POST", **private)

        for exchange in (await hop("localhost"), await hop("localhost", body=b"plain")):
            assert answered(exchange).status == 200
            last = bench.server.received[-1]
            assert last.target == "/plain?hop"
            assert ("X-Trace", "1") in last.headers
            assert "s3cr3t" not in str(last.headers)
        answered(await hop("127.0.0.1", body=b"s3cr3t-3", private_body=True))
        assert (bench.server.received[-1].body, "s3cr3t-1" in str(bench.server.received[-1])) == (b"s3cr3t-3", True)

        sent = len(bench.server.received)
        blocked = await hop("localhost", body=b"s3cr3t-3", private_body=True)
        assert failed(blocked) == "target_blocked"
        assert (blocked.failure.status, blocked.failure.sent) == (307, True)
        assert "another origin" in blocked.failure.message
        assert len(bench.server.received) == sent + 1

    laboratory.run(scenario, max_redirects=3)


def test_the_log_of_a_library_shows_no_part_of_an_exchange(
    laboratory: LABORATORY, answered: TAKE, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        response = answered(laboratory.once("/weird?hunter2", "POST", headers=(("X-Key", "hunter2"),), body=b"hunter2"))
    assert ("set-cookie", "a=1; Path=/") in response.headers
    assert "hunter2" not in caplog.text
    assert "a=1" not in caplog.text
