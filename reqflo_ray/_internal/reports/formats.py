"""The report formats by name, and the writing of reports: each file completely or not at all, even if another one
cannot be written. Reports are made from the store at any time; nothing in the store changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from reqflo_ray._internal.analysis.session import open_session
from reqflo_ray._internal.errors import QueryError, ReqfloError, StoreError, UsageError
from reqflo_ray._internal.model.names import did_you_mean
from reqflo_ray._internal.model.plan import Damaged
from reqflo_ray._internal.model.results import Verdict
from reqflo_ray._internal.outputs.file import whole_file
from reqflo_ray._internal.outputs.place import OutputPlace, find_place
from reqflo_ray._internal.reports import ctrf, html, junit, markdown, result_document
from reqflo_ray._internal.reports.refusal import Refusal
from reqflo_ray._internal.reports.source import ReportedRun
from reqflo_ray._internal.runs.upkeep.history import resolve_run
from reqflo_ray._internal.storage.protocol import Storage

Writer = Callable[[ReportedRun, BinaryIO], None]
RefusalWriter = Callable[[Refusal, BinaryIO], None]

FORMATS: Final[Mapping[str, Writer]] = {
    "junit": junit.write,
    "html": html.write,
    "markdown": markdown.write,
    "json": result_document.write,
    "ctrf": ctrf.write,
}
_REFUSALS: Final[Mapping[str, RefusalWriter]] = {
    "junit": junit.write_refusal,
    "html": html.write_refusal,
    "markdown": markdown.write_refusal,
    "json": result_document.write_refusal,
    "ctrf": ctrf.write_refusal,
}


@dataclass(frozen=True, slots=True)
class Report:
    """A requested report: the name of its format, and the file that it is written to."""

    format: str
    path: Path


def check_formats(names: Iterable[str]) -> None:
    """Refuse unknown formats. Raises `UsageError` (`unknown_format`)."""
    for name in names:
        if name not in FORMATS:
            hint = did_you_mean(name, FORMATS) or f"use one of: {', '.join(FORMATS)}"
            raise UsageError(f"there is no report format `{name}`", code="unknown_format", hint=hint)


def check_reports(reports: Iterable[Report]) -> tuple[Report, ...]:
    """Refuse reports that could not be written later, before any work is done for them.

    Raises:
        UsageError: `unknown_format`, `output_not_writable`, or `repeated_path`.
    """
    asked = tuple(reports)
    check_formats(report.format for report in asked)
    found = list[OutputPlace]()
    for report in asked:
        place = find_place(report.path)
        if any(map(place.excludes, found)):
            raise UsageError(
                f"`{report.path}` conflicts with the path of another report",
                code="repeated_path",
                hint="use a different file for each",
            )
        found.append(place)
    return asked


def write_reports(
    storage: Storage,
    run: str,
    reports: Iterable[Report],
    said: Verdict | None = None,
    damaged: Damaged = Damaged.REFUSE,
) -> None:
    """Write reports of a run in the store. A report of an unfinished run covers what is committed, and says so.

    Args:
        run: the run's ID, a unique beginning of it, or `latest`.
        said: see `ReportedRun.of`.
        damaged: what to do if files of results are damaged. Reports that leave them out say so.

    Raises:
        UsageError: there is no such run, or see `check_reports`.
        IntegrityError: `damaged_file`, or `results_differ` if the results do not match the counts.
        StoreError: the run cannot be read.
        ReqfloError: a report could not be written. If several could not, each is in `problems`.
    """
    asked = check_reports(reports)
    folder = resolve_run(storage, run)
    failed: list[ReqfloError] = []
    try:
        with open_session(storage, [folder.run_id], damaged=damaged) as session:
            reported = ReportedRun.of(folder, session, said)
            for report in asked:
                if problem := _failure_of(report, reported):
                    failed.append(problem)
    except QueryError as problem:
        raise _unreadable(folder.run_id, problem) from None
    if len(failed) == 1:
        raise failed[0]
    if failed:
        raise ReqfloError.of(tuple(problem for error in failed for problem in error.all_problems()))


def write_refusal(report: Report, refusal: Refusal) -> None:
    """Write to the file of a report that there is no result, and why. No reader shows it as a run that passed.

    Raises:
        UsageError, ReqfloError: see `whole_file`.
    """
    with whole_file(report.path) as file:
        _REFUSALS[report.format](refusal, file)


def _failure_of(report: Report, run: ReportedRun) -> ReqfloError | None:
    """Write one report and return the error if it could not be written."""
    try:
        with whole_file(report.path) as file:
            FORMATS[report.format](run, file)
    except QueryError as problem:
        return _unreadable(run.run_id, problem)
    except ReqfloError as problem:
        return problem
    except Exception as problem:
        # A failing format must not stop the others. The text of an unexpected exception may quote anything.
        return ReqfloError(
            f"the {report.format} report could not be made, because of an internal error: {type(problem).__name__}",
            code="report_failed",
            hint="report this bug in reqflo-ray; the run itself is not affected",
        )
    return None


def _unreadable(run_id: str, problem: QueryError) -> StoreError:
    return StoreError(
        f"the results of run `{run_id}` cannot be read: {problem.message}",
        code="unreadable_results",
        hint=f"run `reqflo-ray verify {run_id}` to see what is damaged",
    )
