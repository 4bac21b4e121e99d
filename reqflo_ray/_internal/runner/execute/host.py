"""Runs the shards in flight in one worker process, and ends them when the run is stopped.

Both backends use it: a Ray actor has one for its lifetime, the local backend one for the run.
"""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec

from reqflo_ray._internal.errors import StoreError
from reqflo_ray._internal.model.plan import ShardPlan
from reqflo_ray._internal.model.results import ShardOutcome, ShardProgress, ShardReport
from reqflo_ray._internal.runner.execute.fence import Fence
from reqflo_ray._internal.runner.execute.shard import run_shard, suspended
from reqflo_ray._internal.runner.execute.worker.worker import Worker
from reqflo_ray._internal.runs.folder import layout

# The time that requests in flight have to end after a stop; the journal keeps later ones as "outcome unknown".
GRACE_SECONDS: Final = 10.0
_LOOK_EVERY_SECONDS: Final = 0.2
_LOOK_FAR_EVERY_SECONDS: Final = 1.0


class ShardHost:
    """Runs shards of one driver's epoch and watches for the stop of that epoch."""

    def __init__(self, worker: Worker, epoch: int) -> None:
        self._worker = worker
        self._epoch = epoch
        self._one_at_a_time = asyncio.Lock()
        self._running: set[asyncio.Task[ShardReport]] = set()
        self._watch: asyncio.Task[None] | None = None

    async def run(self, plan: ShardPlan) -> ShardReport:
        """Run one shard. After a stop, the shard is suspended and the method returns within the grace time."""
        if self._worker.rows.count == self._worker.run.options.concurrency:
            return await self._run(plan)
        # Descriptors are scarce, and each shard has open files of its own.
        async with self._one_at_a_time:
            return await self._run(plan)

    async def _run(self, plan: ShardPlan) -> ShardReport:
        if self._worker.stopping.is_set():
            return ShardReport(shard=plan.shard, outcome=ShardOutcome.SUSPENDED)
        if self._watch is None:
            self._watch = asyncio.ensure_future(self._watch_for_stop())
        task = asyncio.ensure_future(run_shard(self._worker, plan, self._epoch))
        self._running.add(task)
        try:
            await asyncio.wait({task})
            return suspended(self._worker, plan.shard) if task.cancelled() else task.result()
        finally:
            self._running.discard(task)

    def progress(self) -> list[ShardProgress]:
        """Return the progress of the running shards."""
        progress = [counter.progress() for counter in self._worker.counters.values()]
        if progress and self._worker.warnings:
            progress[0] = msgspec.structs.replace(progress[0], warnings=tuple(self._worker.warnings))
        return progress

    async def close(self) -> None:
        """End the watch and the shards that are still running."""
        tasks = [*self._running, *([self._watch] if self._watch else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch_for_stop(self) -> None:
        folder = self._worker.folder
        is_near = folder.storage.is_near
        newer = folder.path(layout.epoch(self._epoch + 1))
        ours = Fence(lambda: not (folder.is_stopped(self._epoch) or folder.storage.exists(newer)), is_near=is_near)
        # A stop is a file that another process writes, so it can only be polled for.
        while not self._worker.stopping.is_set():
            if not await self._may_go_on(ours):
                break
            await asyncio.sleep(_LOOK_EVERY_SECONDS if is_near else _LOOK_FAR_EVERY_SECONDS)
        self._worker.stopping.set()
        await asyncio.sleep(GRACE_SECONDS)
        for task in self._running:
            task.cancel()

    @staticmethod
    async def _may_go_on(ours: Fence) -> bool:
        try:
            return await ours.is_open()
        except StoreError:
            return True  # rows that need the store end with its error; the next check may succeed
