"""A crash at every single operation of a shard, before it and after it, of the process and of the power.

The product's own code runs; only disk, network and clock are simulated, so that every point can be tried.
"""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_run import RUN_ID, SimulatedRun, artifact_that_must_not_repeat, reference_artifact
from simulation import Bomb, Disk, SimulatedStorage, SleepBomb

from reqflo_ray._internal.model.plan import Durability
from reqflo_ray._internal.model.results import ShardOutcome, ShardReport
from reqflo_ray._internal.runs.folder.owner import Owner
from reqflo_ray._internal.runs.folder.run_folder import RunFolder

pytestmark = pytest.mark.timeout(300)

_STEPS = {"/auth/token": "token", "/orders": "create"}


def _step(path: str) -> str:
    return _STEPS.get(path, "read")


def _points(is_far: bool = False) -> int:
    bomb = Bomb()
    SimulatedRun(disk=Disk(is_far=is_far)).process(bomb)
    return bomb.count


@pytest.fixture(scope="module")
def undisturbed() -> SimulatedRun:
    run = SimulatedRun()
    report = run.process()
    assert report is not None and report.outcome is ShardOutcome.COMMITTED
    return run


def _crash_and_go_on(run: SimulatedRun, bomb: Bomb, *, power: bool) -> None:
    """Let a process die at the bomb, check what must never happen, and let the next one finish the shard."""
    run.process(bomb)
    assert bomb.gone or bomb.at >= bomb.count, "the crash did not happen"
    if power:
        run.disk.lose_power()
    finished, _ = run.journaled()
    for row in range(run.rows):
        # A step is sent only when the one before it would survive this very crash.
        paths = {arrival.path for arrival in run.shop.ledger if f'"c{row}"'.encode() in arrival.body}
        assert "/orders" not in paths or (row, "token") in finished
        paths = {arrival.path for arrival in run.shop.ledger}
        assert f"/orders/ord-c{row}" not in paths or (row, "create") in finished
    seen = len(run.shop.ledger)
    report = run.process()
    assert report is not None and report.outcome is ShardOutcome.COMMITTED, report
    again = Counter(_step(arrival.path) for arrival in run.shop.ledger[seen:])
    rows_unfinished = {row for row in range(run.rows) if (row, "read") not in finished}
    assert again["create"] <= run.rows - sum((row, "create") in finished for row in range(run.rows))
    assert again["read"] <= len(rows_unfinished)
    # The token is sensitive, and lies sealed: where the key is gone, it may be asked for once for a row that needs it.
    unfinished = {row for row in range(run.rows) if (row, "token") not in finished} if run.seals else rows_unfinished
    assert again["token"] <= len(unfinished), "a token that lies sealed was asked for again"


