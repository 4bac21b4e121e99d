"""The second engine: single hops over httpx, for HTTP/2 and SOCKS proxies. Only this module, its transport, and the
pool, network, and streams below it may know httpx.

The client receives finished requests and returns answers as they came: redirects, cookies, and decoding belong to both
engines. Known differences from the default engine: HTTP/2 is used if the server offers it over TLS (then header names
are lower case and there is no reason phrase; a connection still carries one request at a time); equal repeated
Content-Length headers count as one; a body does not wait for 100 (Continue). A request costs about seven times as much.
"""

from __future__ import annotations

import logging
from http.cookiejar import CookieJar
from time import perf_counter
from typing import Any, Final

import httpcore
import httpx
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, StreamReset

from reqflo_ray._internal.http.addresses.guard import AddressGuard
from reqflo_ray._internal.http.addresses.target import Target
from reqflo_ray._internal.http.engines.httpx_network import peer_of
from reqflo_ray._internal.http.engines.httpx_transport import PoolTransport
from reqflo_ray._internal.http.engines.outgoing import Outgoing
from reqflo_ray._internal.http.engines.proxy import Proxy, behind_proxy, proxy_failure, proxy_for
from reqflo_ray._internal.http.exchange.decoding import BodyReader, BodyTooLargeError, CorruptBodyError
from reqflo_ray._internal.http.exchange.failures import (
    ExchangeError,
    closed_failure,
    connect_failure,
    protocol_failure,
    short_body_failure,
    tls_error,
    tls_failure,
)
from reqflo_ray._internal.http.exchange.limits import check_head, head_too_large
from reqflo_ray._internal.http.exchange.refusals import refusal_of_chunk, refusal_of_head
from reqflo_ray._internal.http.exchange.watch import CURRENT_WATCH, Watch
from reqflo_ray._internal.model.http.exchange import FailureKind, TransportRequest, TransportResponse
from reqflo_ray._internal.model.http.headers import header_bytes, header_text
from reqflo_ray._internal.model.plan import HttpSettings

# A placeholder for httpx, whose URL class normalizes paths and refuses hosts like `10-0-0-1`. The transport reads the
# extension `url` instead.
_NOWHERE: Final = httpx.URL("http://elsewhere.invalid/")

# Their debug lines contain headers: credentials of requests, tokens of answers.
_TALKATIVE: Final = ("httpx", "httpcore", "hpack")


class HttpxEngine:
    """`limit` is the largest number of connections; further requests wait."""

    def __init__(self, settings: HttpSettings, *, limit: int, proxy: Proxy | None = None) -> None:
        for library in _TALKATIVE:
            logging.getLogger(library).setLevel(logging.WARNING)
        self._guard = AddressGuard(allow_link_local=settings.allow_link_local)
        self._proxy = proxy
        self._max_body_bytes = settings.max_body_bytes
        self._transport = PoolTransport(settings, self._guard, proxy, limit=limit)
        self._client = httpx.AsyncClient(
            transport=self._transport,
            follow_redirects=False,
            trust_env=False,
            cookies=_NoCookies(),
        )

    async def exchange(self, outgoing: Outgoing, request: TransportRequest, watch: Watch) -> TransportResponse:
        """See `Engine.exchange`."""
        if self._client.is_closed:
            raise RuntimeError("the transport is closed")
        target = outgoing.target
        proxy = self._proxy if self._proxy is not None and self._proxy.serves(target.host, target.port) else None
        token = CURRENT_WATCH.set(watch)
        watch.acquire = perf_counter()
        try:
            if proxy is not None:
                await self._guard.check_behind_proxy(target.host, target.port)
            response = await self._client.send(_library_request(outgoing, request), stream=True)
            try:
                answer = await self._read(response, outgoing, watch)
            finally:
                await response.aclose()
            if proxy is not None and not proxy.is_socks and target.scheme == "http":
                proxy.check_forwarded(target.place, answer)
            return answer
        except ExchangeError:
            raise
        except Exception as error:
            raise _failure(error, target, request, watch, proxy) from None
        finally:
            CURRENT_WATCH.reset(token)

    def close_idle(self) -> None:
        """See `Engine.close_idle`."""
        self._transport.close_idle()

    async def close(self) -> None:
        """See `Engine.close`."""
        await self._client.aclose()

    async def _read(self, response: httpx.Response, outgoing: Outgoing, watch: Watch) -> TransportResponse:
        place = outgoing.target.place
        watch.head = perf_counter()
        watch.status = response.status_code
        pairs = response.headers.raw
        watch.headers = headers = tuple([(name.decode("latin-1"), header_text(value)) for name, value in pairs])
        check_head(response.status_code, headers, place)
        try:
            reader = BodyReader(tuple(v for n, v in headers if n.lower() == "content-encoding"), self._max_body_bytes)
            async for chunk in response.aiter_raw():
                watch.body_bytes += len(chunk)
                reader.feed(chunk)
                await reader.decode_all()
            body = reader.finish()
        except BodyTooLargeError:
            limit = self._max_body_bytes
            raise ExchangeError(FailureKind.TOO_LARGE, f"the body of {place} is larger than {limit} bytes") from None
        except CorruptBodyError:
            raise protocol_failure(place, "has a body that does not match its Content-Encoding") from None
        watch.ended = perf_counter()
        extensions = response.extensions
        return TransportResponse(
            status=response.status_code,
            reason=header_text(bytes(extensions.get("reason_phrase", b""))),
            headers=headers,
            body=body,
            wire_size=reader.wire_size,
            http_version=response.http_version.removeprefix("HTTP/"),
            peer=watch.peer or peer_of(extensions["network_stream"]),
        )


