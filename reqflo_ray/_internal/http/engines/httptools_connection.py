"""One connection of the default engine: writes a request, reads its answer, and decides whether another may follow.

httptools (the strict parser of Node) reads HTTP/1.1 messages. This module must not know other connections.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from time import perf_counter
from typing import Final, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from reqflo_ray._internal.http.engines.outgoing import Outgoing, expects_continue, wire_head
from reqflo_ray._internal.http.engines.proxy import Proxy, behind_proxy
from reqflo_ray._internal.http.exchange.decoding import BodyReader, BodyTooLargeError, CorruptBodyError
from reqflo_ray._internal.http.exchange.failures import (
    ExchangeError,
    closed_failure,
    protocol_failure,
    short_body_failure,
    tls_error,
    tls_failure,
)
from reqflo_ray._internal.http.exchange.framing import ends_in_more_lines, ends_with_connection
from reqflo_ray._internal.http.exchange.limits import MAX_HEAD_BYTES, check_head, head_too_large
from reqflo_ray._internal.http.exchange.refusals import (
    may_have_folds,
    refusal_of_chunk,
    refusal_of_head,
    unfolded,
)
from reqflo_ray._internal.http.exchange.watch import Watch
from reqflo_ray._internal.model.http.exchange import FailureKind, TransportResponse
from reqflo_ray._internal.model.http.headers import header_text

# A larger body is not copied to be sent in one piece with the head.
_ONE_WRITE: Final = 64 * 1024
# Larger pieces are not copied only to explain a refusal.
_SHORT: Final = 4096
_CONTINUE_SECONDS: Final = 1.0
_LINE_END: Final = b"\r\n"

# The first bytes of other protocols that llhttp reads: RTSP and ICE.
_OTHER_PROTOCOLS: Final = b"RI"

# The handling of folded lines in a head, which the parser refuses.
_NO_FOLD: Final = 0
_FOLDED: Final = 1  # until the head is whole
_UNFOLDED: Final = 2

# What is being read. One exchange is from IDLE to IDLE.
_IDLE: Final = 0
_HEAD: Final = 1
_BODY: Final = 2
_DECODING: Final = 3  # all of the body has arrived
_DONE: Final = 4


class Connection(asyncio.Protocol):
    """A protocol for `loop.create_connection`. `lost` is called once, when the connection has ended. `proxy` is at the
    other end, and forwards what it receives.

    httptools calls the callbacks `on_…`; they never raise, because httptools would replace their errors.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        max_body_bytes: int,
        lost: Callable[[Connection], None],
        proxy: Proxy | None = None,
    ) -> None:
        self._loop = loop
        self._proxy = proxy
        self._max_body_bytes = max_body_bytes
        self._lost = lost
        self._state = _IDLE
        self._parser = HttpResponseParser(self)
        self._usable = True
        self._paused = False
        # One timer serves many exchanges: most end long before it, and a new timer costs more than a later end.
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ends = 0.0
        self.peer = ""
        self.idle_until = 0.0

    @property
    def usable(self) -> bool:
        """Whether another exchange may use this connection."""
        return self._usable and self._state == _IDLE and not self._paused and not self._transport.is_closing()

    def close(self) -> None:
        """Close the connection; an exchange in progress fails."""
        self._usable = False
        self._transport.abort()

    async def exchange(self, outgoing: Outgoing, read_seconds: float, watch: Watch) -> TransportResponse:
        """Send one hop and read its whole answer. Raises `ExchangeError`. A connection that was left in the middle
        of an exchange is closed."""
        self._begin(outgoing, read_seconds, watch)
        try:
            await self._answered
        except BaseException:
            self.close()
            raise
        finally:
            self._end()
        return self._response

    def _begin(self, outgoing: Outgoing, read_seconds: float, watch: Watch) -> None:
        place, proxy = outgoing.target.place, self._proxy
        self._place = place if proxy is None else behind_proxy(place)
        self._bodiless = outgoing.method == "HEAD"
        self._watch = watch
        self._read_seconds = read_seconds
        self._answered: asyncio.Future[None] = self._loop.create_future()
        self._later: asyncio.TimerHandle | None = None
        self._status = 0
        self._reason = b""
        self._headers: list[tuple[str, str]] = []
        self._head_end = 0
        self._folding = _NO_FOLD
        self._decoding = False
        self._last_piece = b""
        self._state = _HEAD
        watch.peer = self.peer
        head, body = wire_head(outgoing) if proxy is None else proxy.wire_head(outgoing), outgoing.body
        self._held = b""
        # The end, or unrequested bytes, may have arrived and wait for the loop's next turn.
        if watch.reused and self._arrived.poll(0):
            self._fail(closed_failure(self._place))
            return
        watch.writing = True
        if body is None:
            self._transport.write(head)
        elif b"100-continue" in head.lower() and expects_continue(outgoing):
            # RFC 9110, 10.1.1: a client does not wait forever for 100 (Continue).
            self._held = body
            self._later = self._loop.call_later(_CONTINUE_SECONDS, self._send_held)
            self._transport.write(head)
        elif len(body) <= _ONE_WRITE:
            self._transport.write(head + body)
        else:
            self._transport.writelines((head, body))
        # Both kinds of event loop try to send immediately. If that fails, nothing has been sent.
        if watch.reused and self._transport.is_closing():
            watch.writing = False
        elif not self._paused:
            self._written()

    def _end(self) -> None:
        if self._later is not None:
            self._later.cancel()
        if self._held:
            self.close()  # the server waits for a body that will not be sent
        if self._bodiless:
            self._parser = HttpResponseParser(self)  # the old one still waits for a body
        self._state = _IDLE

    def _send_held(self) -> None:
        body, self._held = self._held, b""
        if body and not self._transport.is_closing():
            self._transport.write(body)

    def _written(self) -> None:
        self._watch.sent = self._heard = perf_counter()
        if self._timer is None or self._timer_ends > self._heard + self._read_seconds:
            self._set_timer(self._read_seconds)

    def _set_timer(self, seconds: float) -> None:
        self._cancel_timer()
        self._timer_ends = perf_counter() + seconds
        self._timer = self._loop.call_later(seconds, self._check_silence)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check_silence(self) -> None:
        self._timer = None
        if self._state not in (_HEAD, _BODY) or not self._watch.sent:
            return  # no answer is awaited
        left = self._read_seconds - (perf_counter() - self._heard)
        if left > 0.001:
            self._set_timer(left)
            return
        text = f"{self._place} sent nothing for {round(self._read_seconds * 1000)} ms; {self._watch.phase()}"
        self._fail(ExchangeError(FailureKind.READ_TIMEOUT, text))

    def _fail(self, error: ExchangeError) -> None:
        self._usable = False
        if self._state in (_HEAD, _BODY, _DECODING):
            self._state = _DONE
            if not self._answered.done():
                self._answered.set_exception(error)
        self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.BaseProtocol`."""
        self._transport = cast("asyncio.Transport", transport)
        # With this limit, `pause_writing` reports unsent bytes. It is not 0, because over TLS asyncio would then report
        # an empty buffer too, every other time.
        self._transport.set_write_buffer_limits(1)
        self._arrived = select.poll()
        self._arrived.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
        address = transport.get_extra_info("peername")
        if isinstance(address, tuple):
            self.peer = f"[{address[0]}]:{address[1]}" if ":" in address[0] else f"{address[0]}:{address[1]}"

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.BaseProtocol`."""
        self._usable = False
        self._cancel_timer()
        if self._state == _BODY:
            # A body without a length ends with the connection, but only if that ends cleanly.
            if exc is None and ends_with_connection(self._watch.headers):
                self.on_message_complete()
            else:
                self._fail(short_body_failure(self._place, self._reader.wire_size, self._watch.headers))
        elif self._state == _HEAD:
            tls = None if exc is None else tls_error(exc)
            failure = tls_failure(tls, self._place) if tls else closed_failure(self._place, self._watch.beginning)
            self._fail(failure)
        self._lost(self)

    def pause_writing(self) -> None:
        """See `asyncio.BaseProtocol`."""
        self._paused = True

    def resume_writing(self) -> None:
        """See `asyncio.BaseProtocol`."""
        self._paused = False
        if self._state in (_HEAD, _BODY) and not self._watch.sent:
            self._written()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if self._state not in (_HEAD, _BODY):
            # Unrequested bytes would be taken for the answer to the next request.
            self.close()
            return
        watch = self._watch
        self._heard = perf_counter()
        if not watch.received:
            watch.beginning = data
        elif self._state == _HEAD or (len(data) <= _SHORT and not self._reader.wire_size):
            watch.beginning += data
        watch.received += len(data)
        try:
            if watch.beginning[0] in _OTHER_PROTOCOLS:
                self._refuse("another protocol")
            elif self._folding == _FOLDED:
                self._unfold()
            else:
                self._parser.feed_data(data)
        except HttpParserUpgrade:
            pass  # refused with its head
        except HttpParserError as error:
            self._not_http(error)
        if (
            self._state in (_DONE, _DECODING)
            and data[-1] in _LINE_END
            and ends_in_more_lines(data, self._last_piece, watch.headers)
        ):
            self._usable = False
        # Bytes of neither head nor body: interim answers, sizes of chunks, trailers.
        if self._state in (_HEAD, _BODY) and watch.received - self._head_end > MAX_HEAD_BYTES:
            self._too_much_head()

    def _not_http(self, error: HttpParserError) -> None:
        if self._state == _HEAD and self._folding == _NO_FOLD and may_have_folds(self._watch.beginning):
            try:
                self._unfold()
                return
            except HttpParserError as other:
                error = other
        self._refuse(str(error))

    def _refuse(self, reason: str) -> None:
        self._usable = False
        if self._state == _HEAD:
            self._fail(protocol_failure(self._place, *refusal_of_head(self._watch.beginning, reason)))
        elif self._state == _BODY:
            self._fail(protocol_failure(self._place, *refusal_of_chunk(self._watch.beginning, reason)))

    def _unfold(self) -> None:
        """Read the head again without its folds (RFC 9112, 5.2), as soon as it is complete."""
        whole = unfolded(self._watch.beginning)
        self._folding = _FOLDED if whole is None else _UNFOLDED
        if whole is not None:
            self._reason, self._headers = b"", []
            self._parser = HttpResponseParser(self)
            self._parser.feed_data(whole)

    def _too_much_head(self) -> None:
        if self._state == _HEAD:
            self._fail(head_too_large(self._place))
        else:
            what = f"has more than {MAX_HEAD_BYTES} bytes of chunk sizes and trailers"
            self._fail(protocol_failure(self._place, what))

    # httptools

    def on_message_begin(self) -> None:
        """An answer begins."""
        if self._state != _HEAD:
            self._usable = False

    def on_status(self, reason: bytes) -> None:
        """A piece of the reason phrase."""
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer, which is dropped."""
        if self._state == _HEAD:
            self._headers.append((name.decode("latin-1"), header_text(value).rstrip(" \t")))

    def on_headers_complete(self) -> None:
        """The head is complete, or that of an interim answer is."""
        if self._state != _HEAD:
            return
        watch, status = self._watch, self._parser.get_status_code()
        if status < 200 and status != 101:
            if status < 100:
                self._refuse("")
            return
        self._status = watch.status = status
        watch.head = perf_counter()
        watch.headers = headers = tuple(self._headers)
        self._head_end = watch.received
        self._state = _BODY
        try:
            check_head(status, headers, self._place)
            encodings = tuple([value for name, value in headers if name.lower() == "content-encoding"])
            self._reader = BodyReader(encodings, self._max_body_bytes)
        except ExchangeError as error:
            self._fail(error)
        except CorruptBodyError:
            self._corrupt()
        else:
            if self._bodiless:
                self.on_message_complete()

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        if self._state != _BODY:
            self._usable = False
            return
        self._head_end = self._watch.received
        self._last_piece = data
        try:
            self._reader.feed(data)
            if self._decoding or self._reader.decode():
                return
        except BodyTooLargeError:
            self._too_large()
        except CorruptBodyError:
            self._corrupt()
        else:
            # A small piece may contain megabytes. Nothing more is read until they are decoded, in turns.
            self._decoding = True
            self._transport.pause_reading()
            self._loop.call_soon(self._decode_on)

    def _decode_on(self) -> None:
        if self._state not in (_BODY, _DECODING):
            return
        self._heard = perf_counter()  # the server is not the slow part
        try:
            if self._reader.decode():
                self._decoded()
            else:
                self._loop.call_soon(self._decode_on)
        except BodyTooLargeError:
            self._too_large()
        except CorruptBodyError:
            self._corrupt()

    def _decoded(self) -> None:
        self._decoding = False
        if not self._transport.is_closing():
            self._transport.resume_reading()
        if self._state == _DECODING:
            self._finish()

    def on_message_complete(self) -> None:
        """The answer is complete, or an interim one is."""
        if self._state == _HEAD:
            if self._parser.get_status_code() == 100:
                self._send_held()
            self._reason, self._headers = b"", []
            return
        if self._state != _BODY:
            return
        self._watch.ended = perf_counter()
        self._usable = self._usable and self._parser.should_keep_alive()
        if self._decoding:
            self._state = _DECODING
        else:
            self._finish()

    def _finish(self) -> None:
        try:
            body = self._reader.finish()
        except CorruptBodyError:
            self._corrupt()
            return
        self._state = _DONE
        self._response = TransportResponse(
            status=self._status,
            reason=header_text(self._reason),
            headers=self._watch.headers,
            body=body,
            wire_size=self._reader.wire_size,
            http_version=self._parser.get_http_version(),
            peer=self.peer,
        )
        if not self._answered.done():
            self._answered.set_result(None)

    def _too_large(self) -> None:
        text = f"the body of {self._place} is larger than {self._max_body_bytes} bytes"
        self._fail(ExchangeError(FailureKind.TOO_LARGE, text))

    def _corrupt(self) -> None:
        self._fail(protocol_failure(self._place, "has a body that does not match its Content-Encoding"))
