"""Turns a request into exactly what one hop puts on the wire, and refuses what would break the framing. The engines add
nothing to it, so evidence shows what was sent. Knows nothing of connections."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from reqflo_ray.http.failures import ExchangeError
from reqflo_ray.http.target import Target, parse_target
from reqflo_ray.model.exchange import FailureKind, Headers, TransportRequest

# Methods that may be sent a second time when the server closed a kept-alive connection without a word.
RESENDABLE: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})

ACCEPT_ENCODING: Final = "gzip, deflate, br, zstd"

_WITHOUT_LENGTH: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_FORBIDDEN_IN_VALUE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_DIGITS: Final = re.compile(r"[0-9]+")


class Outgoing(NamedTuple):
    """One hop. `headers` are complete (Host first) and valid; `body` None means that none is sent."""

    method: str
    target: Target
    headers: Headers
    body: bytes | None


def prepare(request: TransportRequest, user_agent: str) -> Outgoing:
    """The first hop of `request`. Raises `ExchangeError` with `invalid_request`."""
    return complete(request.method, parse_target(request.url), request.headers, request.body, user_agent)


def complete(method: str, target: Target, headers: Headers, body: bytes | None, user_agent: str) -> Outgoing:
    """Check `headers` and add those that are missing: Host, User-Agent, Accept, Accept-Encoding, Content-Length, and
    Authorization for a user in the URL. Raises `ExchangeError` with `invalid_request`."""
    if not _is_token(method) or method == "CONNECT":
        raise _invalid("the method is not one that can be sent")
    _check_values(headers)
    body = body or None
    names: set[str] = set()
    sent: list[tuple[str, str]] = []
    host = target.authority
    for name, value in headers:
        lowered = _lowered(name)
        if lowered == "host":
            if "host" in names:
                raise _invalid("there is more than one Host header")
            host = value.strip(" \t")
        elif lowered == "content-length":
            _check_length(value, body, repeated=lowered in names)
            sent.append((name, value.strip(" \t")))
        elif lowered == "transfer-encoding":
            raise _invalid("a Transfer-Encoding header cannot be given: bodies are sent with a Content-Length")
        else:
            sent.append((name, value.strip(" \t")))
        names.add(lowered)
    first = [("Host", host)]
    if "user-agent" not in names and user_agent:
        first.append(("User-Agent", user_agent))
    if "accept" not in names:
        first.append(("Accept", "*/*"))
    if "accept-encoding" not in names:
        first.append(("Accept-Encoding", ACCEPT_ENCODING))
    if target.authorization and "authorization" not in names:
        first.append(("Authorization", target.authorization))
    if "content-length" not in names and (body is not None or method not in _WITHOUT_LENGTH):
        sent.append(("Content-Length", str(len(body or b""))))
    return Outgoing(method, target, (*first, *sent), body)


def _check_values(headers: Headers) -> None:
    values = "\t".join([value for _, value in headers])
    if _FORBIDDEN_IN_VALUE.search(values):
        raise _invalid("a header value holds a control character")
    if not values.isascii():
        try:
            values.encode()
        except UnicodeEncodeError:
            raise _invalid("a header value holds a lone surrogate") from None


def _check_length(value: str, body: bytes | None, *, repeated: bool) -> None:
    stripped = value.strip(" \t")
    if repeated or not _DIGITS.fullmatch(stripped) or int(stripped[:20]) != len(body or b""):
        raise _invalid("the Content-Length header is not the length of the body")


# Names come from templates: the same few, for every row.
@lru_cache(maxsize=4096)
def _lowered(name: str) -> str:
    if not _is_token(name):
        raise _invalid("a header name holds a character that is not allowed there")
    return name.lower()


def _is_token(text: str) -> bool:
    return _TOKEN.fullmatch(text) is not None


def _invalid(message: str) -> ExchangeError:
    return ExchangeError(FailureKind.INVALID_REQUEST, message)
