"""JUnit XML, as GitLab, Jenkins, Azure Pipelines and the actions of GitHub read it: a test case for each row.

Bounded, since GitLab refuses a report of more than 30 MB: see `cases`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final
from xml.sax.saxutils import escape, quoteattr

from reqflo_ray._internal.model import instants
from reqflo_ray._internal.reports.cases import Case, Remainder, cases, remainders, suite_name
from reqflo_ray._internal.reports.refusal import CASE, Refusal
from reqflo_ray._internal.reports.source import ReportedRun
from reqflo_ray._internal.visible_text import one_line

MOST_BYTES: Final = 20_000_000
# How a row that ended so is told. A request with an unknown outcome is nothing that an assertion found.
_ELEMENTS: Final = {
    "failed": "failure",
    "error": "error",
    "inconclusive": "error",
    "skipped": "skipped",
    "cancelled": "skipped",
}


def write(run: ReportedRun, file: BinaryIO) -> None:
    """Write the report of `run` to `file`."""
    suite = suite_name(run)
    elements, told, listed, not_passed, size = [], [], 0, 0, 0
    for case in cases(run):
        element = _element(suite, case.name, case.status, case.kind, case.message, case.reason, case)
        size += len(element.encode())
        if size > MOST_BYTES:
            break
        elements.append(element)
        told.append(case.status)
        listed += 1
        not_passed += case.status != "passed"
    for rest in remainders(run, listed, not_passed):
        elements.append(_element(suite, rest.name, rest.status, rest.status, rest.message, rest.message, rest))
        told.append(rest.status)
    counted = _attributes(
        tests=str(len(told)),
        failures=_count(told, "failure"),
        errors=_count(told, "error"),
        skipped=_count(told, "skipped"),
        time=f"{run.verdict.duration_ms / 1000:.3f}",
        timestamp=_timestamp(run.verdict.started_at),
    )
    _write_suite(file, suite, counted, _properties(run), elements)


def write_refusal(refusal: Refusal, file: BinaryIO) -> None:
    """Write to `file` that there is no result: one test case that is an error."""
    suite = refusal.subject or "reqflo-ray"
    counted = _attributes(
        tests="1", failures="0", errors="1", skipped="0", time="0.000", timestamp=_timestamp(refusal.instant)
    )
    case = Remainder(name=CASE, status="error", message=refusal.headline)
    kind = one_line(refusal.problems[0].code, 100)
    element = _element(suite, case.name, case.status, kind, case.message, "\n".join(refusal.lines()), case)
    _write_suite(file, suite, counted, [("verdict", "error"), ("exit_code", str(refusal.exit_code))], [element])


def _write_suite(
    file: BinaryIO, suite: str, counted: str, properties: Iterable[tuple[str, str]], elements: Iterable[str]
) -> None:
    file.write(b'<?xml version="1.0" encoding="UTF-8"?>\n')
    file.write(f"<testsuites{_attributes(name=suite)}{counted}>\n".encode())
    file.write(f"<testsuite{_attributes(name=suite)}{counted}>\n<properties>\n".encode())
    for name, value in properties:
        file.write(f"<property{_attributes(name=name, value=value)}/>\n".encode())
    file.write(b"</properties>\n")
    file.writelines(element.encode() for element in elements)
    file.write(b"</testsuite>\n</testsuites>\n")


def _element(suite: str, name: str, status: str, kind: str, message: str, text: str, case: Case | Remainder) -> str:
    duration, place = (case.duration_ms, case.place) if isinstance(case, Case) else (0.0, None)
    where = {"file": one_line(place[0]), "line": str(place[1])} if place else {}
    head = "<testcase" + _attributes(classname=suite, name=name, time=f"{duration / 1000:.3f}", **where)
    if status == "passed":
        return f"{head}><system-out>{escape(text)}</system-out></testcase>\n" if text else f"{head}/>\n"
    # A status that is new to this module must not look as if it had passed.
    element = _ELEMENTS.get(status, "error")
    return f"{head}><{element}{_attributes(type=kind, message=message)}>{escape(text)}</{element}></testcase>\n"


def _properties(run: ReportedRun) -> Iterator[tuple[str, str]]:
    yield "run_id", run.run_id
    yield "state", run.state.value
    yield "verdict", run.verdict.status.value
    yield "environment", one_line(run.record.environment.name)
    yield "artifact", run.record.artifact
    yield "store", one_line(run.folder.storage.uri)
    for name in ("rows", "passed", "failed", "error", "inconclusive", "skipped", "cancelled", "resumed"):
        yield name, str(getattr(run.verdict.counts, name))
    if run.record.environment.insecure:
        yield "insecure", "true"
    for problem in run.problems:
        yield "left_out", one_line(problem.message, 1000)


def _count(statuses: list[str], element: str) -> str:
    return str(sum(status != "passed" and _ELEMENTS.get(status, "error") == element for status in statuses))


def _attributes(**facts: str) -> str:
    return "".join(f" {name}={quoteattr(value)}" for name, value in facts.items())


def _timestamp(instant: str) -> str:
    """Without a zone, as readers want it: UTC."""
    return instants.read(instant).replace(tzinfo=None).isoformat(timespec="seconds")
