"""The private parts of Ray: that the installed Ray has them and they do what we think, and what happens without them.
No cluster is started.
"""

from __future__ import annotations

import logging
import mmap
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray
import ray.data
from ray._private import utils, worker
from ray.data._internal.actor_autoscaler.autoscaling_actor_pool import AutoscalingActorConfig
from ray.data._internal.execution.interfaces import ExecutionResources
from ray.data._internal.execution.operators.actor_pool_map_operator import ActorPoolMapOperator, _ActorPool
from ray.data._internal.execution.streaming_executor import StreamingExecutor

from reqflo_ray._internal.ray_cluster import ray_internals
from reqflo_ray._internal.ray_cluster.doctor import examine_node
from reqflo_ray._internal.ray_cluster.pool import PoolWatch
from reqflo_ray._internal.ray_cluster.ray_internals import PARTS, RETRY_AT_ONCE, WORKERS_AS_OTHERS, ActorPool, Part
from reqflo_ray._internal.runner.prepare.doctor import FindingLevel

# Ray Data warns of settings of its own when it makes them.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

RAY = Path(ray.__file__).parent
ASKED = ExecutionResources(cpu=0, gpu=0, memory=512 * 2**20)
TakeAway = Callable[[str], None]


@pytest.fixture
def take_away(monkeypatch: pytest.MonkeyPatch) -> TakeAway:
    """Take a name out of Ray, as a later version may."""

    def take(name: str) -> None:
        [part] = [part for part in PARTS if part.name == name]
        monkeypatch.delattr(import_module(part.module), name)

    return take


@pytest.fixture
def sigterm() -> Iterator[None]:
    """A handler of SIGTERM that a test may replace."""
    before = signal.signal(signal.SIGTERM, own_handler)
    yield
    signal.signal(signal.SIGTERM, before)


def own_handler(number: int, frame: object) -> None:
    """Never called."""


def rays_handler(number: int, frame: object) -> None:
    """Never called."""


def no_actor(*_: object) -> Any:
    """In the place of what starts an actor."""
    return "actor", "ready", ASKED


def real_pool() -> Any:
    """A pool of Ray Data as its operator makes it; only what starts its actors is ours."""
    config = AutoscalingActorConfig(
        min_size=1,
        max_size=2,
        initial_size=1,
        max_tasks_in_flight_per_actor=4,
        max_actor_concurrency=4,
        per_actor_resource_usage=ASKED,
    )
    return _ActorPool(create_actor_fn=no_actor, config=config)


@dataclass(frozen=True, eq=False)
class Operator:
    """A step of an execution."""

    pools: tuple[Any, ...]

    def get_autoscaling_actor_pools(self) -> list[Any]:
        return list(self.pools)


def executing(*pools: Any) -> Any:
    """An execution of Ray Data that is at these pools."""
    executor: Any = StreamingExecutor(ray.data.DataContext.get_current())
    assert executor._topology is None and hasattr(ActorPoolMapOperator, "get_autoscaling_actor_pools")
    executor._topology = {Operator(pools): "its state"}
    return executor


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_this_ray_has_every_part(part: Part) -> None:
    assert part.find() is not None and part.without
    assert part not in ray_internals.missing_parts()


@pytest.mark.parametrize("part", [Part("ray._private.utils", "gone", ""), Part("ray._private.gone", "it", "")])
def test_a_name_or_a_module_that_is_gone_is_not_found(part: Part) -> None:
    assert part.find() is None


def test_what_a_run_has_to_do_without_is_listed(take_away: TakeAway) -> None:
    take_away("get_entrypoint_name")
    take_away("is_token_auth_enabled")  # which only `doctor` uses
    assert [part.name for part in ray_internals.missing_parts()] == ["get_entrypoint_name"]


def test_a_driver_that_connects_is_called_as_it_is_told(take_away: TakeAway) -> None:
    real = utils.get_entrypoint_name
    with ray_internals.named_entrypoint("reqflo-ray"):
        assert utils.get_entrypoint_name() == "reqflo-ray"
    assert utils.get_entrypoint_name is real
    assert "ray._private.utils.get_entrypoint_name()" in (RAY / "_private" / "worker.py").read_text()
    take_away("get_entrypoint_name")
    with ray_internals.named_entrypoint("reqflo-ray"):
        assert not hasattr(utils, "get_entrypoint_name")


