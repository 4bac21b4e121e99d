"""Turns a request into exactly what one hop sends, and refuses what would break the framing. The engines add nothing,
so evidence shows what was sent. It must not know connections."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from reqflo_ray._internal.http.addresses.target import Target, parse_target
from reqflo_ray._internal.http.exchange.failures import ExchangeError
from reqflo_ray._internal.model.http.exchange import CookieStore, FailureKind, Headers, TransportRequest
from reqflo_ray._internal.model.http.headers import HEADER_NAME, header_bytes, unsendable_in_header

ACCEPT_ENCODING: Final = "gzip, deflate, br, zstd"

# Headers that say where a message goes, and where it ends.
_FRAMING: Final = frozenset({"host", "content-length", "transfer-encoding"})
_WITHOUT_LENGTH: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_DIGITS: Final = re.compile(r"[0-9]+")


class Outgoing(NamedTuple):
    """One hop. `headers` are complete (Host first) and valid; `body` is None if none is sent."""

    method: str
    target: Target
    headers: Headers
    body: bytes | None


def prepare(request: TransportRequest, user_agent: str) -> Outgoing:
    """Return the first hop of `request`. Raises `ExchangeError` with `invalid_request`."""
    return complete(request.method, parse_target(request.url), request.headers, request.body, user_agent)


def complete(method: str, target: Target, headers: Headers, body: bytes | None, user_agent: str) -> Outgoing:
    """Check `headers` and add those that are missing: Host, User-Agent, Accept, Accept-Encoding, Content-Length, and
    Authorization for a user in the URL. Raises `ExchangeError` with `invalid_request`."""
    if not _is_token(method) or method == "CONNECT":
        raise _invalid("the method cannot be sent")
    _check_values(headers)
    body = body or None
    names = _lowered(tuple([name for name, _ in headers]))
    sent = [(name, value.strip(" \t")) for name, value in headers]
    host = target.authority
    if not names.isdisjoint(_FRAMING):
        host, sent = _framed(sent, body, host)
    if "cookie" in names:
        sent = _with_one_cookie_line(sent)
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


def with_cookies(outgoing: Outgoing, cookies: CookieStore) -> Outgoing:
    """Return the hop with the cookies for its URL, in one line with its own."""
    own = next((value for name, value in outgoing.headers if name.lower() == "cookie"), "")
    line = cookies.header(outgoing.target.url, own)
    if line == own:
        return outgoing
    others = [pair for pair in outgoing.headers if pair[0].lower() != "cookie"]
    return outgoing._replace(headers=(*others, ("Cookie", line)))


def wire_head(outgoing: Outgoing, request_target: str = "") -> bytes:
    """Return the HTTP/1.1 head of a hop, for its path or another `request_target`."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in outgoing.headers])
    return header_bytes(f"{outgoing.method} {request_target or outgoing.target.path} HTTP/1.1\r\n{lines}\r\n")


def expects_continue(outgoing: Outgoing) -> bool:
    """Return whether the body waits for the server's 100 (Continue)."""
    return any(name.lower() == "expect" and value.lower() == "100-continue" for name, value in outgoing.headers)


def _framed(headers: list[tuple[str, str]], body: bytes | None, host: str) -> tuple[str, list[tuple[str, str]]]:
    """Return the value of the Host header, `host` if there is none, and the other headers."""
    seen: set[str] = set()
    sent: list[tuple[str, str]] = []
    for name, value in headers:
        lowered = name.lower()
        if lowered == "host":
            if "host" in seen:
                raise _invalid("the request has more than one Host header")
            host = value
        elif lowered == "transfer-encoding":
            raise _invalid("a Transfer-Encoding header cannot be set, because bodies are sent with a Content-Length")
        else:
            if lowered == "content-length":
                _check_length(value, body, repeated=lowered in seen)
            sent.append((name, value))
        seen.add(lowered)
    return host, sent


def _with_one_cookie_line(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Join several Cookie headers in the place of the first: a request has at most one (RFC 6265, 5.4)."""
    lines = [pair for pair in headers if pair[0].lower() == "cookie"]
    if len(lines) < 2:
        return headers
    one = (lines[0][0], "; ".join([value for _, value in lines if value]))
    return [one if pair is lines[0] else pair for pair in headers if pair is lines[0] or pair[0].lower() != "cookie"]


def _check_values(headers: Headers) -> None:
    wrong = unsendable_in_header("\t".join([value for _, value in headers]))
    if wrong:
        raise _invalid(f"a header value contains {wrong}")


def _check_length(value: str, body: bytes | None, *, repeated: bool) -> None:
    if repeated or not _DIGITS.fullmatch(value) or int(value[:20]) != len(body or b""):
        raise _invalid("the Content-Length header is not the length of the body")


# Names come from templates, so all rows have the same few sets of them.
@lru_cache(maxsize=4096)
def _lowered(names: tuple[str, ...]) -> frozenset[str]:
    if not all(map(_is_token, names)):
        raise _invalid("a header name contains a character that is not allowed")
    return frozenset([name.lower() for name in names])


@lru_cache(maxsize=64)
def _is_token(text: str) -> bool:
    return HEADER_NAME.fullmatch(text) is not None


def _invalid(message: str) -> ExchangeError:
    return ExchangeError(FailureKind.INVALID_REQUEST, message)
