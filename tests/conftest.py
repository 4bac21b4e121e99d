"""Fixtures for tests of several folders: the demo API as a real process, and workspaces that call it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import data_sets
import pytest
from example_workspace import CLIENT_SECRET, copy_example
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from reqflo_ray._internal.demo.process import DemoServer

# How long an example takes says how busy the machine is, and nothing about the law that it is an example of.
settings.register_profile("reqflo-ray", deadline=None)
settings.load_profile("reqflo-ray")

# A signal that is ignored stays so in all children: the commands under test must hear of both, also where the tests run
# under nohup (no SIGHUP) or in the background of a script (no SIGINT).
for _number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, lambda number, frame: None)


class _OneCluster(LoadScopeScheduling):
    """Where tests run in several processes: a file stays in one, and so do all files that share the Ray cluster."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "the cluster" if file.startswith("tests/distributed/") else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _OneCluster:
    return _OneCluster(config, log)


@pytest.fixture(params=["own", "others"])
def naughty_strings(request: pytest.FixtureRequest) -> list[str]:
    """Strings that break programs: our list, and the public one."""
    return data_sets.naughty_strings(request.param)


@pytest.fixture(scope="session")
def shared_shop() -> Iterator[DemoServer]:
    with DemoServer() as server:
        yield server


@pytest.fixture
def shop(shared_shop: DemoServer) -> DemoServer:
    """The demo API with an empty ledger."""
    shared_shop.reset()
    return shared_shop


@pytest.fixture
def example(tmp_path: Path, shop: DemoServer, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Copies an example workspace and lets it call the test's own demo API."""
    monkeypatch.setenv("SHOP_CLIENT_SECRET", CLIENT_SECRET)

    def copy(name: str) -> Path:
        return copy_example(name, tmp_path / name, shop.url)

    return copy
