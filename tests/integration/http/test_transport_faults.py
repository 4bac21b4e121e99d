"""What the network and the API can do wrong, each under its exact name."""

from __future__ import annotations

import asyncio
import gzip
import os
import socket
import threading
from typing import Any

import brotli
import pytest

from reqflo_ray._internal.model.http.exchange import FailureKind

LABORATORY = Any
TAKE = Any
MIB = 2**20


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("path", "kind", "status"),
    [
        ("/close", FailureKind.CLOSED, None),
        ("/reset", FailureKind.CLOSED, None),
        ("/close-in-head", FailureKind.CLOSED, None),
        ("/reset-in-head", FailureKind.CLOSED, None),
        ("/short-body", FailureKind.SHORT_BODY, 200),
        ("/short-chunk", FailureKind.SHORT_BODY, 200),
        ("/reset-in-body", FailureKind.SHORT_BODY, 200),
        ("/reset-until-close", FailureKind.SHORT_BODY, 200),
        ("/reset-in-gzip", FailureKind.SHORT_BODY, 200),
        ("/silent", FailureKind.READ_TIMEOUT, None),
        ("/stall-body", FailureKind.READ_TIMEOUT, 200),
        ("/head", FailureKind.READ_TIMEOUT, 200),
        ("/not-http", FailureKind.PROTOCOL, None),
        ("/http-0.9", FailureKind.PROTOCOL, None),
        ("/bad-status", FailureKind.PROTOCOL, None),
        ("/bad-length", FailureKind.PROTOCOL, None),
        ("/two-lengths", FailureKind.PROTOCOL, None),
        ("/null-in-header", FailureKind.PROTOCOL, None),
        ("/cr-in-header", FailureKind.PROTOCOL, None),
        ("/large-header", FailureKind.PROTOCOL, None),
        ("/endless-head", FailureKind.PROTOCOL, None),
        ("/interim-flood", FailureKind.PROTOCOL, None),
    ],
)
@pytest.mark.parametrize("uvloop", [False, True])
def test_each_fault_has_its_name(
    laboratory: LABORATORY, failed: TAKE, path: str, kind: FailureKind, status: int | None, uvloop: bool
) -> None:
    # On a busy machine the other faults take their time too.
    read_ms = 200 if kind is FailureKind.READ_TIMEOUT else 4000
    exchange = laboratory.once(path, "POST", body=b"x", read_ms=read_ms, uvloop=uvloop)
    assert failed(exchange) is kind
    assert exchange.failure.status == status
    assert exchange.failure.sent
    assert bool(exchange.failure.headers) is (status is not None)


@pytest.mark.parametrize("path", ["/many-headers", "/length-and-chunked", "/bad-chunk", "/unasked-upgrade"])
def test_faults_that_one_engine_sees_only_after_the_status(laboratory: LABORATORY, failed: TAKE, path: str) -> None:
    assert failed(laboratory.once(path)) is FailureKind.PROTOCOL


def test_equal_lengths_twice_are_one_for_httpx_and_an_error_for_the_others(laboratory: LABORATORY) -> None:
    exchange = laboratory.once("/same-lengths")
    if laboratory.engine == "httpx":
        assert exchange.response.body == b"hello"
    else:
        assert exchange.failure.kind is FailureKind.PROTOCOL


@pytest.mark.parametrize("uvloop", [False, True])
def test_a_refused_connection_is_told_and_nothing_was_sent(laboratory: LABORATORY, failed: TAKE, uvloop: bool) -> None:
    port = unused_port()
    exchange = laboratory.once(f"http://127.0.0.1:{port}/secret?token=hunter2", uvloop=uvloop)
    assert failed(exchange) is FailureKind.REFUSED
    assert not exchange.failure.sent
    assert exchange.failure.message == f"127.0.0.1:{port} refused the connection"


def test_a_host_that_does_not_accept_is_a_connect_timeout(laboratory: LABORATORY, failed: TAKE) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
            waiting.append(filler)
        exchange = laboratory.once(
            f"http://127.0.0.1:{full.getsockname()[1]}/", connect_ms=200, read_ms=20_000, total_ms=20_000
        )
        for filler in waiting:
            filler.close()
    assert failed(exchange) is FailureKind.CONNECT_TIMEOUT
    assert not exchange.failure.sent
    assert 190 <= exchange.timings.total_ms < 4000


@pytest.mark.parametrize("path", ["/drip-head?every=0.05", "/drip-body?every=0.05", "/drip-body?every=5"])
@pytest.mark.parametrize("uvloop", [False, True])
def test_a_dripping_server_is_ended_by_the_deadline(
    laboratory: LABORATORY, failed: TAKE, path: str, uvloop: bool
) -> None:
    exchange = laboratory.once(path, total_ms=300, read_ms=20_000, uvloop=uvloop)
    assert failed(exchange) is FailureKind.DEADLINE
    assert 295 <= exchange.timings.total_ms < 4000  # the clock of uvloop has whole milliseconds


