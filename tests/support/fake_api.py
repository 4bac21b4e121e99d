"""An API that records the calls of the command line, and returns what a test prepared. It sends and stores nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from reqflo_ray import FailureGroups, RowView
from reqflo_ray._internal.errors import ReqfloError
from reqflo_ray._internal.model.results import Counts, Status, Verdict
from reqflo_ray._internal.runs.upkeep.history import RunState, RunSummary


@dataclass
class FakeStore:
    """Answers from what a test put in; records what was asked."""

    summaries: list[Any] = field(default_factory=list)
    answers: list[tuple[str, Any]] = field(default_factory=list)
    rows: dict[str, Any] = field(default_factory=lambda: {"0": RowView(result={}, steps=())})
    groups: FailureGroups = field(default_factory=FailureGroups)
    report: Any = None
    deleted: Any = None
    asked: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = field(default_factory=list)

    def runs(self) -> list[Any]:
        return self.summaries

    def find(self, run: str) -> Any:
        self.asked.append(("find", (run,), {}))
        return next(summary for summary in self.summaries if summary.run_id.startswith(run))

    def query(
        self, sql: str, runs: Sequence[str] = (), *, damaged: str = "refuse", outputs: Sequence[Path] = ()
    ) -> Any:
        facts = {"damaged": damaged} if damaged != "refuse" else {}
        self.asked.append(("query", (sql, tuple(runs)), {**facts, **({"outputs": outputs} if outputs else {})}))
        return next(answer for words, answer in self.answers if words in sql)

    def row(self, run: str, row: str | int, step: str | None = None, *, damaged: str = "refuse") -> Any:
        self.asked.append(("row", (run, row), {"step": step} | ({} if damaged == "refuse" else {"damaged": damaged})))
        return self.rows[str(row)]

    def failure_groups(self, run: str, *, damaged: str = "refuse") -> FailureGroups:
        self.asked.append(("failure_groups", (run,), {} if damaged == "refuse" else {"damaged": damaged}))
        return self.groups

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

    def request(self) -> SimpleNamespace:
        """What was asked in the one call: `journey`, `data`, and what else was named."""
        [(_, (journey, *data), facts)] = [call for call in self.calls if call[0] != "open_store"]
        return SimpleNamespace(journey=journey, data=data[0] if data else None, **facts)

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


def table(columns: str, *rows: tuple[Any, ...]) -> SimpleNamespace:
    """The answer to a question."""
    return SimpleNamespace(columns=tuple(columns.split()), rows=lambda: iter(rows), problems=(), runs=())


def summary(run_id: str, *, verdict: Status | None = Status.PASSED, **facts: Any) -> RunSummary:
    """A run as a store lists it: finished and passed unless told otherwise."""
    common: dict[str, Any] = {"journey": "place-order", "state": RunState.FINISHED, "environment": "local", "rows": 10}
    common |= {"created_at": "2026-01-02T03:04:05Z", "counts": Counts(rows=10, passed=10)}
    ended = None if verdict is None else SimpleNamespace(status=verdict)
    return RunSummary(**{"run_id": run_id, "verdict": ended, **common, **facts})
