"""Writes reports of a run to files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from reqflo_ray._internal.api.config import find_store, open_found
from reqflo_ray._internal.model.plan import Damaged
from reqflo_ray._internal.model.results import Verdict
from reqflo_ray._internal.runner.prepare.files_read import files_of_runs, need_free
from reqflo_ray._internal.runner.prepare.request import File


def write_reports(
    run: str,
    reports: Iterable[tuple[str, File]],
    *,
    store: File | None = None,
    verdict: Verdict | None = None,
    damaged: str = Damaged.REFUSE,
) -> None:
    """Write reports of a run to files, as in `write_reports("latest", [("junit", "junit.xml"), ("html", "run.html")])`.

    Of an unfinished run they tell what is committed so far, and say so.

    Args:
        run: the run's id, a unique beginning of it, or `latest`.
        reports: pairs of format and file: `ctrf`, `html`, `json`, `junit`, `markdown`.
        verdict: that of the `RunOutcome`, if the run was just carried out: of an unfinished run it counts and names
            rows that are not committed.
        damaged: `skip` leaves files of results out that are not what was written, and every report says so; else they
            refuse all reports.

    Raises:
        UsageError: there is no such run or format, or a file cannot be there, or the run has read it.
        IntegrityError: `damaged_file`, which names the files.
        StoreError: the run cannot be read.
        ReqfloError: a file could not be written; the others are.
    """
    from reqflo_ray._internal.reports import formats

    asked = formats.check_reports(formats.Report(format_, Path(path)) for format_, path in reports)
    chosen = find_store(store)
    storage = open_found(chosen)
    need_free([report.path for report in asked], files_of_runs(storage, [run]), chosen)
    formats.write_reports(storage, run, asked, verdict, Damaged(damaged))
