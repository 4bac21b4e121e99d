"""The durability protocol keeps its promises in any order of events, and each of its lines is needed.

Two and more drivers, zombies, several attempts of each shard, kills between any two lines and within a write, power
cuts on a disk that forgets, a key that is lost, sealed values that are damaged, a driver of a version that did not
seal. Every schedule follows from its seed: a failure names it, and it fails again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial
from random import Random

import pytest
from protocol_faults import change_sealed_values, lose_sealing_key
from protocol_lines import Model, Rules
from protocol_oracle import SEALING_KEY, ModelStep, Oracle
from simulated_world import Process, ProtocolBroken, World

from reqflo_ray._internal.model.artifact import OnInterrupt

PROTOCOL = Rules()
TURMOIL = 400
PATIENCE = 60_000


def journey(random: Random) -> tuple[ModelStep, ...]:
    """Up to three steps that send; the last may need a sensitive capture of the first."""
    policies = [random.choice(list(OnInterrupt)) for _ in range(3)]
    sensitive = random.random() < 0.4
    steps = (
        ModelStep("a", policies[0], sensitive=sensitive),
        ModelStep("b", policies[1]),
        ModelStep("c", policies[2], needs="a" if sensitive else ""),
    )
    return steps[: random.choice([0, 0, 2, 2, 3, 3, 3])]


def play(seed: int, rules: Rules = PROTOCOL) -> Oracle:
    """One run with faults, finished by a driver that is left in peace; then all zombies wake up."""
    world = World(seed)
    random = world.random
    steps = journey(random)
    oracle = Oracle(world, steps)
    shards, rows = random.choice([1, 1, 2]), random.choice([1, 2])
    model = Model(world, oracle, rules, steps, shards=shards, rows=rows, sealing_luck=Random(f"sealing {seed}"))
    try:
        _turmoil(model)
        for number in range(30):
            driver = model.driver(f"calm{number}")
            for process in world.processes:
                process.frozen = process.frozen and random.random() < 0.7
            _run_while(world, partial(_is_alive, driver))
            if "manifest" in world.disk.files:
                break
        assert "manifest" in world.disk.files, "the run was never completed"
        for process in world.processes:
            process.frozen = False
        _run_while(world, lambda: True)
        oracle.complete(list(range(model.shards)))
    except AssertionError as problem:
        lines = "\n".join(world.trace)
        raise type(problem)(f"seed {seed}: {problem}\n{lines}") from problem
    return oracle


def _turmoil(model: Model) -> None:
    world, random = model.world, model.world.random
    rate = random.choice([0.005, 0.02, 0.06])
    luck = model.sealing_luck
    model.driver("first", seals=luck.random() < 0.7)
    sealed_values_are_safe = luck.random() < 0.4 or not any(step.sensitive for step in model.journey)
    drivers = 1
    for _ in range(random.randint(0, TURMOIL)):
        world.step()
        if {SEALING_KEY, "manifest"} <= world.disk.files.keys() and luck.random() < 0.5:
            # It would take thousands of worlds until one driver is killed just between its last lines.
            world.kill(luck.choice(world.processes))
        if random.random() >= rate:
            continue
        if not sealed_values_are_safe and luck.random() < 0.5:
            luck.choice([lose_sealing_key, change_sealed_values])(model)
        alive = [process for process in world.processes if not process.ended]
        event = random.random()
        if event < 0.35 and alive:
            world.kill(random.choice(alive))
        elif event < 0.6 and alive:
            random.choice(alive).frozen = True
        elif event < 0.75:
            for process in world.processes:
                process.frozen = False
        elif event < 0.82:
            world.power_cut()
        elif event < 0.86:
            epochs = world.disk.numbers("epochs")
            world.disk.files[f"stop/{max(epochs, default=0)}"] = True
        elif drivers < 4:
            model.driver(f"driver{drivers}")
            drivers += 1


def _is_alive(process: Process) -> bool:
    return not process.ended


def _run_while(world: World, condition: Callable[[], bool]) -> None:
    for _ in range(PATIENCE):
        if not condition() or not world.step():
            return
    raise AssertionError("it goes on for ever")


@pytest.mark.parametrize("block", range(10))
def test_no_promise_is_broken_in_any_order_of_events(block: int) -> None:
    for seed in range(block * 200, block * 200 + 200):
        play(seed)


@pytest.mark.chaos
@pytest.mark.parametrize("block", range(1, 21))
def test_no_promise_is_broken_in_many_more_orders_of_events(block: int) -> None:
    for seed in range(block * 2_000, block * 2_000 + 2_000):
        play(seed)


@pytest.mark.parametrize("rule", [field.name for field in fields(Rules)])
def test_without_this_line_of_the_protocol_a_promise_is_broken(rule: str) -> None:
    broken = replace(PROTOCOL, **{rule: False})
    with pytest.raises(ProtocolBroken):
        for seed in range(10_000):
            play(seed, broken)


def test_the_schedules_are_not_trivial() -> None:
    worlds = [play(seed) for seed in range(300)]
    trace = [line for oracle in worlds for line in oracle.world.trace]

    def happened(text: str) -> int:
        return sum(text in line for line in trace)

    assert sum(oracle.resent for oracle in worlds) > 20
    assert sum(oracle.repeated for oracle in worlds) > 1 and sum(oracle.opened for oracle in worlds) > 20
    assert happened(" is killed") > 100 and happened("power cut") > 20
    assert happened("key is lost") > 5 and happened("is changed") > 5
    assert happened("in the middle of a write") > 100 and happened("withdraw") > 100
    assert happened("is inconclusive") > 20 and happened("publish the commit") > 0
    assert max(oracle.most_attempts for oracle in worlds) >= 5


def test_a_schedule_is_the_same_every_time() -> None:
    assert play(17).world.trace == play(17).world.trace
