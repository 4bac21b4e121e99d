"""A request and an answer of the demo API, as data that the wire and the API exchange."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec


class Request(NamedTuple):
    """A whole request. `path` is without the query and still percent-encoded; header names are in lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


class Answer(NamedTuple):
    """A whole answer; the body is JSON. `headers` are complete lines, each with its end."""

    status: int
    body: bytes
    headers: bytes = b""


class Stream(NamedTuple):
    """An answer in raw pieces, head included, one every `every` seconds (0: as fast as they are taken). The connection
    ends with the last one; pieces are only made when they can be sent."""

    status: int
    pieces: Iterator[bytes]
    every: float = 0.0


REASONS: Final = {
    200: "OK",
    201: "Created",
    204: "No Content",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
    422: "Unprocessable Content",
    431: "Request Header Fields Too Large",
    501: "Not Implemented",
    503: "Service Unavailable",
    505: "HTTP Version Not Supported",
}


def refusal(status: int, message: str, headers: bytes = b"") -> Answer:
    """Return an error answer with a message."""
    document = {"error": {"code": REASONS[status].lower().replace(" ", "_"), "message": message}}
    return Answer(status, msgspec.json.encode(document), headers)
