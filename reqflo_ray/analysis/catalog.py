"""Which files of a store answer questions: those of manifests, and the committed ones of unfinished runs.

A file that is missing or cut short is left out and reported, so that the rest can still be asked. Knows no SQL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from reqflo_ray.errors import Problem, ReqfloError, Severity
from reqflo_ray.model.results import Counts, FileDigest
from reqflo_ray.store import layout
from reqflo_ray.store.history import resolve_run, run_ids, run_state
from reqflo_ray.store.run_folder import RunFolder
from reqflo_ray.store.storage import Storage


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """What a session reads. `runs` are lines of the `runs` view; `results` and `steps` are paths within the store,
    `sizes` the sizes in bytes of those files."""

    runs: tuple[dict[str, Any], ...]
    results: tuple[str, ...]
    steps: tuple[str, ...]
    sizes: Mapping[str, int]
    problems: tuple[Problem, ...]


def read_catalog(storage: Storage, runs: Sequence[str] | None, now: datetime) -> Catalog:
    """Look through all runs, or those that `runs` name (ids, prefixes, `latest`).

    Raises:
        UsageError: `unknown_run` or `ambiguous_run`.
    """
    if runs is None:
        folders = [RunFolder(storage, run_id) for run_id in run_ids(storage)]
    else:
        folders = list({folder.run_id: folder for folder in (resolve_run(storage, name) for name in runs)}.values())
    lines: list[dict[str, Any]] = []
    results: list[str] = []
    steps: list[str] = []
    sizes: dict[str, int] = {}
    problems: list[Problem] = []
    for folder in folders:
        try:
            line, files = _look(folder, now)
        except ReqfloError as error:
            problems.append(_warning("unreadable_run", f"run `{folder.run_id}` is left out: {error.message}", folder))
            continue
        whole = storage.each(partial(_is_whole, folder), files)
        good = [file for file, is_whole in zip(files, whole, strict=True) if is_whole]
        # In the order of shards, also of those whose number is longer: what is not sorted is read in that of rows.
        good.sort(key=lambda file: (len(file.path), file.path))
        line["rows_unreadable"] = _rows(files) - _rows(good)
        if len(good) < len(files):
            message = f"run `{folder.run_id}`: {len(files) - len(good)} files are missing or cut short"
            problems.append(_warning("missing_rows", f"{message}, {line['rows_unreadable']} rows are left out", folder))
        lines.append(line)
        sizes |= {folder.path(file.path): file.size for file in good}
        results += [folder.path(file.path) for file in good if _is_in(layout.RESULTS, file)]
        steps += [folder.path(file.path) for file in good if _is_in(layout.STEPS, file)]
    return Catalog(runs=tuple(lines), results=tuple(results), steps=tuple(steps), sizes=sizes, problems=tuple(problems))


def _look(folder: RunFolder, now: datetime) -> tuple[dict[str, Any], list[FileDigest]]:
    record = folder.load_run()
    manifest, verdict = folder.read_manifest(), folder.read_verdict()
    if manifest is not None:
        files, counts = list(manifest.files), Counts()
    else:
        commits = list(folder.commits().values())
        files = [file for commit in commits for file in commit.files]
        counts = _sum([commit.summary.counts for commit in commits])
    if verdict is not None:
        counts = verdict.counts
    line = {
        "run_id": record.run_id,
        "state": run_state(folder, record, now).value,
        "status": verdict.status.value if verdict else None,
        "exit_code": verdict.exit_code if verdict else None,
        "journey": record.journey,
        "journey_version": record.journey_version or None,
        "environment": record.environment.name or None,
        "insecure": record.environment.insecure,
        "case_name": record.case or None,
        "presets": list(record.presets),
        "overlays": list(record.overlays),
        "artifact": record.artifact,
        "created_at": _instant(record.created_at),
        "started_at": _instant(verdict.started_at) if verdict else None,
        "finished_at": _instant(verdict.finished_at) if verdict else None,
        "duration_ms": verdict.duration_ms if verdict else None,
        **{name: getattr(counts, name) for name in Counts.__struct_fields__},
        "user_name": record.user or None,
        "host": record.host or None,
        "backend": record.backend,
        "rerun_of": record.rerun_of or None,
    }
    return line, [file for file in files if _is_in(layout.RESULTS, file) or _is_in(layout.STEPS, file)]


def _is_whole(folder: RunFolder, file: FileDigest) -> bool:
    try:
        return folder.storage.size(folder.path(file.path)) == file.size
    except (FileNotFoundError, ReqfloError):
        return False


def _is_in(part: str, file: FileDigest) -> bool:
    return file.path.startswith(f"{part}/")


def _rows(files: Sequence[FileDigest]) -> int:
    return sum(file.rows for file in files if _is_in(layout.RESULTS, file))


def _sum(counts: Sequence[Counts]) -> Counts:
    total = Counts()
    for each in counts:
        total = total.plus(each)
    return total


def _instant(text: str) -> datetime | None:
    """An RFC 3339 instant as UTC without a zone, as the views have them."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)
    except ValueError:
        return None


def _warning(code: str, message: str, folder: RunFolder) -> Problem:
    hint = f"`reqflo-ray verify {folder.run_id}` says more"
    return Problem(code=code, message=message, severity=Severity.WARNING, hint=hint)
