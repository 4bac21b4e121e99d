"""The writer: what is durable when, how syncs are shared, and what happens after the disk refused once."""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop
from sample_journals import Disk

from reqflo_ray._internal.errors import StoreError
from reqflo_ray._internal.journal.reader import read_journal
from reqflo_ray._internal.journal.records import UnrecordableError
from reqflo_ray._internal.journal.writer import JournalWriter
from reqflo_ray._internal.model.journal import Completion, Intent, Solo, Withdrawn
from reqflo_ray._internal.model.plan import Durability
from reqflo_ray._internal.model.results import Status

Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    return asyncio.run if request.param == "asyncio" else uvloop.run


def intent(row: int) -> Intent:
    return Intent(row=row, step="a", attempt=1, fingerprint="f")


def done(row: int, value: object = None) -> Completion:
    return Completion(row=row, step="a", attempt=1, status=Status.PASSED, final=True, captures={"body.x": value})


class Gate:
    """Holds the sync thread until it is opened, and tells how many syncs began."""

    def __init__(self) -> None:
        self.begun = 0
        self._open = threading.Semaphore(0)

    def __call__(self) -> None:
        self.begun += 1
        assert self._open.acquire(timeout=20)

    def let_one_through(self) -> None:
        self._open.release()


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(1_000_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it did not happen")


@pytest.mark.parametrize("durability", list(Durability))
def test_an_intent_reaches_the_system_before_intend_returns(run: Run, disk: Disk, durability: Durability) -> None:
    async def scenario() -> None:
        writer = JournalWriter(disk, durability=durability)
        await writer.intend(intent(1))
        assert disk.contents().records == (intent(1),)
        assert disk.syncs == 0
        await writer.close()

    run(scenario())


def test_a_journal_that_was_begun_has_its_one_header_on_the_disk(run: Run, disk: Disk) -> None:
    async def scenario() -> None:
        writer = JournalWriter(disk, durability=Durability.HOST)
        await writer.begin()
        assert disk.syncs == 1
        assert read_journal(bytes(disk.data), begun=True).lost == 0
        await writer.complete(done(1))
        await writer.close()
        assert disk.contents().records == (done(1),) and not disk.contents().damage

    run(scenario())


def test_a_synced_intent_survives_a_power_cut(run: Run, disk: Disk) -> None:
    async def scenario() -> None:
        writer = JournalWriter(disk, durability=Durability.HOST)
        await writer.intend(intent(1), synced=True)
        assert disk.survives_a_power_cut().records == (intent(1),)
        await writer.close()

    run(scenario())


def test_a_completion_survives_a_power_cut_when_complete_returns(run: Run, disk: Disk) -> None:
    async def scenario() -> None:
        writer = JournalWriter(disk, durability=Durability.HOST)

        async def row(number: int) -> None:
            for _ in range(5):
                await writer.intend(intent(number))
                await writer.complete(done(number))
                assert done(number) in disk.survives_a_power_cut().records

        await asyncio.gather(*map(row, range(8)))
        await writer.close()
        assert len(disk.contents().records) == 80 and not disk.contents().damage

    run(scenario())


def test_process_durability_never_syncs(run: Run, disk: Disk) -> None:
    async def scenario() -> None:
        writer = JournalWriter(disk, durability=Durability.PROCESS)
        await writer.intend(intent(1), synced=True)
        await writer.complete(done(1))
        writer.append(Solo(row=1))
        await writer.close()
        assert disk.syncs == 0 and len(disk.contents().records) == 3 and disk.closed

    run(scenario())


def test_all_that_waits_while_a_sync_runs_shares_the_next_one(run: Run, disk: Disk) -> None:
    async def scenario() -> None:
        gate = disk.before_sync = Gate()
        writer = JournalWriter(disk, durability=Durability.HOST)
        first = asyncio.create_task(writer.complete(done(0)))
        await until(lambda: gate.begun == 1)
        others = [asyncio.create_task(writer.complete(done(row))) for row in range(1, 60)]
        await until(lambda: len(disk.contents().records) == 60)
        gate.let_one_through()
        await first
        # What was appended while a sync ran is not covered by it.
        assert not any(other.done() for other in others)
        gate.let_one_through()
        await asyncio.gather(*others)
        assert disk.syncs == 2
        await writer.close()

    run(scenario())


def test_a_row_that_is_cancelled_while_it_waits_disturbs_no_other(run: Run, disk: Disk) -> None:
    async def scenario() -> None:
        gate = disk.before_sync = Gate()
        writer = JournalWriter(disk, durability=Durability.HOST)
        rows = [asyncio.create_task(writer.complete(done(row))) for row in range(3)]
        await until(lambda: gate.begun == 1)
        rows[1].cancel()
        await asyncio.sleep(0)
        gate.let_one_through()
        results = await asyncio.gather(*rows, return_exceptions=True)
        assert [type(result) for result in results] == [type(None), asyncio.CancelledError, type(None)]
        await writer.close()

    run(scenario())


def test_close_waits_for_the_sync_that_others_wait_for(run: Run, disk: Disk) -> None:
    async def scenario() -> None:
        gate = disk.before_sync = Gate()
        writer = JournalWriter(disk, durability=Durability.HOST)
        row = asyncio.create_task(writer.complete(done(0)))
        await until(lambda: gate.begun == 1)
        closing = asyncio.create_task(writer.close())
        await asyncio.sleep(0)
        assert not disk.closed
        gate.let_one_through()
        await row
        await closing
        assert disk.closed

    run(scenario())


def test_nothing_is_written_after_close(run: Run, disk: Disk) -> None:
    async def scenario() -> None:
        writer = JournalWriter(disk, durability=Durability.HOST)
        await writer.close()
        with pytest.raises(StoreError) as refusal:
            await writer.intend(intent(1))
        assert refusal.value.code == "journal_closed" and not disk.data

    run(scenario())


def test_what_is_appended_in_one_turn_of_the_loop_is_one_write(run: Run, disk: Disk) -> None:
    async def scenario() -> None:
        writes: list[int] = []
        disk.before_append = lambda data: writes.append(len(data))
        writer = JournalWriter(disk, durability=Durability.PROCESS)
        await asyncio.gather(*[writer.intend(intent(number)) for number in range(5)])
        await asyncio.gather(*[writer.complete(done(number)) for number in range(5)])
        assert len(writes) == 2
        assert disk.contents().records == (*map(intent, range(5)), *map(done, range(5)))
        await writer.close()

    run(scenario())


@pytest.mark.parametrize("appends", range(8))
@pytest.mark.parametrize("keeping", [0, 1, 30])
def test_a_full_disk_fails_this_and_all_later_calls_and_leaves_at_most_a_torn_tail(
    run: Run, disk: Disk, appends: int, keeping: int
) -> None:
    async def scenario() -> None:
        disk.full_after(appends, keeping=keeping)
        writer = JournalWriter(disk, durability=Durability.HOST)
        acknowledged: list[int] = []

        async def row(number: int) -> None:
            # Each record is a write of its own, while the rows of before still wait for a sync.
            await until(lambda: len(disk.contents().records) == number or disk.is_full)
            await writer.intend(intent(number))
            await until(lambda: len(disk.contents().records) == number + 5 or disk.is_full)
            await writer.complete(done(number))
            acknowledged.append(number)

        results = await asyncio.gather(*map(row, range(5)), return_exceptions=True)
        refusals = [result for result in results if result is not None]
        assert refusals and all(isinstance(refusal, StoreError) for refusal in refusals)
        assert {refusal.code for refusal in refusals if isinstance(refusal, StoreError)} == {"disk_full"}
        disk.before_append = lambda data: None
        size = len(disk.data)
        for call in (writer.intend(intent(9)), writer.complete(done(9)), writer.intend(intent(9), synced=True)):
            with pytest.raises(StoreError, match="cannot append"):
                await call
        assert len(disk.data) == size
        contents = disk.contents()
        assert not contents.damage and contents.torn_bytes <= keeping and len(contents.records) == appends
        assert all(done(number) in contents.records for number in acknowledged)
        await writer.close()

    run(scenario())


def test_an_append_that_fails_also_fails_those_who_wait_for_the_next_sync(run: Run, disk: Disk) -> None:
    async def scenario() -> None:
        gate = disk.before_sync = Gate()
        writer = JournalWriter(disk, durability=Durability.HOST)
        covered = asyncio.create_task(writer.complete(done(0)))
        await until(lambda: gate.begun == 1)
        waiting = asyncio.create_task(writer.complete(done(1)))
        await until(lambda: len(disk.contents().records) == 2)
        disk.full_after(0)
        with pytest.raises(StoreError):
            await writer.complete(done(2))
        with pytest.raises(StoreError):
            await waiting
        gate.let_one_through()
        await covered
        await writer.close()

    run(scenario())


@pytest.mark.parametrize(
    "problem", [OSError(errno.EIO, "Input/output error"), StoreError("cannot sync"), ValueError("x")]
)
def test_a_failed_sync_fails_all_who_wait_and_is_never_tried_again(run: Run, disk: Disk, problem: Exception) -> None:
    async def scenario() -> None:
        def refuse() -> None:
            raise problem

        disk.before_sync = refuse
        writer = JournalWriter(disk, durability=Durability.HOST)
        results = await asyncio.gather(*(writer.complete(done(row)) for row in range(4)), return_exceptions=True)
        assert all(isinstance(result, StoreError) for result in results)
        assert len({id(result) for result in results}) == 4
        disk.before_sync = lambda: None
        with pytest.raises(StoreError):
            await writer.complete(done(5))
        assert disk.syncs == 0 and len(disk.contents().records) == 4
        await writer.close()

    run(scenario())


def test_an_append_that_is_interrupted_is_never_followed_by_another(run: Run, disk: Disk) -> None:
    def interrupt(data: bytes) -> None:
        disk.data += data[:10]
        raise KeyboardInterrupt

    async def scenario() -> None:
        writer = JournalWriter(disk, durability=Durability.PROCESS)
        await writer.intend(intent(0))
        disk.before_append = interrupt
        writer.append(Solo(row=1))
        with pytest.raises(KeyboardInterrupt):
            await writer.close()
        disk.before_append = lambda data: None
        with pytest.raises(StoreError):
            await writer.intend(intent(1))
        assert disk.contents().torn_bytes == 10
        await writer.close()

    run(scenario())


def test_a_value_that_cannot_be_recorded_stops_its_row_only(run: Run, disk: Disk) -> None:
    async def scenario() -> None:
        writer = JournalWriter(disk, durability=Durability.HOST)
        with pytest.raises(UnrecordableError):
            await writer.complete(done(1, 10**5000))
        await writer.complete(done(2))
        await writer.close()
        assert disk.contents().records == (done(2),) and not disk.contents().damage

    run(scenario())


# A log whose appends die with the process


@pytest.mark.parametrize("durability", list(Durability))
def test_where_appends_die_with_the_process_a_completion_is_always_synced(
    run: Run, disk: Disk, durability: Durability
) -> None:
    async def scenario() -> None:
        disk.outlives_process = False
        writer = JournalWriter(disk, durability=durability)
        await writer.intend(intent(1))
        assert disk.syncs == 0, "both never sent and unknown are sent again"
        await writer.intend(intent(2), synced=True)
        assert disk.survives_a_power_cut().records == (intent(1), intent(2))
        await writer.complete(done(1))
        await writer.note(Solo(row=2))
        assert disk.survives_a_power_cut().records == (intent(1), intent(2), done(1), Solo(row=2))
        assert disk.syncs == 3
        await writer.close()
        assert disk.syncs == 3, "there was nothing more to keep"

    run(scenario())


def test_closing_a_journal_keeps_what_nobody_waited_for_if_it_can(run: Run, disk: Disk) -> None:
    async def scenario() -> None:
        disk.outlives_process = False
        writer = JournalWriter(disk, durability=Durability.PROCESS)
        await writer.intend(intent(1))
        writer.append(Withdrawn(row=1, step="a", attempt=1))
        await writer.close()
        assert disk.survives_a_power_cut().records == (intent(1), Withdrawn(row=1, step="a", attempt=1))

    run(scenario())


def test_a_journal_closes_though_its_last_records_cannot_be_kept(run: Run, disk: Disk) -> None:
    def refuse() -> None:
        raise StoreError("no answer", code="store_unreachable")

    async def scenario() -> None:
        disk.outlives_process = False
        disk.before_sync = refuse
        writer = JournalWriter(disk, durability=Durability.HOST)
        writer.append(intent(1))
        await writer.close()
        assert disk.closed

    run(scenario())


def test_a_note_waits_for_no_disk_where_appends_outlive_the_process(run: Run, disk: Disk) -> None:
    async def scenario() -> None:
        writer = JournalWriter(disk, durability=Durability.HOST)
        await writer.note(Solo(row=1))
        assert disk.syncs == 0 and disk.contents().records == (Solo(row=1),)
        await writer.close()
        assert disk.syncs == 0

    run(scenario())
