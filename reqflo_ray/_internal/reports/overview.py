"""What people read first in a report: the verdict in words, the counts that are not zero, the facts of the run.

Plain values; how they are laid out and escaped, a format knows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from reqflo_ray._internal.model import instants
from reqflo_ray._internal.reports.source import ReportedRun

_COUNTED: Final = (
    *("rows", "passed", "failed", "error", "inconclusive", "skipped", "cancelled"),
    *("requests", "retries", "resumed", "resent", "resent_sensitive", "quarantined", "poisoned", "internal"),
)
_ALWAYS: Final = ("rows", "passed", "failed", "error")


def headline(run: ReportedRun) -> str:
    """The verdict; of a run that is not finished, or of which something is left out, that it is not all."""
    if run.is_complete:
        return run.verdict.status.value
    if run.is_finished and run.rows_unreadable:
        return f"incomplete: {run.rows_readable} of {run.verdict.counts.rows} rows can be read"
    if run.is_finished:
        return "incomplete: steps of some rows cannot be read"
    planned = "" if run.rows_planned is None else f" of {run.rows_planned}"
    return f"unfinished: {run.verdict.counts.rows}{planned} rows have a result"


def counts(run: ReportedRun) -> dict[str, int]:
    """What was counted, without zeros that say nothing."""
    found = {name: int(getattr(run.verdict.counts, name)) for name in _COUNTED}
    if run.rows_unreadable:
        # Beside rows whose end cannot be read stand those whose end can: together they are all.
        found |= {status.value: number for status, number in run.rows_by_status.items() if status.value in found}
    found["unreadable"] = run.rows_unreadable
    return {name: number for name, number in found.items() if number or name in _ALWAYS}


def facts(run: ReportedRun) -> dict[str, str]:
    """What ran, where and when; only what there is."""
    return {name: value for name, value in _facts(run) if value}


def _facts(run: ReportedRun) -> Iterator[tuple[str, str]]:
    record, verdict = run.record, run.verdict
    yield "run", run.run_id
    yield "journey", " ".join(filter(None, (record.journey, record.journey_version)))
    yield "environment", record.environment.name
    yield "TLS", "not verified (insecure)" if record.environment.insecure else ""
    yield "case", record.case
    yield "presets", ", ".join(record.presets)
    yield "overlays", ", ".join(record.overlays)
    yield "data", ", ".join(record.dataset.files) if record.dataset else ""
    yield "started", _instant(verdict.started_at)
    yield "finished", _instant(verdict.finished_at)
    yield "took", f"{verdict.duration_ms / 1000:.1f} s"
    yield "exit code", str(verdict.exit_code)
    yield "artifact", record.artifact
    yield "rerun of", record.rerun_of
    yield "store", run.folder.storage.uri


def _instant(text: str) -> str:
    return instants.read(text).strftime("%Y-%m-%d %H:%M:%S UTC")
