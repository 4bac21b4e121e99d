"""An error of ours in the work of one row is contained: at every stage, with faults that are really raised there.

The middle one of three rows meets the fault; an exception's text quotes a secret, as those of others do.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import pytest
import simulation
from simulated_run import SimulatedRun, artifact_that_must_not_repeat
from simulation import Bomb, Crash, SimulatedTransport

from reqflo_ray._internal.engine import scope
from reqflo_ray._internal.errors import StoreError
from reqflo_ray._internal.http.host_limits import HostLimits
from reqflo_ray._internal.journal import writer as journal_writer
from reqflo_ray._internal.journal.records import encode as encode_record
from reqflo_ray._internal.model.journal import Completion
from reqflo_ray._internal.model.plan import Row
from reqflo_ray._internal.model.results import ShardOutcome, ShardReport, exit_code
from reqflo_ray._internal.runner.execute import shard, shard_files
from reqflo_ray._internal.runner.execute.response import evidence
from reqflo_ray._internal.runner.execute.row import attempts, row
from reqflo_ray._internal.runner.execute.row.containment import told
from reqflo_ray._internal.runner.execute.row.context import RowContext, Suspended
from reqflo_ray._internal.runs.results import writer
from reqflo_ray._internal.secrets.redactor import Redactor

_ROW = 1
_CANARY = "canary-of-an-exception"
_current: ContextVar[int] = ContextVar("row", default=-1)


class PanicException(BaseException):
    """What a library in Rust raises, by its name: no `Exception`."""


@dataclass(frozen=True)
class Stage:
    """Where a fault strikes: the call number `call` (0: every one) that row 1 makes of a function.

    `sent` are the requests of the row that go out; `step` is the step at which it ends, "" for none.
    """

    owner: Any
    name: str
    call: int
    step: str
    sent: int
    answered: bool = False
    journaled: bool = True


# The journey: `token` (its output is sensitive), `create`, `read`.
STAGES = {
    "rendering": Stage(attempts, "render_request", 2, "create", 1),
    "the idempotency key": Stage(attempts, "idempotency_key", 1, "create", 1),
    "waiting for room": Stage(HostLimits, "room", 2, "create", 1),
    "sending": Stage(SimulatedTransport, "send", 2, "create", 1),
    "judging": Stage(simulation, "judge", 2, "create", 2, answered=True),
    "judging what is sensitive": Stage(simulation, "judge", 1, "token", 1),
    "deciding on a retry": Stage(attempts, "decide_retry", 2, "create", 2, answered=True),
    "telling the redactor": Stage(RowContext, "register_sensitive", 4, "create", 2),
    "registering a sensitive value": Stage(Redactor, "register", 1, "token", 1),
    "masking": Stage(evidence, "mask_all", 2, "create", 2, answered=True),
    "masking, always": Stage(evidence, "mask_all", 0, "token", 1),
    "building the record": Stage(RowContext, "record", 2, "create", 2, answered=True),
    "building every record": Stage(RowContext, "record", 0, "token", 1),
    "choosing what to store": Stage(Redactor, "bytes", 1, "create", 2, answered=True),
    "journaling, always": Stage(RowContext, "complete", 0, "token", 1),
    "showing the step to the rest": Stage(scope.Scope, "conclude", 2, "create", 2, answered=True),
    "finishing the row": Stage(row, "RowResult", 1, "", 3, answered=True),
    "showing the inputs": Stage(scope.Scope, "inputs", 1, "", 3, answered=True),
    "beginning the row": Stage(row.RowRunner, "__init__", 1, "", 0, journaled=False),
    "the state of the row": Stage(row, "RowContext", 1, "", 0, journaled=False),
}


def _follow_rows(patch: pytest.MonkeyPatch) -> None:
    def begun(worker: Any, attempt: Any, row_: Row, history: Any) -> row.RowRunner:
        _current.set(row_.index)
        return row.RowRunner(worker, attempt, row_, history)

    patch.setattr(shard, "RowRunner", begun)


def _strike(patch: pytest.MonkeyPatch, stage: Stage, fault: Callable[[], BaseException]) -> None:
    original = getattr(stage.owner, stage.name)
    calls = 0

    def struck(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        if _current.get() == _ROW:
            calls += 1
            if stage.call in (0, calls):
                raise fault()
        return original(*args, **kwargs)

    patch.setattr(stage.owner, stage.name, struck)


def _boom() -> BaseException:
    return RuntimeError(_CANARY)


class _CrashBefore(Bomb):
    """The process dies when it is about to write its results: all rows have ended, nothing is committed."""

    def point(self, name: str, effect: Callable[[], Any], torn: Callable[[], Any] | None = None) -> Any:
        if "/results/" in name:
            self.gone = True
        return super().point(name, effect, torn)


def _process(
    run: SimulatedRun, stage: Stage, fault: Callable[[], BaseException] = _boom, bomb: Bomb | None = None
) -> ShardReport | None:
    with pytest.MonkeyPatch.context() as patch:
        _follow_rows(patch)
        _strike(patch, stage, fault)
        return run.process(bomb)


def _everything_kept(run: SimulatedRun) -> bytes:
    journals = (bytes(log) for log in run.disk.logs.values())
    return b"".join((*run.disk.files.values(), *journals, repr(run.results()).encode(), repr(run.steps()).encode()))


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_a_fault_at_any_stage_ends_its_row_and_no_other(stage: Stage) -> None:
    run = SimulatedRun(rows=3)
    report = _process(run, stage)
    assert report is not None and report.outcome is ShardOutcome.COMMITTED and report.summary is not None
    results = run.results()
    assert [result["status"] for result in results] == ["passed", "error", "passed"]
    assert results[_ROW]["error_code"] == "internal_error" and (results[_ROW]["failed_step"] or "") == stage.step
    counts = report.summary.counts
    assert (counts.rows, counts.internal, counts.error) == (3, 1, 1) and exit_code(counts) == 3
    assert len(run.shop.ledger) == 6 + stage.sent
    told = report.summary.failures[0]
    assert told.message.startswith("reqflo-ray failed with RuntimeError in ")
    assert _CANARY.encode() not in _everything_kept(run) and _CANARY not in repr(report)


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_the_evidence_that_can_be_had_is_kept(stage: Stage) -> None:
    run = SimulatedRun(rows=3)
    _process(run, stage)
    steps = [step for step in run.steps() if step["row_index"] == _ROW]
    if stage.step:
        assert {step["step_id"] for step in steps} == {"token", "create", "read"}
        after = [step for step in steps if step["step_id"] == "read"]
        assert [(step["status"], step["error_code"]) for step in after] == [("skipped", "row_halted")]
        [struck] = [step for step in steps if step["error_code"] == "internal_error"]
        assert struck["step_id"] == stage.step
    if stage.answered:
        seen = {(step["step_id"], step["http_response_status_code"]) for step in steps}
        assert ("create", 201) in seen
    # One attempt is told once.
    assert len({(step["step_id"], step["attempt"]) for step in steps}) == len(steps)
    # What is sensitive and could not be masked is not kept at all.
    assert not any("tok_" in repr(step) for step in run.steps())
    assert b'"tok_' not in b"".join(bytes(log) for log in run.disk.logs.values())


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_a_resume_of_such_a_row_sends_nothing(stage: Stage) -> None:
    run = SimulatedRun(rows=3)
    assert _process(run, stage, bomb=_CrashBefore()) is None
    sent = len(run.shop.ledger)
    assert sent == 6 + stage.sent
    report = run.process()
    assert report is not None and report.outcome is ShardOutcome.COMMITTED
    if not stage.journaled:
        # Nothing of the row had been sent, and nothing keeps it from being carried out now.
        assert [result["status"] for result in run.results()] == ["passed"] * 3
        return
    assert len(run.shop.ledger) == sent
    expected = "internal_error" if stage.step else None
    assert run.results()[_ROW]["error_code"] == expected


@pytest.mark.parametrize(
    "fault",
    [
        lambda: MemoryError(_CANARY),
        lambda: RecursionError(_CANARY),
        lambda: UnicodeEncodeError("utf-8", _CANARY, 0, 1, _CANARY),
        lambda: OSError(errno.EINVAL, _CANARY),
        lambda: TimeoutError(_CANARY),
        lambda: PanicException(_CANARY),
    ],
    ids=["memory", "recursion", "unicode", "os", "timeout", "panic"],
)
def test_whatever_kind_of_fault_is_contained_and_its_text_is_not_told(fault: Callable[[], BaseException]) -> None:
    run = SimulatedRun(rows=3)
    report = _process(run, STAGES["judging"], fault)
    assert report is not None and report.summary is not None and report.summary.counts.internal == 1
    assert _CANARY.encode() not in _everything_kept(run)
    assert type(fault()).__name__ in report.summary.failures[0].message


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOSPC, errno.EIO])
def test_what_the_machine_has_run_out_of_ends_no_row_for_good(number: int) -> None:
    run = SimulatedRun(rows=3)
    report = _process(run, STAGES["judging"], lambda: OSError(number, _CANARY))
    assert report is not None and report.outcome is ShardOutcome.ERROR and _CANARY not in repr(report)
    # The run can be resumed, and the row is then carried out to its end.
    again = run.process()
    assert again is not None and again.outcome is ShardOutcome.COMMITTED
    assert [result["error_code"] for result in run.results()] == [None] * 3


def test_a_store_that_cannot_be_written_is_no_fault_of_a_row() -> None:
    run = SimulatedRun(rows=3)
    report = _process(run, STAGES["judging"], lambda: StoreError("the disk is full", code="disk_full"))
    assert report is not None and (report.outcome, report.error_code) == (ShardOutcome.ERROR, "disk_full")


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, asyncio.CancelledError, Suspended])
def test_an_order_to_end_is_not_contained(kind: type[BaseException]) -> None:
    with pytest.raises(kind):
        told(kind())


def test_the_death_of_the_process_is_not_contained() -> None:
    run = SimulatedRun(rows=3)
    assert _process(run, STAGES["judging"], Crash) is None
    assert run.process() is not None
    assert [result["status"] for result in run.results()] == ["passed"] * 3


class _Unjournalable:
    """Completions of row 1 that say anything of `create` cannot be journaled, not even bare ones."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        def encode(sequence: int, record: Any, seed: int) -> bytes:
            if isinstance(record, Completion) and (record.row, record.step) == (_ROW, "create"):
                raise TypeError(_CANARY)
            return encode_record(sequence, record, seed)

        patch.setattr(journal_writer, "encode", encode)


