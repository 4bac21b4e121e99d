"""The command line of this process: what a person would type, what it answers and how it ends."""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from echo_api import EchoApi

from reqflo_ray.cli.main import run_command_line
from reqflo_ray.cli.terminal import Terminal


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def run_here(*arguments: str) -> Ended:
    """Run `reqflo-ray` with these arguments in this process, its output piped."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    code = run_command_line(arguments, Terminal(out=out, err=err, environment=os.environ))
    return Ended(code, _written(out), _written(err))


def _written(stream: io.TextIOWrapper) -> str:
    stream.flush()
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue().decode()


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ended]:
    """Runs a command line. Nothing of the tester's own environment steers it."""
    for name in ("REQFLO_STORE", "FORCE_COLOR", "CI", "GITHUB_ACTIONS", "TF_BUILD", "RAY_JOB_CONFIG_JSON_ENV_VAR"):
        monkeypatch.delenv(name, raising=False)
    return run_here


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
