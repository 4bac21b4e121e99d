"""The Ray backend: starts or joins a cluster, and runs shards through Ray Data. It knows shards, not journeys.

The dataset has one small descriptor per shard and yields one small report per shard. No row, secret, body, or evidence
passes through Ray, so lineage never executes finished work again, and calling a shard again returns what is committed.
Files carry the guarantee; Ray only schedules.
"""

from __future__ import annotations

import math
import os
import queue
import secrets
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import msgspec

from reqflo_ray._internal.errors import ClusterError, Problem, Severity, UsageError
from reqflo_ray._internal.model.plan import Plan
from reqflo_ray._internal.model.results import ShardReport
from reqflo_ray._internal.model.workers import Room, WorkerRange
from reqflo_ray._internal.ray_cluster.connection import cluster_failed, connect, disconnect, join, quiet_data_context
from reqflo_ray._internal.ray_cluster.coordinator import ProgressTaker, start_coordinator
from reqflo_ray._internal.ray_cluster.nodes import alive_nodes, cores, offer, room_of_nodes
from reqflo_ray._internal.ray_cluster.pool import (
    GROW_AT_UTILIZATION,
    Placement,
    PoolWatch,
    pool_of,
    pool_range,
    room_for,
)
from reqflo_ray._internal.ray_cluster.ray_internals import (
    RETRY_AT_ONCE,
    WORKERS_AS_OTHERS,
    Part,
    apart_from_job,
    missing_parts,
    read_positions,
    watch_executions,
)
from reqflo_ray._internal.ray_cluster.ray_versions import SUPPORTED
from reqflo_ray._internal.ray_cluster.worker import ShardWorker, WorkerSpec
from reqflo_ray._internal.runner.drive.backend import Observer, Work
from reqflo_ray._internal.runner.execute.host import GRACE_SECONDS

if TYPE_CHECKING:
    import ray

# Ray Data keeps a few kilobytes per block on the driver and scans all blocks, so it gets a bounded number at a time.
_WAVE: Final = 10_000
_WORKERS_OF_A_READER: Final = 100
_TICK_SECONDS: Final = 0.25
_OBJECT_STORE_BYTES: Final = 100 * 2**20
# The measured need of a worker, with room for large bodies.
_WORKER_BYTES: Final = 512 * 2**20

_DRIVER_ENVIRONMENT: Final = {
    # Ray's C++ core logs a line at ERROR for every actor pool, about constructor arguments in the object store. Ours
    # are the address of the run, and the driver that owns them outlives the pool.
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    **RETRY_AT_ONCE,
}
_EMBEDDED_ENVIRONMENT: Final = {
    **_DRIVER_ENVIRONMENT,
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "token",
    **WORKERS_AS_OTHERS,
}


