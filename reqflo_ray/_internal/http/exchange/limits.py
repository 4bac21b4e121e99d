"""Limits of a response head, the same for every engine. It must not know a connection."""

from __future__ import annotations

import re
from typing import Final

from reqflo_ray._internal.http.exchange.failures import ExchangeError, protocol_failure
from reqflo_ray._internal.http.exchange.refusals import BOTH_LENGTHS, OTHER_CODING, SWITCHES
from reqflo_ray._internal.model.http.exchange import CREDENTIAL_HEADERS, Headers

MAX_HEAD_BYTES: Final = 64 * 1024
MAX_HEADER_LINES: Final = 10_000

_BETWEEN: Final = len(": \r\n")
_FORBIDDEN: Final = re.compile(r"[\x00\r\n]")


def head_too_large(place: str) -> ExchangeError:
    """Return the error of a head that is too large."""
    return protocol_failure(place, f"has a head of more than {MAX_HEAD_BYTES} bytes")


def check_head(status: int, headers: Headers, place: str) -> None:
    """Refuse a head that is too large, that two readers could understand differently, that announces a coding that is
    not supported, or that switches protocols.

    Raises `ExchangeError` with `protocol_error`; `place` is the sender, for messages.
    """
    text = "".join([part for pair in headers for part in pair])
    if len(headers) > MAX_HEADER_LINES:
        raise protocol_failure(place, f"has {len(headers)} header lines, and at most {MAX_HEADER_LINES} are allowed")
    if len(text) + _BETWEEN * len(headers) > MAX_HEAD_BYTES:
        raise head_too_large(place)
    if _FORBIDDEN.search(text):
        name, value = next(pair for pair in headers if _FORBIDDEN.search("".join(pair)))
        shown = f"{name}: {value}".encode("latin-1") if name.lower() not in CREDENTIAL_HEADERS else b""
        raise protocol_failure(place, "has a header with a line break or null byte in its value", shown)
    if "transfer-encoding" in text.lower():
        _check_transfer_coding(headers, place)
    if status == 101:
        raise protocol_failure(place, SWITCHES)


def _check_transfer_coding(headers: Headers, place: str) -> None:
    framing = [pair for pair in headers if pair[0].lower() in ("content-length", "transfer-encoding")]
    codings = [value for name, value in framing if name.lower() == "transfer-encoding"]
    shown = "\r\n".join([f"{name}: {value}" for name, value in framing]).encode("latin-1")
    if codings and len(codings) < len(framing):
        raise protocol_failure(place, BOTH_LENGTHS, shown)
    # RFC 9112, 6.1: chunked once, and last. `identity` was removed from the standard, and means none.
    if codings and ",".join(codings).lower().strip() not in ("chunked", "identity"):
        raise protocol_failure(place, OTHER_CODING, shown)
