"""Wraps the private parts of Ray that this package uses, and what differs between versions. Each is behind one named
function that checks whether the part exists, and manages without it: a run gets slower or reports less, but does not
end.

All parts were found in Ray 2.58.0, 2.58.1, 2.59.0, and 2.60.0, unless a function says otherwise. It must not know
shards.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, is_dataclass, replace
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import ray

# The core of Ray ignores unknown variables.
# Without it, Ray doubles its wait before each retry of a call whose actor has died, up to six seconds, although a new
# actor is ready after one second.
RETRY_AT_ONCE: Final = {"RAY_task_actor_unavailable_retry_delay_base_ms": "0"}
# Without it, Ray runs its workers at a niceness of 15, behind every other process. An API on the same machine would
# interrupt them at each request instead of taking several at a time.
WORKERS_AS_OTHERS: Final = {"RAY_worker_niceness": "0"}

# Ray sets it for the entrypoint of a job. Without it, a job runs like any other program, and joins no cluster by
# itself.
_JOB_VARIABLE: Final = "RAY_JOB_CONFIG_JSON_ENV_VAR"
_CLIENT_LOGGERS: Final = (
    "ray.dashboard.modules.dashboard_sdk",
    "ray.dashboard.modules.job.sdk",
    "ray._private.runtime_env.packaging",
)
_RAY_VERSION: Final = re.compile(r"^ *Ray: (\S+)$", re.MULTILINE)
_PYTHON_VERSION: Final = re.compile(r"^ *Python: (\S+)$", re.MULTILINE)
_NOT_READY: Final = "No available agent"
_SUPERVISOR: Final = re.compile(r"Running entrypoint for job |\d{4}-\d\d-\d\d [\d:,]+\tINFO job_manager\.py:")


@dataclass(frozen=True, slots=True)
class Part:
    """A private name of Ray. `without` says what happens if it does not exist."""

    module: str
    name: str
    without: str

    def find(self) -> Any:
        """Return what has this name; None if this version of Ray does not have it."""
        try:
            return getattr(import_module(self.module), self.name, None)
        except ImportError:
            return None


_AUTO_CONNECT: Final = Part(
    "ray._private.auto_init_hook",
    "enable_auto_connect",
    "unfinished work of Ray Data may start its own cluster",
)
_NODE_MESSAGES: Final = Part(
    "ray._private.worker", "_worker_logs_enabled", "the output of workers on other nodes is printed"
)
_ENTRYPOINT_NAME: Final = Part(
    "ray._private.utils", "get_entrypoint_name", "the command line is visible to everyone on the cluster"
)
_SIGTERM_HANDLER: Final = Part(
    "ray._private.utils", "set_sigterm_handler", "SIGTERM ends the process immediately while it joins a cluster"
)
_FREE_RESOURCES: Final = Part(
    "ray._private.state", "available_resources_per_node", "free memory is known only for all nodes together"
)
_TOKEN_AUTH: Final = Part(
    "ray._private.authentication.authentication_utils",
    "is_token_auth_enabled",
    "`doctor` cannot see whether the cluster requires a token",
)
_GLOBAL_WORKER: Final = Part("ray._private.worker", "global_worker", "`doctor` cannot see where nodes spill objects")
_RANGE: Final = Part(
    "ray.data._internal.datasource.range_datasource", "RangeDatasource", "the run waits for a core before each shard"
)
_OF_RUNS: Final = (_AUTO_CONNECT, _NODE_MESSAGES, _ENTRYPOINT_NAME, _SIGTERM_HANDLER, _FREE_RESOURCES, _RANGE)
PARTS: Final = (*_OF_RUNS, _TOKEN_AUTH, _GLOBAL_WORKER)


def missing_parts() -> list[Part]:
    """Return the parts that a run uses and the installed Ray does not have. Loads Ray Data."""
    return [part for part in _OF_RUNS if part.find() is None]


def inside_ray_job() -> bool:
    """Return whether this process is the entrypoint of a job that was submitted to a Ray cluster."""
    return _JOB_VARIABLE in os.environ


@contextmanager
def apart_from_job() -> Iterator[None]:
    """Make this process join a cluster within the block as any other does, without the folder and variables of its
    job."""
    job = os.environ.pop(_JOB_VARIABLE, None)
    try:
        yield
    finally:
        if job is not None:
            os.environ[_JOB_VARIABLE] = job


def forbid_implicit_clusters() -> None:
    """Prevent calls of Ray from implicitly starting a cluster, as a thread of Ray Data that outlives the connection
    would."""
    _set(_AUTO_CONNECT, False)


def show_node_messages(shown: bool) -> None:
    """Set whether messages of raylets about dead workers go to standard output: the half of `log_to_driver` for which
    `ray.init` has no option."""
    _set(_NODE_MESSAGES, shown)


@contextmanager
def named_entrypoint(name: str) -> Iterator[None]:
    """Show a process that connects within the block as `name` in the cluster's table of jobs, where Ray shows everyone
    its whole command line, which may contain `--set`."""
    with _replaced(_ENTRYPOINT_NAME, lambda: name):
        yield


@contextmanager
def sigterm_left_alone() -> Iterator[None]:
    """Keep the current handler of SIGTERM. Ray's own, which `ray.init` sets, would end a driver with exit code 15, the
    number of the signal, and without cleanup. A handler that is set nevertheless is removed when the block ends."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        with _replaced(_SIGTERM_HANDLER, lambda handler: None):
            yield
    finally:
        is_main = threading.current_thread() is threading.main_thread()
        if is_main and before is not None and signal.getsignal(signal.SIGTERM) is not before:
            signal.signal(signal.SIGTERM, before)


