"""What the rows of one worker share: room in flight, who gets it first, and the right to be alone."""

from __future__ import annotations

import asyncio
import dataclasses
import json

from simulated_run import SimulatedRun
from simulation import Bomb, SimulatedTransport

from reqflo_ray._internal.model.http.exchange import CookieStore, Exchange, TransportRequest
from reqflo_ray._internal.runner.execute.shard import run_shard
from reqflo_ray._internal.runner.execute.worker.row_places import RowPlaces


class _OneOrderAtATime(SimulatedTransport):
    """Keeps the orders of the second shard until rows that come first wait for a place, or have been served."""

    places: RowPlaces
    both_kept: asyncio.Event
    kept = 0
    served: tuple[str, ...] = ()

    async def send(self, request: TransportRequest, cookies: CookieStore | None = None) -> Exchange:
        if request.method == "POST" and "/orders" in request.url:
            customer = json.loads(request.body or b"")["customer_id"]
            self.kept += 1
            if self.kept == 2:
                self.both_kept.set()
            while True:
                if customer in FIRST_SHARD or self.places.is_wanted_first or set(self.served) & FIRST_SHARD:
                    break
                await asyncio.sleep(0)
            self.served = (*self.served, customer)
        return await super().send(request, cookies)


FIRST_SHARD, SECOND_SHARD = {"c0", "c1", "c2", "c3"}, {"c4", "c5", "c6", "c7"}


def test_rows_that_were_under_way_at_a_death_do_not_wait_for_another_shard() -> None:
    run = SimulatedRun(rows=4, shards=2, concurrency=2)
    # Two tokens are given, no order is placed.
    assert run.process(Bomb(at=run_until_the_first_order(run))) is None

    async def main() -> tuple[str, ...]:
        worker, transport = run.worker(Bomb()), _OneOrderAtATime(run.shop, Bomb())
        transport.places, transport.both_kept = worker.rows, asyncio.Event()
        worker = dataclasses.replace(worker, transport=transport)
        second = asyncio.ensure_future(run_shard(worker, run.plans[1], 1))
        await transport.both_kept.wait()
        await asyncio.gather(second, run_shard(worker, run.plans[0], 1))
        return transport.served

    served = asyncio.run(asyncio.wait_for(main(), 10))
    assert set(served[:2]) == {"c4", "c5"} and set(served[2:4]) == {"c0", "c1"}
    assert sorted(served) == sorted(FIRST_SHARD | SECOND_SHARD)


def run_until_the_first_order(run: SimulatedRun) -> int:
    """The number of the operation that places the first order, in a run like `run`."""
    bomb = Bomb()
    other = SimulatedRun(rows=run.rows, shards=run.shards, concurrency=run.concurrency)
    other.process(bomb)
    return [at for at, name in enumerate(bomb.names) if name == "send"][run.concurrency]


def test_who_is_alone_waits_for_all_rows_in_flight_and_keeps_others_out() -> None:
    seen: list[str] = []

    async def main() -> None:
        worker = SimulatedRun(concurrency=2).worker(Bomb())
        let_go = asyncio.Event()

        async def row(name: str) -> None:
            async with worker.rows.place():
                seen.append(f"{name} begins")
                await let_go.wait()
                seen.append(f"{name} ends")

        async def suspect(name: str) -> None:
            async with worker.alone():
                seen.append(f"{name} alone")
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                seen.append(f"{name} done")

        tasks = [
            asyncio.ensure_future(row("a")),
            asyncio.ensure_future(suspect("x")),
            asyncio.ensure_future(suspect("y")),
        ]
        await asyncio.sleep(0)
        tasks.append(asyncio.ensure_future(row("b")))
        await asyncio.sleep(0)
        let_go.set()
        await asyncio.gather(*tasks)

    asyncio.run(main())
    assert seen[:2] == ["a begins", "a ends"]
    for name in ("x", "y"):
        assert seen.index(f"{name} done") == seen.index(f"{name} alone") + 1


def test_who_gives_up_waiting_to_be_alone_leaves_room_for_others() -> None:
    async def main() -> None:
        worker = SimulatedRun(concurrency=2).worker(Bomb())
        await worker.rows.take()

        async def suspect() -> None:
            async with worker.alone():
                raise AssertionError("it must never be alone")

        task = asyncio.ensure_future(suspect())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        worker.rows.give_back()
        async with worker.alone():
            pass

    asyncio.run(asyncio.wait_for(main(), 5))
