"""Verifies that a run is what was written: every file against the manifest, every row against the plan. It changes
nothing.

Parquet itself detects few flipped bits, so only the digests prove a file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from reqflo_ray._internal.errors import IntegrityError, ReqfloError, UsageError
from reqflo_ray._internal.model.json_text import well_formed
from reqflo_ray._internal.model.plan import Plan, ShardPlan
from reqflo_ray._internal.model.results import Commit, Counts, FileDigest, Verdict
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.runs.folder.deletion import Presence, is_run, presence
from reqflo_ray._internal.runs.folder.manifest import Manifest
from reqflo_ray._internal.runs.folder.recount import difference, read_columns, recount
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.runs.folder.sealing import find_sealer
from reqflo_ray._internal.runs.staging.rows import planned

_FOLDERS = (layout.ROWS, layout.RESULTS, layout.STEPS, layout.COMMITS)


class FindingKind(StrEnum):
    """The kind of damage of a file. The value is shown as the code of the finding."""

    MISSING = "missing"
    DAMAGED = "damaged"
    EXTRA = "extra"
    ROW_COUNT = "row_count"
    VERDICT_MISSING = "verdict_missing"
    VERDICT_TWICE = "verdict_twice"
    ARTIFACT = "artifact"
    COUNTS = "counts"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFinding:
    """One fault of a run. `path` is within the folder of the run."""

    path: str
    kind: FindingKind
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """What was checked and what was found. `complete`: the run has its manifest; otherwise only what is committed was
    checked. `rows` is the number of rows with a result in an intact file, `rows_lost` the number of the others."""

    run_id: str
    complete: bool
    files: int
    bytes: int
    rows: int
    rows_lost: int
    findings: tuple[FileFinding, ...]

    @property
    def ok(self) -> bool:
        """Whether there are no findings."""
        return not self.findings

    @property
    def lost_manifest(self) -> bool:
        """Whether the run was complete, and its manifest is damaged or missing."""
        return any(finding.path == layout.MANIFEST for finding in self.findings)


def verify_run(folder: RunFolder) -> VerifyReport:
    """Check every file of a run. Raises `UsageError` (`unknown_run`) if it does not exist, or is deleted meanwhile."""
    report = _Verification(folder).run()
    if report.findings and not is_run(folder.storage, folder.run_id):
        raise UsageError(f"run `{folder.run_id}` was deleted while it was checked", code="unknown_run")
    return report


class RowNumbers:
    """The rows that were found. Those of an intact shard are consecutive and take the memory of one range."""

    def __init__(self) -> None:
        self._ranges: list[range] = []

    def add(self, rows: list[int]) -> None:
        """Add the rows of a file."""
        whole = range(rows[0], rows[0] + len(rows)) if rows else range(0)
        self._ranges += [whole] if rows == list(whole) else (range(row, row + 1) for row in rows)

    def judged(self, expected: int) -> tuple[int, range, range]:
        """Return the number of different rows, and two ranges, each from the first row concerned and as long as the
        number of rows: those that occur again, and those that are missing from 0 to before `expected`."""
        seen = end = again_end = 0
        again, missing = list[range](), list[range]()
        for rows in (*sorted(self._ranges, key=lambda rows: rows.start), range(expected, 0)):
            if gap := range(end, min(rows.start, expected)):
                missing.append(gap)
            if overlap := range(max(rows.start, again_end), min(rows.stop, end)):
                again.append(overlap)
                again_end = overlap.stop
            seen += len(range(max(rows.start, end), rows.stop))
            end = max(end, rows.stop)
        return seen, _together(again), _together(missing)


def _together(ranges: list[range]) -> range:
    first = ranges[0].start if ranges else 0
    return range(first, first + sum(map(len, ranges)))


class _Verification:
    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._findings: dict[FileFinding, None] = {}
        self._files = 0
        self._bytes = 0
        self._promised_rows = 0
        self._rows = RowNumbers()
        self._counts = Counts()
        # What the commits of an unfinished run say about their files: the name of the commit, and how its rows ended.
        self._told: dict[str, tuple[str, Counts]] = {}

    def run(self) -> VerifyReport:
        manifest = self._manifest()
        files = self._committed() if manifest is None else manifest.files
        for file, found in self._folder.storage.each(self._read, files):
            self._check(file, found)
        rows = self._check_rows(manifest is not None)
        self._check_artifact()
        if manifest is None:
            self._find_lost_manifest()
            self._check_claims()
            self._check_plan()
            self._check_key()
        else:
            self._find_extra(manifest)
            self._check_verdict()
        return VerifyReport(
            run_id=self._folder.run_id,
            complete=manifest is not None,
            files=self._files,
            bytes=self._bytes,
            rows=rows,
            rows_lost=max(self._promised_rows - rows, 0),
            findings=tuple(self._findings),
        )

    def _manifest(self) -> Manifest | None:
        try:
            return self._folder.read_manifest()
        except ReqfloError as error:
            self._find(layout.MANIFEST, FindingKind.DAMAGED, error.cause or error.message)
            return None

    def _committed(self) -> Iterator[FileDigest]:
        """Yield the files that the commits of an unfinished run promise; damaged commits become findings."""
        for name, commit, why in self._folder.storage.each(self._closing, self._folder.begun()):
            if why:
                self._find(name, FindingKind.DAMAGED, why)
            if commit is not None:
                self._told |= {file.path: (name, commit.summary.counts) for file in commit.files}
                yield from commit.files

    def _closing(self, shard: int) -> tuple[str, Commit | None, str]:
        """Return the name of a commit, the commit if it can be read, and what is wrong with it."""
        name = layout.commit(shard)
        try:
            commit = self._folder.read_closing(shard)
        except ReqfloError as error:
            return name, None, error.cause or error.message
        return name, commit, self._folder.contradiction(commit) if commit is not None else ""

    def _read(self, promised: FileDigest) -> tuple[FileDigest, bytes | ReqfloError | None]:
        try:
            return promised, self._folder.storage.read(self._folder.path(promised.path))
        except FileNotFoundError:
            return promised, None
        except ReqfloError as error:
            return promised, error

    def _check(self, promised: FileDigest, data: bytes | ReqfloError | None) -> None:
        self._files += 1
        if promised.path.startswith(f"{layout.RESULTS}/"):
            self._promised_rows += promised.rows
        if data is None:
            self._find(promised.path, FindingKind.MISSING, f"the file is missing ({promised.rows} rows)")
            return
        if isinstance(data, ReqfloError):
            self._find(promised.path, FindingKind.DAMAGED, f"the file cannot be read: {data.cause or data.message}")
            return
        self._bytes += len(data)
        if len(data) != promised.size:
            self._find(promised.path, FindingKind.DAMAGED, f"the file has {len(data)} bytes instead of {promised.size}")
        elif hashlib.sha256(data).hexdigest() != promised.sha256:
            self._find(promised.path, FindingKind.DAMAGED, "the SHA-256 of the file differs from when it was written")
        elif promised.path.startswith((f"{layout.RESULTS}/", f"{layout.STEPS}/")):
            self._check_table(promised, data)

    def _check_table(self, promised: FileDigest, data: bytes) -> None:
        if promised.path.startswith(f"{layout.STEPS}/"):
            rows = len(read_columns(data, ["row_index"]))
        else:
            counted = recount(data)
            rows = counted.counts.rows
            self._rows.add(counted.rows)
            self._counts = self._counts.plus(counted.counts)
            name, told = self._told.pop(promised.path, ("", Counts()))
            if name and (why := difference(told, counted.counts)):
                self._find(name, FindingKind.COUNTS, why)
        if rows != promised.rows:
            self._find(promised.path, FindingKind.ROW_COUNT, f"the file has {rows} rows instead of {promised.rows}")

    def _check_rows(self, complete: bool) -> int:
        seen, again, missing = self._rows.judged(self._promised_rows)
        if again:
            self._find(
                layout.RESULTS,
                FindingKind.VERDICT_TWICE,
                f"{len(again)} rows have several results, beginning with row {again.start}",
            )
        if complete and missing and not self._findings:
            self._find(
                layout.RESULTS,
                FindingKind.VERDICT_MISSING,
                f"{len(missing)} rows have no result, beginning with row {missing.start}",
            )
        return seen

    def _check_artifact(self) -> None:
        digest = ""
        # A damaged manifest proves nothing, and so nothing against the record.
        is_proof_lost = any(finding.path == layout.MANIFEST for finding in self._findings)
        try:
            record = self._folder.load_run() if is_proof_lost else self._folder.load_proven_run()
            digest = record.artifact
            self._folder.load_artifact(digest)
        except ReqfloError as error:
            if error.code == "unknown_run":
                raise
            if digest:
                self._find(f"../../{layout.artifact(digest)}", FindingKind.ARTIFACT, error.message)
            elif presence(self._folder.storage, self._folder.run_id) is not Presence.BARE:
                self._find(layout.RECORD, FindingKind.DAMAGED, error.cause or error.message)
            elif not any(finding.path == layout.RECORD for finding in self._findings):
                self._find(layout.RECORD, FindingKind.MISSING, "the run record is missing")

    def _find_lost_manifest(self) -> None:
        try:
            self._folder.is_complete()
        except IntegrityError:
            self._find(layout.MANIFEST, FindingKind.MISSING, "the run is complete, but its manifest is missing")

    def _check_claims(self) -> None:
        for name, problem in self._folder.damaged_claims():
            self._find(name, FindingKind.DAMAGED, problem.cause or problem.message)

    def _check_plan(self) -> None:
        """Check the plan of an unfinished run, and the staged rows that it promises."""
        try:
            plan = planned(self._folder) or Plan()
        except ReqfloError as error:
            self._find(layout.PLAN, FindingKind.DAMAGED, error.cause or error.message)
            return
        for finding in filter(None, self._folder.storage.each(self._staged, plan)):
            self._findings[finding] = None

    def _staged(self, line: ShardPlan) -> FileFinding | None:
        """Return what is wrong with a file of staged rows."""
        name = layout.rows(line.shard)
        try:
            found = hashlib.sha256(self._folder.read_file(name)).hexdigest()
        except ReqfloError as error:
            kind = FindingKind.MISSING if error.code == "damaged_file" else FindingKind.DAMAGED
            return FileFinding(path=name, kind=kind, message=error.cause or error.message)
        if found == line.sha256:
            return None
        told = f"the SHA-256 of the file differs from that in `{layout.PLAN}`"
        return FileFinding(path=name, kind=FindingKind.DAMAGED, message=told)

    def _check_key(self) -> None:
        try:
            find_sealer(self._folder)
        except ReqfloError as error:
            self._find(layout.SEALING_KEY, FindingKind.DAMAGED, error.cause or error.message)

    def _find_extra(self, manifest: Manifest) -> None:
        for folder in _FOLDERS:
            promised = manifest.names(folder)
            for name in self._folder.storage.list(self._folder.path(folder)):
                if name not in promised and not layout.is_system_file(name):
                    # A file name may have bytes that are not UTF-8.
                    self._find(
                        f"{folder}/{well_formed(name)}", FindingKind.EXTRA, "the manifest does not list this file"
                    )

    def _check_verdict(self) -> None:
        if self._findings:
            return
        data = self._folder.read_file(layout.VERDICT)
        verdict = self._folder.decode(layout.VERDICT, data, Verdict)
        if why := difference(verdict.counts, self._counts):
            self._find(layout.VERDICT, FindingKind.COUNTS, why)

    def _find(self, path: str, kind: FindingKind, message: str) -> None:
        self._findings[FileFinding(path=path, kind=kind, message=message)] = None
