"""The same command with other data is another run: files of a dataset are known by their size and digest."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import pytest

from reqflo_ray._internal.datasets.contents import changed_files, contents_of
from reqflo_ray._internal.errors import DatasetError
from reqflo_ray._internal.model.artifact import Artifact, Input, JourneyIdentity
from reqflo_ray._internal.model.plan import DatasetFile, DatasetSource, RunRecord
from reqflo_ray._internal.runs.folder.run_record import record_differences
from reqflo_ray._internal.runs.folder.sealing import Sealer, seal_digests

DATA = b"n,want\n1,ok\n"


def source(*contents: DatasetFile, files: tuple[str, ...] = ("d.csv",)) -> DatasetSource:
    return DatasetSource(files=files, contents=contents)


def a_file(name: str = "d.csv", size: int = 3, digest: str = "sha256:aa") -> DatasetFile:
    return DatasetFile(name=name, size=size, digest=digest)


def record(dataset: DatasetSource) -> RunRecord:
    return RunRecord(run_id="r", nonce="00", created_at="", artifact="a", journey="j", dataset=dataset)


def test_a_file_is_told_by_its_size_and_digest(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv"):
        (tmp_path / name).write_bytes(DATA + name.encode())
    found = contents_of(source(files=(str(tmp_path / "*.csv"),)))
    assert [Path(file.name).name for file in found] == ["a.csv", "b.csv"]
    assert found[0].size == len(DATA) + 5
    assert found[0].digest == f"sha256:{hashlib.sha256(DATA + b'a.csv').hexdigest()}"


@pytest.mark.parametrize("name", ["missing.csv", "*.none", "."])
def test_what_is_no_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DatasetError):
        contents_of(source(files=(str(tmp_path / name),)))


@pytest.mark.parametrize(
    ("now", "changed"),
    [
        ((a_file(),), ()),
        ((a_file(size=4),), ("d.csv",)),
        ((a_file(digest="sha256:ab"),), ("d.csv",)),
        ((a_file(digest=""),), ()),  # where no digest is known, the size decides
        ((a_file(digest="", size=4),), ("d.csv",)),
    ],
)
def test_a_changed_file_is_named(now: tuple[DatasetFile, ...], changed: tuple[str, ...]) -> None:
    assert changed_files(source(a_file()), source(*now)) == changed
    told = tuple(f"the contents of `{name}`" for name in changed)
    assert record_differences(record(source(a_file())), record(source(*now))) == told


def test_a_file_that_a_pattern_finds_now_or_finds_no_more_is_told_as_that() -> None:
    before = record(source(a_file()))
    assert record_differences(before, record(source(a_file(), a_file("e.csv")))) == ("`e.csv` was added",)
    renamed = record_differences(before, record(source(a_file("e.csv"))))
    assert renamed == ("`d.csv` was removed", "`e.csv` was added")


def test_other_files_are_told_once_and_not_each_as_changed() -> None:
    before = record(source(a_file(), a_file("e.csv"), files=("d.csv", "e.csv")))
    after = record(source(a_file("e.csv", size=9), files=("e.csv",)))
    assert record_differences(before, after) == ("the list of data files", "the contents of `e.csv`")


def test_of_a_run_that_recorded_no_contents_nothing_is_compared() -> None:
    assert changed_files(source(), source(a_file())) == ()


def test_the_digest_of_a_file_with_sensitive_values_is_sealed_and_comparable() -> None:
    artifact = Artifact(journey=JourneyIdentity(name="j"), inputs=(Input(name="card", sensitive=True),))
    sealer = Sealer(bytes(range(64)))
    plain = record(source(a_file()))
    sealed = seal_digests(plain, artifact, sealer)
    assert b"sha256:aa" not in msgspec.json.encode(sealed) and sealed == seal_digests(plain, artifact, sealer)
    other = seal_digests(record(source(a_file(digest="sha256:ab"))), artifact, sealer)
    assert record_differences(sealed, other) == ("the contents of `d.csv`",)
    # Once the key is gone, the size is all that tells.
    assert record_differences(sealed, seal_digests(plain, artifact, None)) == ()
    longer = seal_digests(record(source(a_file(size=4))), artifact, None)
    assert record_differences(sealed, longer) == ("the contents of `d.csv`",)


def test_without_sensitive_values_a_digest_stays_clear() -> None:
    artifact = Artifact(journey=JourneyIdentity(name="j"))
    assert seal_digests(record(source(a_file())), artifact, None) == record(source(a_file()))
