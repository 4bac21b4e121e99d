"""The rules for proxy settings: the URL of a proxy, and the hosts that are called without it.

Pure text: it looks up no name, and must not know connections or credentials.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from reqflo_ray._internal.model.http.hosts import ascii_host

NO_PROXY: Final = "none"
"""The value of a proxy setting that means no proxy."""

HTTP_SCHEMES: Final = ("http", "https")
SOCKS_SCHEMES: Final = ("socks5", "socks5h")

# The schemes of proxies that each HTTP engine supports.
ENGINE_SCHEMES: Final = {"httptools": HTTP_SCHEMES, "httpx": (*HTTP_SCHEMES, *SOCKS_SCHEMES)}

_URL: Final = re.compile(r"(?P<scheme>[A-Za-z0-9+.\-]+)://(?P<host>\[[^\]]*\]|[^:/?#\[\]@\s]*)(?::(?P<port>[0-9]*))?/?")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
_NAME: Final = re.compile(r"(?!-)[A-Za-z0-9_\-]{1,63}(?:\.[A-Za-z0-9_\-]{1,63})*\.?")
_ENTRY: Final = re.compile(r"(?P<host>\[[^\]]*\]|[^:\[\]]*)(?::(?P<port>[0-9]+))?")
_SEPARATOR: Final = re.compile(r"[,\s]+")
_LOOPBACK: Final = (ipaddress.IPv4Network("127.0.0.0/8"), ipaddress.IPv6Network("::1/128"))

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class ProxyUrl(NamedTuple):
    """The address and scheme of a proxy. `host` is lower-case ASCII, an IPv6 address without brackets."""

    scheme: str
    host: str
    port: int


def parse_proxy_url(text: str) -> ProxyUrl:
    """Read `SCHEME://HOST[:PORT]`, without user and password. Any scheme is accepted; engines support some of them.

    Raises `ValueError`, whose text quotes nothing of `text`.
    """
    match = _URL.fullmatch(text)
    if match is None:
        raise ValueError("it is not a URL with a scheme, a host, and a port")
    scheme, host_text, port_text = match["scheme"].lower(), match["host"], match["port"]
    port = int(port_text) if port_text and len(port_text) <= 5 else _DEFAULT_PORTS.get(scheme, 1)
    if port_text is not None and (len(port_text) > 5 or not 0 < port <= 65_535):
        raise ValueError("its port is not between 1 and 65535")
    return ProxyUrl(scheme, _host(host_text), port)


def unsupported_scheme(engine: str, scheme: str) -> tuple[str, str] | None:
    """Return message and hint if the HTTP engine does not support a proxy of that scheme, else None."""
    if scheme in ENGINE_SCHEMES[engine]:
        return None
    hint = "set `http.engine` to `httpx` for SOCKS proxies" if scheme in SOCKS_SCHEMES else "use an `http://` proxy"
    return f"the HTTP engine `{engine}` does not support `{scheme}://` proxies", hint


class Bypass:
    """The hosts that are called directly. Each of `entries` has one or more of these, separated by commas or blanks:

    - `example.com`: that name and all names below it; `.example.com` or `*.example.com`: only those below it
    - `10.0.0.7`, `[fd00::1]`, `10.0.0.0/8`: an address, or those of a network; names are not looked up for this
    - `localhost`: that name, all names below it, and the loopback addresses
    - `*`: every host

    All except networks and `*` may end in `:PORT`. Raises `ValueError` for anything else; its text quotes the entry.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        self._everything = False
        self._names: list[tuple[str, int]] = []  # with a leading dot: names that end so
        self._networks: list[tuple[_Network, int]] = []
        for entry in entries:
            for part in filter(None, _SEPARATOR.split(entry)):
                self._add(part)
        # A run has few hosts, and every request is checked.
        self.covers = lru_cache(maxsize=1024)(self._covers)

    def _add(self, entry: str) -> None:
        if entry == "*":
            self._everything = True
            return
        network = _network(entry)
        if network is not None:
            self._networks.append((network, 0))
            return
        match = _ENTRY.fullmatch(entry)
        port = int(match["port"] or 0) if match is not None else 0
        if match is None or port > 65_535 or (match["port"] and not port):
            raise ValueError(f"`{entry}` is not a host name, address, or network")
        text = match["host"]
        network = _network(text.removeprefix("[").removesuffix("]")) if "/" not in text else None
        if network is not None:
            self._networks.append((network, port))
            return
        below = text.startswith((".", "*."))
        try:
            name = _host(text.removeprefix("*").removeprefix(".") if below else text).removesuffix(".")
        except ValueError:
            raise ValueError(f"`{entry}` is not a host name, address, or network") from None
        self._names.append((f".{name}", port))
        if not below:
            self._names.append((name, port))
        if name == "localhost":
            self._networks += [(loopback, port) for loopback in _LOOPBACK]

    def _covers(self, host: str, port: int) -> bool:
        """Return whether `host` (a name, or an address without brackets) is called directly on `port`."""
        if self._everything:
            return True
        host = host.lower().removesuffix(".")
        address = _address(host)
        if address is not None:
            return any(wanted in (0, port) and address in network for network, wanted in self._networks)
        return any(
            wanted in (0, port) and (host.endswith(name) if name.startswith(".") else host == name)
            for name, wanted in self._names
        )


def _host(text: str) -> str:
    if text.startswith("["):
        if not isinstance(_address(text[1:-1]), ipaddress.IPv6Address | ipaddress.IPv4Address) or ":" not in text:
            raise ValueError("its host is not an IPv6 address")
        return text[1:-1].lower()
    if not text.isascii():
        try:
            text = ascii_host(text)
        except ValueError:
            raise ValueError("its host name is not valid") from None
    if len(text) > 253 or not _NAME.fullmatch(text):
        raise ValueError("it has no valid host name")
    return text.lower()


def _address(text: str) -> _Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _network(text: str) -> _Network | None:
    """Return the network or single address that `text` names, or None."""
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
