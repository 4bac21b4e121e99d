"""Bounds on a response head, the same for every engine."""

from __future__ import annotations

import re
from typing import Final

from reqflo_ray._internal.http.exchange.failures import protocol_failure
from reqflo_ray._internal.model.exchange import Headers

MAX_HEAD_BYTES: Final = 64 * 1024
MAX_HEADER_LINES: Final = 10_000

_FORBIDDEN: Final = re.compile(r"[\x00\r\n]")


def check_head(status: int, headers: Headers, place: str) -> None:
    """Refuse a head that is too large, that two readers could understand differently, that announces a coding which
    nobody undoes, or that switches protocols.

    Raises `ExchangeError` with `protocol_error`; `place` is who sent it.
    """
    text = "".join([part for pair in headers for part in pair])
    if len(headers) > MAX_HEADER_LINES or len(text) > MAX_HEAD_BYTES:
        raise protocol_failure(place, f"has a head of more than {MAX_HEAD_BYTES} bytes or {MAX_HEADER_LINES} lines")
    if _FORBIDDEN.search(text):
        raise protocol_failure(place, "has a header with a line break or null byte inside")
    if "transfer-encoding" in text.lower():
        _check_transfer_coding(headers, place)
    if status == 101:
        raise protocol_failure(place, "switches to another protocol unasked")


def _check_transfer_coding(headers: Headers, place: str) -> None:
    codings = [value for name, value in headers if name.lower() == "transfer-encoding"]
    if codings and any(name.lower() == "content-length" for name, _ in headers):
        raise protocol_failure(place, "has both a Content-Length and a Transfer-Encoding header")
    # RFC 9112, 6.1: chunked once, and last. `identity` was taken out of the standard, and means none.
    if codings and ",".join(codings).lower().strip() not in ("chunked", "identity"):
        raise protocol_failure(place, "has a transfer coding other than chunked")
