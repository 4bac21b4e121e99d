"""The actor: a shell around `ShardHost` for Ray Data. It has no logic of journeys, rows, or files.

Ray Data runs the calls of an async actor on one plain loop and may block it, so all work happens on our own loop
thread. No exception leaves a call: it would fail the whole dataset, and a `SystemExit` would hang it.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from reqflo_ray._internal.model.plan import Plan
from reqflo_ray._internal.model.results import ShardOutcome, ShardReport
from reqflo_ray._internal.process import fill_standard_descriptors

if TYPE_CHECKING:
    from reqflo_ray._internal.ray_cluster.metrics import MetricsExport
    from reqflo_ray._internal.runner.execute.host import ShardHost


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSpec:
    """Everything that an actor gets: where the run is. `shards` maps the position in the dataset to the number of the
    shard; `memory_bytes` is what the actor asks of the cluster, 0 on an embedded one; `coordinator` is the actor that
    keeps the rate of the run and takes the progress of its shards."""

    store: str
    run_id: str
    epoch: int
    shards: tuple[int, ...]
    coordinator: Any
    memory_bytes: int = 0

    def __repr__(self) -> str:
        return f"WorkerSpec(run_id={self.run_id!r})"


class ShardWorker:
    """One actor of the pool. The first call opens the run, so that a fault is reported and does not kill the actor."""

    def __init__(self, spec: WorkerSpec) -> None:
        self._spec = spec
        self._loop = _start_loop()
        self._opening: asyncio.Task[_OpenRun] | None = None

    async def __call__(self, batch: dict[str, Any]) -> dict[str, list[bytes]]:
        """Run the shards of a block: positions in, encoded `ShardReport`s out."""
        reports = []
        for position in batch["id"].tolist():
            shard = self._spec.shards[position]
            future = asyncio.run_coroutine_threadsafe(self._run(shard), self._loop)
            reports.append(msgspec.json.encode(await asyncio.wrap_future(future)))
        return {"report": reports}

    async def _run(self, shard: int) -> ShardReport:
        try:
            # The task is created before the first await, so that shards that arrive together share one run.
            if self._opening is None:
                self._opening = asyncio.ensure_future(_OpenRun.open(self._spec))
            opened = await self._opening
            report = await opened.host.run(opened.plan[shard])
            # The actor may end with this shard, and Ray still shows the counts that it has by then.
            opened.metrics.flush()
            return report
        except BaseException as error:
            return _as_report(shard, error)


@dataclass(frozen=True, slots=True)
class _OpenRun:
    host: ShardHost
    plan: Plan
    metrics: MetricsExport
    background: tuple[asyncio.Task[None], ...]
    resources: AsyncExitStack

    @classmethod
    async def open(cls, spec: WorkerSpec) -> _OpenRun:
        from reqflo_ray._internal.ray_cluster.coordinator import asking, tell_for_ever
        from reqflo_ray._internal.ray_cluster.metrics import MetricsExport
        from reqflo_ray._internal.ray_cluster.nodes import node_lives
        from reqflo_ray._internal.runner.execute.host import ShardHost
        from reqflo_ray._internal.runner.execute.worker.worker import open_worker
        from reqflo_ray._internal.runs.folder.run_folder import RunFolder
        from reqflo_ray._internal.runs.staging.rows import read_plan
        from reqflo_ray._internal.storage.open import open_storage

        folder = RunFolder(open_storage(spec.store), spec.run_id)
        resources = AsyncExitStack()
        opening = open_worker(folder, ask=asking(spec.coordinator), node_lives=node_lives)
        worker = await resources.enter_async_context(opening)
        plan = read_plan(folder.storage, folder.run_id) or Plan()
        metrics = MetricsExport(worker.metrics, journey=worker.run.journey, run_id=spec.run_id)
        host = ShardHost(worker, spec.epoch)
        background = map(asyncio.ensure_future, (metrics.flush_for_ever(), tell_for_ever(spec.coordinator, host)))
        return cls(host, plan, metrics, tuple(background), resources)


def _as_report(shard: int, error: BaseException) -> ShardReport:
    from reqflo_ray._internal.errors import ReqfloError
    from reqflo_ray._internal.runner.execute.shard import internal_fault

    if isinstance(error, ReqfloError):
        return ShardReport(
            shard=shard, outcome=ShardOutcome.ERROR, error_code=error.code, message=error.message, hint=error.hint
        )
    return internal_fault(shard, error)


def _start_loop() -> asyncio.AbstractEventLoop:
    import uvloop

    fill_standard_descriptors()
    loop = uvloop.new_event_loop()
    threading.Thread(target=loop.run_forever, name="shards", daemon=True).start()
    return loop
