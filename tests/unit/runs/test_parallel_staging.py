"""Staging in jobs: whoever does which job in whatever order, rows, shards and findings are those of staging alone."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from staging_executors import UnorderedExecutor

from reqflo_ray._internal.datasets.faults import SHOWN, DataFile
from reqflo_ray._internal.datasets.pieces import Piece, split_dataset, unseen
from reqflo_ray._internal.errors import ClusterError, DatasetError, Problem, ReqfloError, StoreError
from reqflo_ray._internal.model.artifact import Artifact, Input, JourneyIdentity
from reqflo_ray._internal.model.plan import DatasetSource, Plan, RunRecord
from reqflo_ray._internal.model.values import ValueType
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.runs.folder.artifacts import save_artifact
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.runs.folder.sealing import make_sealer
from reqflo_ray._internal.runs.staging import parallel as parallel_staging
from reqflo_ray._internal.runs.staging.jobs import Job, Report, RowsJob
from reqflo_ray._internal.runs.staging.parallel import OutOfSight, stage_with
from reqflo_ray._internal.runs.staging.rows import RowSink, read_rows, stage
from reqflo_ray._internal.runs.staging.sizes import ShardSizes
from reqflo_ray._internal.storage.local import LocalStorage

INPUTS = (
    Input(name="id", required=True),
    Input(name="n", type=ValueType.INTEGER),
    Input(name="text"),
)


def _sizes(sizes: ShardSizes | int) -> ShardSizes:
    return ShardSizes(sizes) if isinstance(sizes, int) else sizes


class Bench:
    """A folder with a dataset, and two runs that stage it: one alone, one with a executor."""

    def __init__(self, path: Path, inputs: tuple[Input, ...] = INPUTS) -> None:
        self.path = path
        self.artifact = Artifact(journey=JourneyIdentity(name="j"), inputs=inputs)
        self.storage = LocalStorage(path / "store")
        self.files: list[str] = []
        self.remarks: list[Problem] = []

    def put(self, name: str, data: str | bytes) -> str:
        path = self.path / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        self.files.append(str(path))
        return str(path)

    def source(self, key: str = "id") -> DatasetSource:
        return DatasetSource(files=tuple(self.files), key_column=key)

    def run(self, run_id: str, key: str = "id", required: Sequence[str] = ("id",)) -> RunFolder:
        folder = RunFolder(self.storage, run_id)
        folder.create_run(
            RunRecord(
                run_id=run_id,
                nonce="00",
                created_at="2026-01-01T00:00:00Z",
                artifact=save_artifact(self.storage, self.artifact),
                journey="j",
                dataset=self.source(key),
                row_required=tuple(required),
            )
        )
        return folder

    def alone(self, sizes: ShardSizes | int, key: str = "id", required: Sequence[str] = ("id",)) -> Plan:
        folder = self.run("alone", key, required)
        sink = RowSink(self.storage, "alone", make_sealer(folder, self.artifact, folder.load_run()))
        staged = stage(self.source(key), self.artifact, sink=sink, sizes=_sizes(sizes), required=frozenset(required))
        self.remarks += staged.warnings
        return staged.shards

    def together(
        self, executor: UnorderedExecutor, sizes: ShardSizes | int, key: str = "id", required: Sequence[str] = ("id",)
    ) -> Plan:
        folder = self.run("together", key, required)
        dataset = split_dataset(self.source(key), self.artifact, frozenset(required), piece_bytes=executor.job_bytes)
        try:
            return stage_with(
                executor,
                folder,
                self.source(key),
                dataset,
                choose=lambda rows: _sizes(sizes),
                show_text=not self.artifact.sensitive_names,
                notice=self.remarks.append,
            )
        finally:
            assert self.storage.list(folder.path(layout.STAGING)) == []

    def shards(self, run_id: str) -> list[bytes]:
        folder = f"{layout.run(run_id)}/{layout.ROWS}"
        return [self.storage.read(f"{folder}/{name}") for name in self.storage.list(folder)]


@contextmanager
def unsynced() -> Iterator[pytest.MonkeyPatch]:
    """Let no write wait for the disk: power cuts are not what is tested here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda descriptor: None)
        yield patch


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with unsynced():
        yield Bench(tmp_path)


