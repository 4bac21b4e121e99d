"""What the rows of one worker share: room in flight, and the right to be alone."""

from __future__ import annotations

import asyncio

from simulated_run import SimulatedRun
from simulation import Bomb


def test_who_is_alone_waits_for_all_rows_in_flight_and_keeps_others_out() -> None:
    seen: list[str] = []

    async def main() -> None:
        worker = SimulatedRun(concurrency=2).worker(Bomb())
        let_go = asyncio.Event()

        async def row(name: str) -> None:
            async with worker.rows:
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
        await worker.rows.acquire()

        async def suspect() -> None:
            async with worker.alone():
                raise AssertionError("it must never be alone")

        task = asyncio.ensure_future(suspect())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        worker.rows.release()
        async with worker.alone():
            pass

    asyncio.run(asyncio.wait_for(main(), 5))
