"""Where a secret may be sent: host patterns, and what two of them have in common. No names are looked up."""

from __future__ import annotations

from collections.abc import Iterable

Patterns = tuple[str, ...]


def host_allowed(patterns: Iterable[str], host: str) -> bool:
    """Whether `host` (no port, no brackets) matches one of `patterns`. `*.` stands for one or more labels."""
    host = _normal(host)
    return any(_covers(_normal(pattern), host) for pattern in patterns)


def common_hosts(one: Patterns | None, other: Patterns | None) -> Patterns | None:
    """Patterns that match exactly the hosts which both match; None stands for all hosts, () for none."""
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
    """`host` may be a pattern itself: the narrower one."""
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and len(host) > len(pattern) - 1
    return host == pattern


def _normal(host: str) -> str:
    return host.lower().strip("[]").rstrip(".")
