"""The fence over a network: one look for many rows, and never one that began before they asked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest
import uvloop

from reqflo_ray._internal.errors import StoreError
from reqflo_ray._internal.runner.execute.fence import Fence


class Looks:
    """Holds each look until it is let through; `open` is what it finds then."""

    def __init__(self) -> None:
        self.begun = 0
        self.open = True
        self.failure: StoreError | None = None
        self._gate = threading.Semaphore(0)

    def __call__(self) -> bool:
        self.begun += 1
        assert self._gate.acquire(timeout=20)
        if self.failure:
            raise self.failure
        return self.open

    def let_through(self, count: int = 1) -> None:
        self._gate.release(count)


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(1_000_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it did not happen")


LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


@pytest.mark.parametrize("new_loop", LOOPS)
def test_a_look_that_is_cheap_is_made_at_once_and_serves_one_turn_of_the_loop(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    answers = iter([True, False])
    thread: set[int] = set()

    def look() -> bool:
        thread.add(threading.get_ident())
        return next(answers)

    async def scenario() -> None:
        fence = Fence(look, is_near=True)
        assert await fence.is_open() and await fence.is_open()
        await asyncio.sleep(0)
        assert not await fence.is_open()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(scenario())
    assert thread == {threading.get_ident()}


@pytest.mark.parametrize("new_loop", LOOPS)
def test_a_cheap_look_never_counts_for_what_is_written_after_it(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    """Rows append in one turn and are woken when that is written, as the journal does it. Whatever the order in which
    writes and looks meet in a turn, each row's look comes after its write."""
    happened: list[str] = []

    class Writer:
        def __init__(self) -> None:
            self.pending: list[tuple[int, asyncio.Future[None]]] = []

        def append(self, row: int) -> asyncio.Future[None]:
            loop = asyncio.get_running_loop()
            if not self.pending:
                loop.call_soon(self.flush)
            self.pending.append((row, loop.create_future()))
            return self.pending[-1][1]

        def flush(self) -> None:
            pending, self.pending = self.pending, []
            for row, waiter in pending:
                happened.append(f"write {row}")
                waiter.set_result(None)

    def look() -> bool:
        happened.append("look")
        return True

    async def scenario() -> None:
        fence = Fence(look, is_near=True)
        journals = [Writer(), Writer()]

        async def row(number: int) -> None:
            for _ in range(number % 5):
                await asyncio.sleep(0)
            await journals[number % 2].append(number)
            assert await fence.is_open()
            happened.append(f"send {number}")

        await asyncio.gather(*map(row, range(40)))

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(scenario())
    for number in range(40):
        written, sent = happened.index(f"write {number}"), happened.index(f"send {number}")
        assert "look" in happened[written:sent], f"row {number} was sent by a look that came before its intent"
    assert happened.count("look") < 20, "rows that are woken together share a look"


def test_who_asks_while_a_look_is_under_way_waits_for_the_next_one() -> None:
    async def scenario() -> None:
        looks = Looks()
        fence = Fence(looks, is_near=False)
        first = asyncio.create_task(fence.is_open())
        await until(lambda: looks.begun == 1)
        others = [asyncio.create_task(fence.is_open()) for _ in range(50)]
        looks.let_through()
        assert await first
        await until(lambda: looks.begun == 2)
        assert not any(other.done() for other in others), "a look that began before they asked must not count"
        looks.open = False
        looks.let_through()
        assert await asyncio.gather(*others) == [False] * 50
        assert looks.begun == 2

    asyncio.run(scenario())


def test_a_fence_that_was_closed_once_is_not_looked_at_again() -> None:
    async def scenario() -> None:
        looks = Looks()
        fence = Fence(looks, is_near=False)
        looks.open = False
        looks.let_through()
        assert not await fence.is_open()
        looks.open = True
        assert not await fence.is_open()
        assert looks.begun == 1

    asyncio.run(scenario())


def test_a_look_that_fails_is_told_to_all_who_wait_and_the_next_one_may_work() -> None:
    async def scenario() -> None:
        looks = Looks()
        fence = Fence(looks, is_near=False)
        first = asyncio.create_task(fence.is_open())
        await until(lambda: looks.begun == 1)
        second = asyncio.create_task(fence.is_open())
        await asyncio.sleep(0)
        looks.failure = StoreError("no answer", code="store_unreachable")
        looks.let_through()
        found = await asyncio.gather(first, second, return_exceptions=True)
        assert all(isinstance(error, StoreError) and error.code == "store_unreachable" for error in found)
        assert found[0] is not found[1]
        looks.failure = None
        looks.let_through()
        assert await fence.is_open()

    asyncio.run(scenario())


def test_a_row_that_is_cancelled_while_it_waits_cancels_no_other() -> None:
    async def scenario() -> None:
        looks = Looks()
        fence = Fence(looks, is_near=False)
        rows = [asyncio.create_task(fence.is_open()) for _ in range(3)]
        await until(lambda: looks.begun == 1)
        rows[1].cancel()
        looks.let_through()
        with pytest.raises(asyncio.CancelledError):
            await rows[1]
        assert await rows[0] and await rows[2]

    asyncio.run(scenario())
