"""The addresses that no request may reach: link-local ones, and metadata services of clouds, which serve credentials.

Pure rules about text, which must not know connections: the engines apply them after name resolution. Private and
loopback addresses stay reachable, because testing internal APIs is normal.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from typing import Final

_V4_BLOCKED: Final = (ipaddress.IPv4Network("169.254.0.0/16"), ipaddress.IPv4Network("100.100.100.200/32"))
_V6_BLOCKED: Final = (ipaddress.IPv6Network("fe80::/10"), ipaddress.IPv6Network("fd00:ec2::254/128"))

_NAT64: Final = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))
_V4_COMPATIBLE: Final = ipaddress.IPv6Network("::/96")

# A proxy may resolve names that do not resolve here, so the names of metadata services are refused as well.
_BLOCKED_NAMES: Final = frozenset(
    {"metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"}
)


def is_blocked(address: str) -> bool:
    """Return whether `address` (IPv4 or IPv6 as text; a zone is ignored) is link-local or a metadata service.

    IPv6 forms that contain an IPv4 address (mapped, compatible, 6to4, Teredo, NAT64) are judged by that address too.
    Raises `ValueError` if it is not an address.
    """
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv4Address):
        return _is_blocked_v4(parsed)
    return any(parsed in network for network in _V6_BLOCKED) or any(map(_is_blocked_v4, _embedded(parsed)))


def is_blocked_name(host: str) -> bool:
    """Return whether `host` is a name under which clouds serve metadata."""
    return host.lower().removesuffix(".") in _BLOCKED_NAMES


def odd_ipv4(host: str) -> str | None:
    """Return the dotted form of `host` if it is an IPv4 address not written as four decimal numbers, else None.

    Operating systems read `2852039166`, `0xA9FEA9FE`, `0251.0376.0251.0376`, and `169.254.43518` as 169.254.169.254.
    """
    if not host or not (host[0].isdigit() and host.isascii()):
        return None
    try:
        dotted = socket.inet_ntoa(socket.inet_aton(host.removesuffix(".")))
    except OSError:
        return None
    return None if dotted == host else dotted


def _is_blocked_v4(address: ipaddress.IPv4Address) -> bool:
    return any(address in network for network in _V4_BLOCKED)


def _embedded(address: ipaddress.IPv6Address) -> Iterator[ipaddress.IPv4Address]:
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if address in _V4_COMPATIBLE or any(address in network for network in _NAT64):
        yield ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
