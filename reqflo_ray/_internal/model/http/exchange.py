"""One HTTP exchange as data: what is to be sent, what came back, or why nothing did. No HTTP library, no I/O."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Protocol

import msgspec

Headers = tuple[tuple[str, str], ...]
"""Pairs of name and value, values as `model.headers` reads bytes."""

# What may be sent again though it may have been received (RFC 9110 9.2.2), of the methods that a journey can have.
IDEMPOTENT_METHODS: Final = frozenset(("GET", "HEAD", "OPTIONS", "PUT", "DELETE"))

# The kind of the event that tells of it, wherever it is sent again.
RESEND: Final = "resend"

# In lower case: headers whose value is a credential, whatever it is.
CREDENTIAL_HEADERS: Final = frozenset(
    (
        *("authorization", "proxy-authorization", "x-api-key", "api-key", "x-auth-token", "x-amz-security-token"),
        *("cookie", "set-cookie"),
    )
)

# A header whose name ends so is taken to hold one, too; what makes a request repeatable is none.
_CREDENTIAL_ENDINGS: Final = ("key", "token")
_NO_CREDENTIAL: Final = "idempotency-key"


def is_credential_header(name: str) -> bool:
    """Whether a header is expected to hold a credential: by its name, as `X-Api-Key` or `X-CSRF-Token`."""
    lower = name.lower()
    ending = lower.replace("_", "-").rpartition("-")[2]
    return lower in CREDENTIAL_HEADERS or (ending in _CREDENTIAL_ENDINGS and lower != _NO_CREDENTIAL)


class FailureKind(StrEnum):
    """Why there is no (complete) response. The value is the `error_code` of the step."""

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
    UNEXPECTED = "unexpected_request"  # by a fake API, for which no answer to it is scripted

    @property
    def is_of_this_machine(self) -> bool:
        """Whether this machine could not even try: no verdict on whoever was to be reached."""
        return self in _OF_THIS_MACHINE


_OF_THIS_MACHINE: Final = frozenset({FailureKind.NO_DESCRIPTOR, FailureKind.NO_PORT, FailureKind.NO_BUFFER})


class TransportRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be put on the wire, exactly: the URL is not normalised, header names keep their case.

    It may hold secret values, so its `repr` shows none of them. `allowed_hosts` bounds where it may be sent
    (patterns as in `hosts:` of a secret; None = anywhere), redirects included. `private_headers` (names in lower case)
    and, if `private_body`, the body hold something secret or sensitive: they are for the origin of `url` alone, and
    follow no redirect to another. `repeatable`: to carry it out twice is harmless, whatever its method is.
    Milliseconds; `total_ms` bounds the whole exchange, pool wait, redirects and body included.
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
    """Phases in milliseconds; None where a phase did not take place or cannot be told. `total_ms` is always there.

    `blocked` waits for a free connection, `connect` includes `dns` and `tls`, `wait` is from request sent to response
    head, `receive` from head to last byte. `reused`: the exchange went over a kept-alive connection.
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
    """A whole response. `headers` are the pairs as received (order, case, duplicates).

    `body` is after content decoding (bounded); `wire_size` is the number of body bytes before it.
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
    """Why there is no response. `message` is one sentence in our own words and may quote the target's host and port,
    never headers, bodies or query strings. `sent`: bytes of the request may have reached the server. A response head
    that came before the failure is in `status` and `headers`. `shown` are the bytes of the answer that the message is
    about, to be masked before anybody sees them."""

    kind: FailureKind
    message: str
    sent: bool
    status: int | None = None
    headers: Headers = ()
    shown: bytes = b""


class TransportEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something worth a log line: a followed redirect, a request re-sent on a fresh connection."""

    kind: str
    text: str
    at_ms: float  # since the exchange began


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """Either a response or a failure. `request_headers` and `url` are those of the last hop as really sent (with what
    the engine added, such as Host and Content-Length)."""

    request_headers: Headers
    url: str
    timings: Timings
    response: TransportResponse | None = None
    failure: TransportFailure | None = None
    events: tuple[TransportEvent, ...] = ()

    @property
    def resends(self) -> int:
        """How often the request was sent again, because its connection was closed before an answer."""
        return sum([event.kind == RESEND for event in self.events]) if self.events else 0

    def __repr__(self) -> str:
        return f"<Exchange {self.response or self.failure}>"


class CookieStore(Protocol):
    """The cookies that the hops of a request take along and bring back."""

    def header(self, url: str, own: str) -> str:
        """The value of the one Cookie header of a hop to `url`, "" for none; `own` is what the request says itself."""
        ...

    def receive(self, url: str, headers: Headers) -> None:
        """Take the cookies of the response to a hop."""
        ...


class Transport(Protocol):
    """Sends one request. Safe to use from many tasks of one event loop; it keeps no cookies and no credentials."""

    async def send(self, request: TransportRequest, cookies: CookieStore | None = None) -> Exchange:
        """Send `request` and read the whole answer. What the network or the API does wrong is a `TransportFailure`,
        never an exception; cancellation leaves the pool usable. Each hop has to do with `cookies` under its own URL
        (RFC 6265, 5.4), redirects and heads without a whole body too; None: there are none."""
        ...

    async def close(self) -> None:
        """Close all connections. The transport cannot be used afterwards."""
        ...