def csv(rows: Sequence[dict[str, Any]]) -> str:
    quoted = ('"' + str(row["text"]).replace('"', '""') + '"' for row in rows)
    return "id,n,text\n" + "".join(f"{row['id']},{row['n']},{text}\n" for row, text in zip(rows, quoted, strict=True))


def parquet(rows: Sequence[dict[str, Any]], group: int) -> bytes:
    output = pa.BufferOutputStream()
    columns: dict[str, pa.DataType] = {"id": pa.string(), "n": pa.int64(), "text": pa.string()}
    pq.write_table(pa.Table.from_pylist(list(rows), schema=pa.schema(columns)), output, row_group_size=group)
    return bytes(output.getvalue())


def written(kind: str, rows: Sequence[dict[str, Any]], group: int) -> str | bytes:
    match kind:
        case "csv":
            return csv(rows)
        case "csv.gz":
            return gzip.compress(csv(rows).encode())
        case "jsonl":
            return "".join(json.dumps(row) + "\n" for row in rows)
        case "json":
            return json.dumps(rows)
        case _:
            return parquet(rows, group)


KINDS = ("csv", "csv.gz", "jsonl", "json", "parquet")


@given(
    st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 12), st.integers(1, 5)), min_size=1, max_size=5),
    st.builds(ShardSizes.even, st.integers(1, 60), st.integers(1, 20)),
    st.integers(1, 600),
    st.integers(0, 3),
    st.integers(1, 20),
)
@example([("parquet", 7, 1), ("csv", 0, 1), ("csv", 1, 1), ("jsonl", 1, 1), ("parquet", 2, 1)], ShardSizes(9), 1, 0, 1)
@settings(max_examples=40, deadline=None)
def test_shards_are_the_same_to_the_byte_whoever_stages_them(
    files: list[tuple[str, int, int]], sizes: ShardSizes, job_bytes: int, seed: int, rows_per_key_part: int
) -> None:
    with unsynced() as patch, TemporaryDirectory() as path:
        patch.setattr(parallel_staging, "ROWS_PER_KEY_PART", rows_per_key_part)
        bench, count = Bench(Path(path)), 0
        for number, (kind, size, group) in enumerate(files):
            rows = [{"id": f"k{at}", "n": at, "text": 'a "b"\n' * (at % 3)} for at in range(count, count + size)]
            bench.put(f"{number}.{kind}", written(kind, rows, group))
            count += size
        alone = bench.alone(sizes)
        assert bench.together(UnorderedExecutor(job_bytes, seed), sizes) == alone
        assert bench.shards("together") == bench.shards("alone")
        assert sum(shard.rows for shard in alone) == count


ODD = st.sampled_from(["good", "good", "good", "ragged", "no number", "no key", "repeated", "quote"])


def faulty(kind: str, row: int, fault: str) -> str:
    identity = {"no key": "", "repeated": "k0"}.get(fault, f"k{row}")
    number = "many" if fault == "no number" else str(row)
    if kind == "csv":
        text = {"ragged": "a,b", "quote": 'a"b'}.get(fault, "t")
        return f"{identity},{number},{text}\n"
    return {"ragged": "[]\n", "quote": '{"id": "\n'}.get(fault, json.dumps({"id": identity, "n": number}) + "\n")


@given(st.lists(st.tuples(st.sampled_from(["csv", "jsonl"]), st.lists(ODD, max_size=14)), min_size=1, max_size=4))
@example([("csv", ["repeated"] * 30), ("csv", ["ragged"] * 3), ("jsonl", ["repeated"] * 3)])
@settings(max_examples=40, deadline=None)
def test_findings_are_the_same_in_number_order_place_and_wording(files: list[tuple[str, list[str]]]) -> None:
    with unsynced(), TemporaryDirectory() as path:
        bench, row = Bench(Path(path)), 0
        for number, (kind, faults) in enumerate(files):
            lines = ["id,n,text\n"] if kind == "csv" else []
            for fault in faults:
                lines.append(faulty(kind, row, fault))
                row += 1
            bench.put(f"{number}.{kind}", "".join(lines))
        assert told(lambda: bench.together(UnorderedExecutor(), 3)) == told(lambda: bench.alone(3))


def told(staging: Any) -> Any:
    """The shards, or what is said instead of them."""
    try:
        return staging()
    except DatasetError as error:
        return error.message, error.code, error.exit_code, error.problems


