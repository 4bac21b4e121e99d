"""Resolves names for the engines and refuses addresses that must not be reached. It checks the address of the actual
connection, so a name that changes its addresses gains nothing. It must not know an HTTP library."""

from __future__ import annotations

import asyncio
import socket
from time import perf_counter

from reqflo_ray._internal.http.addresses.networks import is_blocked, is_blocked_name
from reqflo_ray._internal.http.exchange.failures import blocked_failure, dns_failure
from reqflo_ray._internal.http.exchange.watch import CURRENT_WATCH


class AddressGuard:
    """The rule for addresses; `allow_link_local` turns it off."""

    def __init__(self, *, allow_link_local: bool) -> None:
        self._open = allow_link_local

    def permits(self, address: str) -> bool:
        """Return whether a connection to this IP address may be opened."""
        return self._open or not is_blocked(address)

    async def resolve(self, host: str, port: int) -> list[tuple[int, str]]:
        """Return the permitted addresses of `host` as (family, address), in the order of the system.

        Raises `ExchangeError`: `dns_failure`, or `target_blocked` if it has only blocked addresses.
        """
        watch = CURRENT_WATCH.get(None)
        if watch is not None:
            watch.dns_start = perf_counter()
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise dns_failure(host) from None
        if watch is not None:
            watch.dns_end = perf_counter()
        addresses = list(dict.fromkeys((family, str(sockaddr[0])) for family, _, _, _, sockaddr in found))
        permitted: list[tuple[int, str]] = [entry for entry in addresses if self.permits(entry[1])]
        if not permitted:
            raise blocked_failure(host) if addresses else dns_failure(host)
        return permitted

    async def check_behind_proxy(self, host: str, port: int) -> None:
        """Refuse a blocked target that a proxy would reach. It is called for every request, because the proxy resolves
        the name every time. A name that only the proxy can resolve passes, because its address is not known here.

        Raises `ExchangeError`: `target_blocked`, or `dns_failure` if the name service hangs.
        """
        if self._open:
            return
        if is_blocked_name(host):
            raise blocked_failure(host)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CURRENT_WATCH.get().connect_seconds):
                found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except TimeoutError:
            raise dns_failure(host) from None
        except (OSError, UnicodeError):
            return
        # One blocked address is enough, because the proxy chooses among them.
        if any(is_blocked(str(sockaddr[0])) for _, _, _, _, sockaddr in found):
            raise blocked_failure(host)
