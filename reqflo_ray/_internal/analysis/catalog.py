"""Finds the files of a store that a query reads: those of manifests, and the committed ones of unfinished runs. Each is
checked before it is read. It must not know SQL.

A run that cannot be read at all is left out, unless the query names it. Without a damaged file, a run would be
incomplete: the query is refused, or answered without the file, as the caller chooses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from reqflo_ray._internal.errors import Problem, ReqfloError
from reqflo_ray._internal.model import instants
from reqflo_ray._internal.model.plan import Damaged, RunRecord
from reqflo_ray._internal.model.results import Commit, Counts, FileDigest, Verdict
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.runs.folder.deletion import is_run
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.runs.results.checked_files import CheckedFile, check_files, damaged_files
from reqflo_ray._internal.runs.upkeep.history import RunState, resolve_run, run_ids, run_state
from reqflo_ray._internal.storage.protocol import Storage

_NAMED: Final = 3
# The files besides tables that a query relies on, and that the manifest lists.
_DOCUMENTS: Final = (layout.RECORD, layout.VERDICT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """What a session reads. `runs` are lines of the view `runs`; `results` and `steps` are paths within the store, and
    `files` the recorded digests of these. `problems` say what is left out."""

    runs: tuple[dict[str, Any], ...]
    results: tuple[str, ...]
    steps: tuple[str, ...]
    files: Mapping[str, FileDigest]
    problems: tuple[Problem, ...]

    def table_versions(self, paths: Iterable[str]) -> frozenset[int]:
        """Return the versions of the tables in the files at `paths`."""
        return frozenset(self.files[path].table_version or 1 for path in paths)


def read_catalog(
    storage: Storage, runs: Sequence[str] | None, now: datetime, damaged: Damaged = Damaged.REFUSE
) -> Catalog:
    """Read all runs, or those that `runs` names (IDs, unique beginnings, `latest`).

    Raises:
        UsageError: `unknown_run` or `ambiguous_run`.
        IntegrityError: `damaged_file`: files are damaged and `damaged` is `refuse`; or a run that `runs` names cannot
            be read.
        StoreError: the store does not answer.
    """
    if runs is None:
        folders = [RunFolder(storage, run_id) for run_id in run_ids(storage)]
    else:
        folders = list({folder.run_id: folder for folder in (resolve_run(storage, name) for name in runs)}.values())
    lines: list[dict[str, Any]] = []
    results: list[str] = []
    steps: list[str] = []
    files: dict[str, FileDigest] = {}
    problems: list[Problem] = []
    refused: list[CheckedFile] = []
    for folder in folders:
        try:
            found = _look(folder, now, damaged)
            if found.left_out:
                folder.load_run()  # it may have been deleted in the meantime
        except ReqfloError as error:
            if runs is not None:
                raise
            if is_run(storage, folder.run_id):  # else it was deleted in the meantime
                problems.append(_unreadable_run(folder, error))
            continue
        if found.left_out and damaged is Damaged.REFUSE:
            refused += found.left_out
            continue
        if found.left_out:
            problems.append(_left_out(folder, found))
        lines.append(found.line)
        files |= {folder.path(file.path): file for file in (*found.results, *found.steps)}
        # In the order of shards, even if a number has more digits: a query without ORDER BY then reads rows in order.
        results += sorted((folder.path(file.path) for file in found.results), key=_by_number)
        steps += sorted((folder.path(file.path) for file in found.steps), key=_by_number)
    if refused:
        raise damaged_files(
            refused,
            hint=f"run `reqflo-ray verify {refused[0].run_id}` to list all damage, or add"
            " `--damaged=skip` to leave such files out",
        )
    return Catalog(runs=tuple(lines), results=tuple(results), steps=tuple(steps), files=files, problems=tuple(problems))


@dataclass(slots=True)
class _Found:
    """A run: its line, its intact files, and its damaged ones. The number of rows of an unreadable commit is
    unknown."""

    line: dict[str, Any] = field(default_factory=dict)
    results: list[FileDigest] = field(default_factory=list)
    steps: list[FileDigest] = field(default_factory=list)
    left_out: list[CheckedFile] = field(default_factory=list)

    @property
    def rows_left_out(self) -> int:
        return sum(file.promised.rows for file in self.left_out if _is_in(layout.RESULTS, file.promised))

    def take(self, file: CheckedFile) -> None:
        if file.fault and not _is_table(file.promised):
            raise damaged_files([file])
        if file.fault:
            self.left_out.append(file)
        elif _is_in(layout.RESULTS, file.promised):
            self.results.append(file.promised)
        elif _is_in(layout.STEPS, file.promised):
            self.steps.append(file.promised)


def _look(folder: RunFolder, now: datetime, damaged: Damaged) -> _Found:
    """Read a run as it is now. If it finishes in the meantime, read what was committed before."""
    found = _Found()
    record = folder.load_run()
    state = run_state(folder, record, now)
    manifest = folder.read_manifest() if state is RunState.FINISHED else None
    committed = _Committed(folder, damaged)
    promised = manifest.files if manifest is not None else committed.files()
    believed = (file for file in promised if _is_table(file) or file.path in _DOCUMENTS)
    for file in check_files(folder, believed, now):
        found.take(_promised_by(layout.MANIFEST if manifest is not None else None, file))
    # After the files of the verdict and the record were checked, so that the damaged one is named.
    verdict = folder.read_verdict(record) if manifest is not None else None
    found.left_out += committed.unreadable
    found.line = _line(record, state, verdict, verdict.counts if verdict is not None else committed.counts)
    found.line["rows_unreadable"] = found.rows_left_out
    return found


def _promised_by(promising: str | None, file: CheckedFile) -> CheckedFile:
    """Add to a fault the file that records the digest: by default its commit, which may be the one of another run."""
    if not file.fault:
        return file
    name = promising or layout.commit(layout.shard_of(file.promised.path))
    return replace(file, fault=f"{file.fault} (see `{name}`)")


class _Committed:
    """The files that the commits of an unfinished run list, and their counts. Each commit is read once."""

    def __init__(self, folder: RunFolder, damaged: Damaged) -> None:
        self._folder = folder
        self._damaged = damaged
        self.counts = Counts()
        self.unreadable: list[CheckedFile] = []

    def files(self) -> Iterator[FileDigest]:
        """Yield the files of each commit. Raises `IntegrityError` for a damaged one if `damaged` is `refuse`."""
        for shard, commit in self._folder.storage.each(self._read, self._folder.begun()):
            if isinstance(commit, ReqfloError):
                promised = FileDigest(path=layout.commit(shard), sha256="", size=0)
                fault = commit.cause or commit.message
                self.unreadable.append(CheckedFile(run_id=self._folder.run_id, promised=promised, fault=fault))
            elif commit is not None:
                self.counts = self.counts.plus(commit.summary.counts)
                yield from commit.files

    def _read(self, shard: int) -> tuple[int, Commit | ReqfloError | None]:
        try:
            return shard, self._folder.read_closing(shard)
        except ReqfloError as error:
            if self._damaged is Damaged.REFUSE:
                raise
            return shard, error


def _line(record: RunRecord, state: RunState, verdict: Verdict | None, counts: Counts) -> dict[str, Any]:
    return {
        "run_id": record.run_id,
        "state": state.value,
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


def _is_table(file: FileDigest) -> bool:
    return _is_in(layout.RESULTS, file) or _is_in(layout.STEPS, file)


def _is_in(part: str, file: FileDigest) -> bool:
    return file.path.startswith(f"{part}/")


def _by_number(path: str) -> tuple[int, str]:
    return len(path), path


def _instant(text: str) -> datetime | None:
    try:
        return instants.read(text)
    except ValueError:
        return None


def _left_out(folder: RunFolder, found: _Found) -> Problem:
    files, named = (
        found.left_out,
        ", ".join(f"`{file.promised.path}` ({file.fault})" for file in found.left_out[:_NAMED]),
    )
    more = f" and {len(files) - _NAMED} more" if len(files) > _NAMED else ""
    counted = f"{len(files)} damaged {'file is' if len(files) == 1 else 'files are'} left out"
    message = f"run `{folder.run_id}`: {counted}, with {found.rows_left_out} rows: {named}{more}"
    return _warning("damaged_file", message, folder)


def _unreadable_run(folder: RunFolder, error: ReqfloError) -> Problem:
    # With the cause, which may name the damaged file.
    return _warning("unreadable_run", f"run `{folder.run_id}` is left out: {error.in_one_line}", folder)


def _warning(code: str, message: str, folder: RunFolder) -> Problem:
    hint = f"run `reqflo-ray verify {folder.run_id}` to see what is damaged"
    return Problem.warning(code, message, hint=hint)
