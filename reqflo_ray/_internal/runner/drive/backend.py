"""Defines where shards are executed: the `ShardBackend` protocol, and the backend that runs them in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, Final, Protocol, Self

from reqflo_ray._internal.errors import Problem
from reqflo_ray._internal.model.plan import Plan
from reqflo_ray._internal.model.results import ShardProgress, ShardReport
from reqflo_ray._internal.model.workers import Room
from reqflo_ray._internal.runner.execute.worker.rows_at_once import need_descriptors
from reqflo_ray._internal.runs.folder.run_folder import RunFolder

if TYPE_CHECKING:
    from reqflo_ray._internal.http.engines.in_process_engine import InProcessApi
    from reqflo_ray._internal.runner.execute.host import ShardHost

# Enough to start the rows of the next shard while the last rows of this one are in flight.
SHARDS_IN_FLIGHT: Final = 3
_TICK_SECONDS: Final = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a driver passes to a backend: shards of one run, in one epoch. `rate` is requests per second of all workers
    together, None for no limit. The backend calls `is_stopping` about four times per second."""

    folder: RunFolder
    epoch: int
    shards: Plan
    rate: float | None = None
    is_stopping: Callable[[], bool]


class Observer(Protocol):
    """Receives what a backend reports to the driver. All methods are called on the driver's thread, or on another one
    while the driver's thread waits for it."""

    def report(self, report: ShardReport) -> None:
        """Receive the report of a shard that has ended."""
        ...

    def progress(self, shards: Sequence[ShardProgress]) -> None:
        """Receive the progress of running shards. It may arrive late or twice, from an attempt that has died, or for a
        shard that has ended."""
        ...

    def tick(self) -> None:
        """Note that time has passed; called about four times per second."""
        ...

    def warn(self, problem: Problem) -> None:
        """Receive a warning for the user, which does not end the run."""
        ...


class ShardBackend(Protocol):
    """Executes shards. Entering the context starts or joins what it needs; leaving it ends only what it started."""

    name: str

    def room(self) -> Room:
        """Return the room for workers; call it before entering the context.

        Raises:
            ClusterError: the cluster cannot be examined.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def run(self, work: Work, observer: Observer) -> None:
        """Execute the shards of `work`; return when each has been reported, or abandoned after a stop.

        Raises:
            ClusterError: the cluster could not continue.
        """
        ...


class LocalBackend:
    """Runs the shards in this process, on one event loop. `api`, if it is not None, answers their requests."""

    name = "local"

    def __init__(self, api: InProcessApi | None = None) -> None:
        self._api = api

    def room(self) -> Room:
        """See `ShardBackend.room`: this process is the only worker."""
        return Room(now=1, later=1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return None

    def run(self, work: Work, observer: Observer) -> None:
        import uvloop

        need_descriptors()

        def run_all() -> None:
            uvloop.run(_run_all(work, observer, self._api))

        if not _has_event_loop():
            run_all()
            return
        # A notebook or a test has an event loop, which waits for this call: a thread can run only one.
        with ThreadPoolExecutor(1, "local backend") as thread:
            thread.submit(run_all).result()


def _has_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _run_all(work: Work, observer: Observer, api: InProcessApi | None) -> None:
    # These modules import Arrow, which is not needed to check a journey.
    from reqflo_ray._internal.runner.execute.host import ShardHost
    from reqflo_ray._internal.runner.execute.worker.worker import open_worker

    async with (
        open_worker(work.folder, api=api) as worker,
        aclosing(_Closing(ShardHost(worker, work.epoch))) as host,
    ):
        waiting = iter(work.shards)
        running: set[asyncio.Task[ShardReport]] = set()
        while True:
            running |= {
                asyncio.ensure_future(host.host.run(plan)) for plan in islice(waiting, SHARDS_IN_FLIGHT - len(running))
            }
            if not running:
                return
            done, running = await asyncio.wait(running, timeout=_TICK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                observer.report(task.result())
            observer.progress(host.host.progress())
            observer.tick()
            if work.is_stopping():
                worker.stopping.set()
            if worker.stopping.is_set():
                waiting = iter(())


@dataclass(slots=True)
class _Closing:
    host: ShardHost

    async def aclose(self) -> None:
        await self.host.close()
