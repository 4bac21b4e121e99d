"""The one small actor of a run on a cluster. It keeps the schedule of the run's rate, from which workers request
batches of instants, and holds the progress that workers report until the driver takes it.

The actor lives on the driver's node and ends with it. Losing it costs little: workers repeatedly report whole counters,
so a replacement soon has them all, and a worker that dies loses only the few instants that it had requested. It must
not know shards, which are bytes to it.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import msgspec

from reqflo_ray._internal.model.results import ShardProgress
from reqflo_ray._internal.runner.execute.worker.pacing import AskForTurns, Grant, Schedule

if TYPE_CHECKING:
    from reqflo_ray._internal.runner.execute.host import ShardHost

_TRY_AGAIN_SECONDS: Final = 0.2
_TELL_EVERY_SECONDS: Final = 0.5
_TAKE_EVERY_SECONDS: Final = 0.25

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[ShardProgress]).decode


class RunKeeper:
    """The actor: a shell around `Schedule`, with the last report of each worker.

    Args:
        rate: requests per second over the whole run; None for no limit.
    """

    def __init__(self, rate: float | None) -> None:
        self._schedule = Schedule(rate) if rate is not None else None
        self._told: dict[str, bytes] = {}

    def grant(self, needed: int, welcome: int) -> Grant:
        """See `Schedule.grant`. Only for a run with a rate."""
        assert self._schedule is not None
        return self._schedule.grant(needed, welcome, time.monotonic())

    def tell(self, worker: str, progress: bytes) -> None:
        """Store what `worker` reports, in place of its earlier report."""
        self._told[worker] = progress

    def take(self) -> list[bytes]:
        """Return the reports since the last call."""
        told, self._told = self._told, {}
        return list(told.values())


def start_coordinator(rate: float | None) -> Any:
    """Start the actor of a run; it lives until the returned handle is dropped."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return ray.remote(RunKeeper).options(num_cpus=0, max_restarts=-1, scheduling_strategy=here).remote(rate)


def asking(coordinator: Any) -> AskForTurns:
    """Return the function with which a worker asks for turns; it asks again until there is an answer."""
    from ray.exceptions import RayError

    async def ask(needed: int, welcome: int) -> Grant:
        while True:
            try:
                return Grant(*await asyncio.wrap_future(coordinator.grant.remote(needed, welcome).future()))
            except RayError:  # the actor is restarting, or cannot be reached for a moment
                await asyncio.sleep(_TRY_AGAIN_SECONDS)

    return ask


async def tell_for_ever(coordinator: Any, host: ShardHost) -> None:
    """Report the progress of a worker's shards about twice per second; one call at a time, so that none pile up."""
    import ray
    from ray.exceptions import RayError

    worker = ray.get_runtime_context().get_worker_id()
    while True:
        if progress := host.progress():
            with suppress(RayError):  # the next report repeats it
                await asyncio.wrap_future(coordinator.tell.remote(worker, _encode(progress)).future())
        await asyncio.sleep(_TELL_EVERY_SECONDS)


class ProgressTaker:
    """The driver's side: asks the coordinator now and then, and never waits for an answer."""

    def __init__(self, coordinator: Any) -> None:
        self._coordinator = coordinator
        self._asked: Future[list[bytes]] | None = None
        self._ask_at = 0.0

    def take(self) -> list[ShardProgress]:
        """Return the reports of workers that have arrived since the last call."""
        from ray.exceptions import RayError

        taken: list[ShardProgress] = []
        if self._asked is not None and self._asked.done():
            with suppress(RayError):  # the next report repeats what was lost
                taken = [progress for told in self._asked.result() for progress in _decode(told)]
            self._asked = None
        if self._asked is None and time.monotonic() >= self._ask_at:
            self._ask_at = time.monotonic() + _TAKE_EVERY_SECONDS
            self._asked = self._coordinator.take.remote().future()
        return taken
