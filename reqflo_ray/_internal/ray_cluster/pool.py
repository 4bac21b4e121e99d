"""Controls the pool of workers in Ray Data: its size, how it grows with the work or the cluster, and whether it lives.

It knows actors and nodes, not shards.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from reqflo_ray._internal.errors import ClusterError, Problem, Severity
from reqflo_ray._internal.model.workers import WorkerRange
from reqflo_ray._internal.ray_cluster.ray_internals import ActorPool, pool_options

# The most per worker: one more than it needs while Ray brings the next. A worker works on all shards that it has.
# Otherwise, after its death, Ray could call a shard that was not started before one whose rows wait to be continued.
SHARDS_IN_FLIGHT: Final = 4
# A worker with the most shards it may have is a reason to add another one. Ray's own threshold, 1.75, is above that, so
# the pool would never grow.
GROW_AT_UTILIZATION: Final = 1.0
_LOOK_SECONDS: Final = 1.0
# Starting a worker takes a few seconds; an autoscaler may need minutes for a node.
_WARN_SECONDS: Final = 20.0
_WARN_AGAIN_SECONDS: Final = 60.0
_GIVE_UP_SECONDS: Final = 600.0


def pool_range(workers: WorkerRange, cores: int) -> WorkerRange:
    """Return the range in numbers: a pool that follows the cores begins with their current number."""
    return WorkerRange(max(1, cores), max(1, cores)) if workers.follows_cores else workers


def room_for(workers: WorkerRange, fitting: tuple[int, int]) -> int:
    """Return for how many of `workers` a cluster has room, at least one.

    Args:
        fitting: how many fit beside what runs there now, and how many if nothing else ran. If both are 0, the cluster
            is expected to grow, and the least number of the range counts.
    """
    beside, alone = fitting
    return max(1, min(workers.most, beside or alone or workers.least))


def shards_at_once(shards: int, workers: int) -> int:
    """Return how many shards each worker has at the same time. If there are few shards, it is only its share, because
    the first worker that is ready would otherwise get the work of all. Of a share of four, the last shard is left to
    the worker that is free first."""
    share = max(1, -(-shards // workers))
    return min(SHARDS_IN_FLIGHT, share if share < SHARDS_IN_FLIGHT else share - 1)


def pool_of(workers: WorkerRange, shards: int, room: int) -> dict[str, Any]:
    """Return the options of `map_batches` for a pool of `workers`, at most one per shard, of which `room` find a
    place."""
    # A worker works on all of its calls at the same time, so none of them waits.
    calls = shards_at_once(shards, room)
    return pool_options(least=min(workers.least, shards), most=min(workers.most, shards), calls=calls)


class PoolWatch:
    """A callback that Ray Data calls at every step of an execution, in its own thread.

    Args:
        cores: counts the cores of the cluster, if the pool must follow them.
        most: the greatest number of workers, such as the number of shards.
    """

    def __init__(self, cores: Callable[[], int] | None, most: int) -> None:
        self._cores = cores
        self._most = most
        self._look_at = 0.0
        # Living workers at the last look; None if Ray Data does not show them.
        self.alive: int | None = 0

    def __call__(self) -> PoolWatch:
        """Return this object: Ray Data creates a callback for each execution."""
        return self

    def __deepcopy__(self, known: Any) -> PoolWatch:
        return self

    def __reduce__(self) -> tuple[Callable[[], None], tuple[()]]:
        # The settings that contain this object also go to the workers, which do not use it.
        return _nobody, ()

    def before_execution_starts(self, executor: Any) -> None:
        """Let only the work determine the number of workers."""
        for pool in ActorPool.all_of(executor) or ():
            pool.take_no_account_of_nodes()

    def on_execution_step(self, executor: Any) -> None:
        """Examine the pool about once per second, and let it follow the cluster."""
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + _LOOK_SECONDS
        pools = ActorPool.all_of(executor)
        self.alive = None if pools is None else sum(pool.alive() for pool in pools)
        if pools and self._cores is not None:
            most = min(self._most, self._cores())
            for pool in pools:
                pool.grow_to(most)

    def after_execution_succeeds(self, executor: Any) -> None:
        """Do nothing: the pool ends with the execution."""

    def after_execution_fails(self, executor: Any, error: Exception) -> None:
        """Do nothing: the pool ends with the execution."""


def _nobody() -> None:
    return None


@dataclass(frozen=True, slots=True)
class Offer:
    """The memory of a cluster for workers, in bytes: what its largest node offers, and the most that is free on one
    node. What an autoscaler may add is not known."""

    nodes: int
    largest: int
    free: int


class Placement:
    """Limits how long a run may be without a living worker: warns with the reason, and finally gives up.

    Args:
        memory: bytes that a worker asks for; 0 for none.
        offer: examines the cluster; called only when there is something to report.
        warn: takes the warnings.
    """

    def __init__(self, memory: int, offer: Callable[[], Offer], warn: Callable[[Problem], None]) -> None:
        self._memory = memory
        self._offer = offer
        self._warn = warn
        self._since = math.inf
        self._warn_at = math.inf

    def look(self, alive: int | None, now: float) -> None:
        """Record how many workers live at `now` (monotonic seconds); None if that is not known.

        Raises:
            ClusterError: `no_worker_placed`, after ten minutes without any.
        """
        if alive is None or alive:
            self._since = math.inf
            return
        if self._since == math.inf:
            self._since, self._warn_at = now, now + _WARN_SECONDS
        if now - self._since >= _GIVE_UP_SECONDS:
            raise ClusterError(
                f"no worker could be placed on the cluster for {_GIVE_UP_SECONDS / 60:.0f} minutes",
                code="no_worker_placed",
                cause=self._reason(self._offer()),
                hint="resume the run when the cluster has room; finished work is kept",
            )
        if now >= self._warn_at:
            self._warn_at = now + _WARN_AGAIN_SECONDS
            offer = self._offer()
            self._warn(
                Problem(
                    code="no_worker_placed",
                    message=f"no worker has been alive for {now - self._since:.0f} s: {self._reason(offer)}",
                    hint=self._hint(offer),
                    severity=Severity.WARNING,
                )
            )

    def _reason(self, offer: Offer) -> str:
        if not self._memory:
            return "workers reserve no memory, so the cluster has room for them"
        asked = f"each worker needs {_mebibytes(self._memory)} of memory"
        nodes = "the cluster's one node" if offer.nodes == 1 else f"the largest of the cluster's {offer.nodes} nodes"
        return f"{asked}, and {nodes} offers {_mebibytes(offer.largest)}; {_mebibytes(offer.free)} are free"

    def _hint(self, offer: Offer) -> str:
        if self._memory <= offer.free:
            return "look at the logs of the cluster: workers are starting, or die as they start"
        if self._memory <= offer.largest:
            return "wait: the first worker is starting, or needs the memory of others on the cluster"
        return (
            f"add a node with `ray start --memory {self._memory}` or more, unless an autoscaler adds one: no node is"
            f" large enough, and the run stops after {_GIVE_UP_SECONDS / 60:.0f} minutes"
        )


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:.0f} MiB"
