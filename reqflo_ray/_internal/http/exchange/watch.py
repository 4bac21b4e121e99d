"""The observations of one hop: when each phase began, and what was sent and received. The engines write them; timings,
failures, and the decision to send again read them. It must not know an HTTP library."""

from __future__ import annotations

from contextvars import ContextVar
from time import perf_counter

from reqflo_ray._internal.model.http.exchange import FailureKind, Headers, Timings


class Watch:
    """One hop. Instants are `perf_counter` seconds; 0.0 means that the event has not happened."""

    __slots__ = (
        "acquire",
        "began",
        "beginning",
        "blocked_address",
        "body_bytes",
        "broken",
        "connect_seconds",
        "connected",
        "connecting",
        "dns_end",
        "dns_start",
        "ended",
        "fresh",
        "head",
        "headers",
        "peer",
        "received",
        "request_headers",
        "reused",
        "sent",
        "status",
        "tls_end",
        "tls_start",
        "tunnel_end",
        "tunnel_start",
        "writing",
    )

    def __init__(self, request_headers: Headers, connect_seconds: float, *, fresh: bool = False) -> None:
        self.request_headers = request_headers  # exactly these are sent
        self.connect_seconds = connect_seconds
        self.fresh = fresh  # do not use a kept-alive connection
        self.began = perf_counter()
        self.acquire = 0.0
        self.connecting = 0.0
        self.dns_start = 0.0
        self.dns_end = 0.0
        self.tunnel_start = 0.0  # when the proxy was asked to connect
        self.tunnel_end = 0.0
        self.tls_start = 0.0
        self.tls_end = 0.0
        self.connected = 0.0
        self.writing = False  # bytes of the request may be on their way
        self.sent = 0.0
        self.head = 0.0
        self.ended = 0.0
        self.received = 0  # bytes of the answer
        self.beginning = b""  # those of its head, and some of the next ones
        self.body_bytes = 0
        self.reused = False
        self.broken = False
        self.blocked_address = False
        self.peer = ""
        self.status: int | None = None
        self.headers: Headers = ()

    def phase(self) -> str:
        """Return the phase at this moment, for the message of an exceeded deadline."""
        if self.head:
            return "while receiving the body"
        if self.connected:
            return "while waiting for the answer"
        if self.tunnel_start and not self.tunnel_end:
            return "while waiting for the proxy to connect"
        if self.tls_start:
            return "in the TLS handshake"
        if self.dns_start and not self.dns_end:
            return "while resolving the host name"
        if self.connecting:
            return "while connecting"
        return "while waiting for a free connection"

    def connect_timeout_kind(self) -> FailureKind:
        """Return the kind of a connection that took too long: a name that did not resolve has its own."""
        return FailureKind.DNS if self.dns_start and not self.dns_end else FailureKind.CONNECT_TIMEOUT

    def timings(self, began: float) -> Timings:
        """Return the phases of this hop; the total counts from `began`, the start of the whole exchange."""
        end = self.ended or perf_counter()
        connecting, connected = self.connecting, self.connected
        blocked_until = connecting or connected or (end if self.acquire else 0.0)
        return Timings(
            total_ms=(end - began) * 1000,
            blocked_ms=_span(self.acquire, blocked_until),
            dns_ms=_span(self.dns_start, self.dns_end),
            connect_ms=_span(connecting, connected),
            tls_ms=_span(self.tls_start, self.tls_end or connected) if self.tls_start else None,
            wait_ms=_span(self.sent, self.head),
            receive_ms=_span(self.head, self.ended),
            reused=self.reused,
        )


def _span(start: float, end: float) -> float | None:
    # An answer may come before the request was fully sent; no phase is ever negative.
    if not start or not end:
        return None
    return (end - start) * 1000 if end > start else 0.0


# Connection hooks run deep inside a library, in the task of the request or in one that inherits its context.
CURRENT_WATCH: ContextVar[Watch] = ContextVar("reqflo_http_watch")
