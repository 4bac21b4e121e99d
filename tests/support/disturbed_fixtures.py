"""Fixtures for disturbed runs, shared by the folders whose tests kill processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from disturbed_run import DisturbedRun
from example_workspace import child_environment, copy_example
from ledger_oracle import Contents, Judgement

from reqflo_ray._internal.demo.process import DemoServer
from reqflo_ray._internal.demo.server import ServerOptions

MakeRun = Callable[..., DisturbedRun]
Undisturbed = Callable[[int], Contents]
NoteFault = Callable[[str, Judgement], None]


@pytest.fixture(scope="session")
def unhurried_shop() -> Iterator[DemoServer]:
    """The demo API with a latency: requests are really in flight when something strikes."""
    with DemoServer(ServerOptions(port=0, latency_ms=15)) as server:
        yield server


@pytest.fixture
def make_run(unhurried_shop: DemoServer, tmp_path: Path) -> Iterator[MakeRun]:
    """Makes runs of `examples/orders` whose API has an empty ledger; options are the fields of `DisturbedRun`."""
    unhurried_shop.reset()
    workspace = copy_example("orders", tmp_path / "workspace", unhurried_shop.url)
    runs: list[DisturbedRun] = []

    def make(**options: Any) -> DisturbedRun:
        run = DisturbedRun(unhurried_shop, workspace, tmp_path, child_environment(), **options)
        runs.append(run)
        return run

    yield make
    for run in runs:
        run.close()


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """What a run of so many rows holds when nothing disturbs it."""
    known: dict[int, Contents] = {}

    def contents(rows: int) -> Contents:
        if rows not in known:
            # An API of its own: these requests must not be taken for those of the run that it is compared with.
            with DemoServer(ServerOptions(port=0)) as shop:
                folder = tmp_path_factory.mktemp("undisturbed")
                workspace = copy_example("orders", folder / "workspace", shop.url)
                run = DisturbedRun(shop, workspace, folder, child_environment(), rows=rows, in_flight=64)
                ended = run.complete(run.command())
                assert ended.code == 0, ended
                known[rows] = run.oracle.contents()
        return known[rows]

    return contents


@pytest.fixture
def note_fault(record_property: Callable[[str, object], None]) -> NoteFault:
    """Notes what a kind of fault cost, for the table that `make chaos` prints."""

    def note(fault: str, judgement: Judgement) -> None:
        record_property("fault", judgement.as_line(fault))

    return note