def same_error(bench: Bench, code: str, **options: Any) -> DatasetError:
    """The error of both ways to stage, which must be one; nothing stays stored after it."""
    assert told(lambda: bench.together(UnorderedExecutor(), 2, **options)) == told(lambda: bench.alone(2, **options))
    bench.storage.remove_tree(layout.RUNS)
    with pytest.raises(DatasetError) as caught:
        bench.together(UnorderedExecutor(), 2, **options)
    assert caught.value.code == code
    assert bench.shards("together") == []
    return caught.value


def test_delimiters_and_rows_of_nothing_are_the_same_whoever_reads_them(bench: Bench) -> None:
    bench.put("a.csv", "id;n;text\n1;1;a\n;;\n;;\n2;2;b\n")
    bench.put("b.csv", "sep=|\nid|n|text\n3|3|c\n||\n")
    bench.put("c.tsv", "id\tn\ttext\n \t\t\n4\t4\td\n5\t5\te,f\n")
    alone = bench.alone(2)
    assert alone.rows == 5
    assert bench.together(UnorderedExecutor(job_bytes=1), 2) == alone
    assert bench.shards("alone") == bench.shards("together")
    first, second = bench.remarks
    assert first == second
    assert first.message == "4 rows of empty cells are skipped"
    assert str(first.position).endswith("a.csv:3:1")


def test_a_ragged_row_in_the_second_file_is_found_at_its_line(bench: Bench) -> None:
    bench.put("a.csv", "id,n\nk1,1\nk2,2\n")
    second = bench.put("b.csv", "id,n\nk3,3\nk4\n")
    error = same_error(bench, "wrong_cell_count")
    assert str(error.position) == f"{second}:3:1"


def test_a_key_of_another_file_is_found_with_both_places(bench: Bench) -> None:
    first = bench.put("a.parquet", parquet([{"id": f"k{n}", "n": n, "text": ""} for n in range(9)], 2))
    bench.put("b.csv", "text,n,id\na,1,k9\na,1,k7\n")
    bench.put("c.jsonl", '{"id": "k7"}\n')
    error = same_error(bench, "duplicate_key")
    assert [problem.message for problem in error.problems] == [
        f"the key in column `id` is already used at {first}:8" for _ in range(2)
    ]


def test_of_very_many_repeated_keys_the_first_are_told_and_the_rest_counted(bench: Bench) -> None:
    for number in range(3):
        bench.put(f"{number}.csv", "id\n" + "".join(f"k{row}\n" for row in range(30)))
    error = same_error(bench, "duplicate_key")
    assert [problem.position.line for problem in error.problems if problem.position] == list(range(2, 2 + SHOWN))
    assert error.problems[-1].message == "the dataset has 40 more problems"


def test_a_required_value_that_is_missing_is_found(bench: Bench) -> None:
    bench.put("a.csv", "id,n\nk1,1\n")
    second = bench.put("b.csv", "id,n\nk2,\n")
    error = same_error(bench, "missing_value", required=("id", "n"))
    assert str(error.position).startswith(f"{second}:2")


def test_a_file_with_other_columns_and_a_missing_file_are_told_together(bench: Bench) -> None:
    bench.put("a.csv", "id,n\nk1,1\n")
    bench.put("b.parquet", parquet([{"id": f"k{n}", "n": n, "text": ""} for n in range(2, 9)], 2))
    bench.files.append(str(bench.path / "none.csv"))
    error = same_error(bench, "different_columns")
    assert {problem.code for problem in error.problems} == {"no_such_file", "different_columns"}


