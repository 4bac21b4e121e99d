"""The places for rows in flight: who gets the next one, and that none is lost whatever becomes of those who wait."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reqflo_ray._internal.runner.execute.worker.row_places import RowPlaces


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(main, 5))


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_a_place_goes_to_those_who_come_first_and_then_in_the_order_of_asking() -> None:
    async def main() -> None:
        places, served = RowPlaces(1), list[str]()

        async def row(name: str, *, first: bool = False) -> None:
            async with places.place(first=first):
                served.append(name)

        await places.take()
        tasks = [asyncio.ensure_future(row(name, first=name.isupper())) for name in ("a", "b", "C", "D")]
        await settle()
        assert served == [] and places.is_wanted_first
        places.give_back()
        await asyncio.gather(*tasks)
        assert served == ["C", "D", "a", "b"] and not places.is_wanted_first

    run(main())


def test_who_waits_for_rows_that_others_have_taken_is_sent_away_without_a_place() -> None:
    async def main() -> None:
        places, mine, yours = RowPlaces(1), deque(["row"]), deque(["row"])
        await places.take()
        waits_longer = asyncio.ensure_future(places.take(yours))
        waits = asyncio.ensure_future(places.take(mine))
        await settle()
        mine.clear()
        places.give_back()
        assert await waits is False, "it waited until those before it had done all their rows"
        assert await waits_longer is True

    run(main())


def test_who_is_cancelled_at_the_moment_of_getting_a_place_passes_it_on() -> None:
    async def main() -> None:
        places = RowPlaces(1)
        await places.take()
        unlucky, next_one = asyncio.ensure_future(places.take()), asyncio.ensure_future(places.take())
        await settle()
        places.give_back()
        unlucky.cancel()
        assert await next_one is True
        assert unlucky.cancelled()

    run(main())


@given(st.integers(1, 3), st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 3)), max_size=12))
def test_no_more_rows_than_places_are_in_flight_and_every_place_comes_back(
    count: int, rows: list[tuple[bool, bool, int]]
) -> None:
    async def main() -> None:
        places, in_flight, most = RowPlaces(count), 0, 0

        async def row(first: bool, turns: int) -> None:
            nonlocal in_flight, most
            async with places.place(first=first):
                in_flight += 1
                most = max(most, in_flight)
                try:
                    for _ in range(turns):
                        await asyncio.sleep(0)
                finally:
                    in_flight -= 1

        tasks = [(asyncio.ensure_future(row(first, turns)), cancelled) for first, cancelled, turns in rows]
        await asyncio.sleep(0)
        for task, cancelled in tasks:
            if cancelled:
                task.cancel()
                await asyncio.sleep(0)
        await asyncio.gather(*(task for task, _ in tasks), return_exceptions=True)
        assert most <= count
        for _ in range(count):
            await places.take()

    run(main())


@given(count=st.integers(1, 8), lowered=st.lists(st.integers(-1, 9), min_size=1, max_size=4), taken=st.integers(0, 8))
def test_places_that_are_gone_do_not_come_back(count: int, lowered: list[int], taken: int) -> None:
    async def main() -> None:
        places = RowPlaces(count)
        held = min(count, taken)
        for _ in range(held):
            await places.take()
        fewer = [places.lower(number) for number in lowered]
        left = max(1, min(count, *lowered))
        assert places.count == left and any(fewer) == (left < count)
        for _ in range(held):
            places.give_back()
        for _ in range(left):
            await asyncio.wait_for(places.take(), 1)
        one_too_many = asyncio.ensure_future(places.take())
        await settle()
        assert not one_too_many.done()
        one_too_many.cancel()

    run(main())
