"""What can be asked of a demo API that runs, wherever it does. Knows only its URL."""

from __future__ import annotations

import json
import urllib.request
from typing import Any, Final

_TIMEOUT_SECONDS: Final = 30
# Loopback is reached directly, whatever proxy the environment names.
_direct: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class RunningDemo:
    """A demo API; `url` is where it listens."""

    url = ""

    def ledger(self) -> dict[str, Any]:
        """What has arrived: `total`, `dropped`, `orders_created`, `orders_replayed`, and `requests`, oldest first, each
        with `sequence`, `method`, `path` (with the query), `idempotency_key`, `body_sha256`, `at_us`, `status`."""
        with _direct.open(f"{self.url}/ledger", timeout=_TIMEOUT_SECONDS) as answer:
            document: dict[str, Any] = json.load(answer)
        return document

    def reset(self) -> None:
        """Empty the ledger."""
        request = urllib.request.Request(f"{self.url}/ledger/reset", method="POST")
        with _direct.open(request, timeout=_TIMEOUT_SECONDS):
            pass
