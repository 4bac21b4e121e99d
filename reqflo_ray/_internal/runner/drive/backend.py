"""Where shards are executed: the `ShardBackend` protocol, and the backend that runs them in this very process."""

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

# Enough that the next shard's rows start while the last rows of this one end.
SHARDS_IN_FLIGHT: Final = 3
_TICK_SECONDS: Final = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a driver hands to a backend: shards of one run, under one epoch. `rate` is requests a second over all
    workers, None for no limit. `is_stopping` is to be asked about four times a second."""

    folder: RunFolder
    epoch: int
    shards: Plan
    rate: float | None = None
    is_stopping: Callable[[], bool]


class Observer(Protocol):
    """The driver's ear. All methods are called on the driver's thread, or while that waits for the one that calls."""

    def report(self, report: ShardReport) -> None:
        """A shard has ended."""
        ...

    def progress(self, shards: Sequence[ShardProgress]) -> None:
        """How far some shards are that run. May be told late, twice, of an attempt that has died, and of a shard that
        has ended."""
        ...

    def tick(self) -> None:
        """Some time has passed; called about four times a second."""
        ...

    def warn(self, problem: Problem) -> None:
        """Something that a person should know, and that does not end the run."""
        ...


class ShardBackend(Protocol):
    """Executes shards. Entering it starts or joins what it needs, leaving it ends only what it started."""

    name: str

    def room(self) -> Room:
        """The room for workers that there is, for who has not entered it.

        Raises:
            ClusterError: the cluster cannot be looked at.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def run(self, work: Work, observer: Observer) -> None:
        """Execute the shards of `work`; returns when each has been reported, or has been given up after a stop.

        Raises:
            ClusterError: the cluster could not carry on.
        """
        ...


class LocalBackend:
    """Runs the shards in this process, on one event loop. `api`, if there is one, answers their requests."""

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
        # A notebook, or a test: its loop, which waits for us, keeps this thread from running another.
        with ThreadPoolExecutor(1, "local backend") as thread:
            thread.submit(run_all).result()


def _has_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _run_all(work: Work, observer: Observer, api: InProcessApi | None) -> None:
    # What executes shards brings Arrow with it: who only checks a journey does without.
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