def test_a_dripping_server_does_not_slow_down_others(laboratory: LABORATORY, answered: TAKE) -> None:
    async def scenario(bench: Any) -> None:
        slow = [asyncio.create_task(bench.send("/drip-body?every=0.05", total_ms=60_000)) for _ in range(4)]
        for _ in range(20):
            answered(await bench.send("/plain"))
        assert not any(task.done() for task in slow)
        for task in slow:
            task.cancel()
        await asyncio.gather(*slow, return_exceptions=True)

    laboratory.run(scenario)


def test_a_name_that_does_not_resolve_is_a_dns_failure(
    laboratory: LABORATORY, failed: TAKE, monkeypatch: pytest.MonkeyPatch
) -> None:
    for code in (socket.EAI_NONAME, socket.EAI_AGAIN, socket.EAI_FAIL):

        def fail(*_: Any, code: int = code, **__: Any) -> Any:
            raise socket.gaierror(code, "text of the system")

        monkeypatch.setattr(socket, "getaddrinfo", fail)
        exchange = laboratory.once("http://no-such-host.example/")
        assert failed(exchange) is FailureKind.DNS
        assert exchange.failure.message == "the host name no-such-host.example cannot be resolved"
        assert not exchange.failure.sent


def test_a_name_service_that_hangs_is_a_dns_failure_in_time(
    laboratory: LABORATORY, failed: TAKE, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers_at_last = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers_at_last.wait(60))

    async def scenario(bench: Any) -> Any:
        exchange = await bench.send("http://slow.example/", connect_ms=150, total_ms=30_000)
        # The loop waits for its threads when it ends.
        answers_at_last.set()
        return exchange

    exchange = laboratory.run(scenario)
    assert failed(exchange) is FailureKind.DNS
    assert exchange.timings.total_ms < 10_000


