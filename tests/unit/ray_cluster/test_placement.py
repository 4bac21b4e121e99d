"""A run whose workers find no place on the cluster: what a person is told, and when it gives up."""

from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from reqflo_ray._internal.errors import ClusterError, Problem, Severity
from reqflo_ray._internal.model.workers import Room, WorkerRange, parse_workers
from reqflo_ray._internal.ray_cluster.backend import RayBackend
from reqflo_ray._internal.ray_cluster.pool import (
    Offer,
    Placement,
    PoolWatch,
    pool_range,
    room_for,
    shards_at_once,
)

MEBIBYTE = 2**20


@dataclass
class Judged:
    """A placement that is looked at once a second."""

    offer: Offer
    memory: int = 512 * MEBIBYTE
    told: list[Problem] = field(default_factory=list)
    now: float = 1000.0

    def __post_init__(self) -> None:
        self.placement = Placement(self.memory, lambda: self.offer, self.told.append)

    def let_pass(self, seconds: int, *, alive: int | None = 0) -> None:
        for _ in range(seconds):
            self.placement.look(alive, self.now)
            self.now += 1


def test_a_start_of_a_few_seconds_is_nothing_to_tell() -> None:
    judged = Judged(Offer(1, 0, 0))
    judged.let_pass(15)
    judged.let_pass(1000, alive=1)
    assert judged.told == []


@pytest.mark.parametrize(
    ("offer", "hint"),
    [
        (Offer(nodes=1, largest=0, free=0), "no node is large enough"),
        (Offer(nodes=3, largest=400 * MEBIBYTE, free=400 * MEBIBYTE), "no node is large enough"),
        (Offer(nodes=3, largest=900 * MEBIBYTE, free=300 * MEBIBYTE), "needs the memory of others on the cluster"),
        (Offer(nodes=2, largest=900 * MEBIBYTE, free=900 * MEBIBYTE), "look at the logs of the cluster"),
    ],
)
def test_a_warning_names_what_is_asked_for_and_what_there_is(offer: Offer, hint: str) -> None:
    judged = Judged(offer)
    judged.let_pass(22)
    [problem] = judged.told
    assert problem.severity is Severity.WARNING and hint in problem.hint
    for amount in (512 * MEBIBYTE, offer.largest, offer.free):
        assert f"{amount // MEBIBYTE} MiB" in problem.message


def test_it_is_said_again_each_minute_and_in_the_end_the_run_gives_up() -> None:
    judged = Judged(Offer(1, 0, 0))
    with pytest.raises(ClusterError) as caught:
        judged.let_pass(2000)
    assert judged.now - 1000 == 600 and len(judged.told) == 10
    assert caught.value.exit_code == 3 and "512 MiB" in caught.value.cause and "resume the run" in caught.value.hint


def test_a_worker_that_lives_for_a_moment_begins_the_time_anew() -> None:
    judged = Judged(Offer(1, 0, 0))
    for _ in range(5):
        judged.let_pass(590)
        judged.let_pass(1, alive=2)
    assert len(judged.told) == 5 * 10


def test_nothing_is_said_of_workers_that_nobody_can_count() -> None:
    judged = Judged(Offer(1, 0, 0))
    judged.let_pass(2000, alive=None)
    assert judged.told == []


def test_on_a_cluster_of_its_own_nothing_is_said_of_memory() -> None:
    judged = Judged(Offer(1, 0, 0), memory=0)
    judged.let_pass(22)
    assert "MiB" not in judged.told[0].message and "logs" in judged.told[0].hint


@pytest.mark.parametrize(
    ("given", "cores", "expected"),
    [("auto", 6, (6, 6)), ("auto", 0, (1, 1)), ("3", 6, (3, 3)), ("2:8", 6, (2, 8)), (None, 4, (4, 4))],
)
def test_a_pool_begins_with_the_cores_there_are_unless_it_was_told_a_number(
    given: str | None, cores: int, expected: tuple[int, int]
) -> None:
    assert pool_range(parse_workers(given), cores) == WorkerRange(*expected)


@pytest.mark.parametrize(
    ("given", "fitting", "room"),
    [
        ("128", (2, 2), 2),
        ("2", (20, 20), 2),
        ("1:1000", (3, 5), 3),
        ("128", (0, 2), 2),  # another run has all of it, and will end
        ("4", (0, 0), 4),  # an autoscaler is to bring all of it
        ("1:1000", (0, 0), 1),
    ],
)
def test_a_run_is_planned_for_the_workers_that_find_a_place(given: str, fitting: tuple[int, int], room: int) -> None:
    assert room_for(parse_workers(given), fitting) == room


@pytest.mark.parametrize(("given", "room"), [("3", Room(3, 3)), ("2:8", Room(8, 8))])
def test_an_embedded_cluster_has_room_for_all_that_are_asked_for(given: str, room: Room) -> None:
    assert RayBackend(address=None, workers=parse_workers(given)).room() == room


@pytest.mark.parametrize(
    ("shards", "workers", "expected"),
    [(1, 2, 1), (2, 2, 1), (3, 2, 2), (6, 2, 3), (8, 2, 3), (9, 2, 4), (16, 2, 4), (2, 128, 1)],
)
def test_no_worker_is_given_the_shards_of_others_while_they_start(shards: int, workers: int, expected: int) -> None:
    assert shards_at_once(shards, workers) == expected


@dataclass(frozen=True)
class Sizes:
    max_size: int
    per_actor_resource_usage: Usage


@dataclass(frozen=True)
class Usage:
    memory: int

    @classmethod
    def zero(cls) -> Usage:
        return cls(0)


class Pool:
    """As much of Ray Data's pool as is looked at."""

    def __init__(self, most: int) -> None:
        self._config = Sizes(most, Usage(512 * MEBIBYTE))
        self._create_actor_fn: Any = lambda name: (name, "ready", Usage(512 * MEBIBYTE))

    def per_actor_resource_usage(self) -> Usage:
        return self._config.per_actor_resource_usage

    def max_size(self) -> int:
        return self._config.max_size

    def num_alive_actors(self) -> int:
        return 2


def _executor(pool: Pool) -> Any:
    return SimpleNamespace(_topology=[SimpleNamespace(get_autoscaling_actor_pools=lambda: [pool])])


@pytest.mark.parametrize(("cores", "shards", "size"), [(2, 100, 2), (5, 100, 5), (5, 4, 4), (1, 100, 2)])
def test_a_pool_that_follows_the_cores_grows_with_them_but_not_beyond_its_shards(
    cores: int, shards: int, size: int
) -> None:
    pool, watch = Pool(2), PoolWatch(lambda: cores, most=shards)
    watch.on_execution_step(_executor(pool))
    assert (pool.max_size(), watch.alive) == (size, 2)


def test_a_pool_may_grow_beyond_what_the_nodes_of_now_have_room_for() -> None:
    pool = Pool(2)
    PoolWatch(None, most=100).before_execution_starts(_executor(pool))
    assert (pool.per_actor_resource_usage(), pool.max_size()) == (Usage(0), 2)
    assert pool._create_actor_fn("actor") == ("actor", "ready", Usage(0))


def test_a_pool_of_a_number_stays_as_it_is() -> None:
    pool = Pool(2)
    PoolWatch(None, most=100).on_execution_step(_executor(pool))
    assert pool.max_size() == 2


def test_the_watch_stays_with_its_driver_when_settings_are_copied_or_travel() -> None:
    watch = PoolWatch(lambda: 1, most=1)
    assert copy.deepcopy([watch])[0] is watch and watch() is watch
    assert pickle.loads(pickle.dumps(watch)) is None  # noqa: S301
