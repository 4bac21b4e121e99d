"""Host names: their ASCII form, and the rules for host patterns, which limit where a secret may be sent.

Pure text: it looks up no name, and must not know requests or connections.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

Patterns = tuple[str, ...]


def host_allowed(patterns: Iterable[str] | None, host: str) -> bool:
    """Return whether one of `patterns` matches `host`; None allows every host, an empty collection none.

    A pattern is a host name or address, or `*.` and a domain, which matches one or more labels before that domain but
    not the domain itself. Case, one trailing dot (of a fully qualified name) and the brackets of an IPv6 address are
    ignored. Neither side has a port.
    """
    return patterns is None or _any_names(tuple(patterns), host)


# A run has few hosts, and every request is checked.
@lru_cache(maxsize=1024)
def _any_names(patterns: Patterns, host: str) -> bool:
    host = _normal(host)
    return any(_covers(_normal(pattern), host) for pattern in patterns)


def common_hosts(one: Patterns | None, other: Patterns | None) -> Patterns | None:
    """Return patterns for exactly the hosts that both match; None stands for all hosts, () for none."""
    if one is None:
        return other
    if other is None:
        return one
    common: dict[str, None] = {}
    for left in map(_normal, one):
        for right in map(_normal, other):
            if left == right or _covers(right, left):
                common[left] = None
            elif _covers(left, right):
                common[right] = None
    return tuple(common)


def _covers(pattern: str, host: str) -> bool:
    """Return whether `pattern` covers `host`, which may itself be a narrower pattern."""
    if not pattern or not host or host.startswith("."):
        return False
    if not pattern.startswith("*."):
        return host == pattern
    domain = pattern[1:]
    return len(domain) > 1 and len(host) > len(domain) and host.endswith(domain)


def _normal(host: str) -> str:
    host = host.lower().removesuffix(".").removeprefix("[").removesuffix("]")
    try:
        return ascii_host(host)  # requests go to names in this form
    except ValueError:
        return host  # not a valid host name


def ascii_host(host: str) -> str:
    """Return the ASCII form of a host name by IDNA 2008, non-transitional (UTS 46): `ß` is kept. ASCII labels are not
    checked.

    Raises `ValueError` for a name that has no such form.
    """
    if host.isascii():
        return host
    import idna  # it takes 20 ms, and few hosts need it

    mapped = idna.uts46_remap(host, std3_rules=False)
    return ".".join([label if label.isascii() else idna.alabel(label).decode() for label in mapped.split(".")])
