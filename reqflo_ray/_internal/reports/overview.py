"""What people read first in a report: the status in words, what ran where and when, and the counts that are not zero.

It returns plain values. It must not know how a format lays them out and escapes them.
"""

from __future__ import annotations

from typing import Final

from reqflo_ray._internal.model import instants
from reqflo_ray._internal.reports.source import ReportedRun

_COUNTED: Final = (
    *("rows", "passed", "failed", "error", "inconclusive", "skipped", "cancelled"),
    *("soft_failures", "flaky", "requests", "retries", "resumed", "resent", "resent_sensitive"),
    *("quarantined", "poisoned", "internal"),
)
_ALWAYS: Final = ("rows", "passed", "failed", "error")


def headline(run: ReportedRun) -> str:
    """Return the status of a run, or that it is unfinished or incomplete."""
    if run.is_complete:
        return run.verdict.status.value
    if run.is_finished and run.rows_unreadable:
        return f"incomplete: {run.rows_readable} of {run.verdict.counts.rows} rows can be read"
    if run.is_finished:
        return "incomplete: steps of some rows cannot be read"
    planned = "" if run.rows_planned is None else f" of {run.rows_planned}"
    return f"unfinished: {run.verdict.counts.rows}{planned} rows have a result"


def counts(run: ReportedRun) -> dict[str, int]:
    """Return the counts; most are left out if they are zero."""
    found = {name: int(getattr(run.verdict.counts, name)) for name in _COUNTED}
    if run.rows_unreadable:
        # The counts of readable rows and the number of unreadable ones add up to all rows.
        found |= {status.value: number for status, number in run.rows_by_status.items() if status.value in found}
    found["unreadable"] = run.rows_unreadable
    return {name: number for name, number in found.items() if number or name in _ALWAYS}


def head(run: ReportedRun) -> dict[str, str]:
    """Return what ran where, by whom, and when."""
    record, verdict = run.record, run.verdict
    insecure = " (TLS not verified)" if record.environment.insecure else ""
    return _those_there_are(
        ("journey", " ".join(filter(None, (record.journey, record.journey_version)))),
        ("case", record.case),
        ("environment", f"{record.environment.name}{insecure}"),
        ("by", " on ".join(filter(None, (record.user, record.host)))),
        ("started", _instant(verdict.started_at)),
        ("took", f"{verdict.duration_ms / 1000:.1f} s"),
    )


def facts(run: ReportedRun) -> dict[str, str]:
    """Return everything else that identifies this run."""
    record, verdict = run.record, run.verdict
    return _those_there_are(
        ("run", run.run_id),
        ("presets", ", ".join(record.presets)),
        ("overlays", ", ".join(record.overlays)),
        ("data", ", ".join(record.dataset.files) if record.dataset else ""),
        ("finished", _instant(verdict.finished_at)),
        ("exit code", str(verdict.exit_code)),
        ("artifact", record.artifact),
        ("rerun of", record.rerun_of),
        ("store", run.folder.storage.uri),
    )


def _those_there_are(*facts: tuple[str, str]) -> dict[str, str]:
    return {name: value for name, value in facts if value}


def _instant(text: str) -> str:
    return instants.read(text).strftime("%Y-%m-%d %H:%M:%S UTC")
