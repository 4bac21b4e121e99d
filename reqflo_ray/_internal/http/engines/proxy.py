"""The proxy of a run: which requests go through it, what it is sent, and what its own answers mean.

It must not open a connection, nor know an HTTP library: each engine sends these bytes, and passes on what came back.
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
"""Returns user name and password; both are "" if the proxy needs none."""

_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?: [^\r\n]*)?\r\n")
_CHALLENGE: Final = re.compile(rb"^proxy-authenticate:[ \t]*([a-z0-9-]+)", re.IGNORECASE | re.MULTILINE)
_ASKS_FOR_CREDENTIALS: Final = 407


class Proxy:
    """A proxy, by the settings of a run. `credentials` is called when a connection first needs them, not before.

    Raises `DefinitionError`: `invalid_proxy`.
    """

    def __init__(self, settings: HttpSettings, credentials: Credentials) -> None:
        try:
            self.scheme, self.host, self.port = parse_proxy_url(settings.proxy)
            self._bypass = Bypass(settings.proxy_bypass)
        except ValueError as wrong:
            # The text may contain a password, so it is not quoted.
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
        """Whether the connection to it uses TLS."""
        return self.scheme == "https"

    @property
    def is_socks(self) -> bool:
        """Whether it is a SOCKS proxy."""
        return self.scheme in SOCKS_SCHEMES

    def serves(self, host: str, port: int) -> bool:
        """Return whether requests to that host and port go through it."""
        return not self._bypass.covers(host, port)

    @property
    def credentials(self) -> tuple[bytes, bytes] | None:
        """User name and password, None if it needs none."""
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
        """Return the head of a hop to be forwarded: with the whole URL, and the credentials if the hop has none."""
        if self.authorization and not any(name.lower() == "proxy-authorization" for name, _ in outgoing.headers):
            outgoing = outgoing._replace(headers=(*outgoing.headers, ("Proxy-Authorization", self.authorization)))
        return wire_head(outgoing, outgoing.target.url)

    def check_forwarded(self, place: str, response: TransportResponse) -> None:
        """Refuse an answer to a forwarded request that certainly comes from the proxy itself.

        Raises `ExchangeError`: `proxy_failure` for 407, which no origin may send (RFC 9110, 15.5.8).
        """
        if response.status == _ASKS_FOR_CREDENTIALS:
            head = header_bytes("\n".join([f"{name}: {value}" for name, value in response.headers]))
            raise self.refusal(place, response.status, head)

    def refusal(self, place: str, status: int, head: bytes) -> ExchangeError:
        """Return the error that `status` means for a request to `place`; `head` is the head of that answer."""
        if status != _ASKS_FOR_CREDENTIALS:
            return proxy_failure(place, f"answered {status}")
        kinds = {kind.lower() for kind in _CHALLENGE.findall(head)}
        if kinds and b"basic" not in kinds:
            return proxy_failure(place, "asks for credentials other than Basic (407)")
        known = bool(self.authorization)
        return proxy_failure(place, f"{'does not accept the' if known else 'asks for'} credentials (407)")


class Tunnel:
    """One CONNECT to `place` (`host:port`): the request, and the reading of its answer. A whole 2xx head opens the
    tunnel; everything else is an error."""

    def __init__(self, proxy: Proxy, place: str) -> None:
        self._proxy = proxy
        self._place = place
        self._head = b""
        self._received = 0

    @property
    def request(self) -> bytes:
        """The bytes for the proxy. They contain the credentials."""
        lines = [f"CONNECT {self._place} HTTP/1.1", f"Host: {self._place}"]
        if self._proxy.user_agent:
            lines.append(f"User-Agent: {self._proxy.user_agent}")
        if self._proxy.authorization:
            lines.append(f"Proxy-Authorization: {self._proxy.authorization}")
        return "\r\n".join([*lines, "", ""]).encode()

    def feed(self, data: bytes) -> bool:
        """Take bytes from the proxy, and return whether the tunnel is open. Later bytes come from the target.

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
            # The target sends nothing before it receives something.
            if self._head:
                raise proxy_failure(self._place, "sent more than its answer")
            return True
        if b"\n" in self._head or not b"HTTP/1.".startswith(self._head[:7]):
            raise proxy_failure(self._place, "did not answer with HTTP", head_so_far(self._head))
        return False

    def cut(self) -> ExchangeError:
        """Return the error of a connection that ended before the tunnel was open."""
        return proxy_failure(self._place, "closed the connection")


def proxy_failure(place: str, what: str, shown: bytes = b"") -> ExchangeError:
    """Return the error of a proxy that refused or failed; `what` says how, `shown` are the bytes concerned. Nothing
    reached the target."""
    return ExchangeError(FailureKind.PROXY, f"{place} was not reached: the proxy {what}", shown)


def behind_proxy(place: str) -> str:
    """Return who answers a forwarded request, for messages: it may be the proxy or the target."""
    return f"{place} behind the proxy"


def proxy_for(place: str) -> str:
    """Return the name of the proxy that connects to `place`, for messages."""
    return f"the proxy for {place}"
