"""Which runs may be deleted, which are kept and why, and what is left when the deleting is cut off."""

from __future__ import annotations

import errno
import os
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from run_owners import NOW, NOW_US, at, dead, driven_by, elsewhere
from sample_runs import RunMaker

from reqflo_ray._internal.analysis.session import open_session
from reqflo_ray._internal.api import store
from reqflo_ray._internal.api.store import Store
from reqflo_ray._internal.errors import ReqfloError, StoreError, UsageError
from reqflo_ray._internal.model.artifact import Artifact, JourneyIdentity
from reqflo_ray._internal.model.results import Counts
from reqflo_ray._internal.runner.prepare.dispatch import dispatch
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.runs.folder.claims import Beat
from reqflo_ray._internal.runs.folder.deletion import delete_run
from reqflo_ray._internal.runs.folder.owner import Owner, this_process
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.runs.upkeep.history import RunState, RunSummary, list_runs, resolve_run, run_ids, summarize
from reqflo_ray._internal.runs.upkeep.pruning import DAMAGED, RESUMABLE, RUNNING, Kept, made_at, prune
from reqflo_ray._internal.runs.upkeep.verify import verify_run
from reqflo_ray._internal.storage.local import LocalStorage

IN_2030, IN_1970 = "2030-01-01T00:00:00Z", "1970-01-01T00:00:03Z"


def interrupted(runs: RunMaker, run_id: str, **fields: Any) -> RunFolder:
    return driven_by(runs, run_id, dead(), **fields)


@pytest.fixture
def three(runs: RunMaker) -> LocalStorage:
    runs.finish("20261121-100000-aaaaaa", created_at=at(30))
    runs.finish("20261122-100000-bbbbbb", created_at=at(2))
    runs.finish("20261122-090000-cccccc", created_at=at(1))
    return runs.storage


def test_prune_keeps_the_newest(three: LocalStorage) -> None:
    pruned = prune(three, NOW, keep=1)
    assert set(pruned.runs) == {"20261121-100000-aaaaaa", "20261122-100000-bbbbbb"}
    assert run_ids(three) == ["20261122-090000-cccccc"]
    assert three.list("runs") == ["20261122-090000-cccccc"]


def test_prune_by_age(three: LocalStorage) -> None:
    assert prune(three, NOW, older_than_s=86_400).runs == ("20261121-100000-aaaaaa",)


def test_prune_by_both_takes_what_is_both(three: LocalStorage) -> None:
    assert prune(three, NOW, keep=0, older_than_s=3 * 3600).runs == ("20261121-100000-aaaaaa",)
    assert prune(three, NOW, keep=2, older_than_s=1).runs == ()


def test_a_dry_run_changes_nothing(three: LocalStorage) -> None:
    assert len(prune(three, NOW, keep=0, dry_run=True).runs) == 3
    assert len(run_ids(three)) == 3


def test_an_artifact_stays_as_long_as_a_run_names_it(runs: RunMaker) -> None:
    runs.finish("a", created_at=at(3))
    runs.finish("b", created_at=at(2))
    runs.finish("c", created_at=at(1), journey="other")
    shared, other = (RunFolder(runs.storage, run_id).load_run().artifact for run_id in ("a", "c"))
    assert prune(runs.storage, NOW, keep=2).artifacts == ()
    assert runs.storage.exists(layout.artifact(shared))
    assert prune(runs.storage, NOW, keep=1).artifacts == (shared,)
    assert runs.storage.list("artifacts") == [f"{other}.json"]


def test_a_running_run_is_never_deleted(runs: RunMaker) -> None:
    runs.begin("mine", created_at=at(100))
    other = driven_by(runs, "theirs", elsewhere(), created_at=at(100))
    other.write_beat(2, Beat(count=1, at_us=NOW_US - 1_000_000_000))
    interrupted(runs, "dead", created_at=at(100))
    assert summarize(other, NOW).state is RunState.INTERRUPTED
    pruned = prune(runs.storage, NOW, keep=0, unfinished=True)
    assert pruned.runs == ("dead",), "a silent driver elsewhere is given an hour"
    assert {(kept.run_id, kept.reason) for kept in pruned.kept} == {("mine", RUNNING), ("theirs", RUNNING)}


# What could be resumed


def let_go(runs: RunMaker, run_id: str) -> RunFolder:
    folder = runs.begin(run_id, created_at=at(100))
    folder.write_beat(1, Beat(count=-1, at_us=NOW_US))
    return folder


