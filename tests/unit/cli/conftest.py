"""A terminal whose streams can be read back, and an API that records what the command line asks of it."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from reqflo_ray import _internal
from reqflo_ray._internal.cli.display.terminal import Terminal
from reqflo_ray._internal.cli.main import run_command_line
from reqflo_ray._internal.errors import ReqfloError
from reqflo_ray._internal.model.results import Counts, Failure, Status, Verdict


class Stream(io.TextIOWrapper):
    """A text stream over memory that says whether it is a terminal."""

    def __init__(self, *, is_terminal: bool = False) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", write_through=True, errors="backslashreplace")
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal

    @property
    def written(self) -> str:
        self.flush()
        return self.buffer.getvalue().decode()  # type: ignore[attr-defined]


class ClosedStream(Stream):
    """A pipe whose reader has gone."""

    def write(self, text: str, /) -> int:
        raise BrokenPipeError


class Screen(Terminal):
    """A terminal whose output is `shown_out` and `shown_err`."""

    def __init__(
        self,
        *,
        is_terminal: bool = False,
        environment: dict[str, str] | None = None,
        columns: int | None = None,
        out: Stream | None = None,
        err: Stream | None = None,
    ) -> None:
        self.streams = (out or Stream(is_terminal=is_terminal), err or Stream(is_terminal=is_terminal))
        super().__init__(out=self.streams[0], err=self.streams[1], environment=environment or {}, columns=columns)

    @property
    def shown_out(self) -> str:
        return self.streams[0].written

    @property
    def shown_err(self) -> str:
        return self.streams[1].written


@pytest.fixture
def screen() -> type[Screen]:
    """Makes terminals; piped unless told otherwise."""
    return Screen


@pytest.fixture
def closed_stream() -> type[ClosedStream]:
    return ClosedStream


@dataclass
class Answer:
    """How one command line ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def command_line() -> Callable[..., Answer]:
    """Runs one command line in this process."""

    def run(*arguments: str, **facts: Any) -> Answer:
        terminal = Screen(**facts)
        code = run_command_line(arguments, terminal)
        return Answer(code, terminal.shown_out, terminal.shown_err)

    return run


@pytest.fixture
def outcome() -> Callable[..., SimpleNamespace]:
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
    ) -> SimpleNamespace:
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
        return SimpleNamespace(
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


@dataclass
class FakeStore:
    """Answers from what a test put in; records what was asked."""

    summaries: list[Any] = field(default_factory=list)
    answers: list[tuple[str, Any]] = field(default_factory=list)
    rows: dict[str, Any] = field(default_factory=dict)
    report: Any = None
    deleted: Any = None
    asked: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = field(default_factory=list)

    def runs(self) -> list[Any]:
        return self.summaries

    def find(self, run: str) -> Any:
        self.asked.append(("find", (run,), {}))
        return next(summary for summary in self.summaries if summary.run_id.startswith(run))

    def query(self, sql: str, runs: Sequence[str] = (), *, damaged: str = "refuse") -> Any:
        self.asked.append(("query", (sql, tuple(runs)), {} if damaged == "refuse" else {"damaged": damaged}))
        return next(answer for words, answer in self.answers if words in sql)

    def row(self, run: str, row: str, step: str | None = None, *, damaged: str = "refuse") -> Any:
        self.asked.append(("row", (run, row), {"step": step} | ({} if damaged == "refuse" else {"damaged": damaged})))
        return self.rows[row]

    def verify(self, run: str) -> Any:
        return self.report

    def prune(self, **limits: Any) -> Any:
        self.asked.append(("prune", (), limits))
        return self.deleted


@dataclass
class FakeApi:
    """What the commands asked of the API, and what it answers."""

    store: FakeStore
    calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = field(default_factory=list)
    answer: Any = None
    during_run: Callable[[Any], None] = lambda listener: None
    reports: list[tuple[str, list[tuple[str, Path]], str | None]] = field(default_factory=list)
    unwritten: ReqfloError | None = None
    skipped_damaged: bool = False

    def request(self) -> Any:
        """The one run request."""
        [(_, (request, *_), _)] = self.calls
        return request

    def write_reports(
        self,
        run: str,
        reports: Iterable[tuple[str, Path]],
        *,
        store: str | None = None,
        verdict: Verdict | None = None,
        damaged: str = "refuse",
    ) -> None:
        self.reports.append((run, list(reports), store))
        self.skipped_damaged = damaged == "skip"
        if self.unwritten is not None:
            raise self.unwritten

    def called(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **facts: Any) -> Any:
            self.calls.append((name, arguments, facts))
            if isinstance(self.answer, BaseException):
                raise self.answer
            listener = facts.get("listener")
            if listener is not None:
                self.during_run(listener)
                listener.finished(self.answer)
            return self.answer

        return call


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> FakeApi:
    """Stands where the commands import the API from: a unit test sends nothing and stores nothing."""
    fake = FakeApi(FakeStore())
    module = ModuleType("reqflo_ray._internal.api")
    for name in ("run", "resume", "rerun", "submit", "check", "compile", "schema"):
        setattr(module, name, fake.called(name))

    def open_store(location: str | None = None) -> FakeStore:
        fake.calls.append(("open_store", (location,), {}))
        return fake.store

    module.write_reports = fake.write_reports  # type: ignore[attr-defined]
    module.open_store = open_store  # type: ignore[attr-defined]
    module.RunRequest = lambda **facts: SimpleNamespace(**facts)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "reqflo_ray._internal.api", module)
    monkeypatch.setattr(_internal, "api", module, raising=False)
    return fake
