"""The proxy of a run: which requests go through it, what it is told, and what its own answers mean.

It opens no connection and knows no HTTP library: each engine sends what is written here, and shows it what came back.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from typing import Final

from reqflo_ray._internal.errors import DefinitionError
from reqflo_ray._internal.http.engines.outgoing import Outgoing, wire_head
from reqflo_ray._internal.http.exchange.failures import ExchangeError
from reqflo_ray._internal.http.exchange.limits import MAX_HEAD_BYTES
from reqflo_ray._internal.http.exchange.refusals import head_so_far
from reqflo_ray._internal.model.http.exchange import FailureKind, TransportResponse
from reqflo_ray._internal.model.http.headers import header_bytes
from reqflo_ray._internal.model.http.proxy import SOCKS_SCHEMES, Bypass, parse_proxy_url
from reqflo_ray._internal.model.plan import HttpSettings

Credentials = Callable[[], tuple[str, str]]
"""Gives user name and password; both are "" if the proxy wants none."""

_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?: [^\r\n]*)?\r\n")
_CHALLENGE: Final = re.compile(rb"^proxy-authenticate:[ \t]*([a-z0-9-]+)", re.IGNORECASE | re.MULTILINE)
_ASKS_FOR_CREDENTIALS: Final = 407


class Proxy:
    """A proxy, by the settings of a run. `credentials` is asked when a connection first needs them, not before.

    Raises `DefinitionError`: `invalid_proxy`.
    """

    def __init__(self, settings: HttpSettings, credentials: Credentials) -> None:
        try:
            self.scheme, self.host, self.port = parse_proxy_url(settings.proxy)
            self._bypass = Bypass(settings.proxy_bypass)
        except ValueError as wrong:
            # The text may hold a password, so it is not quoted.
            raise DefinitionError(
                "the proxy cannot be used",
                code="invalid_proxy",
                cause=str(wrong),
                hint="set `http.proxy` to a URL such as `http://HOST:PORT`",
            ) from None
        self._credentials = credentials
        self.user_agent = settings.user_agent
        self._authorization: str | None = None

    @property
    def is_secure(self) -> bool:
        """Whether it is spoken to over TLS."""
        return self.scheme == "https"

    @property
    def is_socks(self) -> bool:
        """Whether it speaks SOCKS."""
        return self.scheme in SOCKS_SCHEMES

    def serves(self, host: str, port: int) -> bool:
        """Whether requests to that host and port go through it."""
        return not self._bypass.covers(host, port)

    @property
    def credentials(self) -> tuple[bytes, bytes] | None:
        """User name and password, None if it wants none."""
        user, password = self._credentials()
        return (user.encode(), password.encode()) if user or password else None

    @property
    def authorization(self) -> str:
        """The value of its `Proxy-Authorization` header (RFC 7617, as UTF-8), "" for none."""
        if self._authorization is None:
            pair = self.credentials
            self._authorization = "" if pair is None else "Basic " + b64encode(b":".join(pair)).decode("ascii")
        return self._authorization

    def wire_head(self, outgoing: Outgoing) -> bytes:
        """The head of a hop that it is to forward: with the whole URL, and with the credentials if the hop has none."""
        if self.authorization and not any(name.lower() == "proxy-authorization" for name, _ in outgoing.headers):
            outgoing = outgoing._replace(headers=(*outgoing.headers, ("Proxy-Authorization", self.authorization)))
        return wire_head(outgoing, outgoing.target.url)

    def check_forwarded(self, place: str, response: TransportResponse) -> None:
        """Refuse an answer to a forwarded request that is the proxy's own beyond doubt.

        Raises `ExchangeError`: `proxy_failure` for 407, which no origin may send (RFC 9110, 15.5.8).
        """
        if response.status == _ASKS_FOR_CREDENTIALS:
            head = header_bytes("\n".join([f"{name}: {value}" for name, value in response.headers]))
            raise self.refusal(place, response.status, head)

    def refusal(self, place: str, status: int, head: bytes) -> ExchangeError:
        """What `status` says of a request to `place`; `head` is the head that it stood in."""
        if status != _ASKS_FOR_CREDENTIALS:
            return proxy_failure(place, f"answered {status}")
        kinds = {kind.lower() for kind in _CHALLENGE.findall(head)}
        if kinds and b"basic" not in kinds:
            return proxy_failure(place, "asks for credentials other than Basic (407)")
        known = bool(self.authorization)
        return proxy_failure(place, f"{'does not accept the' if known else 'asks for'} credentials (407)")


class Tunnel:
    """One CONNECT to `place` (`host:port`): the request, and the reading of its answer. A whole 2xx head opens the
    tunnel; all else is an error."""

    def __init__(self, proxy: Proxy, place: str) -> None:
        self._proxy = proxy
        self._place = place
        self._head = b""
        self._received = 0

    @property
    def request(self) -> bytes:
        """What the proxy is sent. It holds the credentials."""
        lines = [f"CONNECT {self._place} HTTP/1.1", f"Host: {self._place}"]
        if self._proxy.user_agent:
            lines.append(f"User-Agent: {self._proxy.user_agent}")
        if self._proxy.authorization:
            lines.append(f"Proxy-Authorization: {self._proxy.authorization}")
        return "\r\n".join([*lines, "", ""]).encode()

    def feed(self, data: bytes) -> bool:
        """Take what came from the proxy; whether the tunnel is open. After that, what comes is the target's.

        Raises `ExchangeError`: `proxy_failure`.
        """
        self._received += len(data)
        self._head += data
        if self._received > MAX_HEAD_BYTES:
            raise proxy_failure(self._place, f"answered with a head of more than {MAX_HEAD_BYTES} bytes")
        while (line := _STATUS_LINE.match(self._head)) is not None:
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return False
            status, head, self._head = int(line[1]), self._head[:end], self._head[end + 4 :]
            if 100 <= status < 200 and status != 101:
                continue  # an interim answer
            if not 200 <= status < 300:
                raise self._proxy.refusal(self._place, status, head)
            # Nobody behind the tunnel speaks before we do.
            if self._head:
                raise proxy_failure(self._place, "sent more than its answer")
            return True
        if b"\n" in self._head or not b"HTTP/1.".startswith(self._head[:7]):
            raise proxy_failure(self._place, "did not answer with HTTP", head_so_far(self._head))
        return False

    def cut(self) -> ExchangeError:
        """The connection ended before the tunnel was open."""
        return proxy_failure(self._place, "closed the connection")


def proxy_failure(place: str, what: str, shown: bytes = b"") -> ExchangeError:
    """The proxy itself refused or failed; `what` says how, in our own words, `shown` are the bytes that it is about.
    The target was not asked."""
    return ExchangeError(FailureKind.PROXY, f"{place} was not reached: the proxy {what}", shown)


def behind_proxy(place: str) -> str:
    """Who answers a forwarded request, for messages: the proxy may say it, or the target."""
    return f"{place} behind the proxy"


def proxy_for(place: str) -> str:
    """The proxy that is to reach `place`, for messages."""
    return f"the proxy for {place}"
