"""Frozen rows: shard files and the plan are written once, read back exactly, and never trusted unseen."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqflo_ray._internal.errors import DatasetError, IntegrityError, StoreError
from reqflo_ray._internal.model.artifact import Artifact, JourneyIdentity
from reqflo_ray._internal.model.plan import DatasetSource, Plan, Row, ShardPlan
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.runs.staging.rows import (
    RowSink,
    encode_rows,
    read_plan,
    read_rows,
    stage,
    write_plan,
)
from reqflo_ray._internal.runs.staging.sizes import ShardSizes
from reqflo_ray._internal.storage.local import LocalStorage
from reqflo_ray._internal.storage.protocol import Storage

ARTIFACT = Artifact(journey=JourneyIdentity(name="j"))
RUN = "run-1"


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "store")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.csv"
    path.write_text("id,name\n" + "".join(f"{number},n{number}\n" for number in range(25)))
    return path


def source(path: Path, **options: Any) -> DatasetSource:
    return DatasetSource(files=(str(path),), **options)


def rows_of(storage: Storage, plan: ShardPlan) -> list[Row]:
    return read_rows(storage, f"{layout.run(RUN)}/{layout.rows(plan.shard)}", sha256=plan.sha256)


def test_a_dataset_becomes_numbered_shards_that_are_read_back_as_they_were(storage: LocalStorage, data: Path) -> None:
    staged = stage(source(data, key_column="id"), ARTIFACT, sink=RowSink(storage, RUN), sizes=ShardSizes(10))
    assert (staged.rows, staged.columns) == (25, ("id", "name"))
    assert [(shard.shard, shard.first_row, shard.rows) for shard in staged.shards] == [
        (0, 0, 10),
        (1, 10, 10),
        (2, 20, 5),
    ]
    rows = [row for shard in staged.shards for row in rows_of(storage, shard)]
    assert [row.index for row in rows] == list(range(25))
    assert rows[24] == Row(index=24, key="24", values={"id": "24", "name": "n24"}, location=f"{data}:26")


def test_without_a_dataset_there_is_one_row_without_values(storage: LocalStorage) -> None:
    for nothing in (None, DatasetSource()):
        staged = stage(nothing, ARTIFACT, sink=RowSink(storage, RUN), sizes=ShardSizes(10))
        assert (staged.rows, staged.columns) == (1, ())
        assert rows_of(storage, staged.shards[0]) == [Row(index=0, key="", values={})]


def test_a_dataset_without_rows_gives_no_shard_and_an_empty_plan(storage: LocalStorage, tmp_path: Path) -> None:
    (tmp_path / "none.csv").write_text("id,name\n")
    staged = stage(source(tmp_path / "none.csv"), ARTIFACT, sink=RowSink(storage, RUN), sizes=ShardSizes(10))
    assert (staged.rows, staged.columns, len(staged.shards)) == (0, ("id", "name"), 0)
    assert write_plan(storage, RUN, staged.shards) == Plan()
    assert read_plan(storage, RUN) == Plan()


def test_after_a_fault_nothing_stays_stored(storage: LocalStorage, data: Path) -> None:
    with data.open("a") as file:
        file.write("25\n")
    with pytest.raises(DatasetError) as caught:
        stage(source(data), ARTIFACT, sink=RowSink(storage, RUN), sizes=ShardSizes(10))
    assert caught.value.code == "wrong_cell_count"
    assert caught.value.exit_code == 2
    assert storage.list(f"{layout.run(RUN)}/{layout.ROWS}") == []


def test_no_shard_is_written_once_a_fault_is_known(data: Path) -> None:
    data.write_text("id\n1\n2,\n3\n4\n")
    written: list[int] = []

    class Sink:
        def add(self, rows: Any) -> ShardPlan:
            written.append(rows[0].index)
            return ShardPlan(shard=0, first_row=0, rows=len(rows), sha256="0" * 64)

        def discard(self) -> None:
            written.clear()

    with pytest.raises(DatasetError):
        stage(source(data), ARTIFACT, sink=Sink(), sizes=ShardSizes(1))
    assert written == []


def test_staging_again_after_an_interruption_gives_the_same_bytes(storage: LocalStorage, data: Path) -> None:
    first = stage(source(data), ARTIFACT, sink=RowSink(storage, RUN), sizes=ShardSizes(7))
    second = stage(source(data), ARTIFACT, sink=RowSink(storage, RUN), sizes=ShardSizes(7))
    assert first == second


def test_a_disk_that_refuses_is_a_store_error_and_leaves_no_plan(data: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where the store should be")
    storage = LocalStorage(blocked)
    with pytest.raises(StoreError):
        stage(source(data), ARTIFACT, sink=RowSink(storage, RUN), sizes=ShardSizes(7))


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"a": ""},
        {"a": None, "b": True, "c": [1, {"d": "é😀\0\u2028"}]},
        {"n": 2**70, "m": -(2**70), "d": Decimal("1.10"), "e": Decimal("1E+400"), "f": 0.1},
        {"long": "x" * 1_000_000},
    ],
)
def test_values_are_kept_to_the_last_digit(storage: LocalStorage, values: dict[str, Any]) -> None:
    row = Row(index=0, key="k\0\n", values=values, location="a.csv:2")
    plan = RowSink(storage, RUN).add([row])
    (found,) = rows_of(storage, plan)
    assert found == row
    assert repr(found) == repr(row)


@given(
    st.lists(
        st.builds(
            Row,
            index=st.integers(0, 2**62),
            key=st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
            values=st.dictionaries(
                st.text(st.characters(exclude_categories=["Cs"]), max_size=3),
                st.none()
                | st.booleans()
                | st.integers()
                | st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
                max_size=3,
            ),
            location=st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_any_rows_are_read_back_and_the_same_rows_give_the_same_bytes(rows: list[Row]) -> None:
    class Memory:
        def read(self, path: str) -> bytes:
            return encode_rows(rows)

    memory: Any = Memory()
    assert read_rows(memory, "rows", sha256=hashlib.sha256(encode_rows(rows)).hexdigest()) == rows


def test_a_rows_file_that_is_not_the_staged_one_is_refused(storage: LocalStorage, data: Path) -> None:
    staged = stage(source(data), ARTIFACT, sink=RowSink(storage, RUN), sizes=ShardSizes(25))
    path = f"{layout.run(RUN)}/{layout.rows(0)}"
    good = storage.read(path)
    for bad in (good[:-1], b"", bytes([good[0] ^ 1]) + good[1:], good[:200] + bytes([good[200] ^ 1]) + good[201:]):
        storage.write(path, bad)
        with pytest.raises(IntegrityError):
            rows_of(storage, staged.shards[0])
    storage.remove(path)
    with pytest.raises(IntegrityError, match="is missing"):
        rows_of(storage, staged.shards[0])


def test_a_file_that_has_the_right_digest_but_is_no_rows_file_is_refused(storage: LocalStorage) -> None:
    storage.write("odd", b"PAR1")
    with pytest.raises(IntegrityError, match="is damaged"):
        read_rows(storage, "odd", sha256=hashlib.sha256(b"PAR1").hexdigest())


def test_the_plan_is_read_back_in_the_order_of_its_shards(storage: LocalStorage) -> None:
    assert read_plan(storage, RUN) is None
    lines = tuple(ShardPlan(shard=n, first_row=n * 3, rows=3, sha256=f"{n:064x}") for n in range(12_000))
    assert write_plan(storage, RUN, Plan(lines)) == Plan(lines)
    plan = read_plan(storage, RUN)
    assert plan is not None and tuple(plan) == lines


def test_of_two_plans_the_first_holds(storage: LocalStorage) -> None:
    first = Plan([ShardPlan(shard=0, first_row=0, rows=3, sha256="a" * 64)])
    second = Plan([ShardPlan(shard=0, first_row=0, rows=4, sha256="b" * 64)])
    assert write_plan(storage, RUN, first) == first
    assert write_plan(storage, RUN, second) == first


def test_a_damaged_plan_is_refused(storage: LocalStorage, data: Path) -> None:
    path = f"{layout.run(RUN)}/{layout.PLAN}"
    storage.write(path, b"not parquet")
    with pytest.raises(IntegrityError):
        read_plan(storage, RUN)
    storage.write(path, encode_rows([Row(index=0, key="", values={})]))
    with pytest.raises(IntegrityError):
        read_plan(storage, RUN)


def test_no_bit_of_a_plan_changes_what_it_says(storage: LocalStorage) -> None:
    plan = write_plan(
        storage, RUN, Plan(ShardPlan(shard=n, first_row=2 * n, rows=2, sha256=f"{n:064x}") for n in (0, 1))
    )
    path = f"{layout.run(RUN)}/{layout.PLAN}"
    written, refused = storage.read(path), 0
    for place in range(0, len(written), 3):
        data = bytearray(written)
        data[place] ^= 1 << place % 8
        storage.write(path, bytes(data))
        try:
            assert read_plan(storage, RUN) == plan
        except IntegrityError as problem:
            assert path in problem.message
            refused += 1
    assert refused > len(written) // 6


def test_the_plan_of_another_run_is_refused(storage: LocalStorage) -> None:
    for run, digest in ((RUN, "a"), ("another", "b")):
        write_plan(storage, run, Plan([ShardPlan(shard=0, first_row=0, rows=1, sha256=digest * 64)]))
    path = f"{layout.run(RUN)}/{layout.PLAN}"
    storage.write(path, storage.read(f"{layout.run('another')}/{layout.PLAN}"))
    with pytest.raises(IntegrityError, match="its checksum is wrong"):
        read_plan(storage, RUN)


def test_a_plan_that_leaves_out_a_shard_is_refused(storage: LocalStorage) -> None:
    lines = [ShardPlan(shard=n, first_row=n, rows=1, sha256="a" * 64) for n in (0, 1, 3)]
    with pytest.raises(IntegrityError, match="is damaged: shard 3 from row 3 in the place of shard 2 from row 2"):
        write_plan(storage, RUN, Plan(lines))
