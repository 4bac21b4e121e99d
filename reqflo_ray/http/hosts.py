"""The rule for host patterns, which bound where a secret may be sent. Knows nothing of requests or connections."""

from __future__ import annotations

from collections.abc import Iterable


def host_matches(pattern: str, host: str) -> bool:
    """Whether `host` is one that `pattern` names.

    A pattern is a host name, or `*.` and a domain: one or more labels in front of that domain, never the bare domain
    itself. Case and one trailing dot (a fully qualified name) do not matter. Neither side has a port.
    """
    pattern = pattern.lower().removesuffix(".")
    host = host.lower().removesuffix(".")
    if not pattern or not host:
        return False
    if not pattern.startswith("*."):
        return host == pattern
    domain = pattern[1:]
    return len(domain) > 1 and len(host) > len(domain) and host.endswith(domain) and not host.startswith(".")


def host_allowed(patterns: Iterable[str] | None, host: str) -> bool:
    """Whether any of `patterns` names `host`; None allows every host, an empty collection none."""
    return patterns is None or any(host_matches(pattern, host) for pattern in patterns)