def answers(*addresses: str) -> Any:
    def resolve(host: Any, port: Any, *_: Any, **__: Any) -> Any:
        return [
            (socket.AF_INET6, 1, 6, "", (a, port, 0, 0)) if ":" in a else (socket.AF_INET, 1, 6, "", (a, port))
            for a in addresses
        ]

    return resolve


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "fe80::1", "::ffff:169.254.169.254", "fd00:ec2::254", "100.100.100.200"]
)
def test_a_name_that_points_to_a_blocked_address_is_blocked(
    laboratory: LABORATORY, failed: TAKE, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", answers(address))
    exchange = laboratory.once("http://innocent.example/")
    assert failed(exchange) is FailureKind.BLOCKED
    assert not exchange.failure.sent


def test_of_many_addresses_only_the_permitted_are_tried(
    laboratory: LABORATORY, answered: TAKE, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", answers("169.254.169.254", *["127.0.0.1"] * 300))

    async def scenario(bench: Any) -> None:
        exchange = await bench.send(f"http://innocent.example:{bench.server.port}/plain")
        assert answered(exchange).peer == f"127.0.0.1:{bench.server.port}"
        assert exchange.timings.dns_ms is not None

    laboratory.run(scenario)


@pytest.mark.parametrize(
    "host", ["10-0-0-1", "under_score.example", "xn--bcher-kva.example", "ends.example.", "3com", "x.123abc"]
)
def test_hosts_that_a_library_may_find_odd_are_reached(
    laboratory: LABORATORY, answered: TAKE, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", answers("127.0.0.1"))

    async def scenario(bench: Any) -> None:
        answered(await bench.send(f"http://{host}:{bench.server.port}/plain"))
        assert bench.server.received[-1].header("Host") == f"{host}:{bench.server.port}"

    laboratory.run(scenario)


def test_a_dead_address_before_a_good_one_is_passed_over(
    laboratory: LABORATORY, answered: TAKE, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", answers("127.0.0.9", "127.0.0.1"))

    async def scenario(bench: Any) -> None:
        answered(await bench.send(f"http://two.example:{bench.server.port}/plain"))
        assert len(bench.server.received) == 1

    laboratory.run(scenario)


@pytest.mark.parametrize("how", ["", "&reset=1"])
@pytest.mark.parametrize("uvloop", [False, True])
def test_a_stale_connection_is_replaced_unseen_by_the_caller(
    laboratory: LABORATORY, answered: TAKE, how: str, uvloop: bool
) -> None:
    async def scenario(bench: Any) -> None:
        answered(await bench.send(f"/once?linger=0.05{how}"))
        exchange = await bench.send("/plain")
        assert answered(exchange).status == 200
        assert [event.kind for event in exchange.events] == ["resend"]
        assert bench.server.connections == 2

    laboratory.run(scenario, uvloop=uvloop)


@pytest.mark.parametrize("how", ["", "&reset=1"])
@pytest.mark.parametrize("uvloop", [False, True])
def test_a_post_with_a_key_is_sent_again_on_a_stale_connection(
    laboratory: LABORATORY, answered: TAKE, how: str, uvloop: bool
) -> None:
    async def scenario(bench: Any) -> None:
        for size in (5, 1_000_000):
            answered(await bench.send(f"/once?linger=0.05{how}"))
            exchange = await bench.send("/plain", "POST", headers=(("Idempotency-Key", "k"),), body=bytes(size))
            assert answered(exchange).status == 200 and exchange.resends == 1
            assert bench.server.received[-1].header("Idempotency-Key") == "k"
            assert len(bench.server.received[-1].body) == size
            await bench.send("/close")

    laboratory.run(scenario, uvloop=uvloop)


def test_a_connection_is_left_before_the_server_closes_it(laboratory: LABORATORY, answered: TAKE) -> None:
    async def connections(bench: Any, keep_alive: bytes, waits: float = 0.0) -> int:
        before = bench.server.connections
        answered(await bench.send(bench.server.serve("/first", b"Keep-Alive: %b\r\n" % keep_alive, b"x")))
        await asyncio.sleep(waits)
        answered(await bench.send("/until-close", "POST"))
        return int(bench.server.connections - before)

    async def scenario(bench: Any) -> None:
        assert await connections(bench, b"timeout=0") == 2
        assert await connections(bench, b"timeout=30, max=0") == 2
        assert await connections(bench, b"timeout=1", 0.55) == 2
        assert await connections(bench, b"timeout=1") == 1
        assert await connections(bench, b"timeout=30, max=2") == 1

    laboratory.run(scenario)


@pytest.mark.parametrize("how", ["", "&reset=1"])
def test_a_post_on_a_stale_connection_is_a_failure_that_says_it_may_have_arrived(
    laboratory: LABORATORY, answered: TAKE, failed: TAKE, how: str
) -> None:
    async def scenario(bench: Any) -> None:
        answered(await bench.send(f"/once?linger=0.05{how}"))
        exchange = await bench.send("/plain", "POST", body=b"charge")
        assert failed(exchange) is FailureKind.CLOSED
        assert exchange.failure.sent
        assert exchange.events == ()
        assert [received.method for received in bench.server.received] == ["GET"]

    laboratory.run(scenario)


def test_nothing_is_sent_again_after_a_byte_of_an_answer(laboratory: LABORATORY, answered: TAKE, failed: TAKE) -> None:
    async def scenario(bench: Any) -> None:
        answered(await bench.send("/once?linger=0.05&partial=1"))
        exchange = await bench.send("/plain")
        assert failed(exchange) is FailureKind.CLOSED
        assert exchange.events == ()
        assert bench.server.connections == 1

    laboratory.run(scenario)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST"])
def test_the_library_sends_nothing_twice_on_its_own(laboratory: LABORATORY, failed: TAKE, method: str) -> None:
    async def scenario(bench: Any) -> None:
        await bench.send("/plain")
        assert failed(await bench.send("/reset", method)) is FailureKind.CLOSED
        # The first on the kept-alive connection, and our own one re-send of what may be repeated.
        assert len(bench.server.received) == (2 if method == "POST" else 3)

    laboratory.run(scenario)


def test_an_answer_that_nobody_asked_for_is_not_taken_for_the_next(laboratory: LABORATORY, answered: TAKE) -> None:
    async def scenario(bench: Any) -> None:
        answered(await bench.send("/two-answers"))
        await asyncio.sleep(0.1)
        exchange = await bench.send("/plain")
        assert answered(exchange).body == b"hello"
        assert bench.server.connections == 2

    laboratory.run(scenario)


@pytest.mark.parametrize("path", ["/endless", "/size?bytes=40000000"])
def test_a_body_beyond_the_limit_is_refused(laboratory: LABORATORY, failed: TAKE, path: str) -> None:
    exchange = laboratory.once(path, max_body_bytes=MIB)
    assert failed(exchange) is FailureKind.TOO_LARGE
    assert exchange.failure.status == 200


@pytest.mark.parametrize("path", ["/trailer-flood", "/extension-flood"])
def test_what_is_neither_head_nor_body_is_bounded_too(laboratory: LABORATORY, failed: TAKE, path: str) -> None:
    assert failed(laboratory.once(path, total_ms=1500)) is FailureKind.PROTOCOL


def test_a_body_after_the_answer_to_head_is_not_taken_for_the_next_answer(
    laboratory: LABORATORY, answered: TAKE
) -> None:
    async def scenario(bench: Any) -> None:
        answered(await bench.send("/head-with-body", "HEAD"))
        await asyncio.sleep(0.05)
        assert answered(await bench.send("/plain")).body == b"hello"

    laboratory.run(scenario)


def test_a_body_of_just_the_limit_is_taken(laboratory: LABORATORY, answered: TAKE) -> None:
    assert len(answered(laboratory.once(f"/size?bytes={MIB}", max_body_bytes=MIB)).body) == MIB


@pytest.mark.parametrize("encoding", ["gzip", "br", "gzip, gzip"])
def test_a_bomb_is_defused(laboratory: LABORATORY, failed: TAKE, encoding: str) -> None:
    wire = bytes(64 * MIB)
    wire = brotli.compress(wire, quality=1) if encoding == "br" else gzip.compress(wire, 1)
    wire = gzip.compress(wire) if "," in encoding else wire

    async def scenario(bench: Any) -> None:
        exchange = await bench.send(bench.server.serve("/bomb", f"Content-Encoding: {encoding}\r\n".encode(), wire))
        assert failed(exchange) is FailureKind.TOO_LARGE

    laboratory.run(scenario)


def test_redirects_are_followed_checked_and_bounded(laboratory: LABORATORY, answered: TAKE, failed: TAKE) -> None:
    async def scenario(bench: Any) -> None:
        exchange = await bench.send("/redirect?to=/plain%3Fx", headers=(("Authorization", "Bearer x"),))
        assert answered(exchange).body == b"hello"
        assert exchange.url == bench.server.url("/plain?x")
        assert bench.server.received[-1].header("Authorization") == "Bearer x"
        other = f"http://localhost:{bench.server.port}/plain"
        exchange = await bench.send(f"/redirect?code=307&to={other}", headers=(("Authorization", "Bearer x"),))
        assert answered(exchange).status == 200
        assert bench.server.received[-1].header("Authorization") is None
        assert bench.server.received[-1].header("Host") == f"localhost:{bench.server.port}"
        count = len(bench.server.received)
        assert failed(await bench.send("/loop")) is FailureKind.REDIRECTS
        assert len(bench.server.received) == count + 4
        assert bench.server.connections == 2

    laboratory.run(scenario, max_redirects=3)


@pytest.mark.parametrize(
    "to", ["http://169.254.169.254/", "http://2852039166/", "http://[fe80::1]/", "file:///etc/passwd"]
)
def test_a_redirect_into_the_forbidden_is_blocked(laboratory: LABORATORY, failed: TAKE, to: str) -> None:
    exchange = laboratory.once(f"/redirect?to={to}", max_redirects=5)
    assert failed(exchange) is FailureKind.BLOCKED


def test_more_rows_than_connections_all_end_although_a_fifth_is_never_answered(
    laboratory: LABORATORY,
) -> None:
    async def scenario(bench: Any) -> None:
        async def one(number: int) -> Any:
            silent = number % 5 == 0
            return await bench.send("/silent" if silent else "/plain", read_ms=200, total_ms=20_000)

        exchanges = await asyncio.gather(*[one(number) for number in range(100)])
        kinds = [exchange.failure.kind if exchange.failure else None for exchange in exchanges]
        assert kinds.count(FailureKind.READ_TIMEOUT) == 20
        assert kinds.count(None) == 80

    laboratory.run(scenario, limit=10)


def test_file_descriptors_do_not_pile_up(laboratory: LABORATORY) -> None:
    async def scenario(bench: Any) -> None:
        paths = ("/plain", "/close", "/short-body", "/bad-status", "/reset", "/until-close", "/redirect-nowhere")

        async def round_of_requests() -> int:
            await asyncio.gather(*[bench.send(path) for path in paths * 5])
            await asyncio.sleep(0.05)
            return len(os.listdir("/proc/self/fd"))

        first = await round_of_requests()
        last = [await round_of_requests() for _ in range(6)][-1]
        assert abs(last - first) <= 5

    laboratory.run(scenario, limit=4)


@pytest.mark.parametrize(
    "path", ["/close", "/short-body", "/not-http", "/endless", "/silent", "/redirect?to=http://169.254.169.254/hunter2"]
)
def test_no_message_or_event_quotes_the_request(laboratory: LABORATORY, path: str) -> None:
    joint = "&" if "?" in path else "?"
    exchange = laboratory.once(
        f"{path}{joint}token=hunter2",
        "POST",
        headers=(("Authorization", "Bearer hunter2"),),
        body=b"hunter2",
        read_ms=200,
        max_body_bytes=MIB,
        max_redirects=1,
    )
    assert "hunter2" not in exchange.failure.message + "".join(event.text for event in exchange.events)
    assert "hunter2" not in repr(exchange)