def test_a_row_whose_end_cannot_be_journaled_still_has_its_result() -> None:
    run = SimulatedRun(rows=3)
    with pytest.MonkeyPatch.context() as patch:
        _Unjournalable(patch)
        report = run.process()
    assert report is not None and report.outcome is ShardOutcome.COMMITTED
    assert [result["error_code"] for result in run.results()] == [None, "internal_error", None]
    assert len(run.shop.ledger) == 8


def test_a_request_whose_end_was_not_journaled_is_not_repeated_against_its_rule() -> None:
    run = SimulatedRun(rows=3, artifact=artifact_that_must_not_repeat())
    with pytest.MonkeyPatch.context() as patch:
        _Unjournalable(patch)
        assert run.process(_CrashBefore()) is None
    sent = len(run.shop.ledger)
    assert run.process() is not None
    assert len(run.shop.ledger) == sent
    assert [result["status"] for result in run.results()] == ["passed", "inconclusive", "passed"]


def _strike_files(patch: pytest.MonkeyPatch, *, result: bool = False, steps: frozenset[str] = frozenset()) -> None:
    """Neither the result of row 1 nor records of some of its steps can be written, as long as they hold anything."""

    def results_file(results: Any, origin: Any) -> bytes:
        results = list(results)
        if result and any(entry.row_index == _ROW and entry.inputs != "{}" for entry in results):
            raise OverflowError(_CANARY)
        return writer.results_file(results, origin)

    def steps_file(records: Any, origin: Any) -> bytes:
        records = list(records)
        if any(entry.row_index == _ROW and entry.step_id in steps and entry.url for entry in records):
            raise OverflowError(_CANARY)
        return writer.steps_file(records, origin)

    patch.setattr(shard_files, "results_file", results_file)
    patch.setattr(shard_files, "steps_file", steps_file)


