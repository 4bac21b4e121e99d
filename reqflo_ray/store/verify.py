"""Whether a run is what was written: every file against the manifest, every row against the plan. Changes nothing.

Parquet itself notices few flipped bits, so nothing but the digests proves a file.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from reqflo_ray.errors import ReqfloError
from reqflo_ray.model.results import FileDigest, Status, Verdict
from reqflo_ray.store import layout
from reqflo_ray.store.manifest import Manifest
from reqflo_ray.store.run_folder import RunFolder
from reqflo_ray.store.sealing import find_sealer

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


class RowNumbers:
    """Which rows have been seen. Those of an intact shard follow each other and take the memory of one range."""

    def __init__(self) -> None:
        self._ranges: list[range] = []

    def add(self, rows: list[int]) -> None:
        """Rows of a file have been seen."""
        whole = range(rows[0], rows[0] + len(rows)) if rows else range(0)
        self._ranges += [whole] if rows == list(whole) else (range(row, row + 1) for row in rows)

    def judged(self, expected: int) -> tuple[int, range, range]:
        """How many different rows there are; and two ranges that begin with the first row concerned and are as long as
        rows are many: what was seen again, and what is missing of the rows from 0 to before `expected`."""
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
        self._findings: dict[Finding, None] = {}
        self._files = 0
        self._bytes = 0
        self._promised_rows = 0
        self._rows = RowNumbers()
        self._statuses: Counter[str] = Counter()

    def run(self) -> VerifyReport:
        manifest = self._manifest()
        files = self._committed() if manifest is None else manifest.files
        for file, found in self._folder.storage.each(self._read, files):
            self._check(file, found)
        rows = self._check_rows(manifest is not None)
        self._check_artifact()
        if manifest is not None:
            self._find_extra(manifest)
            self._check_verdict()
        else:
            self._check_key()
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
            self._find(layout.MANIFEST, "damaged", error.cause or error.message)
            return None

    def _committed(self) -> Iterator[FileDigest]:
        for name in self._folder.storage.list(self._folder.path(layout.COMMITS)):
            try:
                commit = self._folder.read_commit(layout.number_of(name) or 0)
            except ReqfloError as error:
                self._find(f"{layout.COMMITS}/{name}", "damaged", error.cause or error.message)
                continue
            yield from commit.files if commit else ()

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

        # No threads of Arrow's: one that lets go of `data` while the process ends would end it with an abort.
        table: Any = pq.ParquetFile(pa.BufferReader(data)).read(columns=["row_index", "status"], use_threads=False)
        if len(table) != promised.rows:
            self._find(promised.path, "row_count", f"the file has {len(table)} rows instead of {promised.rows}")
        if promised.path.startswith(f"{layout.RESULTS}/"):
            self._rows.add(table["row_index"].to_pylist())
            self._statuses.update(table["status"].to_pylist())

    def _check_rows(self, complete: bool) -> int:
        seen, again, missing = self._rows.judged(self._promised_rows)
        if again:
            self._find(
                layout.RESULTS, "verdict_twice", f"{len(again)} rows have several verdicts, first row {again.start}"
            )
        if complete and missing and not self._findings:
            self._find(
                layout.RESULTS, "verdict_missing", f"{len(missing)} rows have no verdict, first row {missing.start}"
            )
        return seen

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

    def _check_key(self) -> None:
        try:
            find_sealer(self._folder)
        except ReqfloError as error:
            self._find(layout.SEALING_KEY, "damaged", error.cause or error.message)

    def _find_extra(self, manifest: Manifest) -> None:
        for folder in _FOLDERS:
            promised = manifest.names(folder)
            for name in self._folder.storage.list(self._folder.path(folder)):
                if name not in promised:
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
        self._findings[Finding(path=path, kind=kind, message=message)] = None
