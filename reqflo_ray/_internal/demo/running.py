"""Queries a running demo API by its URL, in whichever process it runs."""

from __future__ import annotations

import json
import urllib.request
from typing import Any, Final

_TIMEOUT_SECONDS: Final = 30
# Loopback is reached directly, whatever proxy the environment names.
_direct: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class RunningDemo:
    """A running demo API; `url` is its address."""

    url = ""

    def ledger(self) -> dict[str, Any]:
        """Return what has arrived: `total`, `dropped`, `orders_created`, `orders_replayed`, and `requests`, oldest
        first, each with `sequence`, `method`, `path` (with the query), `idempotency_key`, `body_sha256`, `at_us`,
        `status`."""
        with _direct.open(f"{self.url}/ledger", timeout=_TIMEOUT_SECONDS) as answer:
            document: dict[str, Any] = json.load(answer)
        return document

    def reset(self) -> None:
        """Remove all entries of the ledger."""
        request = urllib.request.Request(f"{self.url}/ledger/reset", method="POST")
        with _direct.open(request, timeout=_TIMEOUT_SECONDS):
            pass
