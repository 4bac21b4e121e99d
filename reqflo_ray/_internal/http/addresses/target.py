"""Splits a URL into what a connection needs and what the request line contains, without normalizing it: a test must be
able to send `/a%2fb/../c`. It must not know connections."""

from __future__ import annotations

import re
from base64 import b64encode
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from reqflo_ray._internal.http.addresses.networks import is_blocked, odd_ipv4
from reqflo_ray._internal.http.exchange.failures import ExchangeError, blocked_failure
from reqflo_ray._internal.model.http.exchange import FailureKind
from reqflo_ray._internal.model.http.hosts import ascii_host

_PARTS: Final = re.compile(r"([^/?#]*//[^/?#]*)([^#]*)")
_ORIGIN: Final = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*)://"
    r"(?:(?P<user>[^/?#]*)@)?"
    r"(?P<host>\[[^\]/?#]*\]|[^:/?#\[\]]*)(?::(?P<port>[0-9]*))?"
)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_HOST: Final = re.compile(r"(?!-)[A-Za-z0-9_\-]{1,63}(?:\.[A-Za-z0-9_\-]{1,63})*\.?")
_ADDRESS_V6: Final = re.compile(r"[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._~\-]+)?")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
# What cannot be in a request line; everything else in a URL is sent as written.
_TO_ENCODE: Final = re.compile(r"[^\x21-\x7e]")


class Target(NamedTuple):
    """Where a request goes. `host` is lower-case ASCII (an IPv6 address without brackets), `path` the request target
    in origin form, `authority` the value of the Host header, `authorization` the header value for a user in the URL."""

    scheme: str
    host: str
    port: int
    path: str
    authority: str
    authorization: str

    @property
    def origin(self) -> tuple[str, str, int]:
        """The origin: credentials do not follow a redirect to another one."""
        return self.scheme, self.host, self.port

    @property
    def url(self) -> str:
        """The URL as sent: without user, password, and fragment."""
        return f"{self.scheme}://{self.authority}{self.path}"

    @property
    def place(self) -> str:
        """`host:port` for messages."""
        return place_of(self.host, self.port)


def place_of(host: str, port: int) -> str:
    """Return `host:port`, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse_target(url: str) -> Target:
    """Read an absolute http or https URL.

    Raises `ExchangeError`: `target_blocked` for an odd notation of a blocked address (`http://2852039166/`), else
    `invalid_request`. Non-ASCII characters and spaces in path and query, which cannot be in a request line, are
    percent-encoded; a non-ASCII host name becomes its ASCII form.
    """
    if _CONTROL.search(url):
        raise _invalid("the URL contains a control character")
    parts = _PARTS.match(url)
    if parts is None:
        raise _not_absolute()
    origin, request_target = parts.groups()
    if not request_target.startswith("/"):
        request_target = f"/{request_target}"
    if not request_target.isascii() or " " in request_target:
        request_target = _percent_encoded(request_target)
    # A cache would keep the password of a user longer than necessary.
    scheme, host, port, authority, authorization = (_read_origin if "@" in origin else _origin)(origin)
    return Target(scheme, host, port, request_target, authority, authorization)


def _read_origin(text: str) -> tuple[str, str, int, str, str]:
    """Return scheme, host, port, authority, and authorization."""
    match = _ORIGIN.fullmatch(text)
    if match is None:
        raise _not_absolute()
    scheme, user, host_text, port_text = match.groups()
    scheme = scheme.lower()
    default_port = _DEFAULT_PORTS.get(scheme)
    if default_port is None:
        raise _invalid("the URL has a scheme other than http and https")
    port = int(port_text) if port_text and len(port_text) <= 5 else (-1 if port_text else default_port)
    if not 0 < port <= 65_535:
        raise _invalid("the port of the URL is not between 1 and 65535")
    host = _host(host_text)
    shown = f"[{host}]" if ":" in host else host
    authority = shown if port == default_port else f"{shown}:{port}"
    return scheme, host, port, authority, _basic(user) if user else ""


# A run has few hosts.
_origin = lru_cache(maxsize=1024)(_read_origin)


def _host(text: str) -> str:
    if text.startswith("["):
        inner = text[1:-1]
        if not _ADDRESS_V6.fullmatch(inner) or inner.count(":") < 2:
            raise _invalid("the URL's host is not an IPv6 address")
        return inner.lower()
    host = text
    if not host.isascii():
        try:
            host = ascii_host(host)
        except ValueError:
            raise _invalid("the URL's host name is not valid") from None
    if len(host) > 253 or not _HOST.fullmatch(host):
        raise _invalid("the URL has no valid host name")
    dotted = odd_ipv4(host)
    if dotted is not None:
        # Refused, because some resolvers read these notations as an address, others as a name.
        if is_blocked(dotted):
            raise blocked_failure(dotted)
        raise _invalid("the URL's host is an IPv4 address that is not written as four decimal numbers")
    return host.lower()


def _percent_encoded(text: str) -> str:
    def encode(match: re.Match[str]) -> str:
        return "".join(f"%{byte:02X}" for byte in match[0].encode())

    try:
        return _TO_ENCODE.sub(encode, text)
    except UnicodeEncodeError:
        raise _invalid("the URL contains a lone surrogate") from None


def _basic(user: str) -> str:
    name, _, password = user.partition(":")
    try:
        pair = unquote_to_bytes(name) + b":" + unquote_to_bytes(password)
    except UnicodeEncodeError:
        raise _invalid("the URL contains a lone surrogate") from None
    return "Basic " + b64encode(pair).decode("ascii")


def _not_absolute() -> ExchangeError:
    return _invalid("the URL is not an absolute http or https URL")


def _invalid(message: str) -> ExchangeError:
    return ExchangeError(FailureKind.INVALID_REQUEST, message)
