"""Records each request to the demo API, so that a test can count what actually arrived."""

from __future__ import annotations

import hashlib
import time
from collections import deque

import msgspec

from reqflo_ray._internal.demo.messages import Request


class Entry(msgspec.Struct):
    """One request. `path` is as it was sent, query included; `at_us`: its arrival, in microseconds since the epoch;
    `status`: the answer's."""

    sequence: int
    method: str
    path: str
    idempotency_key: str
    body_sha256: str
    at_us: int
    status: int = 0


class Ledger:
    """The last `capacity` requests, and the number of all of them."""

    def __init__(self, capacity: int) -> None:
        self._entries: deque[Entry] = deque(maxlen=capacity)
        self.total = 0

    def record(self, request: Request) -> Entry:
        """Record that `request` has arrived. The caller sets the status of the entry later."""
        self.total += 1
        entry = Entry(
            self.total,
            request.method,
            f"{request.path}?{request.query}" if request.query else request.path,
            request.headers.get("idempotency-key", ""),
            hashlib.sha256(request.body).hexdigest(),
            time.time_ns() // 1000,
        )
        self._entries.append(entry)
        return entry

    def last(self, limit: int | None) -> list[Entry]:
        """Return the last `limit` entries that are kept (None: all), oldest first."""
        entries = list(self._entries)
        return entries if limit is None else entries[max(0, len(entries) - limit) :]

    @property
    def dropped(self) -> int:
        """The number of requests that are no longer kept."""
        return self.total - len(self._entries)

    def reset(self) -> None:
        """Remove all entries."""
        self._entries.clear()
        self.total = 0
