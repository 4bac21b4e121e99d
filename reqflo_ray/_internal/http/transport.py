"""Sends a request: deadline, allowed hosts, redirects, one re-send after a stale connection. It owns what is the same
for every engine, and must not know an HTTP library: engines carry out single hops."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import lru_cache
from time import perf_counter
from typing import Final, Protocol

from reqflo_ray._internal.descriptors import descriptors_are_scarce
from reqflo_ray._internal.http.addresses.networks import is_blocked, is_blocked_name
from reqflo_ray._internal.http.addresses.target import Target
from reqflo_ray._internal.http.engines.outgoing import Outgoing, prepare, with_cookies
from reqflo_ray._internal.http.exchange.deadline import Deadline
from reqflo_ray._internal.http.exchange.failures import ExchangeError, blocked_failure, no_descriptor_failure
from reqflo_ray._internal.http.exchange.watch import Watch
from reqflo_ray._internal.http.redirects import is_redirect, next_hop
from reqflo_ray._internal.model.http.exchange import (
    IDEMPOTENT_METHODS,
    RESEND,
    CookieStore,
    Exchange,
    FailureKind,
    TransportEvent,
    TransportFailure,
    TransportRequest,
    TransportResponse,
)
from reqflo_ray._internal.model.http.hosts import host_allowed
from reqflo_ray._internal.model.plan import HttpSettings


class Engine(Protocol):
    """One HTTP library."""

    async def exchange(self, outgoing: Outgoing, request: TransportRequest, watch: Watch) -> TransportResponse:
        """Send one hop and read its whole answer, and record the progress on `watch`. Redirects are not followed, and
        nothing is sent twice. Raises `ExchangeError`, never an error of the library."""
        ...

    def close_idle(self) -> None:
        """Close the kept-alive connections that carry nothing."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


class EngineTransport:
    """The `Transport` over an engine. Safe to use from many tasks of one event loop.

    If this machine cannot open a connection (no descriptor, port, or memory is left), nothing is known about the
    target: the request waits and tries again until its time is over. `short` is called with the number of requests that
    can be in flight.
    """

    def __init__(
        self, engine: Engine, settings: HttpSettings, short: Callable[[int], None] = lambda possible: None
    ) -> None:
        self._engine = engine
        self._short = short
        self._under_way = 0
        self._max_redirects = settings.max_redirects
        self._user_agent = settings.user_agent
        self._allow_link_local = settings.allow_link_local
        self._loop: asyncio.AbstractEventLoop | None = None

    async def send(self, request: TransportRequest, cookies: CookieStore | None = None) -> Exchange:
        """See `Transport.send`."""
        loop = self._loop = self._loop or asyncio.get_running_loop()
        exchange = _Exchange(request)
        try:
            outgoing = prepare(request, self._user_agent)
        except ExchangeError as error:
            return exchange.failed(error)
        try:
            with Deadline(loop, request.total_ms / 1000):
                response = await self._follow(outgoing, request, exchange, cookies)
        except ExchangeError as error:
            return exchange.failed(error)
        except TimeoutError:
            if exchange.lacking is not None and not exchange.watch.writing:
                return exchange.failed(exchange.lacking)
            phase = exchange.watch.phase()
            text = f"the exchange did not end within {request.total_ms} ms; the time ran out {phase}"
            return exchange.failed(ExchangeError(FailureKind.DEADLINE, text))
        return exchange.done(response)

    async def close(self) -> None:
        """See `Transport.close`."""
        await self._engine.close()

    async def _follow(
        self, outgoing: Outgoing, request: TransportRequest, exchange: _Exchange, cookies: CookieStore | None
    ) -> TransportResponse:
        hops = 0
        while True:
            sent = outgoing if cookies is None else with_cookies(outgoing, cookies)
            exchange.start_hop(sent)
            self._check_target(sent.target, request)
            try:
                response = await self._hop_when_possible(sent, request, exchange)
            finally:
                if cookies is not None:
                    # From every head that arrived, whatever happens to the body.
                    cookies.receive(sent.target.url, exchange.watch.headers)
            if not self._max_redirects or not is_redirect(response):
                return response
            if hops == self._max_redirects:
                raise ExchangeError(FailureKind.REDIRECTS, f"more than {self._max_redirects} redirects")
            hops += 1
            outgoing = next_hop(outgoing, response, request, self._user_agent)
            exchange.note("redirect", f"{response.status} to {outgoing.target.scheme}://{outgoing.target.place}")

    async def _hop_when_possible(
        self, outgoing: Outgoing, request: TransportRequest, exchange: _Exchange
    ) -> TransportResponse:
        wait = _FIRST_WAIT_SECONDS
        while True:
            self._under_way += 1
            try:
                response = await self._hop(outgoing, request, exchange)
                exchange.lacking = None
                return response
            except ExchangeError as error:
                exchange.lacking = _lack(error, exchange.watch)
                if exchange.lacking is None:
                    raise
            finally:
                self._under_way -= 1
            self._engine.close_idle()
            self._short(max(1, self._under_way))
            await asyncio.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT_SECONDS)
            exchange.start_hop(outgoing)

    async def _hop(self, outgoing: Outgoing, request: TransportRequest, exchange: _Exchange) -> TransportResponse:
        watch = exchange.watch
        try:
            return await self._engine.exchange(outgoing, request, watch)
        except ExchangeError as error:
            # A server may close a kept-alive connection just when it is used again. If it cannot have processed the
            # request, or processing it twice is harmless, that is not a failure: the request is sent again, at most
            # once, and never after a byte came back.
            stale = error.kind is FailureKind.CLOSED and watch.reused and not watch.received
            if not stale:
                raise
            if watch.writing and not _is_repeatable(outgoing, request):
                text = f"{error.message}; it had been kept alive, and a request that may have arrived is not sent again"
                raise ExchangeError(error.kind, text) from None
        if watch.writing:
            exchange.note(
                RESEND, f"{outgoing.target.place} had closed the kept-alive connection; sent again on another"
            )
        exchange.start_hop(outgoing, fresh=True)
        return await self._engine.exchange(outgoing, request, exchange.watch)

    def _check_target(self, target: Target, request: TransportRequest) -> None:
        if not host_allowed(request.allowed_hosts, target.host):
            raise ExchangeError(FailureKind.BLOCKED, f"this request may not be sent to {target.host}")
        if not self._allow_link_local and _is_blocked_host(target.host):
            raise blocked_failure(target.host)


