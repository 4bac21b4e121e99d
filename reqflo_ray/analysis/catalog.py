"""Which files of a store answer questions: those of manifests, and the committed ones of unfinished runs.

A file that is missing or cut short is left out and reported, so that the rest can still be asked. Knows no SQL.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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
        found = _Files()
        try:
            line, files = _look(folder, now)
            for file, is_whole in storage.each(partial(_is_whole, folder), files):
                found.take(folder, file, is_whole)
        except ReqfloError as error:
            problems.append(_warning("unreadable_run", f"run `{folder.run_id}` is left out: {error.message}", folder))
            continue
        line["rows_unreadable"] = found.rows_left_out
        if found.left_out:
            message = f"run `{folder.run_id}`: {found.left_out} files are missing or cut short"
            problems.append(_warning("missing_rows", f"{message}, {found.rows_left_out} rows are left out", folder))
        lines.append(line)
        sizes |= found.sizes
        # In the order of shards, also of those whose number is longer: what is not sorted is read in that of rows.
        results += sorted(found.results, key=_by_number)
        steps += sorted(found.steps, key=_by_number)
    return Catalog(runs=tuple(lines), results=tuple(results), steps=tuple(steps), sizes=sizes, problems=tuple(problems))


@dataclass(slots=True)
class _Files:
    """The files of one run: paths and sizes of those that can be read, and how many are left out."""

    results: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)
    left_out: int = 0
    rows_left_out: int = 0

    def take(self, folder: RunFolder, file: FileDigest, is_whole: bool) -> None:
        of_results = _is_in(layout.RESULTS, file)
        if is_whole:
            path = folder.path(file.path)
            self.sizes[path] = file.size
            (self.results if of_results else self.steps).append(path)
        else:
            self.left_out += 1
            self.rows_left_out += file.rows if of_results else 0


def _look(folder: RunFolder, now: datetime) -> tuple[dict[str, Any], Iterator[FileDigest]]:
    """The line of a run, and its results and steps files, which are read one by one as they are asked for."""
    record = folder.load_run()
    manifest, verdict = folder.read_manifest(), folder.read_verdict()
    counts = verdict.counts if verdict else _sum(commit.summary.counts for commit in folder.commits())
    files = manifest.files if manifest else (file for commit in folder.commits() for file in commit.files)
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
    return line, (file for file in files if _is_in(layout.RESULTS, file) or _is_in(layout.STEPS, file))


def _is_whole(folder: RunFolder, file: FileDigest) -> tuple[FileDigest, bool]:
    try:
        return file, folder.storage.size(folder.path(file.path)) == file.size
    except (FileNotFoundError, ReqfloError):
        return file, False


def _is_in(part: str, file: FileDigest) -> bool:
    return file.path.startswith(f"{part}/")


def _by_number(path: str) -> tuple[int, str]:
    return len(path), path


def _sum(counts: Iterable[Counts]) -> Counts:
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
