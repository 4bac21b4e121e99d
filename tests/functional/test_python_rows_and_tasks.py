"""Runs of programs: rows that they hold in memory, event loops of their own, and answers as data frames."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from example_workspace import copy_example

import reqflo_ray
from reqflo_ray import Dataset, Execution, Journey, RunConflictError, Status, Target, UsageError
from reqflo_ray._internal.demo.process import DemoServer
from reqflo_ray._internal.demo.server import ServerOptions

ROWS = [{"order_ref": f"a-{number}", "customer_id": f"cus-{number}", "total": number} for number in (1, 2, 3)]


@pytest.fixture
def place_order(example: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> Journey:
    monkeypatch.delenv("REQFLO_STORE", raising=False)
    return Journey("place-order", workspace=example("orders"))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Target:
    # Tests must leave nothing in the folder of all users.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return Target(store=tmp_path / "store", backend="local")


def _keys(outcome: reqflo_ray.RunOutcome) -> list[Any]:
    return reqflo_ray.open_store(outcome.store).results(outcome.run_id).to_arrow()["row_key"].to_pylist()


@pytest.mark.parametrize("rows", [ROWS, iter(ROWS), pa.Table.from_pylist(ROWS)], ids=["list", "iterator", "arrow"])
def test_rows_from_memory_run_as_those_of_a_file(
    rows: object, place_order: Journey, here: Target, shop: DemoServer
) -> None:
    outcome = reqflo_ray.run(place_order, Dataset(rows, key="order_ref"), target=here)
    assert outcome.passed and (outcome.exit_code, outcome.verdict.counts.rows) == (0, 3)
    assert _keys(outcome) == ["a-1", "a-2", "a-3"]


def test_the_same_rows_go_on_with_the_same_run_and_others_do_not(
    place_order: Journey, here: Target, shop: DemoServer
) -> None:
    first = reqflo_ray.run(place_order, Dataset(ROWS, key="order_ref"), target=here, run_id="mine")
    again = reqflo_ray.run(place_order, Dataset(iter(ROWS), key="order_ref"), target=here, run_id="mine")
    assert (first.resumed, again.resumed, again.verdict) == (False, True, first.verdict)
    with pytest.raises(RunConflictError) as caught:
        reqflo_ray.run(place_order, Dataset(ROWS[:2], key="order_ref"), target=here, run_id="mine")
    assert caught.value.code == "run_differs"


def test_a_check_looks_at_every_row_in_memory(place_order: Journey, here: Target) -> None:
    wrong = [*ROWS, {"order_ref": "a-4", "customer_id": "cus-4", "total": "lots"}]
    [problem] = reqflo_ray.check(place_order, Dataset(wrong, key="order_ref"))
    assert "lots" in problem.message or "total" in problem.message
    assert reqflo_ray.check(place_order, Dataset(ROWS, key="order_ref")) == ()


def test_no_row_in_memory_is_nothing_to_run(place_order: Journey, here: Target) -> None:
    with pytest.raises(reqflo_ray.NothingSelectedError):
        reqflo_ray.run(place_order, [], target=here)


def test_a_run_can_be_awaited_while_the_loop_does_other_things(
    place_order: Journey, here: Target, shop: DemoServer
) -> None:
    async def both() -> tuple[reqflo_ray.RunOutcome, int]:
        turns = 0
        running = asyncio.create_task(reqflo_ray.run_async(place_order, Dataset(ROWS, key="order_ref"), target=here))
        while not running.done():
            turns += 1
            await asyncio.sleep(0.001)
        return await running, turns

    outcome, turns = asyncio.run(both())
    assert outcome.verdict.status is Status.PASSED and turns > 10


def test_an_awaited_run_still_asks_its_caller_whether_to_stop(
    place_order: Journey, here: Target, shop: DemoServer
) -> None:
    dataset, slow = Dataset(ROWS, key="order_ref"), Execution(rate=2)
    stopped = asyncio.run(
        reqflo_ray.run_async(
            place_order, dataset, execution=slow, target=here, run_id="asked", is_cancelled=lambda: True
        )
    )
    assert (stopped.complete, stopped.exit_code) == (False, 130)
    assert stopped.verdict.counts.rows < 3


def test_a_cancelled_task_stops_its_run_which_can_be_resumed(
    here: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"order_ref": f"b-{number}", "customer_id": "cus-1", "total": 1} for number in range(200)]
    dataset, few = Dataset(rows, key="order_ref"), Execution(concurrency=2)
    monkeypatch.setenv("SHOP_CLIENT_SECRET", "a-made-up-secret")
    with DemoServer(ServerOptions(port=0, latency_ms=20, client_secret="a-made-up-secret")) as slow:
        journey = Journey("place-order", workspace=copy_example("orders", tmp_path / "orders", slow.url))

        async def cancelled() -> None:
            begun = asyncio.Event()
            loop = asyncio.get_running_loop()

            class Ear(reqflo_ray.SilentListener):
                def progress(self, progress: reqflo_ray.Progress) -> None:
                    if progress.counts.rows:
                        loop.call_soon_threadsafe(begun.set)

            task = asyncio.create_task(
                reqflo_ray.run_async(journey, dataset, execution=few, target=here, run_id="long", listener=Ear())
            )
            await asyncio.wait({task, asyncio.create_task(begun.wait())}, return_when=asyncio.FIRST_COMPLETED)
            task.cancel()
            await asyncio.sleep(0.05)
            task.cancel()  # a second time, as a supervisor may
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(cancelled())
        store = reqflo_ray.open_store(here.store)
        assert store.find("long").state.value == "interrupted"
        done = len(store.results("long"))
        assert done < 200
        outcome = asyncio.run(reqflo_ray.resume_async("long", target=here))
    assert outcome.complete and outcome.verdict.counts.rows == 200


def test_answers_come_as_arrow_pandas_and_polars(place_order: Journey, here: Target, shop: DemoServer) -> None:
    outcome = reqflo_ray.run(place_order, Dataset(ROWS, key="order_ref"), target=here)
    steps = reqflo_ray.open_store(here.store).steps(outcome.run_id)
    assert steps.to_arrow().num_rows == len(steps) >= 3
    for package, convert in (("pandas", steps.to_pandas), ("polars", steps.to_polars)):
        try:
            __import__(package)
        except ModuleNotFoundError:
            with pytest.raises(UsageError) as caught:
                convert()
            assert (caught.value.code, caught.value.message) == ("missing_package", f"{package} is not installed")
        else:
            assert len(convert()) == len(steps)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [({"workers": "many"}, "invalid_workers"), ({"backend": "cloud"}, "unknown_backend")],
)
def test_a_place_that_cannot_be_is_refused_at_once(wrong: dict[str, Any], code: str) -> None:
    with pytest.raises(UsageError) as caught:
        Target(**wrong)
    assert caught.value.code == code
