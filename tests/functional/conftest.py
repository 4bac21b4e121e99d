"""The command line of this process: what a person would type, what it answers and how it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import STEERING, Ended, run_here
from echo_api import EchoApi


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ended]:
    """Runs a command line. Nothing of the tester's own environment steers it."""
    for name in STEERING:
        monkeypatch.delenv(name, raising=False)
    return run_here


@pytest.fixture
def orders(example: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The orders example, as the folder that commands are typed in."""
    workspace = example("orders")
    monkeypatch.chdir(workspace)
    return workspace


@pytest.fixture
def eventually() -> Callable[..., Any]:
    """Asks again and again until the answer is true, and returns it."""

    def ask(question: Callable[[], Any], timeout: float = 60.0) -> Any:
        deadline = time.monotonic() + timeout
        while not (answer := question()):
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.02)
        return answer

    return ask


@pytest.fixture(scope="session")
def shared_echo() -> Iterator[EchoApi]:
    with EchoApi() as api:
        yield api


@pytest.fixture
def echo(shared_echo: EchoApi) -> EchoApi:
    """An API that says what it saw; it has seen nothing yet."""
    shared_echo.reset()
    return shared_echo