def silent(runs: RunMaker, run_id: str) -> RunFolder:
    return driven_by(runs, run_id, elsewhere(), created_at=at(100))


def never_driven(runs: RunMaker, run_id: str) -> RunFolder:
    folder = runs.begin(run_id, created_at=at(100))
    runs.storage.remove_tree(folder.path(layout.EPOCHS))
    return folder


def half_committed(runs: RunMaker, run_id: str) -> RunFolder:
    folder = interrupted(runs, run_id, created_at=at(100))
    runs.commit(folder, 0, 4)
    return folder


@pytest.mark.parametrize("make", [let_go, silent, never_driven, half_committed])
def test_a_run_that_could_be_resumed_is_kept_unless_it_is_asked_for(runs: RunMaker, make: Any) -> None:
    make(runs, "r1")
    runs.finish("r2", created_at=at(50))
    for limits in ({"keep": 0}, {"older_than_s": 3600.0}):
        pruned = prune(runs.storage, NOW, dry_run=True, **limits)
        assert pruned.runs == ("r2",)
        assert pruned.kept == (Kept(run_id="r1", reason=RESUMABLE, spared=True),)
    assert prune(runs.storage, NOW, keep=0).runs == ("r2",)
    assert run_ids(runs.storage) == ["r1"]
    assert prune(runs.storage, NOW, keep=0, unfinished=True).runs == ("r1",)
    assert runs.storage.list("runs") == []


def without_record(folder: RunFolder) -> None:
    folder.storage.remove(folder.path(layout.RECORD))


def with_broken_record(folder: RunFolder) -> None:
    folder.write_file(layout.RECORD, b"{")


def with_broken_verdict(folder: RunFolder) -> None:
    folder.write_file(layout.VERDICT, b"{")


def with_deep_record(folder: RunFolder) -> None:
    folder.write_file(layout.RECORD, b"[" * 200_000)


@pytest.mark.parametrize("damage", [without_record, with_broken_record, with_broken_verdict, with_deep_record])
def test_a_damaged_run_is_kept_unless_it_is_asked_for(runs: RunMaker, damage: Any) -> None:
    damage(runs.finish("bad", created_at=at(60)))
    runs.finish("good", created_at=at(50))
    pruned = prune(runs.storage, NOW, keep=0)
    assert pruned.runs == ("good",)
    [kept] = pruned.kept
    assert kept.run_id == "bad" and kept.reason.startswith(f"{DAMAGED}: `") and not kept.failed
    assert runs.storage.list("artifacts"), "the one that nobody can read may name it"
    assert prune(runs.storage, NOW, keep=0, unfinished=True).runs == ("bad",)


def test_a_run_is_not_named_as_kept_that_was_not_to_go(runs: RunMaker) -> None:
    interrupted(runs, "r1", created_at=at(1))
    assert prune(runs.storage, NOW, keep=1).kept == ()
    assert prune(runs.storage, NOW, older_than_s=7200.0).kept == ()


