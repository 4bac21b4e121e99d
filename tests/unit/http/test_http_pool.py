"""The pool of the httpx engine, with connections that only pretend."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import Any, cast

import httpcore
import pytest
from virtual_time import run_in_virtual_time

from reqflo_ray._internal.http.engines.httpx_pool import ConnectionPool

HERE = httpcore.Origin(b"http", b"here", 80)
IDLE = 15.0
THERE = httpcore.Origin(b"http", b"there", 80)


@dataclass(eq=False)
class Pretended:
    origin: httpcore.Origin
    idle: bool = True
    expired: bool = False
    closed: bool = False
    closing_fails: bool = False

    def is_idle(self) -> bool:
        return self.idle

    def is_available(self) -> bool:
        return self.idle and not self.closed

    def is_closed(self) -> bool:
        return self.closed

    def has_expired(self) -> bool:
        return self.expired

    async def aclose(self) -> None:
        await asyncio.sleep(0)
        self.closed = True
        if self.closing_fails:
            raise OSError("already gone")


class Fleet:
    """A pool and all connections that it ever made."""

    def __init__(self, limit: int) -> None:
        self.made: list[Pretended] = []
        self.pool = ConnectionPool(cast(Any, self._make), limit)

    def _make(self, origin: httpcore.Origin) -> Pretended:
        self.made.append(Pretended(origin))
        return self.made[-1]

    async def take(self, origin: httpcore.Origin = HERE, *, fresh: bool = False) -> tuple[Any, bool]:
        return await self.pool.acquire(origin, fresh=fresh)

    @property
    def open(self) -> int:
        return sum(not connection.closed for connection in self.made)


def test_an_idle_connection_is_used_again_for_its_origin_only() -> None:
    async def scenario() -> None:
        fleet = Fleet(2)
        first, reused = await fleet.take()
        assert not reused
        fleet.pool.release(HERE, first, IDLE)
        other, reused = await fleet.take(THERE)
        assert (other is first, reused) == (False, False)
        again, reused = await fleet.take()
        assert (again is first, reused) == (True, True)

    run_in_virtual_time(scenario())


@pytest.mark.parametrize("fault", ["idle", "expired", "closed"])
def test_a_connection_that_is_not_in_order_is_closed(fault: str) -> None:
    async def scenario() -> None:
        fleet = Fleet(2)
        first, _ = await fleet.take()
        setattr(first, fault, fault != "idle")
        fleet.pool.release(HERE, first, IDLE)
        second, reused = await fleet.take()
        assert (second is first, reused) == (False, False)
        await asyncio.sleep(0.001)
        assert first.closed

    run_in_virtual_time(scenario())


@pytest.mark.parametrize(("idle", "waits", "again"), [(4.0, 3.9, True), (4.0, 4.1, False), (0.0, 0.0, False)])
def test_a_connection_is_used_again_within_its_time_only(idle: float, waits: float, again: bool) -> None:
    async def scenario() -> None:
        fleet = Fleet(2)
        first, _ = await fleet.take()
        fleet.pool.release(HERE, first, idle)
        await asyncio.sleep(waits)
        second, reused = await fleet.take()
        assert (second is first, reused) == (again, again)

    run_in_virtual_time(scenario())


def test_a_fresh_connection_can_be_asked_for() -> None:
    async def scenario() -> None:
        fleet = Fleet(2)
        first, _ = await fleet.take()
        fleet.pool.release(HERE, first, IDLE)
        second, reused = await fleet.take(fresh=True)
        assert (second is first, reused) == (False, False)

    run_in_virtual_time(scenario())


def test_idle_connections_give_way_to_other_origins() -> None:
    async def scenario() -> None:
        fleet = Fleet(2)
        pair = [(await fleet.take())[0] for _ in range(2)]
        for connection in pair:
            fleet.pool.release(HERE, connection, IDLE)
        await fleet.take(THERE)
        await asyncio.sleep(0.001)
        assert [connection.closed for connection in pair] == [True, False]

    run_in_virtual_time(scenario())


def test_closing_survives_connections_that_fail_to_close() -> None:
    async def scenario() -> None:
        fleet = Fleet(1)
        connection, _ = await fleet.take()
        connection.closing_fails = True
        fleet.pool.release(HERE, connection, IDLE)
        await fleet.pool.close()
        assert fleet.open == 0

    run_in_virtual_time(scenario())


@pytest.mark.parametrize("seed", range(20))
def test_no_slot_is_lost_whoever_is_cancelled_when(seed: int) -> None:
    chance = random.Random(seed)
    limit = chance.randint(1, 4)

    async def one(fleet: Fleet) -> None:
        origin = chance.choice((HERE, THERE))
        connection, _ = await fleet.take(origin, fresh=chance.random() < 0.2)
        try:
            connection.idle = False
            for _ in range(chance.randint(0, 3)):
                await asyncio.sleep(0)
            connection.idle = chance.random() < 0.7
        finally:
            fleet.pool.release(origin, connection, IDLE)

    async def scenario() -> None:
        fleet = Fleet(limit)
        tasks = [asyncio.create_task(one(fleet)) for _ in range(60)]
        for _ in range(40):
            await asyncio.sleep(0)
            chance.choice(tasks).cancel()
            assert fleet.open - fleet.pool.closing <= limit, "more than the limit in use or idle"
        await asyncio.gather(*tasks, return_exceptions=True)
        held = [await asyncio.wait_for(fleet.take(), 1) for _ in range(limit)]
        assert len({id(connection) for connection, _ in held}) == limit

    run_in_virtual_time(scenario())
