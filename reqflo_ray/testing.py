"""What tests of journeys need: an API that answers in this process, the demo API on loopback, a store that is gone
afterwards. Like `reqflo_ray` it is public, and loads nothing heavy before it is used.

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
    """An empty store in a temporary folder, which is gone when the block ends: give it as the `store` of a `Target`."""
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
    """The shop that the examples call, on loopback: a context manager, served by a thread of this process.

    What enters has `url`; `ledger()`, which tells what arrived; and `reset()`, which forgets that.

    Args:
        port: 0 takes a free one.
        latency_ms: passes before each answer.
        error_rate: the share of requests, from 0 to 1, that get a 503, drawn from `seed`. Below `/flaky/KEY?fail=N`
            the first N requests for each key do.
        client_secret: the one that gets a token; None: any does.

    Raises:
        UsageError: `invalid_option`; or `address_in_use`, on entering.
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
