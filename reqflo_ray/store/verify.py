"""Whether a run is what was written: every file against the manifest, every row against the plan. Changes nothing.

Parquet itself notices few flipped bits, so nothing but the digests proves a file.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import Any

from reqflo_ray.errors import ReqfloError
from reqflo_ray.model.results import FileDigest, Status, Verdict
from reqflo_ray.store import layout
from reqflo_ray.store.run_folder import RunFolder

_FOLDERS = (layout.ROWS, layout.RESULTS, layout.STEPS, layout.COMMITS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something wrong with a run. `path` is within the run's folder; `kind` is one of missing, damaged, extra,
    row_count, verdict_missing, verdict_twice, artifact, counts."""

    path: str
    kind: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """What was looked at and what was found. `complete`: the run has its manifest; else only what is committed was
    checked. `rows` is how many rows have their verdict in an intact file, `rows_lost` how many do not."""

    run_id: str
    complete: bool
    files: int
    bytes: int
    rows: int
    rows_lost: int
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


def verify_run(folder: RunFolder) -> VerifyReport:
    """Check every file of a run. Raises `UsageError` (`unknown_run`) if there is none."""
    return _Verification(folder).run()


class _Verification:
    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._findings: list[Finding] = []
        self._files = 0
        self._bytes = 0
        self._rows: Counter[int] = Counter()
        self._statuses: Counter[str] = Counter()

    def run(self) -> VerifyReport:
        promised, complete = self._promised()
        for file, found in zip(promised, self._folder.storage.each(self._read, promised), strict=True):
            self._check(file, found)
        expected = sum(file.rows for file in promised if file.path.startswith(f"{layout.RESULTS}/"))
        self._check_rows(expected, complete)
        self._check_artifact()
        if complete:
            self._find_extra({file.path for file in promised})
            self._check_verdict()
        return VerifyReport(
            run_id=self._folder.run_id,
            complete=complete,
            files=self._files,
            bytes=self._bytes,
            rows=len(self._rows),
            rows_lost=max(expected - len(self._rows), 0),
            findings=tuple(self._findings),
        )

    def _promised(self) -> tuple[tuple[FileDigest, ...], bool]:
        try:
            manifest = self._folder.read_manifest()
        except ReqfloError as error:
            self._find(layout.MANIFEST, "damaged", error.cause or error.message)
            manifest = None
        if manifest is not None:
            return manifest.files, True
        files: list[FileDigest] = []
        for name in self._folder.storage.list(self._folder.path(layout.COMMITS)):
            try:
                commit = self._folder.read_commit(layout.number_of(name) or 0)
            except ReqfloError as error:
                self._find(f"{layout.COMMITS}/{name}", "damaged", error.cause or error.message)
                continue
            files += commit.files if commit else ()
        return tuple(files), False

    def _read(self, promised: FileDigest) -> bytes | ReqfloError | None:
        try:
            return self._folder.storage.read(self._folder.path(promised.path))
        except FileNotFoundError:
            return None
        except ReqfloError as error:
            return error

    def _check(self, promised: FileDigest, data: bytes | ReqfloError | None) -> None:
        self._files += 1
        if data is None:
            self._find(promised.path, "missing", f"the file is missing ({promised.rows} rows)")
            return
        if isinstance(data, ReqfloError):
            self._find(promised.path, "damaged", f"the file cannot be read: {data.cause or data.message}")
            return
        self._bytes += len(data)
        if len(data) != promised.size:
            self._find(promised.path, "damaged", f"the file has {len(data)} bytes instead of {promised.size}")
        elif hashlib.sha256(data).hexdigest() != promised.sha256:
            self._find(promised.path, "damaged", "the file does not have the SHA-256 that it was written with")
        elif promised.path.startswith((f"{layout.RESULTS}/", f"{layout.STEPS}/")):
            self._check_table(promised, data)

    def _check_table(self, promised: FileDigest, data: bytes) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        table: Any = pq.read_table(pa.BufferReader(data), columns=["row_index", "status"])
        if len(table) != promised.rows:
            self._find(promised.path, "row_count", f"the file has {len(table)} rows instead of {promised.rows}")
        if promised.path.startswith(f"{layout.RESULTS}/"):
            self._rows.update(table["row_index"].to_pylist())
            self._statuses.update(table["status"].to_pylist())

    def _check_rows(self, expected: int, complete: bool) -> None:
        twice = sorted(row for row, times in self._rows.items() if times > 1)
        if twice:
            self._find(
                layout.RESULTS, "verdict_twice", f"{len(twice)} rows have several verdicts, first row {twice[0]}"
            )
        if complete and not self._findings:
            missing = [row for row in range(expected) if row not in self._rows]
            if missing:
                self._find(
                    layout.RESULTS, "verdict_missing", f"{len(missing)} rows have no verdict, first row {missing[0]}"
                )

    def _check_artifact(self) -> None:
        digest = ""
        try:
            digest = self._folder.load_run().artifact
            self._folder.load_artifact(digest)
        except ReqfloError as error:
            if error.code == "unknown_run":
                raise
            if digest:
                self._find(f"../../{layout.artifact(digest)}", "artifact", error.message)
            else:
                self._find(layout.RECORD, "damaged", error.cause or error.message)

    def _find_extra(self, promised: set[str]) -> None:
        for folder in _FOLDERS:
            for name in self._folder.storage.list(self._folder.path(folder)):
                if f"{folder}/{name}" not in promised:
                    self._find(f"{folder}/{name}", "extra", "the manifest does not list this file")

    def _check_verdict(self) -> None:
        if self._findings:
            return
        data = self._folder.read_file(layout.VERDICT)
        counts = self._folder.decode(layout.VERDICT, data, Verdict).counts
        for status in Status:
            told, found = getattr(counts, status.value), self._statuses[status.value]
            if told != found:
                self._find(
                    layout.VERDICT, "counts", f"it counts {told} rows as {status.value}; the results have {found}"
                )

    def _find(self, path: str, kind: str, message: str) -> None:
        finding = Finding(path=path, kind=kind, message=message)
        if finding not in self._findings:
            self._findings.append(finding)
