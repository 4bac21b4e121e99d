"""A run's request rate: never above it in total, close to it while there is work, whoever has the work or dies."""

from __future__ import annotations

import asyncio
import random
from bisect import bisect_left
from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from virtual_time import VirtualClock, run_in_virtual_time

from reqflo_ray._internal.runner.execute.worker.pacing import (
    Grant,
    LocalPacer,
    Pacer,
    Schedule,
    SharedPacer,
    Unpaced,
    choose_pacer,
)


class Workers:
    """Workers that share a schedule; all requests leave their instant in `sent`."""

    def __init__(self, rate: float, chance: random.Random | None = None) -> None:
        self.sent: list[float] = []
        self.questions = 0
        self._schedule, self._chance = Schedule(rate), chance or random.Random(0)
        self._clock = VirtualClock()

    def pacer(self, ahead: float = 0.0) -> SharedPacer:
        async def ask(needed: int, welcome: int) -> Grant:
            self.questions += 1
            await asyncio.sleep(self._chance.uniform(0.0005, 0.003))
            grant = self._schedule.grant(needed, welcome, self._clock.monotonic())
            await asyncio.sleep(self._chance.uniform(0.0005, 0.003))
            return grant

        return SharedPacer(ask, VirtualClock(ahead))

    def start(self, rows: int, *, answer: float, ahead: float = 0.0) -> list[asyncio.Task[None]]:
        """A worker with so many rows in flight, each of which sends when it has the answer to its last request."""
        pacer = self.pacer(ahead)

        async def row() -> None:
            while True:
                await pacer.turn()
                self.sent.append(self._clock.monotonic())
                await asyncio.sleep(answer)

        return [asyncio.ensure_future(row()) for _ in range(rows)]

    def within(self, begin: float, end: float) -> int:
        return bisect_left(self.sent, end) - bisect_left(self.sent, begin)


def most_in_a_second(sent: Sequence[float]) -> int:
    ordered = sorted(sent)
    return max(bisect_left(ordered, begin + 1.0) - index for index, begin in enumerate(ordered))


