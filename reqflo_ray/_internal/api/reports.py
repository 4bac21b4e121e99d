"""Writes reports of a run to files, and replaces those of earlier runs if there is no new result."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from reqflo_ray._internal.api.config import find_store, open_found
from reqflo_ray._internal.compiler.workspace.load import load_workspace
from reqflo_ray._internal.errors import ReqfloError, UsageError
from reqflo_ray._internal.model.plan import Damaged
from reqflo_ray._internal.model.results import Verdict
from reqflo_ray._internal.outputs.file import NOT_WRITTEN
from reqflo_ray._internal.outputs.place import Identity, find_place
from reqflo_ray._internal.reports import formats
from reqflo_ray._internal.reports.refusal import Refusal
from reqflo_ray._internal.runner.prepare.files_read import (
    FileRead,
    files_of_request,
    files_of_runs,
    need_free,
)
from reqflo_ray._internal.runner.prepare.request import Dataset, File, Journey, read_damaged

# Distinguishes a file from one that is written to the same path later.
_Version: TypeAlias = tuple[int, int, int, int]


def check_reports(reports: Iterable[tuple[str, File]]) -> None:
    """Refuse reports that `write_reports` could not write, before any work is done for them.

    Args:
        reports: pairs of a format and a file, as for `write_reports`.

    Raises:
        UsageError: `unknown_format`, `output_not_writable`, or `repeated_path`.
    """
    formats.check_reports(_asked(reports))


def write_reports(
    run: str,
    reports: Iterable[tuple[str, File]],
    *,
    store: File | None = None,
    verdict: Verdict | None = None,
    damaged: str = Damaged.REFUSE,
) -> None:
    """Write reports of a run to files, as in `write_reports("latest", [("junit", "junit.xml"), ("html", "run.html")])`.

    A report of an unfinished run covers the rows that are committed so far, and says so.

    Args:
        run: the run's ID, a unique beginning of it, or `latest`.
        reports: pairs of a format (`ctrf`, `html`, `json`, `junit`, or `markdown`) and a file.
        store: a folder or a bucket URI; None: `REQFLO_STORE`, else `./.reqflo`.
        verdict: that of the `RunOutcome`, if the run has just been carried out. For an unfinished run, it also counts
            and names rows that are not committed.
        damaged: `refuse` writes no report if files of results are damaged; `skip` leaves these files out, and every
            report says so.

    Raises:
        UsageError: the run or a format does not exist, or a file cannot be written, or the run has read it.
        IntegrityError: `damaged_file`, which names the files; or `results_differ`.
        StoreError: the run cannot be read.
        ReqfloError: `output_not_written` or `report_failed`: a report could not be written. The others are written.
    """
    asked = formats.check_reports(_asked(reports))
    chosen = find_store(store)
    storage = open_found(chosen)
    need_free([report.path for report in asked], files_of_runs(storage, [run]), chosen)
    formats.write_reports(storage, run, asked, verdict, read_damaged(damaged))


class EarlierReports:
    """The files that exist at the paths of reports before a run: reports of earlier runs.

    If there is no new report, `give_way` replaces them with one that says so. Otherwise CI, which publishes reports
    whatever happens, would show the last run that passed. Only existing regular files are replaced, and only those that
    a successful run would have replaced.

    Args:
        reports: pairs of a format and a file, as for `write_reports`. Invalid ones are ignored.
    """

    def __init__(self, reports: Iterable[tuple[str, File]]) -> None:
        self._found = list(_found(reports))

    def give_way(
        self,
        error: ReqfloError,
        subject: str = "",
        *,
        journey: Journey | None = None,
        data: Dataset | None = None,
        run: str = "",
        store: File | None = None,
    ) -> list[tuple[Path, ReqfloError | None]]:
        """Replace the files that are unchanged since then with reports that say that there is no result, and why.

        None is replaced if `error` is `output_not_written`: a file that cannot be written keeps its content.

        Args:
            error: why there is no result.
            subject: the journey or run that was named.
            journey, data, run, store: the arguments of the call, as far as they are known. Files that it reads are not
                overwritten.

        Returns:
            Each file that was to be replaced, with the error if it could not be written, else None.
        """
        if any(problem.code == NOT_WRITTEN for problem in error.all_problems()):
            return []
        still = [report for report, version in self._found if _version(report.path) == version]
        if not still:
            return []
        reads, known_store = _read_by(journey, data, run, store)
        free = [report for report in still if _is_free(report.path, reads, known_store)]
        refusal = Refusal.of(error, subject)
        return [(report.path, _refused(report, refusal)) for report in free]


def _asked(reports: Iterable[tuple[str, File]]) -> list[formats.Report]:
    return [formats.Report(format_, Path(path)) for format_, path in reports]


def _found(reports: Iterable[tuple[str, File]]) -> Iterator[tuple[formats.Report, _Version]]:
    """Yield the regular files that exist at the paths of reports, each once."""
    seen = set[Identity]()
    for report in _asked(reports):
        meant = difflib.get_close_matches(report.format, formats.FORMATS, n=1)
        with suppress(UsageError):
            place = find_place(report.path) if meant else None
            if place is not None and place.is_regular and place.identity not in seen:
                seen.add(place.identity)
                if (version := _version(place.path)) is not None:
                    yield formats.Report(meant[0], place.path), version


def _version(path: Path) -> _Version | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _refused(report: formats.Report, refusal: Refusal) -> ReqfloError | None:
    try:
        formats.write_refusal(report, refusal)
    except ReqfloError as problem:
        return problem
    return None


def _read_by(
    journey: Journey | None, data: Dataset | None, run: str, store: File | None
) -> tuple[Sequence[FileRead], File | None]:
    """Return the files that a failed call was to read, and the store, as far as they can be determined."""
    reads: list[FileRead] = []
    workspace = None
    with suppress(ReqfloError):
        workspace = load_workspace(Path(journey.workspace), journey.name) if journey is not None else None
    with suppress(ReqfloError):
        store = find_store(store, (workspace.settings.runner.store if workspace is not None else None) or "")
    reads += files_of_request(journey or Journey(), Dataset.of(data), workspace)
    with suppress(ReqfloError):
        reads += files_of_runs(open_found(str(store)), [run]) if run and store else ()
    return reads, store


def _is_free(path: Path, reads: Iterable[FileRead], store: File | None) -> bool:
    try:
        need_free([path], reads, None if store is None else str(store))
    except UsageError:
        return False
    return True