@pytest.mark.parametrize("power", [False, True], ids=["process dies", "power is cut"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_whatever_operation_a_worker_dies_at_every_order_is_placed_once(
    undisturbed: SimulatedRun, after: bool, power: bool
) -> None:
    for at in range(_points()):
        run = SimulatedRun()
        _crash_and_go_on(run, Bomb(at=at, after=after), power=power)
        keys = Counter(arrival.key for arrival in run.shop.ledger if arrival.key)
        assert len(run.shop.orders) == len(keys) == run.rows, f"operation {at}"
        assert max(keys.values()) <= 2, f"operation {at}: sent more than once again"
        assert run.results() == undisturbed.results(), f"operation {at}"
        assert run.steps() == undisturbed.steps(), f"operation {at}"


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_every_order_is_placed_once_also_where_appends_die_with_their_worker(
    undisturbed: SimulatedRun, after: bool
) -> None:
    def far() -> SimulatedRun:
        return SimulatedRun(durability=Durability.PROCESS, disk=Disk(is_far=True))

    whole = Bomb()
    far().process(whole)
    for at in range(whole.count):
        run = far()
        _crash_and_go_on(run, Bomb(at=at, after=after), power=False)
        keys = Counter(arrival.key for arrival in run.shop.ledger if arrival.key)
        assert len(run.shop.orders) == len(keys) == run.rows, f"operation {at}"
        assert max(keys.values()) <= 2, f"operation {at}: sent more than once again"
        assert run.results() == undisturbed.results(), f"operation {at}"


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_no_step_is_repeated_against_its_rule_where_appends_die_with_the_process(after: bool) -> None:
    def far() -> SimulatedRun:
        disk = Disk(is_far=True)
        return SimulatedRun(artifact=artifact_that_must_not_repeat(), durability=Durability.PROCESS, disk=disk)

    whole = Bomb()
    far().process(whole)
    inconclusive = 0
    for at in range(whole.count):
        run = far()
        run.process(Bomb(at=at, after=after))
        finished, intended = run.journaled()
        report = run.process()
        assert report is not None and report.outcome is ShardOutcome.COMMITTED
        customers = Counter(arrival.body for arrival in run.shop.ledger if arrival.path == "/orders")
        assert not customers or max(customers.values()) == 1, f"operation {at}: an order was placed twice"
        for result in run.results():
            unknown = (result["row_index"], "create") in intended - finished
            assert result["status"] == ("inconclusive" if unknown else "passed"), f"operation {at}: {result}"
            inconclusive += unknown
    assert inconclusive > 0, "no crash left an outcome unknown: this test has tested nothing"


@pytest.mark.parametrize("power", [False, True], ids=["process dies", "power is cut"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_no_step_is_repeated_against_its_rule_and_an_unknown_outcome_is_told(after: bool, power: bool) -> None:
    inconclusive = 0
    for at in range(_points()):
        run = SimulatedRun(artifact=artifact_that_must_not_repeat())
        run.process(Bomb(at=at, after=after))
        if power:
            run.disk.lose_power()
        finished, intended = run.journaled()
        report = run.process()
        assert report is not None and report.outcome is ShardOutcome.COMMITTED
        customers = Counter(arrival.body for arrival in run.shop.ledger if arrival.path == "/orders")
        assert not customers or max(customers.values()) == 1, f"operation {at}: an order was placed twice"
        for result in run.results():
            unknown = (result["row_index"], "create") in intended - finished
            if unknown and report.summary is not None:
                inconclusive += result["status"] == "inconclusive"
            else:
                assert result["status"] == "passed", f"operation {at}: {result}"
    assert inconclusive > 0, "no crash left an outcome unknown: this test has tested nothing"


@pytest.mark.parametrize("power", [False, True], ids=["process dies", "power is cut"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_login_that_must_not_be_repeated_never_is_and_no_row_is_lost_for_it(after: bool, power: bool) -> None:
    went_on = 0
    for at in range(_points()):
        run = SimulatedRun(artifact=artifact_that_must_not_repeat("token"))
        run.process(Bomb(at=at, after=after))
        if power:
            run.disk.lose_power()
        finished, intended = run.journaled()
        report = run.process()
        assert report is not None and report.outcome is ShardOutcome.COMMITTED
        tokens = sum(arrival.path == "/auth/token" for arrival in run.shop.ledger)
        assert tokens <= run.rows, f"operation {at}: a login was sent again"
        for result in run.results():
            row = result["row_index"]
            unknown = (row, "token") in intended - finished
            assert result["status"] == ("inconclusive" if unknown else "passed"), f"operation {at}: {result}"
            went_on += (row, "token") in finished and (row, "read") not in finished
    assert went_on > 0, "no crash came between a login and its use: this test has tested nothing"


@pytest.mark.parametrize("step", ["token", ""], ids=["fail", "resend"])
def test_where_the_key_is_gone_the_policy_of_the_login_decides(step: str) -> None:
    outcomes: Counter[str] = Counter()
    for at in range(_points()):
        run = SimulatedRun(artifact=artifact_that_must_not_repeat(step) if step else reference_artifact())
        run.process(Bomb(at=at, after=True))
        run.lose_key()
        finished, _ = run.journaled()
        seen = len(run.shop.ledger)
        report = run.process()
        assert report is not None and report.outcome is ShardOutcome.COMMITTED
        again = sum(arrival.path == "/auth/token" for arrival in run.shop.ledger[seen:])
        lost = {row for row in range(run.rows) if (row, "token") in finished and (row, "read") not in finished}
        for result in run.results():
            if step and result["row_index"] in lost:
                assert result["status"] == "inconclusive", f"operation {at}: {result}"
                outcomes[result["error_code"]] += 1
        if not step:
            assert {result["status"] for result in run.results()} == {"passed"}, f"operation {at}"
            unfinished = {row for row in range(run.rows) if (row, "read") not in finished}
            assert again == len(unfinished), f"operation {at}"
            outcomes["resent"] += len(lost)
    assert outcomes["sensitive_value_lost" if step else "resent"] > 0, outcomes


def test_nothing_sensitive_is_readable_in_what_a_crash_leaves_at_any_operation() -> None:
    for at in range(_points()):
        run = SimulatedRun()
        run.process(Bomb(at=at, after=True))
        for data in (*run.disk.files.values(), *run.disk.readable_logs()):
            assert b"tok_0" not in data, f"operation {at}"


@given(
    deaths=st.lists(st.tuples(st.integers(0, 70), st.booleans(), st.booleans()), min_size=2, max_size=5),
    durability=st.sampled_from(Durability),
    concurrency=st.integers(1, 4),
    is_far=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_a_shard_that_dies_again_and_again_ends_as_if_it_had_not(
    undisturbed: SimulatedRun,
    deaths: list[tuple[int, bool, bool]],
    durability: Durability,
    concurrency: int,
    is_far: bool,
) -> None:
    run = SimulatedRun(durability=durability, concurrency=concurrency, disk=Disk(is_far=is_far))
    for at, after, power in deaths:
        run.process(Bomb(at=at, after=after))
        if power and durability is Durability.HOST:
            run.disk.lose_power()
    report = run.process()
    assert report is not None and report.outcome is ShardOutcome.COMMITTED
    assert len(run.shop.orders) == run.rows
    assert run.results() == undisturbed.results()


@pytest.mark.parametrize(
    ("epoch", "is_far"),
    [(1, False), (2, False), (1, True)],
    ids=["another worker takes over", "another driver takes over", "another worker takes over, in a bucket"],
)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_worker_that_sleeps_through_a_take_over_sends_only_what_was_under_way(
    undisturbed: SimulatedRun, after: bool, epoch: int, is_far: bool
) -> None:
    for at in range(_points(is_far)):
        run = SimulatedRun(disk=Disk(is_far=is_far))
        taken: list[ShardReport | None] = []
        sent: list[int] = []

        def take_over(run: SimulatedRun = run, taken: list[ShardReport | None] = taken, sent: list[int] = sent) -> None:
            if epoch == 2:
                RunFolder(SimulatedStorage(run.disk, Bomb()), RUN_ID).claim_epoch(Owner(), after=1)
            taken.append(run.process(epoch=epoch))
            sent.append(len(run.shop.ledger))

        sleeper = SleepBomb(at=at, after=after, meanwhile=take_over)
        woken = run.process(sleeper)
        assert sleeper.slept and woken is not None
        assert taken[0] is not None and taken[0].outcome is ShardOutcome.COMMITTED, f"operation {at}"
        # What the sleeper had looked at the fence for, it may have sent; nothing else. Rows may share a look.
        assert len(run.shop.ledger) - sent[0] <= run.concurrency, f"operation {at}"
        keys = Counter(arrival.key for arrival in run.shop.ledger if arrival.key)
        assert len(run.shop.orders) == len(keys) == run.rows and max(keys.values()) <= 2, f"operation {at}"
        assert run.results() == undisturbed.results(), f"operation {at}"
        assert run.steps() == undisturbed.steps(), f"operation {at}"
        assert woken.outcome is ShardOutcome.SUSPENDED or woken.summary == taken[0].summary, f"operation {at}"


def test_a_committed_shard_sends_nothing_and_returns_what_is_committed() -> None:
    run = SimulatedRun()
    first = run.process()
    seen = len(run.shop.ledger)
    again = run.process()
    assert first is not None and again is not None and again.summary == first.summary and len(run.shop.ledger) == seen
