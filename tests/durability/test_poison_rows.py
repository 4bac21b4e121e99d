"""A row that kills its worker is found and left out within a bounded number of deaths; no other row ever is."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_run import SimulatedRun
from simulation import Bomb, Crash, Disk, SimulatedShop, SimulatedTransport

from reqflo_ray._internal.journal.reader import read_journal
from reqflo_ray._internal.model.http.exchange import CookieStore, Exchange, TransportRequest
from reqflo_ray._internal.model.journal import Solo
from reqflo_ray._internal.model.results import ShardOutcome, ShardReport, exit_code

# Two to suspect it, three to prove it.
_MOST_DEATHS = 5


class _DeadlyTransport(SimulatedTransport):
    def __init__(self, shop: SimulatedShop, bomb: Bomb, deadly: frozenset[str]) -> None:
        super().__init__(shop, bomb)
        self._bomb = bomb
        self._deadly = deadly

    async def send(self, request: TransportRequest, cookies: CookieStore | None = None) -> Exchange:
        if any(f'"{customer}"'.encode() in (request.body or b"") for customer in self._deadly):
            self._bomb.gone = True
            raise Crash("the row's response makes the interpreter crash")
        return await super().send(request, cookies)


class _DeadlyShop(SimulatedShop):
    """An API whose answers to orders of some customers kill whoever sends them."""

    def __init__(self, deadly: frozenset[str]) -> None:
        super().__init__()
        self.deadly = deadly

    def connect(self, bomb: Bomb) -> SimulatedTransport:
        return _DeadlyTransport(self, bomb, self.deadly)


def _run_until_committed(run: SimulatedRun, most: int) -> tuple[ShardReport, int]:
    for deaths in range(most + 1):
        report = run.process()
        if report is not None:
            return report, deaths
    raise AssertionError(f"the shard is not finished after {most} deaths")


@pytest.mark.parametrize("concurrency", [1, 2, 4, 8])
@pytest.mark.parametrize("deadly", [{0}, {3}, {5}, {1, 4}])
def test_a_row_that_kills_its_worker_is_left_out_and_the_others_pass(concurrency: int, deadly: set[int]) -> None:
    shop = _DeadlyShop(frozenset(f"c{row}" for row in deadly))
    run = SimulatedRun(rows=6, concurrency=concurrency, shop=shop, deaths_known=True)
    report, deaths = _run_until_committed(run, _MOST_DEATHS * len(deadly))
    assert report.outcome is ShardOutcome.COMMITTED and report.summary is not None
    assert {row["row_index"] for row in run.results() if row["error_code"] == "poison_row"} == deadly
    assert {row["status"] for row in run.results() if row["row_index"] not in deadly} == {"passed"}
    assert report.summary.counts.poisoned == len(deadly) <= deaths
    assert exit_code(report.summary.counts) == 3


@pytest.mark.parametrize("concurrency", [1, 2, 8])
@pytest.mark.parametrize("deadly", [{0}, {5}, {1, 4}])
def test_a_row_that_kills_its_worker_is_found_where_appends_die_with_it_too(concurrency: int, deadly: set[int]) -> None:
    shop = _DeadlyShop(frozenset(f"c{row}" for row in deadly))
    disk = Disk(is_far=True)
    run = SimulatedRun(rows=6, concurrency=concurrency, shop=shop, deaths_known=True, disk=disk)
    # One death more: who died first has left no intent that says which rows were in flight.
    report, _ = _run_until_committed(run, (_MOST_DEATHS + 1) * len(deadly))
    assert report.outcome is ShardOutcome.COMMITTED
    assert {row["row_index"] for row in run.results() if row["error_code"] == "poison_row"} == deadly
    assert {row["status"] for row in run.results() if row["row_index"] not in deadly} == {"passed"}


@given(deaths=st.lists(st.tuples(st.integers(0, 60), st.booleans()), max_size=8), concurrency=st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_workers_that_die_at_random_never_put_the_blame_on_a_row_that_was_not_alone(
    deaths: list[tuple[int, bool]], concurrency: int
) -> None:
    run = SimulatedRun(rows=5, concurrency=concurrency, deaths_known=True)
    for at, after in deaths:
        run.process(Bomb(at=at, after=after))
    alone = _rows_alone_at_a_death(run)
    report = run.process()
    assert report is not None
    if report.outcome is ShardOutcome.ERROR:
        assert report.error_code == "workers_keep_dying" and len(deaths) >= 6
        return
    poisoned = {row["row_index"] for row in run.results() if row["error_code"] == "poison_row"}
    assert poisoned <= alone
    assert all(row["status"] == "passed" for row in run.results() if row["row_index"] not in poisoned)


def _rows_alone_at_a_death(run: SimulatedRun) -> set[int]:
    alone = set()
    for data in run.disk.logs.values():
        marks = [record for record in read_journal(bytes(data)).records if isinstance(record, Solo)]
        if marks and not marks[-1].over:
            alone.add(marks[-1].row)
    return alone


@pytest.mark.parametrize("seed", range(6))
def test_workers_that_something_else_kills_again_and_again_mark_no_row(seed: int) -> None:
    chance = random.Random(seed)
    run = SimulatedRun(rows=12, concurrency=6, deaths_known=True)
    report = None
    for _ in range(8):
        report = report or run.process(Bomb(at=chance.randint(20, 100), after=chance.random() < 0.5))
    report = report or run.process()
    assert report is not None and report.summary is not None
    assert report.summary.counts.poisoned == 0
    assert {row["status"] for row in run.results()} == {"passed"}