@pytest.mark.usefixtures("sigterm")
def test_sigterm_stays_with_whoever_has_it(take_away: TakeAway) -> None:
    with ray_internals.sigterm_left_alone():
        utils.set_sigterm_handler(rays_handler)
        assert signal.getsignal(signal.SIGTERM) is own_handler
    assert "ray._private.utils.set_sigterm_handler(" in (RAY / "_private" / "worker.py").read_text()
    take_away("set_sigterm_handler")
    with ray_internals.sigterm_left_alone():
        signal.signal(signal.SIGTERM, rays_handler)
    assert signal.getsignal(signal.SIGTERM) is own_handler


def test_a_switch_is_turned_if_there_is_one(monkeypatch: pytest.MonkeyPatch, take_away: TakeAway) -> None:
    auto_init = import_module("ray._private.auto_init_hook")
    monkeypatch.setattr(auto_init, "enable_auto_connect", True)
    monkeypatch.setattr(worker, "_worker_logs_enabled", True)
    ray_internals.forbid_implicit_clusters()
    ray_internals.show_node_messages(False)
    assert (auto_init.enable_auto_connect, worker._worker_logs_enabled) == (False, False)
    ray_internals.show_node_messages(True)
    assert worker._worker_logs_enabled
    take_away("enable_auto_connect")
    take_away("_worker_logs_enabled")
    ray_internals.forbid_implicit_clusters()
    ray_internals.show_node_messages(False)
    assert not hasattr(auto_init, "enable_auto_connect") and not hasattr(worker, "_worker_logs_enabled")


def test_both_versions_are_read_from_what_ray_says_of_them() -> None:
    with pytest.raises(RuntimeError) as refused:
        utils.check_version_info({"ray_version": "2.1.0", "python_version": "3.9.7"}, "127.0.0.1")
    versions = ray_internals.versions_in(str(refused.value))
    assert versions is not None and versions[0] == ("2.1.0", "3.9.7")
    assert versions[1][0] == ray.__version__
    assert ray_internals.versions_in("Ray 2.1.0 is not Ray 2.60.0") is None


def test_free_memory_is_told_of_each_node(monkeypatch: pytest.MonkeyPatch, take_away: TakeAway) -> None:
    state = import_module("ray._private.state")
    free = {"a": {"memory": 5.0}, "b": {}, "dead": {"memory": 9.0}}
    monkeypatch.setattr(state, "available_resources_per_node", lambda: free)
    assert ray_internals.free_memory(["a", "b", "c"]) == [5, 0, 0]
    assert ray_internals.free_memory([]) == []
    take_away("available_resources_per_node")
    monkeypatch.setattr(ray, "available_resources", lambda: {"CPU": 2.0, "memory": 14.0})
    assert ray_internals.free_memory(["a", "b"]) == [14]


def test_whether_a_cluster_asks_for_a_token_may_be_unknown(take_away: TakeAway) -> None:
    assert ray_internals.asks_for_token() in (True, False)
    take_away("is_token_auth_enabled")
    assert ray_internals.asks_for_token() is None


def test_the_folder_of_a_session_is_known_to_those_who_are_connected(
    monkeypatch: pytest.MonkeyPatch, take_away: TakeAway
) -> None:
    assert ray_internals.session_folder() is None
    node = import_module("ray._private.node").Node
    assert callable(node.get_session_dir_path)
    monkeypatch.setattr(worker.global_worker, "node", SimpleNamespace(get_session_dir_path=lambda: "/tmp/ray/s"))
    assert ray_internals.session_folder() == Path("/tmp/ray/s")
    take_away("global_worker")
    assert ray_internals.session_folder() is None


def test_the_doctor_says_what_it_cannot_see(take_away: TakeAway, tmp_path: Path) -> None:
    for name in ("is_token_auth_enabled", "global_worker"):
        take_away(name)
    _, findings = examine_node(str(tmp_path / "store"), "", ())
    [authentication] = [finding for finding in findings if finding.subject == "authentication"]
    assert authentication.level is FindingLevel.WARN and "does not show" in authentication.message
    [spill_folder] = [finding for finding in findings if finding.subject == "spill folder"]
    assert (spill_folder.level, spill_folder.message) == (FindingLevel.OK, "is unknown")


@pytest.mark.parametrize("name", [*RETRY_AT_ONCE, *WORKERS_AS_OTHERS])
def test_rays_core_knows_the_setting(name: str) -> None:
    with (RAY / "_raylet.so").open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as core:
        assert core.find(name.removeprefix("RAY_").encode()) > 0


