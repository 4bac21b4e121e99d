"""The whole demo API: the shop, an endpoint that fails on purpose, faults by rate, and the ledger of what arrived.

Beyond the shop's own requests: `GET /health`; `GET /flaky/KEY?fail=N` is 503 with `Retry-After: 0` the first N times
for KEY, then 200; `GET /ledger[?limit=N]` tells what arrived and `POST /ledger/reset` forgets it; `hostile` tells what
`GET /hostile/…` does. `/health` and `/ledger` are not in the ledger and meet no faults.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qs

import msgspec

from reqflo_ray._internal.demo.hostile import PREFIX, hostile
from reqflo_ray._internal.demo.ledger import Ledger
from reqflo_ray._internal.demo.messages import Answer, Request, Stream, refusal
from reqflo_ray._internal.demo.shop import Shop

_RETRY_NOW: Final = b"retry-after: 0\r\n"
_FLAKY_KEYS: Final = 100_000
_GET_TOO: Final = {"HEAD": "GET"}  # HEAD is answered wherever GET is; the wire leaves the body out


class DemoApi:
    """Answers requests. `error_rate` is the share of requests that get a 503 before anything is done for them."""

    def __init__(self, shop: Shop, ledger: Ledger, *, error_rate: float = 0.0, seed: int = 0) -> None:
        self._shop = shop
        self._ledger = ledger
        self._error_rate = error_rate
        self._random = random.Random(seed)
        self._flaky_seen: dict[str, int] = {}

    def __call__(self, request: Request) -> Answer | Stream:
        """The answer to `request`."""
        administration = self._administration(request.path)
        if administration is not None:
            return _by_method(request, *administration)
        entry = self._ledger.record(request)
        answer: Answer | Stream
        if self._error_rate and self._random.random() < self._error_rate:
            answer = refusal(503, "failed on purpose")
        elif request.path.startswith("/flaky/"):
            answer = _by_method(request, "GET", self._flaky)
        else:
            route = self._shop.route(request.path)
            answer = _by_method(request, *route) if route is not None else _elsewhere(request)
        entry.status = answer.status
        return answer

    def _administration(self, path: str) -> tuple[str, Callable[[Request], Answer]] | None:
        if path == "/health":
            return "GET", lambda _: Answer(200, b'{"status":"ok"}')
        if path == "/ledger":
            return "GET", self._show_ledger
        if path == "/ledger/reset":
            return "POST", self._reset_ledger
        return None

    def _show_ledger(self, request: Request) -> Answer:
        limit = _count(request, "limit", None)
        if isinstance(limit, Answer):
            return limit
        document = {
            "total": self._ledger.total,
            "dropped": self._ledger.dropped,
            "orders_created": self._shop.created,
            "orders_replayed": self._shop.replayed,
            "requests": self._ledger.last(limit),
        }
        return Answer(200, msgspec.json.encode(document))

    def _reset_ledger(self, _: Request) -> Answer:
        self._ledger.reset()
        self._shop.reset_counts()
        return Answer(200, b'{"total":0}')

    def _flaky(self, request: Request) -> Answer:
        failures = _count(request, "fail", 1)
        if isinstance(failures, Answer):
            return failures
        key = request.path.removeprefix("/flaky/")
        seen = self._flaky_seen.pop(key, 0) + 1  # put back at the end, so that the least used key goes first
        self._flaky_seen[key] = seen
        if len(self._flaky_seen) > _FLAKY_KEYS:
            del self._flaky_seen[next(iter(self._flaky_seen))]
        if failures is not None and seen <= failures:
            return refusal(503, f"failed on purpose, {failures - seen} to go", _RETRY_NOW)
        return Answer(200, msgspec.json.encode({"key": key, "calls": seen, "status": "ok"}))


def _elsewhere(request: Request) -> Answer | Stream:
    return hostile(request) if request.path.startswith(PREFIX) else refusal(404, "no such path")


def _by_method(request: Request, method: str, route: Callable[[Request], Answer]) -> Answer:
    if request.method != method and _GET_TOO.get(request.method) != method:
        allowed = "GET, HEAD" if method == "GET" else method
        return refusal(405, f"use {allowed}", f"allow: {allowed}\r\n".encode())
    return route(request)


def _count(request: Request, name: str, default: int | None) -> int | Answer | None:
    given = parse_qs(request.query, keep_blank_values=True).get(name)
    if given is None:
        return default
    if len(given[-1]) <= 9 and given[-1].isascii() and given[-1].isdigit():
        return int(given[-1])
    return refusal(422, f"`{name}` is not a count")
