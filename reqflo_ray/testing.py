"""Tools for tests of journeys: an API that answers in this process, the demo API on loopback, and a temporary store.

Like `reqflo_ray`, this module is public and loads nothing heavy before it is used:

    api = FakeApi()
    api.answer("POST", "/orders", status=201, json={"id": "ord-1"})
    with temporary_store() as store:
        outcome = reqflo_ray.run("place-order", rows, target=reqflo_ray.Target(store=store, transport=api))
    assert outcome.exit_code == 0 and api.requests[0].json() == {"total": 12.5}
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from reqflo_ray._internal.api.fake_api import Answer, FakeApi, Request

if TYPE_CHECKING:
    from reqflo_ray._internal.demo.thread import DemoThread as DemoApi

__all__ = ["Answer", "DemoApi", "FakeApi", "Request", "demo_api", "temporary_store"]


@contextmanager
def temporary_store() -> Iterator[Path]:
    """Create an empty store in a temporary folder and remove it when the block ends.

    It yields the path of the store, for the `store` of a `Target`:

        with temporary_store() as store:
            outcome = reqflo_ray.run("place-order", rows, target=reqflo_ray.Target(store=store))
    """
    with tempfile.TemporaryDirectory(prefix="reqflo-ray-") as folder:
        yield Path(folder) / "store"


def demo_api(
    *,
    port: int = 0,
    latency_ms: float = 0.0,
    error_rate: float = 0.0,
    seed: int = 0,
    client_secret: str | None = None,
) -> DemoApi:
    """Serve the shop API of the examples on loopback, in a thread of this process, while the block runs.

    The context manager yields an object with `url`; `ledger()`, which returns the requests that arrived; and `reset()`,
    which clears them:

        with demo_api(error_rate=0.1, seed=7) as api:
            print(api.url)  # http://127.0.0.1:40871

    Args:
        port: the port to listen on; 0 selects a free one.
        latency_ms: the delay of every answer, in milliseconds.
        error_rate: the share of requests, from 0 to 1, that are answered with 503. Besides, `/flaky/KEY?fail=N` answers
            the first N requests for each KEY so.
        seed: selects the requests that are answered with 503.
        client_secret: the only client secret that gets a token; None: any does.

    Raises:
        UsageError: `invalid_option`, or `address_in_use` when the block is entered.
    """
    from reqflo_ray._internal.demo.server import ServerOptions
    from reqflo_ray._internal.demo.thread import DemoThread

    return DemoThread(
        ServerOptions(port=port, latency_ms=latency_ms, error_rate=error_rate, seed=seed, client_secret=client_secret)
    )


def __getattr__(name: str) -> object:
    if name == "DemoApi":
        from reqflo_ray._internal.demo.thread import DemoThread

        return DemoThread
    raise AttributeError(f"module `reqflo_ray.testing` has no attribute {name!r}")
