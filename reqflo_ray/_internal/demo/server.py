"""Serves the demo API: options and socket; and, as a process of its own, signals.

The API is for trying things out and for tests: it listens on loopback unless told otherwise and keeps all in memory.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from reqflo_ray._internal.demo.api import DemoApi
from reqflo_ray._internal.demo.ledger import Ledger
from reqflo_ray._internal.demo.shop import Shop
from reqflo_ray._internal.demo.wire import HttpConnection
from reqflo_ray._internal.errors import UsageError
from reqflo_ray._internal.process import handling_signals

CLIENT_SECRET_VARIABLE: Final = "DEMO_CLIENT_SECRET"
DEFAULT_PORT: Final = 8480

_GRACE_SECONDS: Final = 5.0
_BACKLOG: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """The options of the demo API.

    `port` 0 takes a free one. `latency_ms` passes before each answer. `error_rate` is the share, from 0 to 1, of
    requests that get a 503, drawn from `seed`. `client_secret` None means `DEMO_CLIENT_SECRET` of the environment,
    and without that any non-empty secret. `ledger` is how many requests the ledger keeps.
    """

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    latency_ms: float = 0.0
    error_rate: float = 0.0
    seed: int = 0
    client_secret: str | None = field(default=None, repr=False)
    ledger: int = 100_000
    maximum_body: int = 2**20

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise _invalid("port", self.port, "a number from 0 to 65535")
        if not 0 <= self.latency_ms <= 3_600_000:
            raise _invalid("latency", self.latency_ms, "milliseconds, at most an hour")
        if not 0 <= self.error_rate <= 1:
            raise _invalid("error-rate", self.error_rate, "a share from 0 to 1")
        if self.ledger < 0:
            raise _invalid("ledger", self.ledger, "a number of requests, 0 or more")
        if self.maximum_body < 1:
            raise _invalid("maximum-body", self.maximum_body, "a number of bytes, 1 or more")


def _invalid(name: str, value: float, wanted: str) -> UsageError:
    return UsageError(f"`--{name}` is {value}", code="invalid_option", hint=f"set it to {wanted}")


def serve(options: ServerOptions) -> None:
    """Serve until SIGTERM, SIGINT, or SIGHUP; says `listening on http://HOST:PORT` on stdout once it does.

    Raises:
        UsageError: `address_in_use` if the address cannot be listened on.
    """
    import uvloop

    end = _End()
    with handling_signals(end.heed):  # from before there is a loop until there is none
        uvloop.run(_serve(options, end))


class _End:
    """Ends the server at the first signal."""

    def __init__(self) -> None:
        self._asked = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._came = asyncio.Event()

    def heed(self, number: int) -> bool:
        """Take note of a signal; False for a Ctrl-C after the first one."""
        if self._asked:
            return number != signal.SIGINT
        self._asked = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._came.set)
        return True

    async def wait(self) -> None:
        self._loop = asyncio.get_running_loop()
        if not self._asked:
            await self._came.wait()


async def _serve(options: ServerOptions, end: _End) -> None:
    async with listen(options) as url:
        sys.stdout.write(f"listening on {url}\n")
        sys.stdout.flush()
        await end.wait()


@asynccontextmanager
async def listen(options: ServerOptions) -> AsyncIterator[str]:
    """Serve while the block runs; yields the URL. Answers that are under way then have some seconds to end.

    Raises:
        UsageError: `address_in_use`.
    """
    secret = options.client_secret or os.environ.get(CLIENT_SECRET_VARIABLE) or None
    api = DemoApi(
        Shop(client_secret=secret, seed=options.seed),
        Ledger(options.ledger),
        error_rate=options.error_rate,
        seed=options.seed,
    )
    connections: set[HttpConnection] = set()
    try:
        server = await asyncio.get_running_loop().create_server(
            lambda: HttpConnection(
                api, connections, latency=options.latency_ms / 1000, maximum_body=options.maximum_body
            ),
            options.host,
            options.port,
            backlog=_BACKLOG,
        )
    except OSError as problem:
        raise UsageError(
            f"cannot listen on {options.host}:{options.port}",
            code="address_in_use",
            cause=problem.strerror or str(problem),
            hint="choose another `--port`; 0 takes a free one",
        ) from None
    port = server.sockets[0].getsockname()[1]
    host = f"[{options.host}]" if ":" in options.host else options.host
    try:
        yield f"http://{host}:{port}"
    finally:
        server.close()
        await _drain(connections)


async def _drain(connections: set[HttpConnection]) -> None:
    for connection in tuple(connections):
        connection.shut_down()
    if connections:
        await asyncio.wait([connection.closed for connection in connections], timeout=_GRACE_SECONDS)
