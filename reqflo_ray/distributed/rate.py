"""The rate of a run on a cluster: one small actor keeps its schedule, and workers ask it for batches of instants.

The actor lives on the driver's node and ends with it. A worker that dies takes with it the few instants it had asked
for; nobody needs to know who is alive.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

from reqflo_ray.runner.pacing import AskForTurns, Grant, Schedule

_TRY_AGAIN_SECONDS: Final = 0.2


class RateKeeper:
    """The actor: a shell around `Schedule`."""

    def __init__(self, rate: float) -> None:
        self._schedule = Schedule(rate)

    def grant(self, needed: int, welcome: int) -> Grant:
        """See `Schedule.grant`."""
        return self._schedule.grant(needed, welcome, time.monotonic())


def start_keeper(rate: float) -> Any:
    """Start the actor of a run with `rate` requests a second; it lives as long as the handle that this returns."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return ray.remote(RateKeeper).options(num_cpus=0, max_restarts=-1, scheduling_strategy=here).remote(rate)


def asking(keeper: Any) -> AskForTurns:
    """How a worker asks the keeper; it asks again until there is an answer."""
    from ray.exceptions import RayError

    async def ask(needed: int, welcome: int) -> Grant:
        while True:
            try:
                return Grant(*await asyncio.wrap_future(keeper.grant.remote(needed, welcome).future()))
            except RayError:  # it is being restarted, or out of reach for a moment
                await asyncio.sleep(_TRY_AGAIN_SECONDS)

    return ask
