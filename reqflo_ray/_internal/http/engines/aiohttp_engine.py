"""The default engine: single hops over aiohttp. The only module that knows aiohttp.

The session API is used as documented. Three things it does not tell or do are taken from subclasses of its connector,
request and protocol: phase times and whether a byte of the answer came; headers exactly as given; a bound on the whole
response head. Known deviation: a URL that ends in a bare `?` is sent without it.
"""

from __future__ import annotations

import asyncio
import functools
import io
import re
import socket
from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, cast

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import ContentLengthError, HttpProcessingError, TransferEncodingError
from multidict import CIMultiDict
from yarl import URL

from reqflo_ray._internal.http.addresses.guard import AddressGuard
from reqflo_ray._internal.http.addresses.tls import create_context
from reqflo_ray._internal.http.engines.outgoing import Outgoing
from reqflo_ray._internal.http.exchange.decoding import BodyReader, BodyTooLargeError, CorruptBodyError
from reqflo_ray._internal.http.exchange.failures import (
    ExchangeError,
    blocked_failure,
    causes,
    closed_failure,
    connect_failure,
    protocol_failure,
    short_body_failure,
    tls_error,
    tls_failure,
)
from reqflo_ray._internal.http.exchange.limits import MAX_HEAD_BYTES, MAX_HEADER_LINES, check_head
from reqflo_ray._internal.http.exchange.watch import CURRENT_WATCH, Watch
from reqflo_ray._internal.model.exchange import FailureKind, TransportRequest, TransportResponse
from reqflo_ray._internal.model.plan import HttpSettings

if TYPE_CHECKING:
    from aiohttp.client import ClientTimeout
    from aiohttp.client_reqrep import ConnectionKey
    from aiohttp.connector import AddrInfoType, Connection
    from aiohttp.tracing import Trace

# aiohttp writes headers and a body up to this size in one go, so such a request was sent wholly or not at all.
_ONE_WRITE: Final = 64 * 1024
# aiohttp warns of bytes that are larger.
_LARGE_BODY: Final = 2**20
_CONTINUE_SECONDS: Final = 1.0


class AiohttpEngine:
    """`limit` is the largest number of connections; requests beyond it wait. The session is made by the first request,
    in its event loop."""

    def __init__(self, settings: HttpSettings, *, limit: int) -> None:
        self._context = create_context(settings)
        self._guard = AddressGuard(allow_link_local=settings.allow_link_local)
        self._proxy = URL(settings.proxy) if settings.proxy else None
        self._max_body_bytes = settings.max_body_bytes
        self._limit = limit
        self._session: aiohttp.ClientSession | None = None
        self._closed = False
        self._timeout = functools.lru_cache(maxsize=256)(_client_timeout)

    async def exchange(self, outgoing: Outgoing, request: TransportRequest, watch: Watch) -> TransportResponse:
        """See `Engine.exchange`."""
        session = self._session or self._open()
        body = outgoing.body
        token = CURRENT_WATCH.set(watch)
        try:
            if self._proxy is not None:
                await self._guard.check_behind_proxy(outgoing.target.host, outgoing.target.port)
            response = await session.request(
                outgoing.method,
                URL(outgoing.target.url, encoded=True),
                data=body if body is None or len(body) <= _LARGE_BODY else io.BytesIO(body),
                allow_redirects=False,
                timeout=self._timeout(request.read_ms),
                proxy=self._proxy,
            )
            try:
                return await self._read(response, outgoing, watch)
            except BaseException:
                response.close()
                raise
        except ExchangeError:
            raise
        except Exception as error:
            raise _failure(error, outgoing, request, watch, behind_proxy=self._proxy is not None) from None
        finally:
            CURRENT_WATCH.reset(token)

    def close_idle(self) -> None:
        """Leave that to the library."""

    async def close(self) -> None:
        """See `Engine.close`."""
        self._closed = True
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._closed:
            raise RuntimeError("the transport is closed")
        session = aiohttp.ClientSession(
            connector=_Connector(self._guard, self._limit, self._context),
            request_class=_Request,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            max_line_size=MAX_HEAD_BYTES,
            max_field_size=MAX_HEAD_BYTES,
            max_headers=MAX_HEADER_LINES,
        )
        # There is no public switch: without this, aiohttp sends idempotent methods again on its own, unseen.
        session._retry_connection = False
        self._session = session
        return session

    async def _read(self, response: aiohttp.ClientResponse, outgoing: Outgoing, watch: Watch) -> TransportResponse:
        place = outgoing.target.place
        watch.status = response.status
        watch.headers = headers = tuple(
            [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.raw_headers]
        )
        check_head(response.status, headers, place)
        content = response.content
        encodings = tuple(response.headers.getall("Content-Encoding", ()))
        try:
            reader = BodyReader(encodings, self._max_body_bytes)
            while not content.at_eof() and (chunk := await content.readany()):
                reader.feed(chunk)
                await reader.decode_all()
            if watch.broken:
                raise short_body_failure(place)
            body = reader.finish()
        except BodyTooLargeError:
            limit = self._max_body_bytes
            raise ExchangeError(FailureKind.TOO_LARGE, f"the body of {place} is larger than {limit} bytes") from None
        except CorruptBodyError:
            raise protocol_failure(place, "has a body that its Content-Encoding does not fit") from None
        watch.ended = perf_counter()
        version = response.version
        return TransportResponse(
            status=response.status,
            reason=_reason(response.reason or ""),
            headers=headers,
            body=body,
            wire_size=reader.wire_size,
            http_version="1.1" if version is None else f"{version.major}.{version.minor}",
            peer=watch.peer,
        )


