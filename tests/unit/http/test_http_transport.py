"""What is the same for every engine, over an engine that plays a script."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from virtual_time import run_in_virtual_time

from reqflo_ray._internal.http.engines.outgoing import Outgoing
from reqflo_ray._internal.http.exchange.failures import ExchangeError, closed_failure
from reqflo_ray._internal.http.exchange.watch import Watch
from reqflo_ray._internal.http.transport import EngineTransport
from reqflo_ray._internal.model.http.exchange import Exchange, FailureKind, Headers, TransportRequest, TransportResponse
from reqflo_ray._internal.model.plan import HttpSettings

Act = Callable[[Watch], TransportResponse]


def ok(watch: Watch) -> TransportResponse:
    watch.writing = True
    return TransportResponse(status=200, reason="OK", headers=(), body=b"", wire_size=0)


def redirect(location: str, status: int = 302) -> Act:
    def act(watch: Watch) -> TransportResponse:
        watch.writing = True
        watch.status, watch.headers = status, (("Location", location),)
        return TransportResponse(status=status, reason="", headers=watch.headers, body=b"", wire_size=0)

    return act


def closed(*, reused: bool = True, writing: bool = True, received: int = 0) -> Act:
    def act(watch: Watch) -> TransportResponse:
        watch.reused, watch.writing, watch.received = reused, writing, received
        raise closed_failure("h:80")

    return act


class Script:
    """Plays one act for each hop and keeps what it was given."""

    def __init__(self, acts: Sequence[Act]) -> None:
        self.acts = list(acts)
        self.hops: list[Outgoing] = []
        self.watches: list[Watch] = []
        self.relieved = 0

    async def exchange(self, outgoing: Outgoing, request: TransportRequest, watch: Watch) -> TransportResponse:
        self.hops.append(outgoing)
        self.watches.append(watch)
        if not self.acts:
            await asyncio.Event().wait()
        return self.acts.pop(0)(watch)

    def close_idle(self) -> None:
        self.relieved += 1

    async def close(self) -> None:
        pass


def play(
    *acts: Act,
    method: str = "GET",
    url: str = "http://h/",
    settings: HttpSettings | None = None,
    allowed_hosts: tuple[str, ...] | None = None,
    total_ms: int = 1000,
    headers: Headers = (),
    repeatable: bool = False,
) -> tuple[Exchange, Script]:
    script = Script(acts)
    transport = EngineTransport(script, settings or HttpSettings())
    request = TransportRequest(
        method=method,
        url=url,
        allowed_hosts=allowed_hosts,
        total_ms=total_ms,
        headers=headers,
        repeatable=repeatable,
    )
    return asyncio.run(transport.send(request)), script


def failure_of(exchange: Exchange) -> FailureKind:
    assert exchange.failure is not None
    assert exchange.response is None
    return exchange.failure.kind


def test_a_redirect_is_returned_when_none_is_followed() -> None:
    exchange, script = play(redirect("/next"))
    assert exchange.response is not None
    assert exchange.response.status == 302
    assert len(script.hops) == 1


def test_redirects_are_followed_and_each_is_an_event() -> None:
    exchange, script = play(
        redirect("/secret?token=x"), redirect("https://other/"), ok, settings=HttpSettings(max_redirects=2)
    )
    assert [hop.target.url for hop in script.hops] == ["http://h/", "http://h/secret?token=x", "https://other/"]
    assert [(event.kind, event.text) for event in exchange.events] == [
        ("redirect", "302 to http://h:80"),
        ("redirect", "302 to https://other:443"),
    ]
    assert exchange.url == "https://other/"
    assert dict(exchange.request_headers)["Host"] == "other"


def test_too_many_redirects_keep_the_last_answer() -> None:
    exchange, script = play(redirect("/"), redirect("/"), settings=HttpSettings(max_redirects=1))
    assert failure_of(exchange) is FailureKind.REDIRECTS
    assert exchange.failure is not None
    assert (exchange.failure.status, exchange.failure.headers) == (302, (("Location", "/"),))
    assert len(script.hops) == 2


def test_a_host_that_is_not_allowed_gets_nothing() -> None:
    exchange, script = play(ok, allowed_hosts=("*.example.com",))
    assert failure_of(exchange) is FailureKind.BLOCKED
    assert exchange.failure is not None
    assert not exchange.failure.sent
    assert script.hops == []


def test_a_redirect_to_a_host_that_is_not_allowed_is_not_followed() -> None:
    exchange, script = play(redirect("http://evil/"), ok, allowed_hosts=("h",), settings=HttpSettings(max_redirects=5))
    assert failure_of(exchange) is FailureKind.BLOCKED
    assert exchange.failure is not None
    assert exchange.failure.sent, "the first hop was sent"
    assert len(script.hops) == 1


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]", "metadata.google.internal", "2852039166"]
)
def test_a_blocked_address_gets_nothing_neither_at_first_nor_by_redirect(host: str) -> None:
    exchange, script = play(ok, url=f"http://{host}/")
    assert failure_of(exchange) is FailureKind.BLOCKED
    assert script.hops == []
    exchange, script = play(redirect(f"http://{host}/"), ok, settings=HttpSettings(max_redirects=5))
    assert failure_of(exchange) is FailureKind.BLOCKED
    assert len(script.hops) == 1


def test_link_local_addresses_can_be_opened() -> None:
    exchange, _ = play(ok, url="http://169.254.169.254/", settings=HttpSettings(allow_link_local=True))
    assert exchange.response is not None


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
def test_a_stale_connection_is_replaced_once_for_methods_that_may_repeat(method: str) -> None:
    exchange, script = play(closed(), ok, method=method)
    assert exchange.response is not None
    assert [event.kind for event in exchange.events] == ["resend"] and exchange.resends == 1
    assert [watch.fresh for watch in script.watches] == [False, True]


@pytest.mark.parametrize("method", ["POST", "PATCH", "QUERY"])
def test_other_methods_are_not_sent_again_once_they_may_have_arrived(method: str) -> None:
    exchange, script = play(closed(), ok, method=method)
    assert failure_of(exchange) is FailureKind.CLOSED
    assert exchange.failure is not None
    assert exchange.failure.sent
    assert "a request that may have arrived is not sent again" in exchange.failure.message
    assert len(script.hops) == 1


@pytest.mark.parametrize(
    "key",
    [
        {"repeatable": True},
        {"headers": (("Idempotency-Key", "k-1"),)},
        {"headers": (("X-IDEMPOTENCY-KEY", "k-1"),)},
    ],
)
def test_a_request_with_a_key_is_sent_again_with_the_same_key(key: dict[str, Any]) -> None:
    exchange, script = play(closed(), ok, method="POST", **key)
    assert exchange.response is not None and exchange.resends == 1
    assert script.hops[0] == script.hops[1]


@pytest.mark.parametrize("name", ["X-Key", "X-Request-Id", "My-Idempotency-Key"])
def test_a_header_that_only_looks_like_a_key_is_none(name: str) -> None:
    exchange, _ = play(closed(), ok, method="POST", headers=((name, "k-1"),))
    assert failure_of(exchange) is FailureKind.CLOSED


def test_what_follows_a_redirect_is_sent_again_as_well() -> None:
    hops = (redirect("/next", 307), closed(), ok)
    exchange, script = play(*hops, method="POST", repeatable=True, settings=HttpSettings(max_redirects=2))
    assert exchange.response is not None and exchange.resends == 1
    assert [hop.method for hop in script.hops] == ["POST", "POST", "POST"]


def test_any_method_goes_out_on_another_connection_if_nothing_of_it_was_sent() -> None:
    exchange, script = play(closed(writing=False), ok, method="POST")
    assert exchange.response is not None
    assert len(script.hops) == 2
    assert exchange.resends == 0 and exchange.events == (), "nothing was sent twice"


@pytest.mark.parametrize("act", [closed(reused=False), closed(received=1)])
def test_a_fresh_connection_or_a_byte_of_an_answer_forbids_sending_again(act: Act) -> None:
    exchange, script = play(act, ok)
    assert failure_of(exchange) is FailureKind.CLOSED
    assert len(script.hops) == 1


def test_a_request_is_sent_again_at_most_once() -> None:
    exchange, script = play(closed(), closed(), ok)
    assert failure_of(exchange) is FailureKind.CLOSED
    assert len(script.hops) == 2


def test_what_was_sent_before_a_re_send_stays_sent() -> None:
    exchange, _ = play(closed(), closed(reused=False, writing=False))
    assert exchange.failure is not None
    assert exchange.failure.sent


def test_the_deadline_ends_an_exchange_and_says_where_it_was() -> None:
    exchange, _ = play(total_ms=20)
    assert failure_of(exchange) is FailureKind.DEADLINE
    assert exchange.failure is not None
    assert exchange.failure.message.endswith("while waiting for a free connection")
    assert not exchange.failure.sent
    assert exchange.timings.total_ms >= 20


def test_an_invalid_request_is_a_failure_and_not_an_exception() -> None:
    for url in ("nonsense", "ftp://h/", "http://h/\n"):
        exchange, script = play(ok, url=url)
        assert failure_of(exchange) is FailureKind.INVALID_REQUEST
        assert script.hops == []


def test_cancellation_is_not_turned_into_a_failure() -> None:
    async def scenario() -> None:
        transport = EngineTransport(Script([]), HttpSettings())
        task = asyncio.create_task(transport.send(TransportRequest(method="GET", url="http://h/")))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())


def test_an_exchange_error_says_its_kind_and_message() -> None:
    error = ExchangeError(FailureKind.TLS, "no")
    assert (error.kind, error.message, str(error)) == (FailureKind.TLS, "no", "no")


def lacking(kind: FailureKind) -> Act:
    def act(watch: Watch) -> TransportResponse:
        raise ExchangeError(kind, "said by the engine")

    return act


OF_THIS_MACHINE = [kind for kind in FailureKind if kind.is_of_this_machine]


@pytest.mark.parametrize("kind", OF_THIS_MACHINE)
def test_what_this_machine_lacks_is_waited_for(kind: FailureKind) -> None:
    exchange, script = play(lacking(kind), lacking(kind), ok)
    assert exchange.response is not None and len(script.hops) == 3
    assert script.relieved == 2, "connections that carry nothing hold what is lacking"


@pytest.mark.parametrize("kind", OF_THIS_MACHINE)
def test_what_this_machine_lacks_all_the_time_is_told_and_nothing_was_sent(kind: FailureKind) -> None:
    exchange, script = play(*[lacking(kind)] * 1000, total_ms=60)
    assert failure_of(exchange) is kind and len(script.hops) < 10
    assert exchange.failure is not None and not exchange.failure.sent


@pytest.mark.parametrize("kind", [FailureKind.DNS, FailureKind.TLS, FailureKind.UNREACHABLE])
def test_a_verdict_that_may_come_from_a_lack_of_descriptors_is_none(
    kind: FailureKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    scarce = [True, True]
    monkeypatch.setattr(
        "reqflo_ray._internal.http.transport.descriptors_are_scarce", lambda: bool(scarce and scarce.pop())
    )
    assert play(lacking(kind), lacking(kind), ok)[0].response is not None
    exchange, script = play(lacking(kind), ok)
    assert failure_of(exchange) is kind and len(script.hops) == 1


def test_lack_of_descriptors_sends_no_request_again_that_may_have_arrived(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("reqflo_ray._internal.http.transport.descriptors_are_scarce", lambda: True)
    exchange, script = play(closed(reused=False), ok, method="POST")
    assert failure_of(exchange) is FailureKind.CLOSED and len(script.hops) == 1


def test_as_many_requests_as_get_through_are_said_to_be_possible() -> None:
    heard: list[int] = []

    class Narrow(Script):
        """Carries three requests at a time."""

        busy = 0

        async def exchange(self, outgoing: Outgoing, request: TransportRequest, watch: Watch) -> TransportResponse:
            if self.busy == 3:
                raise ExchangeError(FailureKind.NO_DESCRIPTOR, "no more")
            self.busy += 1
            await asyncio.sleep(0.05)
            self.busy -= 1
            return ok(watch)

    async def main() -> list[Exchange]:
        transport = EngineTransport(Narrow(()), HttpSettings(), heard.append)
        request = TransportRequest(method="GET", url="http://h/", total_ms=5000)
        return await asyncio.gather(*(transport.send(request) for _ in range(8)))

    assert all(exchange.response for exchange in run_in_virtual_time(main()))
    assert min(heard) == 3
