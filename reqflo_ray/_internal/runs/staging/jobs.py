"""Carries out the parts of staging that may run anywhere, in any order, and repeatedly: each reads pieces of the
dataset, writes files of the run, and returns a small report. No row, key, or line of the dataset is in a report.

Where shards begin depends only on `sizes` and the rows of the whole dataset. A job writes the shards that begin in its
pieces; for the end of its last shard, it continues reading in the pieces that follow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import nsmallest
from itertools import islice
from typing import NamedTuple

import msgspec

from reqflo_ray._internal.datasets.faults import SHOWN, Faults, PassedOver
from reqflo_ray._internal.datasets.keys import KeyLedger, Place
from reqflo_ray._internal.datasets.pieces import Piece, unseen
from reqflo_ray._internal.datasets.rows import DatasetRows, Header, open_reader
from reqflo_ray._internal.engine.values.expectations import row_expectations
from reqflo_ray._internal.engine.values.supply import Supply
from reqflo_ray._internal.errors import StoreError
from reqflo_ray._internal.model.artifact import Artifact
from reqflo_ray._internal.model.plan import DatasetSource, Row, RunRecord
from reqflo_ray._internal.model.results import Status
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.runs.folder.run_files import damaged
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.runs.folder.sealing import make_sealer
from reqflo_ray._internal.runs.staging.earlier_rows import read_chosen
from reqflo_ray._internal.runs.staging.rows import RowSink
from reqflo_ray._internal.runs.staging.sizes import ShardSizes


class CountJob(msgspec.Struct, frozen=True, kw_only=True, tag="count"):
    """Count the rows of each piece."""

    number: int
    pieces: tuple[Piece, ...]


class RowsJob(msgspec.Struct, frozen=True, kw_only=True, tag="rows"):
    """Check the rows of `pieces`, which begin with row `first_row` of the dataset, and write the shards that begin
    there; `following` are pieces with the end of the last one. If there is a key column, keys are stored in
    `key_parts` files."""

    number: int
    pieces: tuple[Piece, ...]
    following: tuple[Piece, ...] = ()
    first_row: int
    sizes: ShardSizes
    header: Header | None = None
    key_parts: int = 1

    @property
    def rows(self) -> int:
        """The number of rows in the pieces."""
        return sum(piece.rows or 0 for piece in self.pieces)


class KeysJob(msgspec.Struct, frozen=True, kw_only=True, tag="keys"):
    """Find repeated keys in one part of the keys that the first `writers` jobs have stored."""

    number: int
    writers: int


class AgainJob(msgspec.Struct, frozen=True, kw_only=True, tag="again"):
    """Write shards with `rows` rows of run `earlier` that ended with one of `statuses` (None: with any), from the
    selected row `first_row` on. That row is the one after `skipped` selected rows, from shard `shard` of `earlier`
    on."""

    number: int
    earlier: str
    statuses: tuple[Status, ...] | None
    shard: int
    skipped: int
    first_row: int
    rows: int
    sizes: ShardSizes


Job = CountJob | RowsJob | KeysJob | AgainJob


class Refusal(NamedTuple):
    """An error of the store, in a form that can be sent."""

    message: str
    code: str
    cause: str
    hint: str

    @classmethod
    def of(cls, error: StoreError) -> Refusal:
        """Return the parts of an error that can be sent."""
        return cls(error.message, error.code, error.cause, error.hint)


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """How job `number` ended.

    For `CountJob`: the rows of each piece. For jobs that write: the SHA-256 of each shard, 32 bytes each, the number of
    findings, which are in a file, and the rows that were skipped. For `KeysJob`: the number of rows that repeat a key,
    and the first of them (file and line, and those of the first row with that key). `unseen` names a file that this
    process does not find, `refused` is the error of the store.
    """

    number: int
    rows: tuple[int, ...] = ()
    digests: bytes = b""
    findings: int = 0
    passed_over: PassedOver = PassedOver()
    repeated: int = 0
    first_repeated: tuple[tuple[Place, Place], ...] = ()
    unseen: str = ""
    refused: Refusal | None = None


def run_job(folder: RunFolder, job: Job) -> Report:
    """Carry out one job of the run of `folder`. Errors of the dataset and of the store are reported, and not raised."""
    try:
        if not folder.exists():
            return Report(number=job.number, unseen=folder.storage.uri)
        if isinstance(job, KeysJob):
            return _compare_keys(folder, job)
        if isinstance(job, AgainJob):
            return _write_again(folder, job)
        missing = unseen(job.pieces) or (unseen(job.following) if isinstance(job, RowsJob) else "")
        if missing:
            return Report(number=job.number, unseen=missing)
        record = folder.load_proven_run()
        source = record.dataset or DatasetSource()
        if isinstance(job, CountJob):
            return Report(number=job.number, rows=tuple(_count(piece, source) for piece in job.pieces))
        return _write_rows(folder, job, source, record, folder.load_artifact(record.artifact))
    except StoreError as error:
        return Report(number=job.number, refused=Refusal.of(error))


def _count(piece: Piece, source: DatasetSource) -> int:
    if piece.rows is not None:
        return piece.rows
    count, unheard = 0, Faults(show_text=False)
    with open_reader(piece.file, source, unheard) as reader:
        if reader is not None:
            reader.header()
            count = sum(1 for _ in reader.records())
    return count


def _write_rows(
    folder: RunFolder, job: RowsJob, source: DatasetSource, record: RunRecord, artifact: Artifact
) -> Report:
    required = frozenset(record.row_required)
    keys = KeyLedger(job.key_parts)
    expects = row_expectations(artifact, Supply(artifact, record.environment, record.inputs, record.me))
    dataset = DatasetRows(source, artifact, required, expects=expects, header=job.header, keys=keys)
    beyond = DatasetRows(source, artifact, required, header=job.header)
    sizes = job.sizes
    shard = sizes.first_shard(job.first_row)
    end = job.first_row + job.rows
    sink = RowSink(folder.storage, folder.run_id, make_sealer(folder, artifact, record), first=shard)
    rows = _read(dataset, job.pieces, job.first_row)
    read = sum(1 for _ in islice(rows, sizes.first_row(shard) - job.first_row))
    digests = bytearray()
    while batch := list(islice(rows, sizes.of(shard))):
        read += len(batch)
        if len(batch) < sizes.of(shard):
            batch += islice(_read(beyond, job.following, end), sizes.of(shard) - len(batch))
        shard += 1
        if not dataset.faults.count:
            digests += bytes.fromhex(sink.add(batch).sha256)
    if read != job.rows and not dataset.faults.count:
        name = job.pieces[0].file.name
        dataset.faults.add(
            "dataset_changed", f"`{name}` or a file after it changed while it was read", file=job.pieces[0].file
        )
    if source.key_column:
        for part in range(job.key_parts):
            folder.write_file(layout.staged_keys(job.number, part), keys.part(part))
    if dataset.faults.count:
        name = layout.staging_findings(job.number)
        folder.write_file(name, folder.encode(name, dataset.faults.findings()))
    faults = dataset.faults
    return Report(number=job.number, digests=bytes(digests), findings=faults.count, passed_over=faults.passed_over)


def _write_again(folder: RunFolder, job: AgainJob) -> Report:
    chosen = read_chosen(RunFolder(folder.storage, job.earlier), job.statuses, first_shard=job.shard)
    rows = islice(chosen, job.skipped, job.skipped + job.rows)
    numbered = (msgspec.structs.replace(row, index=index) for index, row in enumerate(rows, job.first_row))
    shard = job.sizes.first_shard(job.first_row)
    sink = RowSink(folder.storage, folder.run_id, first=shard)
    digests, written = bytearray(), 0
    while batch := list(islice(numbered, job.sizes.of(shard))):
        shard += 1
        digests += bytes.fromhex(sink.add(batch).sha256)
        written += len(batch)
    if written != job.rows:
        raise damaged(
            job.earlier,
            layout.RESULTS,
            f"{job.rows - written} rows that its commits count are missing",
        )
    return Report(number=job.number, digests=bytes(digests))


def _read(dataset: DatasetRows, pieces: Iterable[Piece], first_row: int) -> Iterator[Row]:
    for piece in pieces:
        for row in dataset.read_file(piece.file, first_row, piece.range):
            yield row
            first_row = row.index + 1


def _compare_keys(folder: RunFolder, job: KeysJob) -> Report:
    names = (layout.staged_keys(writer, job.number) for writer in range(job.writers))
    ledger = KeyLedger.joined(folder.read_file(name) for name in names)
    count = 0

    def counted() -> Iterator[tuple[Place, Place]]:
        nonlocal count
        for found in ledger.repeated():
            count += 1
            yield found

    first = nsmallest(SHOWN, counted())
    return Report(number=job.number, repeated=count, first_repeated=tuple(first))
