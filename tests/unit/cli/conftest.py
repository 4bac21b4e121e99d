"""The command line over memory, and an API that records what it asks."""

from __future__ import annotations

import pytest
from command_line import Ended
from fake_api import FakeApi, FakeStore
from screens import CommandLine, MakeOutcome, Screen, Stream

import reqflo_ray
from reqflo_ray._internal.cli.main import run_command_line
from reqflo_ray._internal.model.results import Counts, Failure, Status, Verdict
from reqflo_ray._internal.runner.progress.listener import RunOutcome


@pytest.fixture
def command_line() -> CommandLine:
    """Runs one command line in this process."""

    def run(
        *arguments: str,
        is_terminal: bool = False,
        environment: dict[str, str] | None = None,
        columns: int | None = None,
        out: Stream | None = None,
        err: Stream | None = None,
    ) -> Ended:
        terminal = Screen(is_terminal=is_terminal, environment=environment, columns=columns, out=out, err=err)
        code = run_command_line(arguments, terminal)
        return Ended(code, terminal.shown_out, terminal.shown_err)

    return run


@pytest.fixture
def outcome() -> MakeOutcome:
    """Makes what a run ends with; counts by name."""

    def make(
        *,
        exit_code: int = 0,
        status: Status = Status.PASSED,
        run_id: str = "r1",
        complete: bool = True,
        journaled: int = 0,
        failures: tuple[Failure, ...] = (),
        **counts: int,
    ) -> RunOutcome:
        verdict = Verdict(
            run_id=run_id,
            journey="place-order",
            artifact="d" * 64,
            environment="local",
            status=status,
            exit_code=exit_code,
            counts=Counts(**counts),
            failures=failures,
            started_at="2026-01-02T03:04:05Z",
            finished_at="2026-01-02T03:04:17Z",
            duration_ms=12_300.0,
        )
        return RunOutcome(
            run_id=run_id,
            store="./.reqflo",
            verdict=verdict,
            exit_code=exit_code,
            results_path=f".reqflo/runs/{run_id}/results",
            resumed=False,
            complete=complete,
            journaled=journaled,
        )

    return make


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> FakeApi:
    """Answers what the commands ask of `reqflo_ray`: a unit test sends nothing and stores nothing."""
    fake = FakeApi(FakeStore())

    def open_store(location: str | None = None) -> FakeStore:
        fake.calls.append(("open_store", (location,), {}))
        return fake.store

    for name in ("run", "resume", "rerun", "submit", "check", "compile", "schema"):
        monkeypatch.setattr(reqflo_ray, name, fake.called(name))
    monkeypatch.setattr(reqflo_ray, "write_reports", fake.write_reports)
    monkeypatch.setattr(reqflo_ray, "open_store", open_store)
    return fake
