"""JUnit XML, as GitLab, Jenkins, Azure Pipelines, and the actions of GitHub read it: one test case per row.

There is no official schema. This follows the schemas of Jenkins' xUnit plugin and of Ant, which have no place for notes
on a row that passed: these are in `system-out` of the suite. A row that passed after a retry, which Ant cannot express,
also has Surefire's `flakyFailure`. The report is bounded, because GitLab refuses more than 30 MB: see `cases`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final
from xml.sax.saxutils import escape, quoteattr

from reqflo_ray._internal.model import instants
from reqflo_ray._internal.reports.cases import Attempt, Case, cases, group_line, remainders, suite_name
from reqflo_ray._internal.reports.refusal import CASE, Refusal
from reqflo_ray._internal.reports.source import ReportedRun
from reqflo_ray._internal.visible_text import one_line

MOST_BYTES: Final = 20_000_000
_COUNTED: Final = (
    *("rows", "passed", "failed", "error", "inconclusive", "skipped", "cancelled", "resumed"),
    *("soft_failures", "flaky"),
)
# The element for each status of a row. An inconclusive row is an error, because no assertion failed.
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
    elements, told, output, not_passed, size = list[str](), list[str](), list[str](), 0, 0
    for case in cases(run):
        element = _case(suite, case)
        size += len(element.encode())
        if size > MOST_BYTES:
            break
        elements.append(element)
        told.append(case.status)
        not_passed += case.status != "passed"
    for rest in remainders(run, len(told), not_passed):
        elements.append(_element(suite, rest.name, 0.0, _outcome(rest.status, rest.status, rest.message, rest.message)))
        told.append(rest.status)
        output += [rest.message] if rest.status == "passed" else []
    output += [f"soft assertion failed in {group_line(group)}" for group in run.groups.soft]
    output += [f"passed after a retry, {group_line(group)}" for group in run.groups.retried]
    head = _head(suite, told, run.verdict.duration_ms, run.verdict.started_at, run.record.host)
    _write_suite(file, head, _properties(run), elements, output)


def write_refusal(refusal: Refusal, file: BinaryIO) -> None:
    """Write to `file` that there is no result, as one test case with an error."""
    suite = refusal.subject or "reqflo-ray"
    kind = one_line(refusal.problems[0].code, 100)
    outcome = _outcome("error", kind, refusal.headline, "\n".join(refusal.lines()))
    head = _head(suite, ["error"], 0.0, refusal.instant, "")
    properties = [("verdict", "error"), ("exit_code", str(refusal.exit_code))]
    _write_suite(file, head, properties, [_element(suite, CASE, 0.0, outcome)], [])


def _head(suite: str, told: list[str], duration_ms: float, instant: str, host: str) -> str:
    return _attributes(
        name=suite,
        # Jenkins puts it before the name, which contains it already.
        package="",
        id="0",
        hostname=one_line(host, 200).strip() or "localhost",
        tests=str(len(told)),
        failures=_count(told, "failure"),
        errors=_count(told, "error"),
        skipped=_count(told, "skipped"),
        time=f"{duration_ms / 1000:.3f}",
        timestamp=_timestamp(instant),
    )


def _write_suite(
    file: BinaryIO, head: str, properties: Iterable[tuple[str, str]], elements: Iterable[str], output: Iterable[str]
) -> None:
    file.write(b'<?xml version="1.0" encoding="UTF-8"?>\n')
    file.write(f"<testsuites>\n<testsuite{head}>\n<properties>\n".encode())
    for name, value in properties:
        file.write(f"<property{_attributes(name=name, value=value)}/>\n".encode())
    file.write(b"</properties>\n")
    file.writelines(element.encode() for element in elements)
    file.write(f"<system-out>{escape(chr(10).join(output))}</system-out>\n<system-err/>\n".encode())
    file.write(b"</testsuite>\n</testsuites>\n")


def _case(suite: str, case: Case) -> str:
    inner = _outcome(case.status, case.kind, case.message, case.reason) + "".join(map(_flaky, case.retried))
    return _element(suite, case.name, case.duration_ms, inner)


def _element(suite: str, name: str, duration_ms: float, inner: str) -> str:
    head = "<testcase" + _attributes(classname=suite, name=name, time=f"{duration_ms / 1000:.3f}")
    return f"{head}>{inner}</testcase>\n" if inner else f"{head}/>\n"


def _outcome(status: str, kind: str, message: str, text: str) -> str:
    if status == "passed":
        return ""
    # A status that is new to this module must not look as if it had passed.
    element = _ELEMENTS.get(status, "error")
    facts = {"message": message} if element == "skipped" else {"type": kind, "message": message}
    return f"<{element}{_attributes(**facts)}>{escape(text)}</{element}>"


def _flaky(attempt: Attempt) -> str:
    element = "flakyFailure" if attempt.status == "failed" else "flakyError"
    head = _attributes(type=attempt.kind, message=attempt.message)
    return f"<{element}{head}><stackTrace>{escape(attempt.reason)}</stackTrace></{element}>"


def _properties(run: ReportedRun) -> Iterator[tuple[str, str]]:
    yield "run_id", run.run_id
    yield "state", run.state.value
    yield "verdict", run.verdict.status.value
    yield "environment", one_line(run.record.environment.name)
    yield "artifact", run.record.artifact
    yield "store", one_line(run.folder.storage.uri)
    for name in _COUNTED:
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
    """Return a timestamp in UTC without a zone, as readers of JUnit expect."""
    return instants.read(instant).replace(tzinfo=None).isoformat(timespec="seconds")
