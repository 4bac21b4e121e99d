"""Finds where an answer ends, by its head (RFC 9112, 6.3). It must not know a connection."""

from __future__ import annotations

from reqflo_ray._internal.model.http.exchange import Headers


def is_chunked(headers: Headers) -> bool:
    """Return whether a transfer coding is named; any other than chunked has been refused before."""
    return any(name.lower() == "transfer-encoding" for name, _ in headers)


def ends_with_connection(headers: Headers) -> bool:
    """Return whether there is neither a length nor chunks, so that the body ends with the connection."""
    for name, value in headers:
        lowered = name.lower()
        if lowered == "content-length" or (lowered == "transfer-encoding" and "chunked" in value.lower()):
            return False
    return True


def ends_in_more_lines(data: bytes, last_piece: bytes, headers: Headers) -> bool:
    """Return whether line ends, which parsers skip, follow the answer that `data` completes; `last_piece` is its part
    of the body."""
    trailing = len(data) - len(data.rstrip(b"\r\n"))
    if last_piece and not is_chunked(headers):
        of_body = len(last_piece) - len(last_piece.rstrip(b"\r\n"))
        return trailing > of_body + (4 if of_body == len(last_piece) else 0)
    return trailing > 4