class _NoCookies(CookieJar):
    """Keeps no cookies: the row's own jar decides which ones are sent."""

    def extract_cookies(self, response: Any, request: Any) -> None:
        """Ignore the cookies of a response."""


def _library_request(outgoing: Outgoing, request: TransportRequest) -> httpx.Request:
    target = outgoing.target
    url = httpcore.URL(
        scheme=target.scheme.encode("ascii"),
        host=target.host.encode("ascii"),
        port=target.port,
        target=target.path.encode("ascii"),
    )
    # With a stream, unlike with content, httpx adds no headers.
    made = httpx.Request(
        outgoing.method,
        _NOWHERE,
        headers=[(name.encode("ascii"), header_bytes(value)) for name, value in outgoing.headers],
        stream=httpx.ByteStream(outgoing.body or b""),
        extensions={
            "url": url,
            "timeout": {"connect": request.connect_ms / 1000, "read": request.read_ms / 1000},
        },
    )
    made.method = outgoing.method  # not in upper case
    return made


def _failure(
    error: Exception, target: Target, request: TransportRequest, watch: Watch, proxy: Proxy | None
) -> ExchangeError:
    # The names, in messages, of the other end of the connection, of TLS, and of the request.
    place = other = secured = target.place
    if proxy is not None:
        other = proxy_for(place)
        if target.scheme == "http":
            secured, place = other, behind_proxy(place)
    if isinstance(error, httpcore.ConnectTimeout):
        kind = watch.connect_timeout_kind()
        named = secured if watch.tunnel_start else other
        return ExchangeError(kind, f"no connection to {named} within {request.connect_ms} ms; {watch.phase()}")
    if isinstance(error, httpcore.ReadTimeout):
        return ExchangeError(
            FailureKind.READ_TIMEOUT, f"{place} sent nothing for {request.read_ms} ms; {watch.phase()}"
        )
    if isinstance(error, httpcore.ProxyError):
        watch.writing = False
        return proxy_failure(target.place, "did not connect")
    if _was_not_taken(error):
        watch.writing = False
        return closed_failure(place)
    tls = tls_error(error)
    if tls is not None:
        return tls_failure(tls, secured)
    if isinstance(error, httpcore.ConnectError):
        if watch.tls_start:
            return tls_failure(None, secured)
        return connect_failure(error, other)
    if watch.head:
        return _body_failure(error, place, watch)
    text = str(error)
    event = error.args[0] if error.args else None
    if isinstance(event, StreamReset):
        watch.received = 1  # it counts as an answer: nothing is sent again
        return ExchangeError(FailureKind.CLOSED, f"{place} reset the request (HTTP/2 error {event.error_code})")
    if isinstance(event, ConnectionTerminated) or text.startswith("Server disconnected"):
        return closed_failure(place, watch.beginning)
    if isinstance(error, httpcore.RemoteProtocolError):
        if "too large" in text or "too long" in text:
            return head_too_large(place)
        return protocol_failure(place, *refusal_of_head(watch.beginning, _reason(text)))
    if isinstance(error, (httpcore.NetworkError, OSError)):
        return closed_failure(place, watch.beginning)
    return protocol_failure(place, "could not be read")


def _was_not_taken(error: Exception) -> bool:
    """Return whether the server reports that it has not processed the request (RFC 9113, 6.8 and 8.7)."""
    event = error.args[0] if error.args else None
    is_refused = isinstance(event, StreamReset) and event.error_code is ErrorCodes.REFUSED_STREAM
    return is_refused or isinstance(error, httpcore.ConnectionNotAvailable)


def _reason(text: str) -> str:
    # The rest are bytes of the answer, which only `shown` may contain.
    return text.partition(":")[0]


def _body_failure(error: Exception, place: str, watch: Watch) -> ExchangeError:
    # h11 has one class for both; only the text shows that the body was cut.
    cut = "peer closed connection" in str(error) or "incomplete" in str(error)
    if cut or isinstance(error, (httpcore.NetworkError, OSError)):
        return short_body_failure(place, watch.body_bytes, watch.headers)
    return protocol_failure(place, *refusal_of_chunk(watch.beginning, _reason(str(error))))
