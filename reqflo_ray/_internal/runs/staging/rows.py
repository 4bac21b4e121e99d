"""Freezes the rows of a run: numbered, in shard files that never change, with a plan that is written last, so that what
ran can be seen and run again. It must not know how rows are executed, nor the formats of datasets.

`rows/shard-NNNNN.parquet` has the columns `row_index` (int64), `row_key`, `values` (a JSON object as text, with every
digit), `location`, and `sealed` (binary) if a row has sensitive values. `plan.parquet` has a line per shard, with the
SHA-256 of its rows file, and a checksum of all lines in its metadata.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import Any, Final, Protocol

import msgspec

from reqflo_ray._internal.datasets.rows import DatasetRows
from reqflo_ray._internal.engine.values.expectations import RowExpectations
from reqflo_ray._internal.errors import DatasetError, IntegrityError, Problem
from reqflo_ray._internal.model import json_text
from reqflo_ray._internal.model.artifact import Artifact
from reqflo_ray._internal.model.plan import DatasetSource, Plan, Row, ShardPlan
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.runs.folder.document import started_digest
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.runs.folder.sealing import Sealer, gone
from reqflo_ray._internal.runs.staging.sizes import ShardSizes
from reqflo_ray._internal.storage.protocol import Storage

_PLAN_BATCH: Final = 1_000
_CHECKSUM: Final = "checksum"
_NO_FILE: Final = hashlib.sha256().hexdigest()

_ENCODINGS: Final = {
    "row_index": "DELTA_BINARY_PACKED",
    "row_key": "DELTA_BYTE_ARRAY",
    "location": "DELTA_BYTE_ARRAY",
}

_encode = json_text.encode_exactly
_decode = json_text.reader(dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedDataset:
    """What was staged: the number of rows, the columns in the files, the shards. `warnings` are about rows without a
    value that assertions expect."""

    rows: int
    columns: tuple[str, ...]
    shards: Plan
    warnings: tuple[Problem, ...] = ()


class Sink(Protocol):
    """A target for the rows of one shard after another."""

    def add(self, rows: Sequence[Row]) -> ShardPlan:
        """Store the next shard: at least one row, in order."""
        ...

    def discard(self) -> None:
        """Remove what was stored so far."""
        ...


def stage(
    source: DatasetSource | None,
    artifact: Artifact,
    *,
    sink: Sink,
    sizes: ShardSizes,
    required: frozenset[str] = frozenset(),
    expects: RowExpectations = RowExpectations(),
) -> StagedDataset:
    """Read the dataset once and pass its rows to `sink`, a shard at a time; without a dataset, one row without values.

    Memory grows by 56 bytes per shard, and by 24 bytes per row if there is a key column. A dataset without rows gives
    no shard.

    Args:
        required: the inputs that only the row can supply.
        expects: what assertions expect of the rows.

    Raises:
        DatasetError: rows that cannot be used, all of them in one error; nothing stays stored.
        StoreError: the sink cannot write.
    """
    if source is None or not source.files:
        return StagedDataset(rows=1, columns=(), shards=Plan([sink.add([Row(index=0, key="", values={})])]))
    dataset = DatasetRows(source, artifact, required, expects=expects)
    rows = dataset.read()
    shards = Plan()
    try:
        while batch := list(islice(rows, sizes.of(len(shards)))):
            if not dataset.faults.count:
                shards.append(sink.add(batch))
    except DatasetError:
        sink.discard()
        raise
    warnings = (*dataset.gaps, *dataset.faults.passed_over.remarks())
    return StagedDataset(rows=shards.rows, columns=dataset.columns, shards=shards, warnings=warnings)


class RowSink:
    """Writes shard files of one run, numbered from `first`. Sensitive values need a `sealer`."""

    def __init__(self, storage: Storage, run_id: str, sealer: Sealer | None = None, *, first: int = 0) -> None:
        self._storage = storage
        self._sealer = sealer
        self._folder = layout.run(run_id)
        self._first = self._next = first

    def add(self, rows: Sequence[Row]) -> ShardPlan:
        """Write the next shard durably. Raises `StoreError`."""
        data = encode_rows(rows, self._sealer)
        self._storage.write(f"{self._folder}/{layout.rows(self._next)}", data)
        self._next += 1
        return ShardPlan(
            shard=self._next - 1, first_row=rows[0].index, rows=len(rows), sha256=hashlib.sha256(data).hexdigest()
        )

    def discard(self) -> None:
        """Remove the files written so far. Raises `StoreError`."""
        for shard in range(self._first, self._next):
            self._storage.remove(f"{self._folder}/{layout.rows(shard)}")
        self._next = self._first


class NoSink:
    """Stores nothing: for checking a dataset without staging it."""

    def add(self, rows: Sequence[Row]) -> ShardPlan:
        """Count the rows."""
        return ShardPlan(shard=0, first_row=rows[0].index, rows=len(rows), sha256=_NO_FILE)

    def discard(self) -> None:
        """Do nothing, because nothing is stored."""


def encode_rows(rows: Sequence[Row], sealer: Sealer | None = None) -> bytes:
    """Return the bytes of a rows file; the same rows give the same bytes."""
    sealed: list[bytes] = []
    if sealer is not None:
        parts = [sealer.seal_row(row.index, row.values) for row in rows]
        rows = [msgspec.structs.replace(row, values=shown) for row, (shown, _) in zip(rows, parts, strict=True)]
        sealed = [hidden for _, hidden in parts]
    columns = {
        "row_index": _integers(row.index for row in rows),
        "row_key": _texts([json_text.well_formed(row.key).encode() for row in rows]),
        "values": _texts([_encode(row.values) for row in rows]),
        "location": _texts([json_text.well_formed(row.location).encode() for row in rows]),
        **({"sealed": _binaries(sealed)} if any(sealed) else {}),
    }
    return _to_parquet(columns, _ENCODINGS)


def read_rows(storage: Storage, path: str, *, sha256: str, sealer: Sealer | None = None) -> list[Row]:
    """Return the rows of one shard, as they were staged.

    Raises:
        IntegrityError: the file is missing, or is not the one in the plan; `sealed_values_gone` if rows have sensitive
            values and there is no sealer.
        StoreError: it cannot be read.
    """
    try:
        data = storage.read(path)
    except FileNotFoundError:
        raise _damaged(path, "is missing") from None
    if hashlib.sha256(data).hexdigest() != sha256:
        raise _damaged(path, f"is not what was staged: its SHA-256 differs from that in `{layout.PLAN}`")
    table, _ = _from_parquet(data, path)
    columns = (table.column(name).to_pylist() for name in ("row_index", "row_key", "values", "location"))
    rows = [
        Row(index=index, key=key, values=_decode(values), location=location)
        for index, key, values, location in zip(*columns, strict=True)
    ]
    if "sealed" not in table.column_names:
        return rows
    return [_open(row, sealed, sealer) for row, sealed in zip(rows, table.column("sealed").to_pylist(), strict=True)]


def _open(row: Row, sealed: bytes, sealer: Sealer | None) -> Row:
    if not sealed:
        return row
    if sealer is None:
        raise gone()
    return msgspec.structs.replace(row, values={**row.values, **sealer.open_row(row.index, sealed)})


def write_plan(storage: Storage, run_id: str, plan: Plan) -> Plan:
    """Write the plan of a run, after all rows files; return the plan that counts.

    If two drivers stage the same run, one wins, and both get the plan of the winner.

    Raises:
        StoreError: the plan cannot be written.
    """
    place = f"{layout.run(run_id)}/{layout.PLAN}"
    columns = {
        "shard": _integers(plan.shards),
        "first_row": _integers(line.first_row for line in plan),
        "rows": _integers(line.rows for line in plan),
        "sha256": _texts([line.sha256.encode() for line in plan]),
    }
    storage.create(place, _to_parquet(columns, {}, {_CHECKSUM: _plan_checksum(plan, place)}))
    return read_plan(storage, run_id) or Plan()


def read_plan(storage: Storage, run_id: str) -> Plan | None:
    """Return the plan of a run; None if it is not staged yet. Shards and rows are numbered from 0 without gaps.

    Raises:
        IntegrityError: the file is damaged.
        StoreError: it cannot be read.
    """
    path = f"{layout.run(run_id)}/{layout.PLAN}"
    try:
        data = storage.read(path)
    except FileNotFoundError:
        return None
    plan, rows = Plan(), 0
    table, metadata = _from_parquet(data, path)
    try:
        for batch in table.to_batches(max_chunksize=_PLAN_BATCH):
            for line in msgspec.convert(batch.to_pylist(), list[ShardPlan]):
                if (line.shard, line.first_row) != (len(plan), rows):
                    found = f"shard {line.shard} from row {line.first_row}"
                    raise ValueError(f"{found} in the place of shard {len(plan)} from row {rows}")
                plan.append(line)
                rows += line.rows
    except (ValueError, OverflowError) as problem:  # also raised by msgspec
        raise _damaged(path, f"is damaged: {problem}") from None
    checksum = metadata.get(_CHECKSUM.encode())  # a plan of 0.1.0 has none
    if checksum is not None and checksum != _plan_checksum(plan, path).encode():
        raise _damaged(path, "is damaged: its checksum is wrong")
    return plan


def need_plan(storage: Storage, run_id: str) -> Plan:
    """Return the plan of a run that is known to be staged.

    Raises:
        IntegrityError: the file is missing or damaged.
        StoreError: it cannot be read.
    """
    plan = read_plan(storage, run_id)
    if plan is None:
        raise _damaged(f"{layout.run(run_id)}/{layout.PLAN}", "is missing")
    return plan


def planned(folder: RunFolder) -> Plan | None:
    """Return the plan of a run, None if its rows are not staged yet. Raises as `need_plan`."""
    plan = read_plan(folder.storage, folder.run_id)
    if plan is None and folder.is_begun():
        # If a shard was started, there was a plan; it is read again, because it may have been written meanwhile.
        return need_plan(folder.storage, folder.run_id)
    return plan


def _plan_checksum(plan: Plan, place: str) -> str:
    """Return the checksum of the lines of a plan at its place in the store."""
    digest = started_digest(place)
    for line in plan:
        digest.update(b"%d %d %d %b\n" % (line.shard, line.first_row, line.rows, line.sha256.encode()))
    return digest.hexdigest()


# Arrays are created from buffers, because `pyarrow.array` would import pandas, which takes a second.
def _integers(values: Iterable[int]) -> Any:
    import pyarrow as pa

    numbers = array("q", values)
    return pa.Array.from_buffers(pa.int64(), len(numbers), [None, pa.py_buffer(numbers)])


def _texts(values: list[bytes]) -> Any:
    import pyarrow as pa

    return _binaries(values, pa.large_string())


def _binaries(values: list[bytes], kind: Any = None) -> Any:
    import pyarrow as pa

    ends = array("q", accumulate(map(len, values), initial=0))
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(b"".join(values))]
    return pa.Array.from_buffers(kind or pa.large_binary(), len(values), buffers)


def _to_parquet(columns: dict[str, Any], encodings: dict[str, str], metadata: dict[str, str] | None = None) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    sink = pa.BufferOutputStream()
    table = pa.Table.from_arrays(list(columns.values()), names=list(columns))
    with parquet.ParquetWriter(
        sink,
        table.schema,
        compression="zstd",
        compression_level=1,
        use_dictionary=False,
        write_statistics=False,
        store_schema=False,
        column_encoding=encodings or None,
    ) as writer:
        writer.write_table(table)
        if metadata:
            writer.add_key_value_metadata(metadata)
    return bytes(sink.getvalue())


def _from_parquet(data: bytes, path: str) -> tuple[Any, dict[bytes, bytes]]:
    """Return the table and the metadata of the file."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(pa.BufferReader(data))
        return file.read(use_threads=False), file.metadata.metadata or {}
    except (OSError, ValueError) as problem:
        cause = str(problem).partition("\n")[0]
        raise _damaged(path, f"is damaged: {cause}") from None


def _damaged(path: str, what: str) -> IntegrityError:
    return IntegrityError(
        f"`{path}` {what}",
        hint="restore the store from a copy, or start a new run; the rows of this one cannot be staged again",
    )
