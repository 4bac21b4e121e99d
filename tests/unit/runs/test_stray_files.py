"""What others leave in a store stops nobody from reading it, and is taken for nothing of ours."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sample_runs import RunMaker

from reqflo_ray._internal.api.store import Store
from reqflo_ray._internal.errors import IntegrityError, UsageError
from reqflo_ray._internal.model.results import Counts
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.runs.folder.completion import clean_up, complete
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.runs.upkeep.history import RunState, list_runs, resolve_run, run_ids, summarize
from reqflo_ray._internal.runs.upkeep.verify import verify_run

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


def a_file(place: Path) -> None:
    place.write_bytes(b"stray")


def a_folder(place: Path) -> None:
    place.mkdir()
    (place / "inside").write_bytes(b"stray")


def a_link_to_nowhere(place: Path) -> None:
    place.symlink_to("nowhere")


def a_link_to_itself(place: Path) -> None:
    place.symlink_to(place.name)


def a_fifo(place: Path) -> None:
    os.mkfifo(place)


KINDS: tuple[Callable[[Path], None], ...] = (a_file, a_folder, a_link_to_nowhere, a_link_to_itself, a_fifo)
NAMES = (".DS_Store", ".nfs000000000123", "lost+found", "Thumbs.db", "@eaDir", "notes.txt", "latest", "caf\udce9", "-x")


def litter(folder: Path, names: tuple[str, ...] = NAMES) -> None:
    """Put something of every kind there, under these names and hidden ones."""
    for number, name in enumerate(names):
        KINDS[number % len(KINDS)](folder / name)
    for kind in KINDS:
        kind(folder / f".{kind.__name__}")


# Beside the runs


def test_nothing_that_lies_beside_the_runs_hides_them(runs: RunMaker) -> None:
    runs.finish("r1", shards=1, rows=2)
    root = Path(runs.storage.uri)
    for folder in (root, root / "runs", root / "artifacts", root / "order"):
        litter(folder)
    store = Store(runs.storage)
    assert [run.run_id for run in store.runs()] == ["r1"]
    assert store.find("latest").state is RunState.FINISHED
    assert store.verify("r1").ok
    assert list(store.query("select count(*) from results").rows()) == [(2,)]
    assert store.query("select 1").problems == ()
    assert len(store.row("r1", "0").steps) == 3
    runs.finish("r2", shards=1, rows=2)
    assert resolve_run(runs.storage, "latest").run_id == "r2"
    assert store.prune(keep=0).runs == ("r2", "r1")
    assert (root / "runs" / ".DS_Store").exists(), "what is not ours stays"


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_called_as_a_run_and_is_none_is_passed_over(runs: RunMaker, kind: Callable[[Path], None]) -> None:
    runs.finish("r1", shards=1, rows=2)
    kind(Path(runs.storage.uri, "runs", "r2"))
    assert run_ids(runs.storage) == ["r1"]
    with pytest.raises(UsageError, match="no run 'r2'"):
        resolve_run(runs.storage, "r2")
    assert Store(runs.storage).prune(keep=0).runs == ("r1",)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_run_that_may_not_be_looked_at_is_listed_as_damaged(runs: RunMaker) -> None:
    runs.finish("r1", shards=1, rows=2)
    secret = Path(runs.storage.uri, "runs", "secret")
    secret.mkdir(mode=0)
    assert {run.run_id: run.state for run in list_runs(runs.storage, NOW)} == {
        "r1": RunState.FINISHED,
        "secret": RunState.DAMAGED,
    }


@pytest.mark.parametrize("kind", KINDS[1:])
def test_what_lies_in_the_place_of_a_record_makes_one_damaged_run(runs: RunMaker, kind: Callable[[Path], None]) -> None:
    record = Path(runs.storage.uri, runs.finish("bad", shards=1, rows=2).path(layout.RECORD))
    runs.finish("good", shards=1, rows=2)
    record.unlink()
    kind(record)
    listed = {run.run_id: (run.state, bool(run.problem)) for run in list_runs(runs.storage, NOW)}
    assert listed == {"good": (RunState.FINISHED, False), "bad": (RunState.DAMAGED, True)}
    assert list(Store(runs.storage).query("select run_id from runs", "all").rows()) == [("good",)]
    assert not verify_run(RunFolder(runs.storage, "bad")).ok


@pytest.mark.parametrize("data", [b"", b"{", b"[" * 200_000, b"\xff", b'"\\ud800"', b"{}", b"null", b"1e999"])
def test_a_record_of_any_bytes_makes_one_damaged_run(runs: RunMaker, data: bytes) -> None:
    runs.begin("good")
    runs.begin("bad").write_file(layout.RECORD, data)
    assert [(run.run_id, run.state) for run in list_runs(runs.storage, NOW)] == [
        ("bad", RunState.DAMAGED),
        ("good", RunState.RUNNING),
    ]


# A run without its record


def test_a_run_whose_record_is_missing_is_listed_as_damaged_and_verified_by_name(runs: RunMaker) -> None:
    for folder in (runs.finish("r1", shards=1, rows=2), runs.begin("r2")):
        runs.storage.remove(folder.path(layout.RECORD))
        assert summarize(folder, NOW).state is RunState.DAMAGED
        assert "`run.json`" in summarize(folder, NOW).problem
        found = Store(runs.storage).verify(folder.run_id[:2]).findings
        assert [(finding.path, finding.kind) for finding in found] == [("run.json", "missing")]
        with pytest.raises(IntegrityError, match=r"`run\.json`"):
            folder.load_run()
    assert [run.run_id for run in list_runs(runs.storage, NOW)] == ["r2", "r1"]


def test_a_run_whose_manifest_was_lost_is_told_from_one_that_has_none_yet(runs: RunMaker) -> None:
    finished, unfinished = runs.finish("r1", shards=1, rows=2), runs.begin("r2")
    runs.storage.remove(finished.path(layout.MANIFEST))
    report = verify_run(finished)
    assert not report.complete
    assert [(finding.path, finding.kind) for finding in report.findings] == [("manifest.json", "missing")]
    report = verify_run(unfinished)
    assert (report.complete, report.findings) == (False, ())


# In a run


PARTS = (layout.ROWS, layout.RESULTS, layout.STEPS, layout.COMMITS)


def test_what_systems_leave_in_a_run_is_no_evidence(runs: RunMaker) -> None:
    folder = runs.finish("r1", shards=1, rows=2)
    place = Path(runs.storage.uri, folder.path(""))
    for part in ("", *PARTS):
        litter(place / part, (".DS_Store",))
        for name in ("Thumbs.db", "desktop.ini", "lost+found", "@eaDir"):
            a_folder(place / part / name)
    assert verify_run(folder).findings == ()
    assert list(Store(runs.storage).query("select count(*) from results").rows()) == [(2,)]
    assert Store(runs.storage).prune(keep=0).runs == ("r1",)
    assert not place.exists()


@pytest.mark.parametrize("name", ["extra.parquet", "shard-00007.a0001.parquet", "notes.txt", "caf\udce9"])
@pytest.mark.parametrize("part", PARTS)
def test_what_nobody_expects_in_a_run_is_a_finding(runs: RunMaker, part: str, name: str) -> None:
    folder = runs.finish("r1", shards=1, rows=1)
    a_file(Path(runs.storage.uri, folder.path(part), name))
    (finding,) = verify_run(folder).findings
    assert finding.kind == "extra"
    assert finding.path.encode("utf-8").startswith(f"{part}/{name[:3]}".encode())


def test_a_run_goes_on_and_is_finished_among_stray_files(runs: RunMaker) -> None:
    folder = runs.begin("r1")
    runs.stage(folder, 2)
    place = Path(runs.storage.uri, folder.path(""))
    runs.commit(folder, 0, 3)
    strays = (".DS_Store", "00000.json.bak", "00000.copy.json", "0001.orig", "0009~", "lost+found", "0003.old")
    for part in (*PARTS, layout.EPOCHS, "attempts/00000", "attempts/00001", "journal/00000", "journal/00001"):
        (place / part).mkdir(parents=True, exist_ok=True)
        litter(place / part, strays)
    assert folder.committed() == [0]
    epoch = folder.latest_epoch()
    assert epoch is not None
    assert epoch.epoch == 1
    assert [number for number, _ in folder.attempts(0)] == [1]
    assert summarize(folder, NOW).counts.rows == 3
    assert verify_run(folder).findings == ()
    runs.commit(folder, 1, 3)
    complete(folder, lambda *_: runs.verdict(folder), 2)
    clean_up(folder)
    report = verify_run(folder)
    assert report.complete
    assert {finding.kind for finding in report.findings} <= {"extra"}
    assert summarize(folder, NOW).counts == Counts(rows=6, passed=6, steps=18, requests=18)


# Names


@pytest.mark.parametrize("name", ["0012", "0012.json", "0012.beat", "0012.log", "00012.json", "123456.json"])
def test_a_number_is_read_from_a_name_of_ours(name: str) -> None:
    assert layout.number_of(name) == int(name.partition(".")[0])


@pytest.mark.parametrize(
    "name",
    [
        *("", ".DS_Store", "12", "0012.json.bak", "0012.bak", "0012~", "0012 (1).json", "0012.JSON", "x0012", "-0012"),
        *("\u0661\u0662\u0663\u0664", "0012\n", "0012.", "0012.json.", "._0012.json"),
    ],
)
def test_no_number_is_read_from_another_name(name: str) -> None:
    assert layout.number_of(name) is None
