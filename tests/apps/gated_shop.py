"""A shop that keeps no order: an order's number holds all that is told of it. It notes what arrives, row by row, and
can leave chosen requests without an answer, so that a run stands still where a test wants it to.

By hand: `python tests/apps/gated_shop.py`.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Collection
from typing import NamedTuple

from threaded_api import QuietHandler, ThreadedApi

STEPS = ("token", "create", "pay", "read")


class Arrival(NamedTuple):
    """A request: the row's reference, which step it was, and its idempotency key."""

    ref: str
    step: str
    key: str


class GatedShop(ThreadedApi):
    """Answers everything at once, but what is `held`. Orders of `wrong` come back for somebody else; the first order of
    `busy` is answered with 503."""

    def __init__(self, *, wrong: Collection[str] = (), busy: Collection[str] = ()) -> None:
        self.arrived: Counter[Arrival] = Counter()
        self.waiting: set[tuple[str, str]] = set()
        self._held: set[tuple[str, str]] = set()
        self._changed = threading.Condition()
        shop = self

        class Handler(QuietHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                ref = str(body["ref"])
                if self.path == "/auth/token":
                    shop.take(Arrival(ref, "token", ""))
                    self.answer(200, {"access_token": f"token-of-{ref}"})
                elif self.path == "/orders":
                    key = self.headers.get("Idempotency-Key", "")
                    times = shop.take(Arrival(ref, "create", key))
                    if ref in busy and times == 1:
                        self.answer(503, {"error": "busy"})
                    else:
                        self.answer(201, {"order": {"id": f"order-of-{ref}"}})
                else:
                    shop.take(Arrival(ref, "pay", self.headers.get("Idempotency-Key", "")))
                    self.answer(201, {"payment": f"payment-of-{ref}"})

            def do_GET(self) -> None:
                ref = self.path.removeprefix("/orders/order-of-")
                shop.take(Arrival(ref, "read", ""))
                self.answer(200, {"order": {"ref": "somebody-else" if ref in wrong else ref}})

        super().__init__(Handler)

    def take(self, arrival: Arrival) -> int:
        """Note a request and wait while it is held; how often it has come by now."""
        place = (arrival.ref, arrival.step)
        with self._changed:
            self.arrived[arrival] += 1
            times = self.arrived[arrival]
            if place in self._held:
                self.waiting.add(place)
                self._changed.wait_for(lambda: place not in self._held)
                self.waiting.discard(place)
        return times

    def hold(self, places: Collection[tuple[str, str]]) -> None:
        """Give these steps of these rows no answer from now on, and all others theirs."""
        with self._changed:
            self._held = set(places)
            self._changed.notify_all()

    def release(self) -> None:
        self.hold(())

    def reset(self) -> None:
        """Forget what has arrived."""
        with self._changed:
            self.arrived.clear()


if __name__ == "__main__":
    GatedShop().serve_by_hand()