def versions_in(text: str) -> tuple[tuple[str, str], tuple[str, str]] | None:
    """Return the versions of Ray and Python of a cluster, and those of this process, from the message with which
    `ray.init` refuses to join it; None if it refuses for another reason, or in an unknown form."""
    rays, pythons = _RAY_VERSION.findall(text), _PYTHON_VERSION.findall(text)
    if len(rays) != 2 or len(pythons) != 2:
        return None
    theirs, ours = zip(rays, pythons, strict=True)
    return theirs, ours


def free_memory(nodes: Iterable[str]) -> list[int]:
    """Return the free memory of each of `nodes` (IDs) in bytes; or one number for all nodes together, if Ray reports
    only that."""
    import ray

    if (per_node := _FREE_RESOURCES.find()) is None:
        return [int(ray.available_resources().get("memory", 0))]
    free = per_node()
    return [int(free.get(node, {}).get("memory", 0)) for node in nodes]


def asks_for_token() -> bool | None:
    """Return whether the cluster of this process requires a token; None if that is not known."""
    is_enabled = _TOKEN_AUTH.find()
    return None if is_enabled is None else bool(is_enabled())


def session_folder() -> Path | None:
    """Return the folder of this node's session, to which Ray spills objects; None if it is not known."""
    with suppress(AttributeError):  # also raised in a process that is not connected
        return Path(_GLOBAL_WORKER.find().node.get_session_dir_path())
    return None


def read_positions(count: int, readers: int) -> ray.data.Dataset:
    """Return a dataset of `count` blocks with one row each, whose `id` is its position, read by `readers` in parallel.

    It is `ray.data.range` without its request for a core. Resources that Ray Data requested for a driver that was
    killed stay taken for three more minutes, and without a free core a run would get one shard at a time.
    """
    import ray.data

    try:
        positions = _RANGE.find()(n=count, block_format="arrow", column_name="id")
    except TypeError:  # it does not exist, or takes other arguments
        return ray.data.range(count, override_num_blocks=count)
    options = {"num_cpus": 0, "concurrency": readers, "override_num_blocks": count}
    dataset: ray.data.Dataset = ray.data.read_datasource(positions, **options)
    return dataset