def test_a_pool_has_its_sizes_and_as_many_calls_as_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    options = ray_internals.pool_options(least=2, most=5, calls=4)
    pool = options.pop("compute")
    assert (pool.min_size, pool.max_size, pool.max_tasks_in_flight_per_actor) == (2, 5, 4)
    assert options == ({} if hasattr(pool, "max_concurrent_calls_per_actor") else {"max_concurrency": 4})
    assert getattr(pool, "max_concurrent_calls_per_actor", 4) == 4

    class OlderStrategy:
        def __init__(self, *, min_size: int, max_size: int, max_tasks_in_flight_per_actor: int) -> None:
            self.sizes = (min_size, max_size, max_tasks_in_flight_per_actor)

    monkeypatch.setattr(ray.data, "ActorPoolStrategy", OlderStrategy)
    options = ray_internals.pool_options(least=2, most=5, calls=4)
    assert options.pop("compute").sizes == (2, 5, 4) and options == {"max_concurrency": 4}


def test_executions_are_watched_where_ray_data_can_be_told() -> None:
    context = ray.data.DataContext()
    watches: list[Any] = ["a watch"]
    assert ray_internals.watch_executions(context, watches)
    assert context.execution_callback_classes[-1:] == watches
    assert not ray_internals.watch_executions(SimpleNamespace(), watches)


def test_a_real_pool_can_be_looked_into_and_grows() -> None:
    pool = real_pool()
    [looked] = ActorPool.all_of(executing(pool)) or []
    assert looked.alive() == 0
    for most, expected in ((1, 2), (5, 5), (3, 5)):
        looked.grow_to(most)
        assert pool.max_size() == expected


def test_a_real_pool_takes_no_account_of_nodes_when_it_is_told() -> None:
    pool = real_pool()
    assert pool.per_actor_resource_usage() == ASKED
    [looked] = ActorPool.all_of(executing(pool)) or []
    looked.take_no_account_of_nodes()
    assert pool.per_actor_resource_usage() == ExecutionResources.zero()
    assert pool._create_actor() == ("actor", "ready", ExecutionResources.zero())
    assert (pool.max_size(), pool.max_actor_concurrency()) == (2, 4)


@pytest.mark.parametrize("name", ["_config", "_create_actor_fn", "num_alive_actors"])
def test_a_pool_that_lacks_a_part_is_left_alone(name: str) -> None:
    parts = {"_config": real_pool()._config, "_create_actor_fn": print, "num_alive_actors": lambda: 1}
    del parts[name]
    executor = executing(real_pool(), SimpleNamespace(**parts))
    assert ActorPool.all_of(executor) is None
    watch = PoolWatch(lambda: 8, most=8)
    watch.before_execution_starts(executor)
    watch.on_execution_step(executor)
    assert watch.alive is None


@pytest.mark.parametrize("parts", [{}, {"_topology": None}, {"_topology": ["an operator without pools"]}])
def test_an_execution_that_cannot_be_looked_into_is_left_alone(parts: dict[str, Any]) -> None:
    executor = SimpleNamespace(**parts)
    watch = PoolWatch(None, most=8)
    watch.before_execution_starts(executor)
    watch.on_execution_step(executor)
    assert watch.alive is None


def test_rays_client_of_jobs_says_only_what_is_amiss() -> None:
    clients = [import_module(f"ray.dashboard.modules.{name}") for name in ("job.sdk", "dashboard_sdk")]
    packaging = import_module("ray._private.runtime_env.packaging")
    loggers = [*(client.logger for client in clients), packaging.default_logger]
    ray_internals.mute_job_client()
    assert not any(logger.isEnabledFor(logging.INFO) for logger in loggers)
    assert all(logger.isEnabledFor(logging.WARNING) for logger in loggers)


def test_the_words_of_a_head_and_of_a_jobs_log_are_rays() -> None:
    jobs = RAY / "dashboard" / "modules" / "job"
    refusal = "No available agent to submit job, please try again later."
    assert ray_internals.is_not_ready(refusal) and refusal in (jobs / "job_head.py").read_text()
    assert not ray_internals.is_not_ready("Job with submission_id nightly-1 already exists")
    assert ray_internals.is_of_supervisor("Running entrypoint for job nightly-1: exec reqflo-ray run-submitted")
    assert 'f"Running entrypoint for job {' in (jobs / "job_supervisor.py").read_text()
    assert not ray_internals.is_of_supervisor("run nightly-1: 20 rows")
