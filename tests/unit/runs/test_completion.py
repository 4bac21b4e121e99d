"""How a run becomes complete: at any instant it is unfinished or whole."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sample_runs import RunMaker

from reqflo_ray._internal.errors import IntegrityError, StoreError
from reqflo_ray._internal.model.results import Commit, Counts, Failure, Status, Verdict
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.runs.folder.completion import clean_up, complete
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.runs.upkeep.verify import verify_run
from reqflo_ray._internal.storage.local import LocalStorage


class Died(Exception):
    """The process ended here."""


class DyingStorage(LocalStorage):
    """A disk whose process dies before its n-th change."""

    def __init__(self, other: LocalStorage, dies_at: int) -> None:
        super().__init__(other.root)
        self.changes = 0
        self._dies_at = dies_at

    def _change(self) -> None:
        self.changes += 1
        if self.changes == self._dies_at:
            raise Died

    def create(self, path: str, data: bytes) -> bool:
        self._change()
        return super().create(path, data)

    def create_from(self, path: str, parts: Iterable[bytes]) -> bool:
        def dying() -> Iterator[bytes]:
            for part in parts:
                self._change()
                yield part

        done = super().create_from(path, dying())
        self._change()
        return done

    def remove(self, path: str) -> None:
        self._change()
        super().remove(path)

    def remove_tree(self, folder: str) -> None:
        self._change()
        super().remove_tree(folder)

    def sweep(self, folder: str) -> None:
        self._change()
        super().sweep(folder)


def ready(runs: RunMaker, shards: int = 2) -> RunFolder:
    folder = runs.begin("r1")
    runs.stage(folder, shards)
    for shard in range(shards):
        runs.commit(folder, shard, 3)
    return folder


def test_a_complete_run_lists_every_file(runs: RunMaker) -> None:
    folder = ready(runs)
    verdict = runs.verdict(folder)
    assert not folder.is_complete()
    assert folder.read_verdict(folder.load_run()) is None
    assert folder.read_manifest() is None
    judged = list[Counts]()

    def judge(counts: Counts, failures: list[Failure]) -> Verdict:
        assert failures == []
        judged.append(counts)
        return verdict

    assert complete(folder, judge, 2) == verdict
    assert judged == [verdict.counts]
    assert folder.is_complete()
    assert folder.read_verdict(folder.load_run()) == verdict
    manifest = folder.read_manifest()
    assert manifest is not None
    assert manifest.rows == 6
    assert sorted(file.path for file in manifest.files) == [
        "commits/00000.json",
        "commits/00001.json",
        "plan.parquet",
        "results/shard-00000.a0001.parquet",
        "results/shard-00001.a0001.parquet",
        "rows/shard-00000.parquet",
        "rows/shard-00001.parquet",
        "run.json",
        "steps/shard-00000.a0001.parquet",
        "steps/shard-00001.a0001.parquet",
        "verdict.json",
    ]


def test_the_first_verdict_counts(runs: RunMaker) -> None:
    folder = ready(runs)
    first = runs.verdict(folder)
    second = msgspec.structs.replace(first, status=Status.FAILED, exit_code=1)
    complete(folder, lambda *_: first, 2)
    before = folder.read_file(layout.MANIFEST)
    assert complete(folder, lambda *_: second, 2) == first
    assert folder.read_file(layout.MANIFEST) == before
    assert verify_run(folder).ok


def test_a_shard_without_commit_keeps_the_run_unfinished(runs: RunMaker) -> None:
    folder = ready(runs)
    with pytest.raises(StoreError) as caught:
        complete(folder, lambda *_: runs.verdict(folder), 3)
    assert caught.value.code == "uncommitted_shards"
    assert not folder.is_complete()
    assert not folder.storage.exists(folder.path(layout.VERDICT))


@pytest.mark.parametrize("fault", ["changed", "cut", "missing"])
def test_a_file_that_is_not_what_was_committed_keeps_the_run_unfinished(runs: RunMaker, fault: str) -> None:
    folder = ready(runs)
    name = layout.steps(1, 1)
    data = folder.read_file(name)
    if fault == "missing":
        folder.storage.remove(folder.path(name))
    else:
        folder.write_file(name, data[:-1] if fault == "cut" else data[:9] + bytes([data[9] ^ 1]) + data[10:])
    with pytest.raises(IntegrityError) as caught:
        complete(folder, lambda *_: runs.verdict(folder), 2)
    assert f"`{name}`" in caught.value.message
    assert not folder.is_complete()


def wrong_counts(folder: RunFolder) -> Commit:
    """The commit of shard 0, with a failed row where there is none."""
    commit = folder.read_commit(0)
    assert commit is not None
    counts = msgspec.structs.replace(commit.summary.counts, passed=2, failed=1)
    return msgspec.structs.replace(commit, summary=msgspec.structs.replace(commit.summary, counts=counts))


@pytest.mark.parametrize("with_checksum", [True, False])
@pytest.mark.parametrize("with_claims", [True, False])
def test_a_commit_that_miscounts_keeps_the_run_unfinished(
    runs: RunMaker, with_checksum: bool, with_claims: bool
) -> None:
    folder = ready(runs)
    wrong = wrong_counts(folder)
    if with_checksum:
        folder.restore_commit(wrong)
    else:  # as 0.1.0 wrote it
        folder.write_file(layout.commit(0), msgspec.json.encode(wrong))
    if not with_claims:
        folder.storage.remove_tree(folder.path(layout.ATTEMPTS))
    with pytest.raises(IntegrityError) as caught:
        complete(folder, lambda *_: runs.verdict(folder), 2)
    assert f"`{layout.commit(0)}`" in caught.value.message
    assert ("`attempts/00000/0002`" if with_claims else "counts 2 passed, and the results have 3") in caught.value.cause
    assert not folder.is_complete()


def test_a_verdict_that_was_there_before_and_counts_otherwise_is_not_believed(runs: RunMaker) -> None:
    folder = ready(runs)
    verdict = runs.verdict(folder)
    other = msgspec.structs.replace(verdict, counts=msgspec.structs.replace(verdict.counts, passed=5, failed=1))
    folder.write_file(layout.VERDICT, folder.encode(layout.VERDICT, other))
    with pytest.raises(IntegrityError) as caught:
        complete(folder, lambda *_: verdict, 2)
    assert f"`{layout.VERDICT}`" in caught.value.message
    assert not folder.is_complete()


def test_a_finished_run_that_lost_its_manifest_is_no_unfinished_one(runs: RunMaker) -> None:
    folder = runs.finish("r1")
    folder.storage.remove(folder.path(layout.MANIFEST))
    for look in (folder.is_complete, partial(folder.read_verdict, folder.load_run())):
        with pytest.raises(IntegrityError) as caught:
            look()
        assert f"`{layout.MANIFEST}`" in caught.value.message


def test_a_run_whose_driver_died_before_the_manifest_is_unfinished(runs: RunMaker) -> None:
    folder = ready(runs)
    folder.write_file(layout.VERDICT, folder.encode(layout.VERDICT, runs.verdict(folder)))
    assert not folder.is_complete()


def test_a_changed_verdict_of_a_finished_run_is_not_believed(runs: RunMaker) -> None:
    folder = runs.finish("r1")
    data = folder.read_file(layout.VERDICT)
    folder.write_file(layout.VERDICT, data.replace(b'"exit_code": 0', b'"exit_code": 1'))
    with pytest.raises(IntegrityError):
        folder.read_verdict(folder.load_run())


def test_a_verdict_of_a_run_with_the_same_id_in_another_store_is_not_believed(
    runs: RunMaker, run_maker: type[RunMaker], tmp_path: Path
) -> None:
    folder = runs.finish("r1", fail_every=2)
    twin = run_maker(LocalStorage(tmp_path / "another")).finish("r1", created_at="2026-11-22T11:00:00Z")
    folder.write_file(layout.VERDICT, twin.read_file(layout.VERDICT))
    with pytest.raises(IntegrityError) as caught:
        folder.read_verdict(folder.load_run())
    assert f"`{layout.VERDICT}`" in caught.value.message and f"`{layout.RECORD}`" in caught.value.cause


def test_a_changed_verdict_that_0_1_0_wrote_is_not_believed(runs: RunMaker) -> None:
    folder = ready(runs)
    verdict = runs.verdict(folder)
    folder.write_file(layout.VERDICT, msgspec.json.encode(verdict))
    complete(folder, lambda *_: verdict, 2)
    assert folder.read_verdict(folder.load_run()) == verdict
    folder.write_file(layout.VERDICT, folder.read_file(layout.VERDICT).replace(b'"exit_code":0', b'"exit_code":1'))
    with pytest.raises(IntegrityError):
        folder.read_verdict(folder.load_run())


def test_clean_up_leaves_what_the_manifest_lists(runs: RunMaker) -> None:
    folder = ready(runs)
    folder.write_file(layout.results(0, 7), b"of an attempt that lost")
    folder.write_file(layout.steps(0, 7), b"of an attempt that lost")
    folder.write_file(layout.rows(7), b"staged before the dataset shrank")
    (runs.storage.root / "runs/r1/steps/.x.00.tmp").write_bytes(b"half")
    complete(folder, lambda *_: runs.verdict(folder), 2)
    clean_up(folder)
    clean_up(folder)
    left = [str(path.relative_to(runs.storage.root / "runs/r1")) for path in _all_files(folder)]
    manifest = folder.read_manifest()
    assert manifest is not None
    assert sorted(left) == sorted([*(file.path for file in manifest.files), "manifest.json"])
    assert verify_run(folder).ok


def test_clean_up_leaves_an_unfinished_run_alone(runs: RunMaker) -> None:
    folder = ready(runs)
    before = _all_files(folder)
    clean_up(folder)
    assert _all_files(folder) == before


def test_a_fence_stays_closed_after_clean_up(runs: RunMaker) -> None:
    folder = runs.finish("r1")
    assert not folder.fence_open(1, 0, 1)


def test_a_death_at_any_instant_leaves_an_unfinished_run_or_a_whole_one(runs: RunMaker) -> None:
    ready(runs)
    storage = runs.storage
    for dies_at in range(1, 100):
        dying = DyingStorage(storage, dies_at)
        folder = RunFolder(dying, "r1")
        verdict = runs.verdict(folder)
        try:
            complete(folder, lambda *_, verdict=verdict: verdict, 2)
            clean_up(folder)
        except Died:
            seen = RunFolder(storage, "r1")
            if seen.is_complete():
                assert seen.read_verdict(seen.load_run()) is not None
                assert {finding.kind for finding in verify_run(seen).findings} <= {"extra"}
            continue
        assert verify_run(RunFolder(storage, "r1")).ok
        return
    raise AssertionError("it never came to its end")


def test_a_damaged_manifest_is_not_believed(runs: RunMaker) -> None:
    folder = runs.finish("r1")
    data = folder.read_file(layout.MANIFEST)
    for changed in (data.replace(b'"rows"', b'"rowz"', 1), data + b" ", data[:-5], b"", data.replace(b"r1", b"r2", 1)):
        folder.write_file(layout.MANIFEST, changed)
        with pytest.raises(IntegrityError):
            folder.read_manifest()


def test_a_full_disk_while_completing_can_be_tried_again(runs: RunMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = ready(runs)
    real = os.link

    def full(temporary: str, target: str) -> None:
        if target.endswith(layout.MANIFEST):
            raise OSError(errno.ENOSPC, "no space")
        real(temporary, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", full)
        with pytest.raises(StoreError):
            complete(folder, lambda *_: runs.verdict(folder), 2)
    assert not folder.is_complete()
    assert folder.read_verdict(folder.load_run()) is None, "without its manifest a verdict does not count"
    complete(folder, lambda *_: runs.verdict(folder), 2)
    assert verify_run(folder).rows == 6


def _all_files(folder: RunFolder) -> list[Any]:
    assert isinstance(folder.storage, LocalStorage)
    return sorted(path for path in (folder.storage.root / "runs/r1").rglob("*") if path.is_file())