def _is_repeatable(outgoing: Outgoing, request: TransportRequest) -> bool:
    # RFC 9110, 9.2.2: by its method, or because it is known to be harmless. Both requests have the same key.
    return (
        outgoing.method in IDEMPOTENT_METHODS
        or request.repeatable
        or any(name.lower() in _IDEMPOTENCY_KEYS for name, _ in outgoing.headers)
    )


def _lack(error: ExchangeError, watch: Watch) -> ExchangeError | None:
    """Return what this machine lacked, if that is why there is no connection."""
    if watch.writing:
        return None
    if error.kind.is_of_this_machine:
        return error
    if error.kind in _SAID_FOR_WANT_OF_DESCRIPTORS and descriptors_are_scarce():
        return no_descriptor_failure()
    return None


@lru_cache(maxsize=1024)
def _is_blocked_host(host: str) -> bool:
    if is_blocked_name(host):
        return True
    if not (host[0].isdigit() or ":" in host):
        return False
    try:
        return is_blocked(host.removesuffix("."))
    except ValueError:
        return False


_FIRST_WAIT_SECONDS: Final = 0.02
_LONGEST_WAIT_SECONDS: Final = 0.5
# If a library cannot open a file, it reports that a name has no address, or that a certificate is not trusted.
_SAID_FOR_WANT_OF_DESCRIPTORS: Final = frozenset({FailureKind.DNS, FailureKind.TLS, FailureKind.UNREACHABLE})

_IDEMPOTENCY_KEYS: Final = frozenset({"idempotency-key", "x-idempotency-key"})

# Before the first hop.
_NO_HOP: Final = Watch((), 0.0)


class _Exchange:
    """The state of one exchange."""

    __slots__ = ("began", "events", "lacking", "outgoing", "request", "sent", "watch")

    def __init__(self, request: TransportRequest) -> None:
        self.began = perf_counter()
        self.request = request
        self.outgoing: Outgoing | None = None
        self.watch = _NO_HOP
        self.events: tuple[TransportEvent, ...] = ()
        self.sent = False
        self.lacking: ExchangeError | None = None  # what this machine lacks; None after a hop

    def start_hop(self, outgoing: Outgoing, *, fresh: bool = False) -> None:
        self.sent = self.sent or self.watch.writing
        self.outgoing = outgoing
        self.watch = Watch(outgoing.headers, self.request.connect_ms / 1000, fresh=fresh)

    def note(self, kind: str, text: str) -> None:
        self.events += (TransportEvent(kind=kind, text=text, at_ms=(perf_counter() - self.began) * 1000),)

    def done(self, response: TransportResponse) -> Exchange:
        outgoing = self.outgoing
        assert outgoing is not None
        return Exchange(
            request_headers=outgoing.headers,
            url=outgoing.target.url,
            timings=self.watch.timings(self.began),
            response=response,
            events=self.events,
        )

    def failed(self, error: ExchangeError) -> Exchange:
        outgoing, watch = self.outgoing, self.watch
        return Exchange(
            request_headers=self.request.headers if outgoing is None else outgoing.headers,
            url=self.request.url if outgoing is None else outgoing.target.url,
            timings=watch.timings(self.began),
            failure=TransportFailure(
                kind=error.kind,
                message=error.message,
                sent=self.sent or watch.writing,
                status=watch.status,
                headers=watch.headers,
                shown=error.shown,
            ),
            events=self.events,
        )
