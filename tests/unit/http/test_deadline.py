"""What a deadline does to its block, and what it leaves to others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest

from reqflo_ray._internal.http.exchange.deadline import Deadline

Result = TypeVar("Result")


def run(scenario: Callable[[asyncio.AbstractEventLoop], Coroutine[Any, Any, Result]]) -> Result:
    async def main() -> Result:
        return await scenario(asyncio.get_running_loop())

    return asyncio.run(main())


def test_a_block_that_takes_longer_ends_with_a_timeout() -> None:
    async def scenario(loop: asyncio.AbstractEventLoop) -> None:
        with pytest.raises(TimeoutError), Deadline(loop, 0):
            await loop.create_future()
        await asyncio.sleep(0)
        task = asyncio.current_task()
        assert task is not None and task.cancelling() == 0

    run(scenario)


def test_a_block_that_ends_in_time_is_not_touched() -> None:
    async def scenario(loop: asyncio.AbstractEventLoop) -> str:
        with Deadline(loop, 60):
            await asyncio.sleep(0)
        return "done"

    assert run(scenario) == "done"


def test_an_error_of_the_block_stays_what_it_is() -> None:
    async def scenario(loop: asyncio.AbstractEventLoop) -> None:
        with pytest.raises(ValueError, match="mine"), Deadline(loop, 60):
            raise ValueError("mine")

    run(scenario)


@pytest.mark.parametrize("seconds", [0, 60])
def test_whoever_else_cancels_the_task_goes_first(seconds: float) -> None:
    async def scenario(loop: asyncio.AbstractEventLoop) -> None:
        async def block() -> None:
            with Deadline(loop, seconds):
                await loop.create_future()

        task = asyncio.ensure_future(block())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(scenario)


def test_of_two_nested_deadlines_the_one_that_passed_is_told() -> None:
    async def scenario(loop: asyncio.AbstractEventLoop) -> list[str]:
        told = []
        with Deadline(loop, 60):
            try:
                with Deadline(loop, 0):
                    await loop.create_future()
            except TimeoutError:
                told.append("inner")
            await asyncio.sleep(0)
        try:
            with Deadline(loop, 0), Deadline(loop, 60):
                await loop.create_future()
        except TimeoutError:
            told.append("outer")
        return told

    assert run(scenario) == ["inner", "outer"]