@pytest.mark.parametrize(
    ("result", "steps"),
    [(False, {"create"}), (True, frozenset()), (True, {"token", "create", "read"})],
    ids=["a step", "the result", "all of the row"],
)
def test_a_record_that_cannot_be_written_costs_the_verdict_of_its_row_alone(result: bool, steps: set[str]) -> None:
    run = SimulatedRun(rows=3)
    with pytest.MonkeyPatch.context() as patch:
        _strike_files(patch, result=result, steps=frozenset(steps))
        report = run.process()
    assert report is not None and report.summary is not None
    assert [entry["status"] for entry in run.results()] == ["passed", "error", "passed"]
    assert run.results()[_ROW]["error_code"] == "internal_error"
    counts = report.summary.counts
    assert (counts.rows, counts.passed, counts.error, counts.internal) == (3, 2, 1, 1) and exit_code(counts) == 3
    noted = {step["step_id"] for step in run.steps() if step["row_index"] == _ROW and step["url_full"] is None}
    assert noted == steps and len(run.steps()) == 9
    assert _CANARY.encode() not in _everything_kept(run)


def test_files_are_written_once_the_process_can_open_what_that_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[object] = []

    def steps_file(records: Any, origin: Any) -> bytes:
        tried.append(records)
        if len(tried) == 1:
            raise OSError(errno.EMFILE, "Too many open files", "/lib/a-module-that-is-imported-now")
        return writer.steps_file(records, origin)

    monkeypatch.setattr(shard_files, "steps_file", steps_file)
    run = SimulatedRun(rows=3)
    report = run.process()
    assert report is not None and report.outcome is ShardOutcome.COMMITTED
    assert [entry["status"] for entry in run.results()] == ["passed"] * 3 and len(tried) == 2