def pool_options(*, least: int, most: int, calls: int) -> dict[str, Any]:
    """Return the options of `map_batches` for a pool of `least` to `most` actors, each with `calls` in parallel and
    none that wait. The number of calls is an option of the pool from Ray 2.59 on, and of the actor in Ray 2.58."""
    from ray.data import ActorPoolStrategy

    sizes: dict[str, Any] = {"min_size": least, "max_size": most, "max_tasks_in_flight_per_actor": calls}
    if "max_concurrent_calls_per_actor" in signature(ActorPoolStrategy).parameters:
        return {"compute": ActorPoolStrategy(**sizes, max_concurrent_calls_per_actor=calls)}
    return {"compute": ActorPoolStrategy(**sizes), "max_concurrency": calls}


def watch_executions(context: Any, watches: list[Any]) -> bool:
    """Let Ray Data call `watches`, and nothing else, at each step of its executions. Return False if it cannot."""
    if not hasattr(context, "custom_execution_callback_classes"):
        return False
    context.custom_execution_callback_classes = watches
    return True


class ActorPool:
    """A pool of actors in an execution."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    @classmethod
    def all_of(cls, executor: Any) -> list[ActorPool] | None:
        """Return the pools of an execution of Ray Data; None if they cannot be examined. Then pools keep their sizes,
        grow only as far as the current nodes have room, and the number of living actors is not known."""
        try:
            found = [pool for operator in executor._topology for pool in operator.get_autoscaling_actor_pools()]
        except (AttributeError, TypeError):
            return None
        return [cls(pool) for pool in found] if all(map(_is_known, found)) else None

    def alive(self) -> int:
        """Return how many actors live."""
        return int(self._pool.num_alive_actors())

    def grow_to(self, most: int) -> None:
        """Raise the greatest number of actors to `most`. Ray Data has no other way to resize a pool in use."""
        if most > self._pool._config.max_size:
            self._pool._config = replace(self._pool._config, max_size=most)

    def take_no_account_of_nodes(self) -> None:
        """Let only the work determine the number of actors.

        Ray Data starts only actors for which the current nodes have room, and requests nodes after half a minute.
        Therefore its accounting is set to actors that need nothing. Ray's autoscaler sees immediately what waits.
        """
        pool = self._pool
        nothing = type(pool._config.per_actor_resource_usage).zero()
        pool._config = replace(pool._config, per_actor_resource_usage=nothing)
        pool._create_actor_fn = _free_of_charge(pool._create_actor_fn, nothing)


def _is_known(pool: Any) -> bool:
    config: Any = getattr(pool, "_config", None)
    named = {field.name for field in fields(config)} if is_dataclass(config) else set()
    return (
        named >= {"max_size", "per_actor_resource_usage"}
        and hasattr(type(config.per_actor_resource_usage), "zero")
        and callable(getattr(pool, "_create_actor_fn", None))
        and callable(getattr(pool, "num_alive_actors", None))
    )


def _free_of_charge(create: Callable[..., Any], nothing: Any) -> Callable[..., Any]:
    def create_actor(*arguments: Any, **named: Any) -> Any:
        made = create(*arguments, **named)
        # The actor, the object that shows when it is ready, and its resources.
        return (*made[:2], nothing) if isinstance(made, tuple) and len(made) == 3 else made

    return create_actor


def mute_job_client() -> None:
    """Silence Ray's client of the Job API, which logs at INFO what we report ourselves."""
    for name in _CLIENT_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)


def is_not_ready(refusal: str) -> bool:
    """Return whether a head refused a job because it has only just started: it accepts jobs later than queries."""
    return _NOT_READY in refusal


def is_of_supervisor(line: str) -> bool:
    """Return whether a line of a job's log is by Ray, about the job, and not by the job."""
    return _SUPERVISOR.match(line) is not None


def _set(part: Part, value: object) -> None:
    if part.find() is not None:
        setattr(import_module(part.module), part.name, value)


@contextmanager
def _replaced(part: Part, stand_in: Callable[..., Any]) -> Iterator[None]:
    """Replace a function of Ray until the block ends."""
    if (real := part.find()) is None:
        yield
        return
    module = import_module(part.module)
    setattr(module, part.name, stand_in)
    try:
        yield
    finally:
        setattr(module, part.name, real)
