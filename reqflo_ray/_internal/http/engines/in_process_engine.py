"""The engine without a network: an object of this process answers. It is for tests of journeys, and must not know the
scripted answers.

Everything outside an engine stays the same: the form of a request, where it may go, redirects, deadlines.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from time import perf_counter
from typing import Final, NamedTuple, Protocol

from reqflo_ray._internal.http.engines.outgoing import Outgoing
from reqflo_ray._internal.http.exchange.decoding import BodyReader, BodyTooLargeError, CorruptBodyError
from reqflo_ray._internal.http.exchange.failures import ExchangeError, protocol_failure
from reqflo_ray._internal.http.exchange.watch import Watch
from reqflo_ray._internal.model.http.exchange import FailureKind, Headers, TransportRequest, TransportResponse

# With these failures, no byte of the request has arrived anywhere.
_NEVER_SENT: Final = frozenset(
    {
        *(FailureKind.REFUSED, FailureKind.UNREACHABLE, FailureKind.DNS, FailureKind.TLS, FailureKind.CONNECT_TIMEOUT),
        FailureKind.UNEXPECTED,
    }
)
_WITHOUT_BODY: Final = frozenset({204, 304})


class InProcessAnswer(NamedTuple):
    """The answer of an API, as it would be sent."""

    status: int
    headers: Headers
    body: bytes


class InProcessApi(Protocol):
    """Answers requests within this process."""

    def respond(self, method: str, url: str, headers: Headers, body: bytes) -> InProcessAnswer:
        """Return the answer to a request as it would have been sent. Called on the event loop of the run.

        Raises:
            ExchangeError: the exchange fails in a way in which the network or the API can fail.
        """
        ...


class InProcessEngine:
    """Passes every request to `api`. The decoded body of an answer has at most `max_body_bytes`."""

    def __init__(self, api: InProcessApi, *, max_body_bytes: int) -> None:
        self._api = api
        self._max_body_bytes = max_body_bytes

    async def exchange(self, outgoing: Outgoing, request: TransportRequest, watch: Watch) -> TransportResponse:
        """See `Engine.exchange`."""
        watch.acquire = watch.connected = perf_counter()
        await asyncio.sleep(0)  # other tasks run, as they would during any exchange
        try:
            answer = self._api.respond(outgoing.method, outgoing.target.url, outgoing.headers, outgoing.body or b"")
        except ExchangeError as error:
            watch.writing = error.kind not in _NEVER_SENT
            raise
        watch.writing = True
        watch.status, watch.headers = answer.status, answer.headers
        watch.sent = watch.head = perf_counter()
        without_body = outgoing.method == "HEAD" or answer.status in _WITHOUT_BODY
        wire_body = b"" if without_body else answer.body
        body = await self._decoded(wire_body, answer.headers, outgoing.target.place)
        watch.received, watch.ended = len(wire_body), perf_counter()
        return TransportResponse(
            status=answer.status,
            reason=_reason(answer.status),
            headers=answer.headers,
            body=body,
            wire_size=len(wire_body),
        )

    def close_idle(self) -> None:
        """See `Engine.close_idle`. There is no connection."""

    async def close(self) -> None:
        """See `Engine.close`. There is no connection."""

    async def _decoded(self, body: bytes, headers: Headers, place: str) -> bytes:
        encodings = tuple([value for name, value in headers if name.lower() == "content-encoding"])
        try:
            reader = BodyReader(encodings, self._max_body_bytes)
            if body:
                reader.feed(body)
            await reader.decode_all()
            return reader.finish()
        except BodyTooLargeError:
            text = f"the body of {place} is larger than {self._max_body_bytes} bytes"
            raise ExchangeError(FailureKind.TOO_LARGE, text) from None
        except CorruptBodyError:
            raise protocol_failure(place, "has a body that does not match its Content-Encoding") from None


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