class RayBackend:
    """Executes shards on a Ray cluster.

    Args:
        address: None starts an embedded cluster that ends with the run; `auto` or `HOST:PORT` joins a cluster and
            leaves it running.
        workers: the number of actors in the pool.
        store_is_relative: the store was given as a relative path, which other nodes may not find.
    """

    name = "ray"

    def __init__(self, *, address: str | None, workers: WorkerRange, store_is_relative: bool = False) -> None:
        self._address = address
        self._store_is_relative = store_is_relative
        self._workers = workers
        self._environment: dict[str, str | None] = {}

    def room(self) -> Room:
        """See `ShardBackend.room`. Joins a cluster to examine it, and leaves it again; an embedded cluster offers what
        is asked for."""
        if self._address is None:
            offered = self._workers.most or _cores_here()
            return Room(now=offered, later=offered)
        # Once the driver of a job has joined as that job, Ray may remove its working folder, which holds relative files
        # of the dataset. To examine the cluster, it therefore joins as any other program does.
        with apart_from_job(), self:
            workers = pool_range(self._workers, cores())
            return Room(now=self._room_for(workers), later=workers.most)

    def _room_for(self, workers: WorkerRange) -> int:
        # On an embedded cluster a worker asks for no resources.
        return workers.most if self._address is None else room_for(workers, room_of_nodes(_WORKER_BYTES))

    def __enter__(self) -> Self:
        if self._address is None:
            self._start_embedded()
        else:
            self._join(self._address)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # On a cluster that was joined, this only ends the connection, and with it the actors of this run.
        disconnect()
        for name, value in self._environment.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    def run(self, work: Work, observer: Observer) -> None:
        """See `ShardBackend.run`. This thread calls `observer`, so that signals are handled promptly."""
        self._check_store()
        coordinator = start_coordinator(work.rate)
        for part in missing_parts():
            observer.warn(_missing(part))
        for first in range(0, len(work.shards), _WAVE):
            if work.is_stopping():
                return
            self._run_wave(work, work.shards[first : first + _WAVE], coordinator, observer)

    def _run_wave(self, work: Work, shards: Plan, coordinator: Any, observer: Observer) -> None:
        spec = WorkerSpec(
            store=work.folder.storage.uri,
            run_id=work.folder.run_id,
            epoch=work.epoch,
            shards=tuple(shards.shards),
            memory_bytes=_WORKER_BYTES if self._address is not None else 0,
            coordinator=coordinator,
        )
        watch = PoolWatch(cores if self._workers.follows_cores else None, most=len(shards))
        placement = Placement(spec.memory_bytes, offer, observer.warn)
        workers = pool_range(self._workers, cores())
        arrived: queue.SimpleQueue[ShardReport | BaseException | None] = queue.SimpleQueue()
        # Ray waits in C++, where Python cannot handle a signal, so it waits in its own thread.
        thread = threading.Thread(
            target=_consume,
            args=(spec, workers, self._room_for(workers), watch, arrived.put),
            name="ray-data",
            daemon=True,
        )
        thread.start()
        taker = ProgressTaker(coordinator)
        given_up_at = math.inf
        while time.monotonic() < given_up_at:
            if work.is_stopping() and given_up_at == math.inf:
                # What is in flight ends within the grace period; thousands of shards that do not start need no
                # report.
                given_up_at = time.monotonic() + GRACE_SECONDS + 1.0
            observer.progress(taker.take())
            try:
                report = arrived.get(timeout=_TICK_SECONDS)
            except queue.Empty:
                observer.tick()
                placement.look(watch.alive, time.monotonic())
                continue
            if report is None:
                return
            if isinstance(report, BaseException):
                hint = "resume the run; finished work is kept"
                raise cluster_failed("the cluster could not finish the run", report, hint=hint) from None
            observer.report(report)
            observer.tick()

    def _check_store(self) -> None:
        """Refuse a store that workers on other nodes would not find, before any of them starts."""
        nodes = len(alive_nodes())
        if self._store_is_relative and nodes > 1:
            raise UsageError(
                f"the store is a relative path, and the cluster has {nodes} nodes",
                code="relative_store",
                hint="set `--store` (or `REQFLO_STORE`) to an absolute path that every node mounts",
            )

    def _start_embedded(self) -> None:
        self._set_environment({**_EMBEDDED_ENVIRONMENT, "RAY_AUTH_TOKEN": secrets.token_hex(32)})
        try:
            with _native_log_held_back():
                # Never without an address, because Ray would silently join any cluster that it finds.
                connect(
                    address="local",
                    num_cpus=max(self._workers.most, _cores_here()),
                    include_dashboard=False,
                    object_store_memory=_OBJECT_STORE_BYTES,
                )
        except Exception as error:
            raise ClusterError(
                "the embedded cluster did not start",
                code="cluster_not_started",
                cause=f"{type(error).__name__}: {error}".splitlines()[0],
                hint="use `--backend local`, which needs no cluster",
            ) from None

    def _set_environment(self, wanted: dict[str, str]) -> None:
        for name, value in wanted.items():
            self._environment[name] = os.environ.get(name)
            os.environ[name] = value

    def _join(self, address: str) -> None:
        self._set_environment(_DRIVER_ENVIRONMENT)
        with _native_log_held_back():
            join(address)


def _cores_here() -> int:
    return os.cpu_count() or 1


def _missing(part: Part) -> Problem:
    return Problem(
        code="ray_part_missing",
        message=f"Ray {version('ray')} has no `{part.module}.{part.name}`: {part.without}",
        hint=f"use Ray {SUPPORTED}, with which reqflo-ray is tested",
        severity=Severity.WARNING,
    )


def _consume(
    spec: WorkerSpec,
    workers: WorkerRange,
    room: int,
    watch: PoolWatch,
    put: Callable[[ShardReport | BaseException | None], None],
) -> None:
    try:
        dataset = _dataset(spec, workers, room, watch)
        for block in dataset.iter_batches(batch_size=None, prefetch_batches=0):
            for encoded in block["report"]:
                put(msgspec.json.decode(bytes(encoded), type=ShardReport))
        put(None)
    except BaseException as error:
        put(error)


def _dataset(spec: WorkerSpec, workers: WorkerRange, room: int, watch: PoolWatch) -> ray.data.Dataset:
    """Return the pipeline: one block per shard, so that a lost block has lineage, mapped over a pool of async
    actors."""
    context = quiet_data_context()
    context.max_consecutive_actor_init_deaths = 3
    context.autoscaling_config.actor_pool_util_upscaling_threshold = GROW_AT_UTILIZATION
    if not watch_executions(context, [watch]):
        watch.alive = None
    blocks = len(spec.shards)
    # One reader of descriptors serves a hundred workers, and each further one is a process that has to start first.
    readers = 1 + min(workers.most, blocks) // _WORKERS_OF_A_READER
    return read_positions(blocks, readers).map_batches(
        ShardWorker,
        batch_size=None,
        fn_constructor_args=(spec,),
        **pool_of(workers, blocks, room),
        # Anything else can starve or hang a small cluster: the actors would wait for cores that others have.
        num_cpus=0,
        # This makes an autoscaling cluster grow, and keeps actors off a head that offers no memory.
        memory=spec.memory_bytes or None,
    )


@contextmanager
def _native_log_held_back() -> Iterator[None]:
    """Hold back what Ray's C++ core writes to standard error while it starts; show it only if the start fails."""
    sys.stderr.flush()
    shown = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        failed = True
        try:
            yield
            failed = False
        finally:
            os.dup2(shown, 2)
            os.close(shown)
            if failed:
                held.seek(0)
                os.write(2, held.read())
