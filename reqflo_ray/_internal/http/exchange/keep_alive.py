"""Finds how long a connection may be idle before its next request, by the last answer of the server.

A server closes a connection that has been idle for its time, and a request that crosses that close is lost with it. It
must not know connections.
"""

from __future__ import annotations

import re
from typing import Final

from reqflo_ray._internal.model.http.exchange import Headers

# Few servers that say nothing close earlier.
MOST_IDLE_SECONDS: Final = 15.0

_PARAMETER: Final = re.compile(
    r'(?:^|[,;])[ \t]*(timeout|max)[ \t]*=[ \t]*"?([0-9]{1,9})"?[ \t]*(?=[,;]|$)', re.IGNORECASE
)


def idle_seconds(headers: Headers) -> float:
    """Return the seconds that a connection may be idle before it is used again; 0 if it must not be used again.

    `Keep-Alive: timeout=5, max=100` (RFC 2068, 19.7.1.1): closed after 5 s without a request, or after 100 more. One
    second is subtracted for the way there, or one half of a short time.
    """
    seconds = MOST_IDLE_SECONDS
    for name, value in headers:
        if len(name) == 10 and name.lower() == "keep-alive":
            seconds = min(seconds, _of_value(value))
    return seconds


def _of_value(value: str) -> float:
    seconds = MOST_IDLE_SECONDS
    for name, digits in _PARAMETER.findall(value):
        number = int(digits)
        if name.lower() == "timeout":
            seconds = min(seconds, max(number - 1.0, number / 2))
        elif number == 0:
            return 0.0
    return seconds
