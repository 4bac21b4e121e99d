"""Serves the demo API from a thread of this process for the time of a `with` block: there within milliseconds, beside
whatever event loop the caller has.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from types import TracebackType
from typing import Self

from reqflo_ray._internal.demo.running import RunningDemo
from reqflo_ray._internal.demo.server import ServerOptions, listen
from reqflo_ray._internal.errors import UsageError


class DemoThread(RunningDemo):
    """The demo API on an event loop of its own.

    Raises:
        UsageError: on entering: `address_in_use`; `demo_started_twice` if it runs already.
    """

    def __init__(self, options: ServerOptions) -> None:
        self._options = options
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        if self._thread is not None:
            raise UsageError(
                "this demo API is already running",
                code="demo_started_twice",
                hint="create another one with `demo_api()`",
            )
        started: Future[str] = Future()
        # A daemon: a test that never leaves the block does not keep its process.
        self._thread = threading.Thread(target=self._run, args=(started,), name="demo API", daemon=True)
        self._thread.start()
        try:
            self.url = started.result()
        except BaseException:
            self._join()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._join()

    def _join(self) -> None:
        assert self._thread is not None
        self._thread.join()
        self._thread = None

    def _run(self, started: Future[str]) -> None:
        import uvloop

        try:
            uvloop.run(self._serve(started))
        except Exception as problem:
            if started.done():
                raise
            started.set_exception(problem)

    async def _serve(self, started: Future[str]) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        async with listen(self._options) as url:
            started.set_result(url)
            await self._ended.wait()
