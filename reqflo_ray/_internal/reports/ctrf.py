"""The Common Test Report Format (ctrf.io): JSON that CI actions and dashboards read, with one test per row.

It is bounded like JUnit: see `cases`. The summary counts all rows, even those that are not listed. If results are left
out, it counts only the others as passed, and each entry that says what is left out as failed.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, BinaryIO, Final

from reqflo_ray._internal.model import instants
from reqflo_ray._internal.model.json_text import encode_exactly
from reqflo_ray._internal.model.results import ROW_STATUSES, Status
from reqflo_ray._internal.reports.cases import KNOWN_FLAKY, Case, cases, remainders, suite_name
from reqflo_ray._internal.reports.refusal import CASE, Refusal
from reqflo_ray._internal.reports.source import ReportedRun
from reqflo_ray._internal.visible_text import one_line

_SPECIFICATION: Final = "1.0.0"
_STATUSES: Final = {"passed": "passed", "failed": "failed", "error": "failed", "skipped": "skipped"}
_SUMMED: Final = (Status.PASSED, Status.FAILED, Status.ERROR, Status.SKIPPED)
_OTHER: Final = "other"


def write(run: ReportedRun, file: BinaryIO) -> None:
    """Write the report of `run` to `file`."""
    head = {"tool": _tool(), "summary": _summary(run)}
    if run.record.environment.name:
        head["environment"] = {"testEnvironment": one_line(run.record.environment.name)}
    outside = {**_document(), "runId": run.run_id}
    file.write(encode_exactly(outside)[:-1] + b',"results":' + encode_exactly(head)[:-1] + b',"tests":[')
    suite, separator, listed, not_passed = [suite_name(run)], b"\n", 0, 0
    for case in cases(run):
        file.write(separator + encode_exactly(_test(case, suite)))
        separator = b",\n"
        listed += 1
        not_passed += case.status != "passed"
    for rest in remainders(run, listed, not_passed):
        status = _STATUSES.get(rest.status, _OTHER)
        test = {"name": rest.name, "status": status, "duration": 0, "suite": suite, "message": rest.message}
        file.write(separator + encode_exactly(test))
        separator = b",\n"
    file.write(b"\n]}}\n")


def write_refusal(refusal: Refusal, file: BinaryIO) -> None:
    """Write to `file` that there is no result, as one failed test."""
    at = _milliseconds(refusal.instant)
    counts = {"tests": 1, "passed": 0, "failed": 1, "skipped": 0, "pending": 0, "other": 0}
    extra = {"verdict": Status.ERROR.value, "exitCode": refusal.exit_code, "complete": False, "leftOut": []}
    test = {
        "name": CASE,
        "status": "failed",
        "rawStatus": Status.ERROR.value,
        "duration": 0,
        "suite": [refusal.subject or "reqflo-ray"],
        "type": "api",
        "message": refusal.headline,
        "trace": "\n".join(refusal.lines()),
    }
    summary = {**counts, "start": at, "stop": at, "duration": 0, "extra": extra}
    results = {"tool": _tool(), "summary": summary, "tests": [test]}
    file.write(encode_exactly({**_document(), "results": results}) + b"\n")


def _document() -> dict[str, Any]:
    return {"reportFormat": "CTRF", "specVersion": _SPECIFICATION, "generatedBy": "reqflo-ray"}


def _tool() -> dict[str, Any]:
    return {"name": "reqflo-ray", "version": version("reqflo-ray")}


def _test(case: Case, suite: list[str]) -> dict[str, Any]:
    test: dict[str, Any] = {
        "name": case.name,
        "status": _STATUSES.get(case.status, _OTHER),
        "rawStatus": case.status,
        "duration": round(case.duration_ms),
        "suite": suite,
        "type": "api",
    }
    if case.soft_failures:
        test["extra"] = {"softFailures": case.soft_failures}
    if case.retries:
        test["retries"] = case.retries
    if case.retried:
        test["flaky"] = True
    if case.known_flaky:
        test["tags"] = [KNOWN_FLAKY]
    if case.message:
        test |= {"message": case.message, "trace": case.reason}
    if case.place:
        test |= {"filePath": one_line(case.place[0]), "line": case.place[1]}
    return test


def _summary(run: ReportedRun) -> dict[str, Any]:
    counts, verdict, left_out = run.verdict.counts, run.verdict, len(run.problems)
    ended = {status: getattr(counts, status.value) for status in ROW_STATUSES}
    if run.problems:
        ended = dict(run.rows_by_status)
    start = _milliseconds(verdict.started_at)
    return {
        "tests": counts.rows + left_out,
        "passed": ended[Status.PASSED],
        "failed": ended[Status.FAILED] + ended[Status.ERROR] + left_out,
        "skipped": ended[Status.SKIPPED],
        "pending": max(0, (run.rows_planned or 0) - counts.rows),
        "other": counts.rows - sum(ended[status] for status in _SUMMED),
        "flaky": counts.flaky,
        "start": start,
        "stop": start + round(verdict.duration_ms),
        "duration": round(verdict.duration_ms),
        "extra": {
            "verdict": verdict.status.value,
            "exitCode": verdict.exit_code,
            "complete": run.is_complete,
            "softFailures": counts.soft_failures,
            "leftOut": [one_line(problem.message, 1000) for problem in run.problems],
        },
    }


def _milliseconds(instant: str) -> int:
    return round(instants.read(instant).timestamp() * 1000)
