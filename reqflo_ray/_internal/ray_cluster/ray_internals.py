"""The private parts of Ray on which this package relies, and what differs between its versions: each behind one named
function that looks first, and does without what it does not find. A run gets slower or tells less; it does not end.

All were seen in Ray 2.58.0, 2.58.1, 2.59.0 and 2.60.0, unless a function says otherwise. It must not know shards.
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

# The core of Ray ignores a variable that it does not know.
# Without it, Ray waits twice as long before each retry of a call whose actor has died, up to six seconds, though a new
# actor is there in one.
RETRY_AT_ONCE: Final = {"RAY_task_actor_unavailable_retry_delay_base_ms": "0"}
# Without it, Ray makes its workers yield to every other process (15). An API on the same machine would interrupt them
# at each request instead of taking several at a time.
WORKERS_AS_OTHERS: Final = {"RAY_worker_niceness": "0"}

# Ray sets it for the entrypoint of a job. Without it a job runs as any other program does: it joins no cluster unasked.
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
    """A private name of Ray. `without` says what is missing where there is none."""

    module: str
    name: str
    without: str

    def find(self) -> Any:
        """What has this name; None if this Ray has nothing of the kind."""
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
    """What a run would use, and the installed Ray has not. It loads Ray Data."""
    return [part for part in _OF_RUNS if part.find() is None]


def inside_ray_job() -> bool:
    """Whether this process is the entrypoint of a job that was submitted to a Ray cluster."""
    return _JOB_VARIABLE in os.environ


@contextmanager
def apart_from_job() -> Iterator[None]:
    """In here this process joins a cluster as any other does, and not with the folder and variables of its job."""
    job = os.environ.pop(_JOB_VARIABLE, None)
    try:
        yield
    finally:
        if job is not None:
            os.environ[_JOB_VARIABLE] = job


def forbid_implicit_clusters() -> None:
    """Let no call of Ray start, unasked, a cluster of its own, as a thread of Ray Data that outlives our connection
    would."""
    _set(_AUTO_CONNECT, False)


def show_node_messages(shown: bool) -> None:
    """Whether what raylets tell of dead workers goes to standard output: the half of `log_to_driver` that is no option
    of `ray.init`."""
    _set(_NODE_MESSAGES, shown)


@contextmanager
def named_entrypoint(name: str) -> Iterator[None]:
    """Let a process that connects within the block be called `name` in the cluster's table of jobs, where Ray shows its
    whole command line to everyone: `--set` may be in it."""
    with _replaced(_ENTRYPOINT_NAME, lambda: name):
        yield


@contextmanager
def sigterm_left_alone() -> Iterator[None]:
    """Leave SIGTERM to whoever has it. Ray's own handler, from `ray.init` on, would end a driver with the number of the
    signal, 15, and undo nothing. A handler that comes nevertheless is gone when the block ends."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        with _replaced(_SIGTERM_HANDLER, lambda handler: None):
            yield
    finally:
        is_main = threading.current_thread() is threading.main_thread()
        if is_main and before is not None and signal.getsignal(signal.SIGTERM) is not before:
            signal.signal(signal.SIGTERM, before)


def versions_in(text: str) -> tuple[tuple[str, str], tuple[str, str]] | None:
    """Ray and Python of a cluster, and those of this process, from the words in which `ray.init` refuses to join it;
    None if it refuses for another reason, or in words that we do not know."""
    rays, pythons = _RAY_VERSION.findall(text), _PYTHON_VERSION.findall(text)
    if len(rays) != 2 or len(pythons) != 2:
        return None
    theirs, ours = zip(rays, pythons, strict=True)
    return theirs, ours


def free_memory(nodes: Iterable[str]) -> list[int]:
    """Bytes of memory that are free on each of `nodes` (ids); what all nodes have together, as if on one, where Ray
    tells no more."""
    import ray

    if (per_node := _FREE_RESOURCES.find()) is None:
        return [int(ray.available_resources().get("memory", 0))]
    free = per_node()
    return [int(free.get(node, {}).get("memory", 0)) for node in nodes]


def asks_for_token() -> bool | None:
    """Whether the cluster of this process lets only those in who show its token; None if it is not known."""
    is_enabled = _TOKEN_AUTH.find()
    return None if is_enabled is None else bool(is_enabled())