class _Request(aiohttp.ClientRequest):
    """Sends the headers of the hop and adds none."""

    def update_headers(self, headers: Any) -> None:
        self.headers = CIMultiDict(CURRENT_WATCH.get().request_headers)

    def update_auto_headers(self, skip_auto_headers: Any) -> None:
        self._skip_auto_headers = CIMultiDict({"Content-Type": None})


class _Handler(ResponseHandler):
    """One connection; notes on the watch of the exchange that uses it what went out and came in."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.watch = Watch((), 0.0)
        self.peer = ""
        self.answers_head = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        address = transport.get_extra_info("peername")
        if isinstance(address, tuple):
            self.peer = f"[{address[0]}]:{address[1]}" if ":" in address[0] else f"{address[0]}:{address[1]}"

    def connection_lost(self, exc: BaseException | None) -> None:
        # A body without a length ends with the connection; only a clean end is one.
        if exc is not None and self._payload is not None and not self._payload.is_eof():
            self.watch.broken = True
        super().connection_lost(exc)

    def start_timeout(self) -> None:
        # Called by aiohttp when the whole request is written.
        self.watch.writing = True
        self.watch.sent = perf_counter()
        super().start_timeout()

    def data_received(self, data: bytes) -> None:
        watch = self.watch
        watch.received += len(data)
        super().data_received(data)
        if not watch.head and watch.received > MAX_HEAD_BYTES and self.transport is not None:
            self.transport.abort()
            self.set_exception(HttpProcessingError(message="the response head is too large"))

    def feed_data(self, data: Any, size: int = 0) -> None:
        if data[0].code >= 200 or data[0].code == 101:
            self.watch.head = perf_counter()
        super().feed_data(data, size)


class _Connector(aiohttp.TCPConnector):
    def __init__(self, guard: AddressGuard, limit: int, context: Any) -> None:
        super().__init__(limit=limit, ssl=context, resolver=_Resolver(guard), socket_factory=_socket_factory(guard))
        self._factory = cast("functools.partial[ResponseHandler]", functools.partial(_Handler, loop=self._loop))

    async def connect(self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: ClientTimeout) -> Connection:
        watch = CURRENT_WATCH.get()
        watch.acquire = perf_counter()
        connection = await super().connect(req, traces, timeout)
        watch.connected = perf_counter()
        handler = connection.protocol
        assert isinstance(handler, _Handler)
        handler.watch = watch
        handler.answers_head = req.method == "HEAD"
        watch.peer = handler.peer
        if req._body is not None:
            watch.writing = (req._body.size or 0) > _ONE_WRITE
        if req._continue is not None:
            # RFC 9110: a client does not wait for 100 (Continue) for ever.
            watch.writing = True
            self._loop.call_later(_CONTINUE_SECONDS, _release, req._continue)
        return connection

    async def _get(self, key: ConnectionKey, traces: list[Trace]) -> Connection | None:
        watch = CURRENT_WATCH.get()
        if watch.fresh:
            return None
        # A server that said something on an idle connection would be taken to answer the next request with it.
        while (connection := await super()._get(key, traces)) is not None:
            protocol = connection.protocol
            if protocol is not None and not protocol.should_close:
                watch.reused = True
                return connection
            connection.close()
        return None

    def _release(self, key: ConnectionKey, protocol: ResponseHandler, *, should_close: bool = False) -> None:
        # What follows the answer to HEAD, if anything does, would be taken for the next answer.
        assert isinstance(protocol, _Handler)
        super()._release(key, protocol, should_close=should_close or protocol.answers_head)

    async def _create_connection(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: ClientTimeout
    ) -> ResponseHandler:
        watch = CURRENT_WATCH.get()
        watch.connecting = perf_counter()
        # One bound over name resolution, all addresses and the handshake.
        async with asyncio.timeout(watch.connect_seconds):
            return await super()._create_connection(req, traces, timeout)


class _Resolver(AbstractResolver):
    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=address, port=port, family=kind, proto=0, flags=0)
            for kind, address in await self._guard.resolve(host, port)
        ]

    async def close(self) -> None:
        pass


def _socket_factory(guard: AddressGuard) -> Callable[[AddrInfoType], socket.socket]:
    def create(info: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, address = info
        if not guard.permits(str(address[0])):
            CURRENT_WATCH.get().blocked_address = True
            raise OSError("blocked")
        created = socket.socket(family=family, type=kind, proto=protocol)
        created.setblocking(False)
        return created

    return create


def _client_timeout(read_ms: int) -> ClientTimeout:
    # The total is ours (over all hops), and so is the time to connect (over all addresses).
    return aiohttp.ClientTimeout(total=None, sock_read=read_ms / 1000)


def _release(waiter: asyncio.Future[bool]) -> None:
    if not waiter.done():
        waiter.set_result(True)


def _reason(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("latin-1")


def _failure(
    error: Exception, outgoing: Outgoing, request: TransportRequest, watch: Watch, *, behind_proxy: bool
) -> ExchangeError:
    place = outgoing.target.place
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        kind = watch.connect_timeout_kind()
        return ExchangeError(kind, f"no connection to {place} within {request.connect_ms} ms; {watch.phase()}")
    if isinstance(error, aiohttp.SocketTimeoutError):
        return ExchangeError(
            FailureKind.READ_TIMEOUT, f"{place} sent nothing for {request.read_ms} ms; {watch.phase()}"
        )
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return ExchangeError(FailureKind.UNREACHABLE, f"the proxy answered {error.status} when asked for {place}")
    if watch.blocked_address:
        return blocked_failure(outgoing.target.host)
    tls = tls_error(error)
    if tls is not None:
        return tls_failure(tls, place)
    if isinstance(error, aiohttp.ClientConnectorError):
        if watch.tls_start and not isinstance(error, aiohttp.ClientProxyConnectionError):
            return tls_failure(None, place)
        return connect_failure(error, f"the proxy for {place}" if behind_proxy else place)
    if watch.head:
        return _body_failure(error, place)
    if isinstance(error, aiohttp.ClientResponseError):
        return protocol_failure(place, _protocol_fault(error))
    if isinstance(error, (aiohttp.ServerDisconnectedError, OSError, aiohttp.ClientConnectionError)):
        return closed_failure(place)
    return protocol_failure(place, "could not be read")


def _body_failure(error: Exception, place: str) -> ExchangeError:
    cut = any(isinstance(cause, (ContentLengthError, TransferEncodingError)) for cause in causes(error))
    text = str(error)
    # aiohttp uses one class for a chunked body that is cut and one that is malformed.
    if (cut and "Not enough data" in text) or isinstance(error, (aiohttp.ClientConnectionError, OSError)):
        return short_body_failure(place)
    return protocol_failure(place, "has a body that breaks the rules of its transfer coding")


def _protocol_fault(error: aiohttp.ClientResponseError) -> str:
    text = error.message
    if re.search(r"too large|too many headers|more than", text, re.IGNORECASE):
        return f"has a head of more than {MAX_HEAD_BYTES} bytes or {MAX_HEADER_LINES} lines"
    return "is not valid HTTP"
