"""verify finds every fault, and finds none where there is none."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_runs import RunMaker

from reqflo_ray._internal.errors import UsageError
from reqflo_ray._internal.model.results import FileDigest
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.runs.folder.manifest import manifest_parts
from reqflo_ray._internal.runs.folder.owner import this_process
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.runs.upkeep.verify import RowNumbers, verify_run


def place(folder: RunFolder, name: str) -> Path:
    return Path(folder.storage.uri, folder.path(name))


def kinds(folder: RunFolder) -> dict[str, str]:
    report = verify_run(folder)
    assert report.ok is (not report.findings)
    return {finding.path: finding.kind for finding in report.findings}


def test_an_intact_run_is_fine(runs: RunMaker) -> None:
    folder = runs.finish("r1", shards=3, rows=4, fail_every=5)
    report = verify_run(folder)
    assert report.ok
    assert (report.complete, report.files, report.rows, report.rows_lost) == (True, 15, 12, 0)
    assert report.bytes == sum(path.stat().st_size for path in place(folder, "").rglob("*") if path.is_file()) - (
        place(folder, layout.MANIFEST).stat().st_size
    )


def test_an_unfinished_run_is_checked_as_far_as_it_is_committed(runs: RunMaker) -> None:
    folder = runs.begin("r1")
    runs.stage(folder, 3)
    runs.commit(folder, 0, 4)
    runs.write(folder, 1, 4)
    report = verify_run(folder)
    assert (report.ok, report.complete, report.rows) == (True, False, 4)


def test_a_run_that_is_not_there_is_named(runs: RunMaker) -> None:
    with pytest.raises(UsageError):
        verify_run(RunFolder(runs.storage, "nothing"))


@pytest.mark.parametrize(
    "name",
    [
        "run.json",
        "plan.parquet",
        "verdict.json",
        "commits/00001.json",
        "rows/shard-00000.parquet",
        "results/shard-00001.a0001.parquet",
        "steps/shard-00000.a0001.parquet",
    ],
)
def test_any_file_that_is_missing_empty_cut_or_changed_is_found(runs: RunMaker, name: str) -> None:
    folder = runs.finish("r1")
    path = place(folder, name)
    data = path.read_bytes()
    for broken in (b"", data[:-1], data + b" ", bytes([data[0] ^ 1]) + data[1:], b"\0" * len(data)):
        path.write_bytes(broken)
        assert kinds(folder).get(name) == "damaged"
    path.unlink()
    if name != layout.RECORD:
        assert kinds(folder)[name] == "missing"
    path.write_bytes(data)
    assert verify_run(folder).ok


def test_every_flipped_bit_is_found(runs: RunMaker) -> None:
    folder = runs.finish("r1")
    manifest = folder.read_manifest()
    assert manifest is not None
    files, chance = list(manifest.files), random.Random(12)
    for _ in range(150):
        file = chance.choice(files)
        path = place(folder, file.path)
        data = path.read_bytes()
        where = chance.randrange(len(data))
        path.write_bytes(data[:where] + bytes([data[where] ^ 1 << chance.randrange(8)]) + data[where + 1 :])
        assert kinds(folder).get(file.path) == "damaged"
        path.write_bytes(data)


def test_every_flipped_bit_of_the_manifest_is_found(runs: RunMaker) -> None:
    folder = runs.finish("r1")
    path = place(folder, layout.MANIFEST)
    data = path.read_bytes()
    chance = random.Random(3)
    for _ in range(150):
        where = chance.randrange(len(data))
        path.write_bytes(data[:where] + bytes([data[where] ^ 1 << chance.randrange(8)]) + data[where + 1 :])
        assert not verify_run(folder).ok
    path.write_bytes(data)
    assert verify_run(folder).ok


def test_lost_rows_are_counted(runs: RunMaker) -> None:
    folder = runs.finish("r1", shards=3, rows=4)
    place(folder, "results/shard-00001.a0001.parquet").unlink()
    report = verify_run(folder)
    assert (report.rows, report.rows_lost) == (8, 4)


def test_a_file_that_the_manifest_does_not_list_is_found(runs: RunMaker) -> None:
    folder = runs.finish("r1")
    folder.write_file("results/shard-00009.a0001.parquet", b"stray")
    folder.write_file("reports/junit.xml", b"<x/>")
    assert kinds(folder) == {"results/shard-00009.a0001.parquet": "extra"}


def test_a_missing_artifact_is_found(runs: RunMaker) -> None:
    folder = runs.finish("r1")
    digest = folder.load_run().artifact
    runs.storage.remove(layout.artifact(digest))
    assert set(kinds(folder).values()) == {"artifact"}


def rewrite_manifest(folder: RunFolder, files: list[FileDigest]) -> None:
    folder.write_file(layout.MANIFEST, b"".join(manifest_parts(folder.path(layout.MANIFEST), folder.run_id, files)))


def test_two_verdicts_of_a_row_are_found(runs: RunMaker) -> None:
    folder = runs.finish("r1")
    manifest = folder.read_manifest()
    assert manifest is not None
    name = "results/shard-00000.a0001.parquet"
    twin = "results/shard-00001.a0001.parquet"
    source = next(file for file in manifest.files if file.path == name)
    folder.write_file(twin, folder.read_file(name))
    rewrite_manifest(
        folder,
        [msgspec.structs.replace(source, path=twin) if file.path == twin else file for file in manifest.files],
    )
    assert kinds(folder)[layout.RESULTS] == "verdict_twice"


def test_a_verdict_that_miscounts_is_found(runs: RunMaker) -> None:
    folder = runs.begin("r1")
    runs.stage(folder, 1)
    runs.commit(folder, 0, 4)
    from reqflo_ray._internal.runs.folder.completion import complete

    verdict = runs.verdict(folder)
    wrong = msgspec.structs.replace(verdict.counts, passed=3, failed=1)
    complete(folder, lambda *_: msgspec.structs.replace(verdict, counts=wrong), 1)
    assert kinds(folder) == {layout.VERDICT: "counts"}


def test_a_path_in_the_manifest_that_leads_away_is_not_followed(runs: RunMaker) -> None:
    folder = runs.finish("r1")
    manifest = folder.read_manifest()
    assert manifest is not None
    away = FileDigest(path="../../../../etc/passwd", sha256="0" * 64, size=1)
    rewrite_manifest(folder, [*manifest.files, away])
    assert kinds(folder)["../../../../etc/passwd"] == "damaged"


@given(st.lists(st.lists(st.integers(0, 30), max_size=8), max_size=6), st.integers(0, 32))
def test_rows_seen_again_and_rows_missing_are_counted_over_all_files(files: list[list[int]], expected: int) -> None:
    numbers = RowNumbers()
    for rows in files:
        numbers.add(rows)
    seen, again, missing = numbers.judged(expected)
    times = Counter(row for rows in files for row in rows)
    twice = [row for row in sorted(times) if times[row] > 1]
    lost = [row for row in range(expected) if row not in times]
    assert seen == len(times)
    assert (len(again), again.start) == (len(twice), twice[0] if twice else 0)
    assert (len(missing), missing.start) == (len(lost), lost[0] if lost else 0)


# Unfinished runs


def half_done(runs: RunMaker) -> RunFolder:
    """A run of which one shard of two is committed."""
    folder = runs.begin("r1")
    runs.stage(folder, 2)
    runs.commit(folder, 0, 4, fail_every=3)
    return folder


def test_an_unfinished_run_without_damage_has_no_finding(runs: RunMaker) -> None:
    assert verify_run(half_done(runs)).ok


@pytest.mark.parametrize("name", [layout.RECORD, layout.PLAN, layout.commit(0), layout.rows(0), layout.rows(1)])
def test_a_damaged_file_of_an_unfinished_run_is_found(runs: RunMaker, name: str) -> None:
    folder = half_done(runs)
    data = folder.read_file(name)
    place = len(data) // 2
    folder.write_file(name, data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
    assert kinds(folder) == {name: "damaged"}


@pytest.mark.parametrize("name", [layout.epoch(1), layout.attempt(0, 1)])
def test_a_damaged_claim_of_an_unfinished_run_is_found(runs: RunMaker, name: str) -> None:
    folder = half_done(runs)
    assert kinds(folder) == {}
    data = folder.read_file(name)
    folder.write_file(name, data.replace(b'"epoch":', b'"epocH":', 1))
    assert kinds(folder) == {name: "damaged"}


def test_a_damaged_manifest_is_not_told_as_damage_to_the_record(runs: RunMaker) -> None:
    folder = runs.finish("r1")
    data = folder.read_file(layout.MANIFEST)
    folder.write_file(layout.MANIFEST, data.replace(b"sha256", b"sha257", 1))
    assert kinds(folder) == {layout.MANIFEST: "damaged"}


def test_a_commit_that_its_claim_contradicts_is_found(runs: RunMaker) -> None:
    folder = half_done(runs)
    commit = folder.read_commit(0)
    assert commit is not None
    folder.restore_commit(msgspec.structs.replace(commit, epoch=7))
    assert kinds(folder) == {layout.commit(0): "damaged"}


def test_a_commit_that_miscounts_its_results_is_found_also_without_a_checksum(runs: RunMaker) -> None:
    folder = half_done(runs)
    commit = folder.read_commit(0)
    assert commit is not None
    counts = msgspec.structs.replace(commit.summary.counts, failed=0, passed=4)
    wrong = msgspec.structs.replace(commit, summary=msgspec.structs.replace(commit.summary, counts=counts))
    folder.write_file(layout.commit(0), msgspec.json.encode(wrong))
    folder.storage.remove_tree(folder.path(layout.ATTEMPTS))
    assert kinds(folder) == {layout.commit(0): "counts"}


def test_a_record_that_its_driver_did_not_find_is_damage(runs: RunMaker) -> None:
    folder = runs.begin("r1")
    folder.claim_epoch(this_process(), after=1, record_sha256=folder.record_sha256())
    record = msgspec.structs.replace(folder.load_run(), journey="other")
    folder.write_file(layout.RECORD, folder.encode(layout.RECORD, record))
    assert kinds(folder) == {layout.RECORD: "damaged"}
