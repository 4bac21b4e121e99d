"""The second engine: single hops over httpx's connection layer (httpcore), for HTTP/2 and SOCKS proxies.

httpx's own client is left out: it normalises URLs, and all that it does on top (redirects, cookies, decoding) is done
here for both engines. Known deviations from the aiohttp engine: HTTP/2 is used when the server offers it over TLS (then
header names are lower case and there is no reason phrase; a connection carries one request at a time all the same);
equal repeated Content-Length headers are taken as one. A request costs about three
times as much.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from time import perf_counter
from typing import TYPE_CHECKING, Any

import httpcore

from reqflo_ray.http.decoding import BodyReader, BodyTooLargeError, CorruptBodyError
from reqflo_ray.http.failures import (
    ExchangeError,
    closed_failure,
    connect_failure,
    protocol_failure,
    short_body_failure,
    tls_error,
    tls_failure,
)
from reqflo_ray.http.guard import AddressGuard
from reqflo_ray.http.httpx_pool import ConnectionPool
from reqflo_ray.http.limits import MAX_HEAD_BYTES, MAX_HEADER_LINES, check_head
from reqflo_ray.http.outgoing import Outgoing
from reqflo_ray.http.tls import create_context
from reqflo_ray.http.watch import CURRENT_WATCH, Watch
from reqflo_ray.model.exchange import FailureKind, TransportRequest, TransportResponse
from reqflo_ray.model.plan import HttpSettings

if TYPE_CHECKING:
    import ssl

_KEEPALIVE_SECONDS = 15.0


class HttpxEngine:
    """`limit` is the largest number of connections; requests beyond it wait."""

    def __init__(self, settings: HttpSettings, *, limit: int) -> None:
        guard = AddressGuard(allow_link_local=settings.allow_link_local)
        context = create_context(settings)
        self._guard = guard
        self._behind_proxy = bool(settings.proxy)
        self._max_body_bytes = settings.max_body_bytes
        # It only makes connections, of the kind that the proxy needs; see the pool's own module.
        maker = httpcore.AsyncConnectionPool(
            ssl_context=context,
            proxy=_proxy(settings, context),
            keepalive_expiry=_KEEPALIVE_SECONDS,
            http1=True,
            http2=True,
            network_backend=_Backend(guard, http1=not settings.proxy.lower().startswith("socks")),
        )
        self._pool = ConnectionPool(maker.create_connection, limit)
        self._closed = False

    async def exchange(self, outgoing: Outgoing, request: TransportRequest, watch: Watch) -> TransportResponse:
        """See `Engine.exchange`."""
        if self._closed:
            raise RuntimeError("the transport is closed")
        token = CURRENT_WATCH.set(watch)
        watch.acquire = perf_counter()
        try:
            if self._behind_proxy:
                await self._guard.check_behind_proxy(outgoing.target.host, outgoing.target.port)
            library_request = _library_request(outgoing, request)
            origin = library_request.url.origin
            connection, watch.reused = await self._pool.acquire(origin, fresh=watch.fresh)
            try:
                response = await connection.handle_async_request(library_request)
                try:
                    return await self._read(response, outgoing, watch)
                finally:
                    await response.aclose()
            finally:
                self._pool.release(origin, connection)
        except ExchangeError:
            raise
        except Exception as error:
            raise _failure(error, outgoing, request, watch, behind_proxy=self._behind_proxy) from None
        finally:
            CURRENT_WATCH.reset(token)

    async def close(self) -> None:
        """See `Engine.close`."""
        self._closed = True
        await self._pool.close()

    async def _read(self, response: httpcore.Response, outgoing: Outgoing, watch: Watch) -> TransportResponse:
        place = outgoing.target.place
        watch.head = perf_counter()
        watch.status = response.status
        watch.headers = headers = tuple([(n.decode("latin-1"), v.decode("latin-1")) for n, v in response.headers])
        check_head(response.status, headers, place)
        try:
            reader = BodyReader(tuple(v for n, v in headers if n.lower() == "content-encoding"), self._max_body_bytes)
            async for chunk in response.aiter_stream():
                reader.feed(chunk)
            body = reader.finish()
        except BodyTooLargeError:
            limit = self._max_body_bytes
            raise ExchangeError(FailureKind.TOO_LARGE, f"the body of {place} is larger than {limit} bytes") from None
        except CorruptBodyError:
            raise protocol_failure(place, "has a body that its Content-Encoding does not fit") from None
        watch.ended = perf_counter()
        extensions = response.extensions
        version = bytes(extensions.get("http_version", b"HTTP/1.1")).decode("ascii").removeprefix("HTTP/")
        return TransportResponse(
            status=response.status,
            reason=bytes(extensions.get("reason_phrase", b"")).decode("latin-1"),
            headers=headers,
            body=body,
            wire_size=reader.wire_size,
            http_version=version,
            peer=watch.peer or _peer(extensions["network_stream"]),
        )


def _library_request(outgoing: Outgoing, request: TransportRequest) -> httpcore.Request:
    target = outgoing.target
    return httpcore.Request(
        outgoing.method.encode("ascii"),
        httpcore.URL(
            scheme=target.scheme.encode("ascii"),
            host=target.host.encode("ascii"),
            port=target.port,
            target=target.path.encode("ascii"),
        ),
        headers=[(name.encode("ascii"), value.encode()) for name, value in outgoing.headers],
        content=outgoing.body,
        extensions={"timeout": {"connect": request.connect_ms / 1000, "read": request.read_ms / 1000}},
    )


def _proxy(settings: HttpSettings, context: ssl.SSLContext) -> httpcore.Proxy | None:
    if not settings.proxy:
        return None
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(settings.proxy)
    user = (unquote(parts.username or ""), unquote(parts.password or "")) if parts.username else None
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 1080)
    return httpcore.Proxy(
        f"{parts.scheme}://{host}:{port}", auth=user, ssl_context=context if parts.scheme == "https" else None
    )


class _Stream(httpcore.AsyncNetworkStream):
    """A connection; notes on the watch of the exchange that uses it what went out and came in."""

    def __init__(self, stream: httpcore.AsyncNetworkStream, *, http1: bool) -> None:
        self._stream = stream
        # Over HTTP/2 whoever reads does it for all streams, and SOCKS has its own handshake.
        self._http1 = http1

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = await self._stream.read(max_bytes, timeout)
        watch = CURRENT_WATCH.get()
        # h11 waits for a whole head before it looks, and takes anything that ends early for a closed connection.
        if self._http1 and not watch.received and not b"HTTP/".startswith(data[:5]):
            raise httpcore.RemoteProtocolError("not HTTP")
        watch.received += len(data)
        if self._http1 and not watch.head and watch.received > MAX_HEAD_BYTES + max_bytes:
            raise httpcore.RemoteProtocolError("the response head is too large")
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        watch = CURRENT_WATCH.get()
        if not watch.writing:
            watch.connected = perf_counter()
            watch.writing = True
        await self._stream.write(buffer, timeout)
        watch.sent = perf_counter()

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        watch = CURRENT_WATCH.get()
        watch.tls_start = perf_counter()
        left = max(0.001, watch.connect_seconds - (watch.tls_start - watch.connecting))
        try:
            stream = await self._stream.start_tls(ssl_context, server_hostname, left)
        except BaseException:
            # httpcore closes the socket after an error, but not after a cancellation.
            with suppress(Exception):
                await self._stream.aclose()
            raise
        watch.tls_end = perf_counter()
        # What went over the connection so far was for a proxy.
        watch.writing, watch.received = False, 0
        chosen = stream.get_extra_info("ssl_object").selected_alpn_protocol()
        return _Stream(stream, http1=chosen != "h2")

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Backend(httpcore.AsyncNetworkBackend):
    """Connects to the first permitted address that answers."""

    def __init__(self, guard: AddressGuard, *, http1: bool) -> None:
        self._guard = guard
        self._http1 = http1
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        watch = CURRENT_WATCH.get()
        watch.connecting = perf_counter()
        try:
            async with asyncio.timeout(watch.connect_seconds):
                return await self._connect(host, port, watch)
        except TimeoutError:
            raise httpcore.ConnectTimeout from None

    async def _connect(self, host: str, port: int, watch: Watch) -> httpcore.AsyncNetworkStream:
        failure: httpcore.ConnectError | None = None
        for _, address in await self._guard.resolve(host, port):
            try:
                stream = await self._backend.connect_tcp(address, port)
            except httpcore.ConnectError as error:
                failure = error
            else:
                watch.peer = _peer(stream)
                return _Stream(stream, http1=self._http1)
        assert failure is not None
        raise failure

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def _peer(stream: Any) -> str:
    address = stream.get_extra_info("server_addr")
    if not isinstance(address, tuple):
        return ""
    return f"[{address[0]}]:{address[1]}" if ":" in str(address[0]) else f"{address[0]}:{address[1]}"


def _failure(
    error: Exception, outgoing: Outgoing, request: TransportRequest, watch: Watch, *, behind_proxy: bool
) -> ExchangeError:
    place = outgoing.target.place
    if isinstance(error, httpcore.ConnectTimeout):
        kind = watch.connect_timeout_kind()
        return ExchangeError(kind, f"no connection to {place} within {request.connect_ms} ms; {watch.phase()}")
    if isinstance(error, httpcore.ReadTimeout):
        return ExchangeError(
            FailureKind.READ_TIMEOUT, f"{place} sent nothing for {request.read_ms} ms; {watch.phase()}"
        )
    if isinstance(error, httpcore.ProxyError):
        watch.writing = False
        return ExchangeError(FailureKind.UNREACHABLE, f"the proxy could not be used to reach {place}")
    tls = tls_error(error)
    if tls is not None:
        return tls_failure(tls, place)
    if isinstance(error, httpcore.ConnectError):
        if watch.tls_start:
            return tls_failure(None, place)
        return connect_failure(error, f"the proxy for {place}" if behind_proxy else place)
    if watch.head:
        return _body_failure(error, place)
    text = str(error)
    if isinstance(error, httpcore.RemoteProtocolError) and "without sending a response" not in text:
        if "too large" in text or "too long" in text:
            return protocol_failure(
                place, f"has a head of more than {MAX_HEAD_BYTES} bytes or {MAX_HEADER_LINES} lines"
            )
        return protocol_failure(place, "is not valid HTTP")
    if isinstance(
        error, (httpcore.NetworkError, httpcore.RemoteProtocolError, httpcore.ConnectionNotAvailable, OSError)
    ):
        return closed_failure(place)
    return protocol_failure(place, "could not be read")


def _body_failure(error: Exception, place: str) -> ExchangeError:
    # h11 has one class for both; a cut body is the only one whose text says so.
    cut = "peer closed connection" in str(error) or "incomplete" in str(error)
    if cut or isinstance(error, (httpcore.NetworkError, OSError)):
        return short_body_failure(place)
    return protocol_failure(place, "has a body that breaks the rules of its transfer coding")