def test_a_damaged_row_group_is_found_by_whoever_reads_it(bench: Bench) -> None:
    whole = parquet([{"id": f"key {n}", "n": n, "text": "t"} for n in range(12)], 4)
    damaged = bytearray(whole)
    start = pq.ParquetFile(pa.BufferReader(whole)).metadata.row_group(1).column(0).dictionary_page_offset
    assert start is not None
    damaged[start : start + 20] = bytes(20)
    bench.put("a.parquet", bytes(damaged))
    error = same_error(bench, "damaged_parquet")
    assert "after row 4" in error.message


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("bad.parquet", b"PAR1 and nothing else"),
        ("bad.xlsx", b"PK\x03\x04 a spreadsheet"),
        ("bad.csv.gz", gzip.compress(csv([{"id": f"q{n}", "n": n, "text": "t"} for n in range(999)]).encode())[:-40]),
        ("bad.csv", b""),
        ("bad.json", b"{}"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_like_by_one_reader(bench: Bench, name: str, data: bytes) -> None:
    bench.put("a.csv", "id,n\nk1,1\n")
    bench.put(name, data)
    bench.put("c.csv", "id,n\nk2,2,\n")
    error = told(lambda: bench.together(UnorderedExecutor(), 2))
    assert error == told(lambda: bench.alone(2))
    assert len(error[3]) >= 2


def test_sensitive_values_are_sealed_by_the_jobs_and_quoted_by_nobody(tmp_path: Path) -> None:
    bench = Bench(tmp_path, (Input(name="id"), Input(name="pin", sensitive=True)))
    for number in range(3):
        bench.put(f"{number}.csv", "id,pin\n" + "".join(f"k{number}-{row},very-secret-{row}\n" for row in range(5)))
    shards = bench.together(UnorderedExecutor(), 4)
    assert not any(b"very-secret" in data for data in bench.shards("together"))
    folder = RunFolder(bench.storage, "together")
    sealer = make_sealer(folder, bench.artifact, folder.load_run())
    rows = [
        row
        for shard in shards
        for row in read_rows(bench.storage, folder.path(layout.rows(shard.shard)), sha256=shard.sha256, sealer=sealer)
    ]
    assert [row.values["pin"] for row in rows] == [f"very-secret-{row}" for _ in range(3) for row in range(5)]
    bench.put("3.csv", "id,pin\nk1-1,very-secret\nk3-2,very,secret\n")
    bench.storage.remove_tree(layout.RUNS)
    with pytest.raises(DatasetError) as caught:
        bench.together(UnorderedExecutor(), 4)
    assert "secret" not in repr(caught.value.problems)


def test_the_key_may_not_be_sensitive(tmp_path: Path) -> None:
    bench = Bench(tmp_path, (Input(name="id", sensitive=True),))
    bench.put("a.csv", "id\n1\n")
    with pytest.raises(DatasetError) as caught:
        bench.together(UnorderedExecutor(), 4)
    assert caught.value.code == "sensitive_key"


def test_a_dataset_without_rows_has_no_shard(bench: Bench) -> None:
    bench.put("a.csv", "id,n\n")
    bench.put("b.csv", "")
    bench.put("c.jsonl", "\n")
    assert told(lambda: bench.together(UnorderedExecutor(), 4)) == told(lambda: bench.alone(4))
    bench.files.remove(str(bench.path / "b.csv"))
    bench.storage.remove_tree(layout.RUNS)
    assert bench.together(UnorderedExecutor(), 4) == bench.alone(4) == Plan()


def test_a_large_parquet_file_is_split_and_small_files_are_read_together(bench: Bench) -> None:
    bench.put("a.parquet", parquet([{"id": f"k{n}", "n": n, "text": ""} for n in range(12)], 3))
    for number in range(8):
        bench.put(f"{number}.csv", f"id,n,text\nq{number},1,\n")
    apart = split_dataset(bench.source(), bench.artifact, frozenset(), piece_bytes=1)
    assert [(piece.groups, piece.rows) for piece in apart.pieces[:4]] == [((at, at + 1), 3) for at in range(4)]
    joined = split_dataset(bench.source(), bench.artifact, frozenset(), piece_bytes=10**6)
    assert [(piece.groups, piece.rows) for piece in joined.pieces] == [((0, 4), 12), *[(None, None)] * 8]
    executor = UnorderedExecutor(job_bytes=60)
    bench.together(executor, 5)
    sizes = {job.number: len(job.pieces) for job in executor.done if isinstance(job, RowsJob)}
    assert sum(sizes.values()) == len(split_dataset(bench.source(), bench.artifact, frozenset(), piece_bytes=60).pieces)
    assert max(sizes.values()) > 1


def test_a_file_that_a_worker_does_not_find_is_named_and_nothing_stays(bench: Bench) -> None:
    bench.put("a.csv", "id,n\nk1,1\n")
    moved = bench.put("b.csv", "id,n\nk2,2\n")

    class Elsewhere(UnorderedExecutor):
        def carry_out(self, folder: RunFolder, jobs: Sequence[Job]) -> Iterator[Report]:
            Path(moved).unlink(missing_ok=True)
            return super().carry_out(folder, jobs)

    with pytest.raises(OutOfSight) as caught:
        bench.together(Elsewhere(), 1)
    assert caught.value.place == moved
    assert bench.shards("together") == []


def test_a_file_that_is_gone_from_the_cloud_is_out_of_sight(tmp_path: Path) -> None:
    there = DataFile(0, (tmp_path / "a.csv").as_uri())
    (tmp_path / "a.csv").write_text("id\n1\n")
    piece = Piece(file=there, file_bytes=5, size=5)
    assert unseen([piece]) == ""
    assert unseen([piece, msgspec.structs.replace(piece, file_bytes=6)]) == there.name
    (tmp_path / "a.csv").unlink()
    assert unseen([piece]) == there.name


def test_a_worker_without_the_store_is_told(bench: Bench, tmp_path: Path) -> None:
    bench.put("a.csv", "id,n\nk1,1\n")

    class Elsewhere(UnorderedExecutor):
        def carry_out(self, folder: RunFolder, jobs: Sequence[Job]) -> Iterator[Report]:
            return super().carry_out(RunFolder(LocalStorage(tmp_path / "other"), folder.run_id), jobs)

    with pytest.raises(OutOfSight):
        bench.together(Elsewhere(), 1)


def test_a_file_that_grows_between_counting_and_reading_is_refused(bench: Bench) -> None:
    bench.put("a.csv", "id,n\nk1,1\n\n\n\n\n")
    bench.put("b.csv", "id,n\nk2,2\n")

    class Slow(UnorderedExecutor):
        def carry_out(self, folder: RunFolder, jobs: Sequence[Job]) -> Iterator[Report]:
            if isinstance(jobs[0], RowsJob):  # as large as it was, with a row more
                (bench.path / "a.csv").write_text("id,n\nk1,1\n3,\n\n")
            return super().carry_out(folder, jobs)

    with pytest.raises(DatasetError) as caught:
        bench.together(Slow(), 1)
    assert caught.value.code == "dataset_changed"


def test_what_the_store_refuses_in_a_job_is_its_error(bench: Bench) -> None:
    bench.put("a.csv", "id,n\nk1,1\n")
    folder = bench.run("together")
    (bench.path / "store" / folder.path(layout.ROWS)).write_text("a file where the rows should be")
    with pytest.raises(StoreError) as caught:
        bench.together(UnorderedExecutor(), 1)
    assert isinstance(caught.value, ReqfloError) and layout.ROWS in caught.value.message


def test_staging_that_was_interrupted_is_done_again_with_the_same_bytes(bench: Bench) -> None:
    for number in range(3):
        bench.put(f"{number}.csv", csv([{"id": f"{number}-{row}", "n": row, "text": "t"} for row in range(5)]))

    class Dying(UnorderedExecutor):
        def carry_out(self, folder: RunFolder, jobs: Sequence[Job]) -> Iterator[Report]:
            yield from super().carry_out(folder, jobs[:1] if isinstance(jobs[0], RowsJob) else jobs)
            if isinstance(jobs[0], RowsJob):
                raise ClusterError("the cluster is gone")

    with pytest.raises(ClusterError):
        bench.together(Dying(), 4)
    assert 0 < len(bench.shards("together")) < 4
    assert bench.together(UnorderedExecutor(), 4) == bench.alone(4)
    assert bench.shards("together") == bench.shards("alone")


def test_a_report_that_is_missing_is_noticed(bench: Bench) -> None:
    bench.put("a.csv", "id,n\nk1,1\n")
    bench.put("b.csv", "id,n\nk2,2\n")

    class Forgetful(UnorderedExecutor):
        def carry_out(self, folder: RunFolder, jobs: Sequence[Job]) -> Iterator[Report]:
            reports = list(super().carry_out(folder, jobs))
            return iter(reports[1:] if isinstance(jobs[0], RowsJob) else reports)

    with pytest.raises(StoreError) as caught:
        bench.together(Forgetful(), 1)
    assert caught.value.code == "staging_incomplete"