def session_folder() -> Path | None:
    """The folder of this node's session, into which Ray spills objects; None if it is not known."""
    with suppress(AttributeError):  # of a process that is not connected, too
        return Path(_GLOBAL_WORKER.find().node.get_session_dir_path())
    return None


def read_positions(count: int, readers: int) -> ray.data.Dataset:
    """A dataset of `count` blocks with one row each, whose `id` is its position, read by so many `readers` at once.

    It is `ray.data.range`, which would ask for a core. What Ray Data has asked for on behalf of a driver that was
    killed counts as taken for three minutes more, and without a core left a run is given one shard at a time.
    """
    import ray.data

    try:
        positions = _RANGE.find()(n=count, block_format="arrow", column_name="id")
    except TypeError:  # there is none, or it takes something else
        return ray.data.range(count, override_num_blocks=count)
    options = {"num_cpus": 0, "concurrency": readers, "override_num_blocks": count}
    dataset: ray.data.Dataset = ray.data.read_datasource(positions, **options)
    return dataset


def pool_options(*, least: int, most: int, calls: int) -> dict[str, Any]:
    """Options of `map_batches` for a pool of `least` to `most` actors, each with so many `calls` at once, and no more
    that wait. The number of calls is the pool's from Ray 2.59 on, and the actor's in Ray 2.58."""
    from ray.data import ActorPoolStrategy

    sizes: dict[str, Any] = {"min_size": least, "max_size": most, "max_tasks_in_flight_per_actor": calls}
    if "max_concurrent_calls_per_actor" in signature(ActorPoolStrategy).parameters:
        return {"compute": ActorPoolStrategy(**sizes, max_concurrent_calls_per_actor=calls)}
    return {"compute": ActorPoolStrategy(**sizes), "max_concurrency": calls}


def watch_executions(context: Any, watches: list[Any]) -> bool:
    """Let Ray Data call `watches` at each step of its executions, and nothing else. False if it cannot."""
    if not hasattr(context, "custom_execution_callback_classes"):
        return False
    context.custom_execution_callback_classes = watches
    return True


class ActorPool:
    """A pool of actors that is at work."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    @classmethod
    def all_of(cls, executor: Any) -> list[ActorPool] | None:
        """The pools of an execution of Ray Data; None if they cannot be looked into. Then they keep their sizes, grow
        only as far as the nodes of now have room, and nobody knows how many actors live."""
        try:
            found = [pool for operator in executor._topology for pool in operator.get_autoscaling_actor_pools()]
        except (AttributeError, TypeError):
            return None
        return [cls(pool) for pool in found] if all(map(_is_known, found)) else None

    def alive(self) -> int:
        """How many actors live."""
        return int(self._pool.num_alive_actors())

    def grow_to(self, most: int) -> None:
        """Allow it so many actors, if it was allowed fewer. Ray Data has no other way to resize a pool at work."""
        if most > self._pool._config.max_size:
            self._pool._config = replace(self._pool._config, max_size=most)

    def take_no_account_of_nodes(self) -> None:
        """Let the work alone decide how many actors there are.

        Ray Data starts only those that the nodes of now have room for, and asks for nodes after half a minute. So its
        books are told that they need nothing. What waits for a place is seen by Ray's autoscaler at once.
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
        # The actor, the object that tells when it is ready, and what it takes.
        return (*made[:2], nothing) if isinstance(made, tuple) and len(made) == 3 else made

    return create_actor


def mute_job_client() -> None:
    """Ray's client of the Job API tells at INFO what we tell ourselves."""
    for name in _CLIENT_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)


def is_not_ready(refusal: str) -> bool:
    """Whether a head that refused a job has only just started: it takes them a little later than questions."""
    return _NOT_READY in refusal


def is_of_supervisor(line: str) -> bool:
    """Whether a line of a job's log is Ray's own, about the job and not from it."""
    return _SUPERVISOR.match(line) is not None


def _set(part: Part, value: object) -> None:
    if part.find() is not None:
        setattr(import_module(part.module), part.name, value)


@contextmanager
def _replaced(part: Part, stand_in: Callable[..., Any]) -> Iterator[None]:
    """Another function in the place of Ray's own until the block ends."""
    if (real := part.find()) is None:
        yield
        return
    module = import_module(part.module)
    setattr(module, part.name, stand_in)
    try:
        yield
    finally:
        setattr(module, part.name, real)