def end(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()


@pytest.mark.parametrize("rate", [1.0, 7.5, 100.0, 2000.0])
def test_a_process_alone_keeps_to_its_rate(rate: float) -> None:
    async def main() -> None:
        clock = VirtualClock()
        pacer, sent = LocalPacer(rate, clock), []
        for _ in range(int(rate * 3) + 1):
            await pacer.turn()
            sent.append(clock.monotonic())
        assert sent[-1] == pytest.approx(3.0, abs=1.01 / rate)
        assert most_in_a_second(sent) <= rate + 1

    run_in_virtual_time(main())


@settings(max_examples=15, deadline=None)
@given(
    rate=st.floats(5, 200),
    workers=st.lists(
        st.tuples(st.integers(1, 30), st.floats(0.001, 0.5), st.floats(-1e5, 1e5)), min_size=1, max_size=5
    ),
    seed=st.integers(0, 2**32),
)
@example(rate=92.0, workers=[(11, 0.125, 0.0), (17, 0.4375, 0.0), (17, 0.0625, 0.0)], seed=0)
@example(rate=110.0, workers=[(21, 0.30859375, 0.0), (18, 0.375, 0.0)], seed=12)
@example(rate=88.0, workers=[(16, 0.5, 0.0), (16, 0.5, 0.0), (20, 0.0625, 0.0)], seed=0)
def test_workers_together_never_pass_the_rate_and_come_close_to_it_when_busy(
    rate: float, workers: list[tuple[int, float, float]], seed: int
) -> None:
    async def main() -> None:
        all_workers = Workers(rate, random.Random(seed))
        tasks = [
            task for rows, answer, ahead in workers for task in all_workers.start(rows, answer=answer, ahead=ahead)
        ]
        await asyncio.sleep(3)
        end(tasks)
        # What nobody needed in time may be used a tenth of a second later.
        assert most_in_a_second(all_workers.sent) <= rate * 1.1 + 2
        able = sum(rows / (answer + 0.1) for rows, answer, _ in workers)
        if able > 2 * rate:
            assert all_workers.within(1, 3) >= 0.95 * rate * 2 - 2
        # Not a question for each request, however many workers there are: 25 a second each, or three for five requests
        # of workers whose rows come one by one.
        assert all_workers.questions <= max(3 * 25 * len(workers), 0.6 * len(all_workers.sent))

    run_in_virtual_time(main())


def test_the_share_of_a_worker_that_dies_comes_back_within_a_second() -> None:
    async def main() -> None:
        workers = Workers(100)
        dying, _ = workers.start(64, answer=0.02), workers.start(64, answer=0.02)
        await asyncio.sleep(5)
        end(dying)
        await asyncio.sleep(5)
        assert workers.within(6, 10) >= 0.95 * 400

    run_in_virtual_time(main())


def test_a_worker_that_joins_gets_its_share_and_the_total_stays() -> None:
    async def main() -> None:
        workers = Workers(100)
        workers.start(64, answer=0.02)
        await asyncio.sleep(5)
        before = len(workers.sent)
        joined = workers.start(64, answer=0.02)
        await asyncio.sleep(5)
        end(joined)
        assert len(workers.sent) - before <= 510
        assert most_in_a_second(workers.sent) <= 112

    run_in_virtual_time(main())


def test_a_worker_with_one_row_left_does_not_hold_the_others_up() -> None:
    async def main() -> None:
        workers = Workers(200)
        workers.start(1, answer=0.3)
        workers.start(64, answer=0.02)
        await asyncio.sleep(10)
        assert workers.within(1, 10) >= 0.9 * 200 * 9

    run_in_virtual_time(main())


def test_turns_come_in_the_order_of_asking_and_who_gives_up_takes_none() -> None:
    async def main() -> None:
        pacer, came = Workers(10).pacer(), []

        async def row(name: int) -> None:
            await pacer.turn()
            came.append(name)

        tasks = [asyncio.ensure_future(row(name)) for name in range(20)]
        await asyncio.sleep(0)
        end(tasks[5:15])
        began = asyncio.get_running_loop().time()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert came == [*range(5), *range(15, 20)]
        assert asyncio.get_running_loop().time() - began < 1.3

    run_in_virtual_time(main())


def test_a_question_that_fails_fails_who_waits_and_not_who_comes_later() -> None:
    async def main() -> None:
        answers: list[Grant | Exception] = [RuntimeError("gone"), Grant(0.0, 0.0, 0.1, 1)]

        async def ask(needed: int, welcome: int) -> Grant:
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        pacer = SharedPacer(ask, VirtualClock())
        failed = await asyncio.gather(pacer.turn(), pacer.turn(), return_exceptions=True)
        assert [type(problem) for problem in failed] == [RuntimeError, RuntimeError]
        await pacer.turn()

    run_in_virtual_time(main())


def test_a_schedule_gives_a_quarter_of_a_second_at_most_and_an_instant_at_least() -> None:
    assert Schedule(100).grant(1000, 0, 0.0).instants == 25
    assert Schedule(0.1).grant(1000, 0, 0.0).instants == 1
    assert Schedule(100).grant(0, 0, 0.0).instants == 1


def test_more_than_is_needed_is_given_only_where_nobody_waits_for_it() -> None:
    schedule = Schedule(100)
    assert schedule.grant(1, 20, 0.0).instants == 20
    assert schedule.grant(1, 20, 0.1).instants == 8, "others wait for the next instants"
    assert schedule.grant(12, 20, 0.1).instants == 12
    assert schedule.grant(1, 20, 5.0).instants == 20


@pytest.mark.parametrize(
    ("rate", "shared", "kind"), [(None, True, Unpaced), (5.0, False, LocalPacer), (5.0, True, SharedPacer)]
)
def test_a_worker_has_the_pacer_that_its_run_needs(rate: float | None, shared: bool, kind: type[Pacer]) -> None:
    async def ask(needed: int, welcome: int) -> Grant:
        raise AssertionError("nobody asked for a turn")

    assert type(choose_pacer(rate, ask if shared else None, VirtualClock())) is kind
