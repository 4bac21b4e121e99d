"""One HTTP exchange as data: the request, and the response or the reason why there is none. No HTTP library, no I/O."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Protocol

import msgspec

Headers = tuple[tuple[str, str], ...]
"""Pairs of name and value; values are text as in `model.http.headers`."""

# The methods of journeys that may be sent again although they may have been received (RFC 9110, 9.2.2).
IDEMPOTENT_METHODS: Final = frozenset(("GET", "HEAD", "OPTIONS", "PUT", "DELETE"))

# The kind of the event that every re-send causes.
RESEND: Final = "resend"

# Headers whose value is always a credential, in lower case.
CREDENTIAL_HEADERS: Final = frozenset(
    (
        *("authorization", "proxy-authorization", "x-api-key", "api-key", "x-auth-token", "x-amz-security-token"),
        *("cookie", "set-cookie"),
    )
)

# A header whose name ends so is treated as a credential too, except the idempotency key.
_CREDENTIAL_ENDINGS: Final = ("key", "token")
_NO_CREDENTIAL: Final = "idempotency-key"


def is_credential_header(name: str) -> bool:
    """Return whether a header holds a credential, judged by its name, such as `X-Api-Key` or `X-CSRF-Token`."""
    lower = name.lower()
    ending = lower.replace("_", "-").rpartition("-")[2]
    return lower in CREDENTIAL_HEADERS or (ending in _CREDENTIAL_ENDINGS and lower != _NO_CREDENTIAL)


class FailureKind(StrEnum):
    """Why there is no complete response. The value is the `error_code` of the step."""

    REFUSED = "connection_refused"
    UNREACHABLE = "host_unreachable"
    NO_DESCRIPTOR = "too_many_open_files"
    NO_PORT = "no_free_port"
    NO_BUFFER = "no_buffer_space"
    DNS = "dns_failure"
    TLS = "tls_failure"
    PROXY = "proxy_failure"
    CONNECT_TIMEOUT = "connect_timeout"
    READ_TIMEOUT = "read_timeout"
    DEADLINE = "deadline_exceeded"
    CLOSED = "connection_closed"
    SHORT_BODY = "short_body"
    PROTOCOL = "protocol_error"
    TOO_LARGE = "body_too_large"
    BLOCKED = "target_blocked"
    REDIRECTS = "too_many_redirects"
    INVALID_REQUEST = "invalid_request"
    UNEXPECTED = "unexpected_request"  # by a fake API without a scripted answer

    @property
    def is_of_this_machine(self) -> bool:
        """Whether this machine could not send the request, so that nothing is known about the target."""
        return self in _OF_THIS_MACHINE


_OF_THIS_MACHINE: Final = frozenset({FailureKind.NO_DESCRIPTOR, FailureKind.NO_PORT, FailureKind.NO_BUFFER})


class TransportRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request exactly as it is sent: the URL is not normalized, header names keep their case.

    It may contain secret values, and its `repr` shows none of them. `allowed_hosts` are the hosts to which it may be
    sent, also by redirects (patterns as in `hosts` of a secret; None: any). `private_headers` (names in lower case)
    and, if `private_body`, the body contain secret or sensitive values: they are sent only to the origin of `url`, and
    not after a redirect to another origin. `repeatable`: the request may be processed twice, whatever its method is.
    Times are in milliseconds; `total_ms` includes the wait for a connection, redirects, and the body.
    """

    method: str
    url: str
    headers: Headers = ()
    body: bytes | None = None
    connect_ms: int = 5_000
    read_ms: int = 30_000
    total_ms: int = 60_000
    allowed_hosts: tuple[str, ...] | None = None
    private_headers: frozenset[str] = frozenset()
    private_body: bool = False
    repeatable: bool = False

    def __repr__(self) -> str:
        return f"<TransportRequest {self.method}>"


class Timings(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The phases of an exchange in milliseconds; None if a phase did not occur or is not known.

    `blocked` is the wait for a free connection; `connect` includes `dns` and `tls`; `wait` is from the end of the
    request to the response head, `receive` from the head to the last byte. `reused`: the connection was kept alive.
    """

    total_ms: float
    blocked_ms: float | None = None
    dns_ms: float | None = None
    connect_ms: float | None = None
    tls_ms: float | None = None
    wait_ms: float | None = None
    receive_ms: float | None = None
    reused: bool = False


class TransportResponse(msgspec.Struct, frozen=True, kw_only=True):
    """A complete response. `headers` are the pairs as received, with order, case and duplicates.

    `body` is decoded (bounded); `wire_size` is the number of body bytes before decoding.
    """

    status: int
    reason: str
    headers: Headers
    body: bytes
    wire_size: int
    http_version: str = "1.1"
    peer: str = ""

    def __repr__(self) -> str:
        return f"<TransportResponse {self.status}>"


class TransportFailure(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is no response.

    `message` is one sentence that may quote host and port of the target, never headers, bodies, or query strings.
    `sent`: bytes of the request may have reached the server. A response head that was received is in `status` and
    `headers`. `shown` are the bytes of the response that the message is about, which must be masked before display.
    """

    kind: FailureKind
    message: str
    sent: bool
    status: int | None = None
    headers: Headers = ()
    shown: bytes = b""


class TransportEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event for the log: a followed redirect, or a request re-sent on a new connection."""

    kind: str
    text: str
    at_ms: float  # since the start of the exchange


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """A response or a failure.

    `request_headers` and `url` are those of the last hop as sent, including headers that the engine adds, such as Host
    and Content-Length.
    """

    request_headers: Headers
    url: str
    timings: Timings
    response: TransportResponse | None = None
    failure: TransportFailure | None = None
    events: tuple[TransportEvent, ...] = ()

    @property
    def resends(self) -> int:
        """The number of times that the request was sent again because its connection was closed before a response."""
        return sum([event.kind == RESEND for event in self.events]) if self.events else 0

    def __repr__(self) -> str:
        return f"<Exchange {self.response or self.failure}>"


class CookieStore(Protocol):
    """The cookies that the hops of a request send and receive."""

    def header(self, url: str, own: str) -> str:
        """Return the Cookie header of a hop to `url`, "" for none; `own` is the one in the request itself."""
        ...

    def receive(self, url: str, headers: Headers) -> None:
        """Store the cookies of the response to a hop."""
        ...


class Transport(Protocol):
    """Sends requests. Many tasks of one event loop may use it; it keeps no cookies and no credentials."""

    async def send(self, request: TransportRequest, cookies: CookieStore | None = None) -> Exchange:
        """Send `request` and read the complete response.

        Errors of the network or the API are returned as a `TransportFailure`, never raised; cancellation leaves the
        pool usable. Each hop, including redirects and incomplete responses, uses `cookies` under its own URL
        (RFC 6265, 5.4); None means no cookies.
        """
        ...

    async def close(self) -> None:
        """Close all connections. The transport cannot be used afterward."""
        ...