def test_a_run_that_was_taken_over_meanwhile_is_kept(runs: RunMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = interrupted(runs, "r1", created_at=at(100))
    claim = RunFolder.claim_epoch

    def late(self: RunFolder, owner: Owner, **after: Any) -> int | None:
        monkeypatch.undo()
        assert claim(folder, this_process(), after=2) == 3  # a resume, between the look and the deletion
        return self.claim_epoch(owner, **after)

    monkeypatch.setattr(RunFolder, "claim_epoch", late)
    pruned = prune(runs.storage, NOW, keep=0, unfinished=True)
    assert (pruned.runs, pruned.kept) == ((), (Kept(run_id="r1", reason=RUNNING),))
    assert folder.load_run().run_id == "r1"


def test_a_run_that_cannot_be_deleted_keeps_no_other(runs: RunMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    for run_id in ("a", "b", "c"):
        runs.finish(run_id, shards=1, rows=1)
    create = LocalStorage.create

    def refuse(self: LocalStorage, path: str, data: bytes, **more: Any) -> bool:
        if path == "runs/b/deleted":
            raise StoreError("cannot create it", cause=os.strerror(errno.EACCES))
        return create(self, path, data, **more)

    monkeypatch.setattr(LocalStorage, "create", refuse)
    pruned = prune(runs.storage, NOW, keep=0)
    assert pruned.runs == ("c", "a")
    assert pruned.kept == (Kept(run_id="b", reason="cannot create it (Permission denied)", failed=True),)
    assert run_ids(runs.storage) == ["b"]


@pytest.mark.parametrize("begun", ["now", "earlier"])
def test_a_deletion_that_cannot_be_finished_keeps_no_other(
    runs: RunMaker, monkeypatch: pytest.MonkeyPatch, begun: str
) -> None:
    for run_id in ("a", "b", "c"):
        runs.finish(run_id, shards=1, rows=1)
    remove_tree = LocalStorage.remove_tree

    def refuse(self: LocalStorage, path: str) -> None:
        if path.startswith("runs/b/"):
            raise StoreError("cannot remove it", cause=os.strerror(errno.EACCES))
        remove_tree(self, path)

    monkeypatch.setattr(LocalStorage, "remove_tree", refuse)
    if begun == "earlier":
        with pytest.raises(StoreError):
            delete_run(runs.storage, "b")
    pruned = prune(runs.storage, NOW, keep=0)
    assert pruned.runs == ("c", "a")
    assert pruned.kept == (Kept(run_id="b", reason="cannot remove it (Permission denied)", failed=True),)
    monkeypatch.undo()
    assert prune(runs.storage, NOW, keep=0).kept == ()
    assert runs.storage.list(layout.RUNS) == []


# Clocks that were wrong


@pytest.mark.parametrize(
    ("instants", "gone"),
    [
        ([IN_2030, at(30), at(1)], "ab"),  # as old as what was made after it
        ([IN_2030, at(1)], ""),
        ([IN_2030], ""),
        ([at(1), IN_1970], ""),  # not older than what was made before it
        ([IN_1970], ""),
        ([IN_1970, at(1)], ""),
        ([IN_1970, at(30), at(1)], "ab"),
        ([at(30), IN_1970, at(1)], "a"),
        ([at(50), IN_1970, at(30), at(1)], "abc"),
        ([at(50), IN_2030, at(30), at(1)], "abc"),
        ([at(30), at(40), at(1), at(50)], "ab"),
        (["no instant", at(1)], ""),
    ],
)
def test_a_run_is_as_old_as_clocks_that_can_be_believed_say(instants: list[str], gone: str) -> None:
    runs = [
        RunSummary(run_id=name, state=RunState.FINISHED, counts=Counts(), created_at=instant)
        for name, instant in zip("abcd", instants, strict=False)
    ]
    made = made_at(runs[::-1], NOW)
    assert "".join(name for name in sorted(made) if NOW - made[name] > timedelta(days=1)) == gone


def test_the_age_of_a_run_from_the_future_decides_whether_it_goes(runs: RunMaker) -> None:
    for name, instant in (("a", IN_2030), ("b", at(30)), ("c", IN_1970)):
        runs.finish(name, shards=1, rows=1, created_at=instant)
    assert prune(runs.storage, NOW, older_than_s=86_400).runs == ("b", "a")


def test_the_newest_are_kept_by_the_order_in_which_they_were_made(runs: RunMaker) -> None:
    for name, instant in (("a", IN_2030), ("b", at(2)), ("c", IN_1970)):
        runs.finish(name, shards=1, rows=1, created_at=instant)
    assert prune(runs.storage, NOW, keep=1).runs == ("b", "a")
    assert [run.run_id for run in list_runs(runs.storage, NOW)] == ["c"]
    assert len(runs.storage.list("order")) == 1, "what is noted of deleted runs goes with them"


# Cut off


class Cut(Exception):
    """The process dies here."""


def cut_off_after(monkeypatch: pytest.MonkeyPatch, operations: int) -> None:
    done = 0

    def counted(original: Any) -> Any:
        def operation(self: LocalStorage, path: str, *data: bytes) -> Any:
            nonlocal done
            if done == operations:
                raise Cut
            done += 1
            return original(self, path, *data)

        return operation

    for name in ("create", "remove", "remove_tree"):
        monkeypatch.setattr(LocalStorage, name, counted(getattr(LocalStorage, name)))


@pytest.mark.parametrize("operations", range(17))
def test_a_deletion_that_is_cut_off_anywhere_leaves_a_whole_run_or_none(
    runs: RunMaker, monkeypatch: pytest.MonkeyPatch, operations: int
) -> None:
    folder = runs.finish("r1", shards=1, rows=1)
    with monkeypatch.context() as patched:
        cut_off_after(patched, operations)
        with pytest.raises(Cut):
            delete_run(runs.storage, "r1")
    if run_ids(runs.storage):
        assert operations <= 1
        assert verify_run(folder).ok
    else:
        assert list_runs(runs.storage, NOW) == []
        with pytest.raises(UsageError):
            resolve_run(runs.storage, "r1")
        with pytest.raises(UsageError):
            verify_run(folder)
    prune(runs.storage, NOW, keep=0)
    assert runs.storage.list("runs") == []


def test_seventeen_operations_are_all_that_deleting_takes(runs: RunMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.finish("r1")
    cut_off_after(monkeypatch, 17)
    delete_run(runs.storage, "r1")
    assert run_ids(runs.storage) == []


def test_a_run_may_be_called_as_one_that_was_half_deleted_and_takes_nothing_over(
    runs: RunMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = runs.finish("r1").load_run()
    with monkeypatch.context() as patched:
        cut_off_after(patched, 3)
        with pytest.raises(Cut):
            delete_run(runs.storage, "r1")
    folder = RunFolder(runs.storage, "r1")
    assert folder.is_complete(), "what the new run must not believe"
    assert dispatch(folder, record, Artifact(journey=JourneyIdentity(name="place-order")))
    assert not folder.is_complete()
    assert folder.committed() == []


def test_no_run_may_be_called_as_one_whose_record_is_missing(runs: RunMaker) -> None:
    folder = runs.finish("r1")
    record = folder.load_run()
    runs.storage.remove(folder.path(layout.RECORD))
    with pytest.raises(UsageError) as caught:
        dispatch(folder, record, Artifact(journey=JourneyIdentity(name="place-order")))
    assert caught.value.code == "run_without_record"


# Asked meanwhile


@pytest.mark.parametrize("named", [(), ("r1", "r2")])
def test_a_question_is_answered_without_a_run_that_is_deleted_meanwhile(
    runs: RunMaker, monkeypatch: pytest.MonkeyPatch, named: tuple[str, ...]
) -> None:
    runs.finish("r1", rows=5)
    runs.finish("r2", rows=5)

    def then_delete(*arguments: Any, **more: Any) -> Any:
        session = open_session(*arguments, **more)
        monkeypatch.undo()
        delete_run(runs.storage, "r1")
        return session

    monkeypatch.setattr(store, "open_session", then_delete)
    asked = "select distinct run_id from results"
    if named:
        with pytest.raises(UsageError, match="no run 'r1'"):
            Store(runs.storage).query(asked, runs=named)
    else:
        assert list(Store(runs.storage).query(asked, "all").rows()) == [("r2",)]


def test_a_row_of_a_run_that_is_deleted_meanwhile_is_not_there(runs: RunMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.finish("r1")

    def then_delete(*arguments: Any, **more: Any) -> Any:
        session = open_session(*arguments, **more)
        monkeypatch.undo()
        delete_run(runs.storage, "r1")
        return session

    monkeypatch.setattr(store, "open_session", then_delete)
    with pytest.raises(UsageError) as caught:
        Store(runs.storage).row("r1", "0")
    assert caught.value.code == "unknown_run"


def test_whoever_reads_while_runs_are_deleted_gets_whole_runs_or_is_told_why_not(runs: RunMaker) -> None:
    for number in range(8):
        runs.finish(f"r{number:02}", shards=2, rows=5)
    deserted = Store(LocalStorage(Path(runs.storage.uri)))
    told: list[tuple[str, str]] = []
    surprises: list[object] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            try:
                for run_id, count in deserted.query("select run_id, count(*) from results group by 1", "all").rows():
                    if count != 10:
                        surprises.append((run_id, count))
                surprises.extend(run for run in deserted.runs() if run.state is not RunState.FINISHED)
                deserted.verify("latest")
            except ReqfloError as error:
                told.append((error.code, error.message))
            except Exception as error:
                surprises.append(error)

    reader = threading.Thread(target=ask)
    reader.start()
    try:
        for left in range(7, -1, -1):
            deserted.prune(keep=left)
    finally:
        done.set()
        reader.join()
    assert surprises == []
    assert {code for code, _ in told} <= {"unknown_run", "run_deleted"}, told
    assert runs.storage.list("runs") == []


# What must be said


@pytest.mark.parametrize(
    ("arguments", "code"),
    [({}, "nothing_to_prune_by"), ({"keep": -1}, "invalid_prune"), ({"older_than_s": -1.0}, "invalid_prune")],
)
def test_prune_needs_to_know_what(runs: RunMaker, arguments: dict[str, Any], code: str) -> None:
    with pytest.raises(UsageError) as caught:
        prune(runs.storage, NOW, **arguments)
    assert caught.value.code == code
