"""Claims, fences and commits: of many that try, exactly one wins, and the others know it."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sample_runs import RunMaker

from reqflo_ray._internal.errors import IntegrityError
from reqflo_ray._internal.model.results import Commit, Counts, ShardSummary
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.runs.folder.claims import AttemptClaim, Beat, EpochClaim
from reqflo_ray._internal.runs.folder.owner import Owner, this_process
from reqflo_ray._internal.runs.folder.run_folder import FenceState, RunFolder
from reqflo_ray._internal.storage.local import LocalStorage


def summary(shard: int, attempt: int) -> ShardSummary:
    return ShardSummary(shard=shard, attempt=attempt, counts=Counts(rows=1, passed=1))


def commit(shard: int, attempt: int = 1) -> Commit:
    return Commit(shard=shard, attempt=attempt, epoch=1, files=(), summary=summary(shard, attempt))


def gone(**fields: Any) -> Owner:
    """An owner on this machine whose process has ended."""
    me = this_process()
    return msgspec.structs.replace(me, process_started=me.process_started - 1, **fields)


# Drivers


def test_epochs_are_claimed_one_after_the_other(folder: RunFolder) -> None:
    assert folder.latest_epoch() is None
    assert folder.claim_epoch(Owner(pid=1), after=0) == 1
    assert folder.claim_epoch(Owner(pid=2), after=1) == 2
    assert folder.latest_epoch() == EpochClaim(epoch=2, owner=Owner(pid=2))


def test_who_judged_an_older_owner_gets_nothing(folder: RunFolder) -> None:
    assert folder.claim_epoch(Owner(pid=1), after=0) == 1
    assert folder.claim_epoch(Owner(pid=2), after=0) is None
    assert folder.latest_epoch() == EpochClaim(epoch=1, owner=Owner(pid=1))


def test_a_damaged_claim_is_an_unknown_owner(folder: RunFolder) -> None:
    folder.write_file(layout.epoch(1), b"{")
    assert folder.latest_epoch() == EpochClaim(epoch=1, owner=Owner())


def test_a_beat_is_raised_and_read(folder: RunFolder) -> None:
    assert folder.read_beat(1) == Beat()
    folder.write_beat(1, Beat(count=1, at_us=5))
    folder.write_beat(1, Beat(count=2, at_us=9))
    assert folder.read_beat(1) == Beat(count=2, at_us=9)
    assert folder.latest_epoch() == EpochClaim(epoch=1, owner=Owner()), "who beats has claimed: that claim is lost"
    folder.write_file(layout.beat(1), b"\0")
    assert folder.read_beat(1) == Beat()


def test_a_stop_is_of_one_epoch(folder: RunFolder) -> None:
    folder.stop(1)
    folder.stop(1)
    assert folder.is_stopped(1)
    assert not folder.is_stopped(2)


# Attempts and their fence


def test_attempts_are_numbered_without_gaps(folder: RunFolder) -> None:
    assert [folder.claim_attempt(0, 1) for _ in range(3)] == [1, 2, 3]
    assert folder.claim_attempt(1, 1) == 1
    assert [number for number, _ in folder.attempts(0)] == [1, 2, 3]
    assert folder.attempts(0)[0][1] == AttemptClaim(epoch=1, owner=this_process())


def test_more_than_ten_thousand_attempts_stay_in_order(folder: RunFolder) -> None:
    for number in (9999, 10000):
        folder.write_file(layout.attempt(0, number), b"{}")
    assert folder.claim_attempt(0, 1) == 10001
    assert [number for number, _ in folder.attempts(0)] == [9999, 10000, 10001]


def test_a_lone_attempt_may_go_on(folder: RunFolder) -> None:
    folder.claim_attempt(0, 1)
    assert folder.fence_state(1, 0, 1) is FenceState.OPEN
    assert folder.fence_open(1, 0, 1)


def test_a_higher_attempt_closes_the_fence(folder: RunFolder) -> None:
    folder.claim_attempt(0, 1)
    folder.claim_attempt(0, 1)
    assert folder.fence_state(1, 0, 1) is FenceState.SUPERSEDED
    assert folder.fence_state(1, 0, 2) is FenceState.OPEN


def test_a_commit_closes_the_fence(folder: RunFolder) -> None:
    folder.claim_attempt(0, 1)
    folder.commit(commit(0))
    assert folder.fence_state(1, 0, 1) is FenceState.COMMITTED
    assert folder.fence_state(1, 1, 1) is FenceState.OPEN


def test_a_newer_driver_closes_the_fence(folder: RunFolder) -> None:
    folder.claim_epoch(Owner(), after=0)
    folder.claim_attempt(0, 1)
    folder.claim_epoch(Owner(), after=1)
    assert folder.fence_state(1, 0, 1) is FenceState.NEWER_EPOCH
    assert folder.fence_state(2, 0, 1) is FenceState.OPEN


def test_a_stop_closes_the_fence_of_its_epoch(folder: RunFolder) -> None:
    folder.claim_attempt(0, 1)
    folder.stop(1)
    assert folder.fence_state(1, 0, 1) is FenceState.STOPPED
    assert folder.fence_state(2, 0, 1) is FenceState.OPEN
    assert not folder.fence_open(1, 0, 1)


def test_older_journals_are_those_before_the_attempt(folder: RunFolder) -> None:
    for number in (1, 2, 3):
        folder.claim_attempt(0, 1)
        if number != 2:  # died before it had a journal
            log = folder.open_journal(0, number)
            log.append(b"journal %d" % number)
            log.close()
    assert folder.older_journals(0, 3, synced=True) == [(1, b"journal 1")]
    assert folder.older_journals(0, 4, synced=False) == [(1, b"journal 1"), (3, b"journal 3")]
    assert folder.older_journals(1, 4, synced=True) == []


def test_a_claim_says_that_its_journal_was_begun_and_keeps_its_owner(folder: RunFolder) -> None:
    owner = gone()
    folder.claim_attempt(0, 1, owner)
    folder.claim_attempt(0, 1)
    folder.note_journal(0, 1)
    claims = dict(folder.attempts(0))
    assert claims[1].has_journal and claims[1].owner == owner
    assert not claims[2].has_journal


def test_a_claim_that_cannot_be_read_is_taken_for_one_with_a_journal(folder: RunFolder) -> None:
    folder.claim_attempt(0, 1)
    folder.write_file(layout.attempt(0, 1), b"{")
    assert folder.attempts(0) == [(1, AttemptClaim(has_journal=True))]


def test_a_claim_in_the_place_of_another_cannot_be_read(folder: RunFolder) -> None:
    for shard in (0, 1):
        folder.claim_attempt(shard, 1)
    folder.write_file(layout.attempt(0, 1), folder.read_file(layout.attempt(1, 1)))
    assert folder.attempts(0) == [(1, AttemptClaim(has_journal=True))]


def test_the_number_of_a_lost_claim_is_not_given_to_another_attempt(folder: RunFolder) -> None:
    for number in (1, 2):
        folder.claim_attempt(0, 1)
        folder.open_journal(0, number).close()
    folder.storage.remove(folder.path(layout.attempt(0, 2)))
    assert folder.claim_attempt(0, 1) == 3
    assert not folder.fence_open(1, 0, 1), "its place is filled, so that the one before finds its fence closed"


def test_where_all_claims_of_a_shard_are_lost_its_journals_keep_their_numbers(folder: RunFolder) -> None:
    for number in (1, 2):
        folder.claim_attempt(0, 1)
        folder.open_journal(0, number).close()
    folder.storage.remove_tree(folder.path(layout.attempts(0)))
    assert folder.claim_attempt(0, 1) == 3


def test_a_worker_that_slept_until_the_claims_were_removed_leaves_none_behind(folder: RunFolder) -> None:
    folder.note_journal(0, 1)
    assert folder.attempts(0) == []


def test_a_worker_that_died_under_the_same_driver_counts(folder: RunFolder) -> None:
    folder.claim_attempt(0, 1, gone())
    folder.claim_attempt(0, 1)
    assert folder.worker_deaths(folder.attempts(0), 2) == {1}
    assert folder.worker_deaths(folder.attempts(0), 1) == set()


def test_a_worker_that_lives_did_not_die(folder: RunFolder) -> None:
    folder.claim_attempt(0, 1)
    folder.claim_attempt(0, 1)
    assert folder.worker_deaths(folder.attempts(0), 2) == set()


def test_an_attempt_that_ended_with_its_driver_or_by_stop_is_no_death(folder: RunFolder) -> None:
    folder.claim_attempt(0, 1, gone())
    folder.claim_attempt(0, 2, gone())
    folder.claim_attempt(0, 2)
    assert folder.worker_deaths(folder.attempts(0), 3) == {2}
    folder.stop(2)
    assert folder.worker_deaths(folder.attempts(0), 3) == set()


def test_a_death_on_another_node_counts_only_if_that_node_lives(folder: RunFolder) -> None:
    folder.claim_attempt(0, 1, gone(boot_id="another", host="node-2"))
    folder.claim_attempt(0, 1)
    assert folder.worker_deaths(folder.attempts(0), 2) == set()
    assert folder.worker_deaths(folder.attempts(0), 2, lambda owner: owner.host == "node-2") == {1}


# Commits


def test_the_first_commit_of_a_shard_counts(folder: RunFolder) -> None:
    assert folder.read_commit(0) is None
    assert folder.commit(commit(0, attempt=2))
    assert not folder.commit(commit(0, attempt=1))
    assert folder.read_commit(0) == commit(0, attempt=2)


def test_commits_are_read_in_order(folder: RunFolder) -> None:
    assert list(folder.commits()) == []
    for shard in (100000, 2, 10):
        folder.commit(commit(shard))
    assert [found.shard for found in folder.commits()] == [2, 10, 100000]


@pytest.mark.parametrize("data", [b"", b'{"shard": 0}', b"null"])
def test_a_damaged_commit_is_named(folder: RunFolder, data: bytes) -> None:
    folder.write_file(layout.commit(0), data)
    with pytest.raises(IntegrityError) as caught:
        list(folder.commits())
    assert "`commits/00000.json`" in caught.value.message


def test_the_commit_of_another_shard_or_run_is_none_of_this_one(folder: RunFolder) -> None:
    folder.commit(commit(0))
    other = RunFolder(folder.storage, "r2")
    other.commit(commit(1))
    for data in (folder.read_file(layout.commit(0)), other.read_file(layout.commit(1))):
        folder.write_file(layout.commit(1), data)
        with pytest.raises(IntegrityError) as caught:
            folder.read_commit(1)
        assert "`commits/00001.json`" in caught.value.message


def test_the_commit_of_another_shard_is_known_also_where_0_1_0_wrote_it(folder: RunFolder) -> None:
    folder.write_file(layout.commit(1), msgspec.json.encode(commit(0)))
    with pytest.raises(IntegrityError) as caught:
        folder.read_commit(1)
    assert "shard 0" in caught.value.cause


def test_the_claim_that_closed_a_shard_has_a_copy_of_its_commit(folder: RunFolder) -> None:
    assert folder.copy_of_commit(0) is None
    folder.claim_attempt(0, 1)
    assert folder.copy_of_commit(0) is None
    folder.commit(commit(0))
    folder.write_file(layout.commit(0), b"{")
    copy = folder.copy_of_commit(0)
    assert copy == commit(0) == folder.copy_of_commit(0, attempt=1) and folder.copy_of_commit(0, attempt=2) is None
    folder.restore_commit(copy)
    assert folder.read_commit(0) == copy


def test_a_closed_shard_counts_also_where_its_commit_is_lost(folder: RunFolder) -> None:
    for shard in (0, 1, 2):
        folder.claim_attempt(shard, 1)
    folder.commit(commit(0))
    folder.commit(commit(2))
    folder.storage.remove(folder.path(layout.commit(0)))
    assert folder.committed() == [2]
    assert [shard for shard in folder.begun() if folder.read_closing(shard) is not None] == [0, 2]
    assert list(folder.commits()) == [commit(0), commit(2)]


def test_the_files_of_a_lost_attempt_are_dropped(folder: RunFolder, runs: RunMaker) -> None:
    lost = runs.write(folder, 0, 3)
    folder.drop_files(lost)
    folder.drop_files(lost)
    assert folder.storage.list(folder.path(layout.RESULTS)) == []
    assert folder.storage.list(folder.path(layout.STEPS)) == []


def test_an_attempt_that_has_a_successor_cannot_commit(folder: RunFolder) -> None:
    folder.claim_attempt(0, 1)
    folder.claim_attempt(0, 1)
    assert not folder.commit(commit(0, attempt=1))
    assert folder.read_commit(0) is None
    assert folder.commit(commit(0, attempt=2))


def test_a_shard_whose_commit_was_not_published_is_published_by_whoever_comes_next(folder: RunFolder) -> None:
    folder.claim_attempt(0, 1)
    folder.commit(commit(0, attempt=1))
    folder.storage.remove(folder.path(layout.commit(0)))
    assert folder.claim_attempt(0, 1) == commit(0, attempt=1) == folder.read_commit(0)
    assert [number for number, _ in folder.attempts(0)] == [1]


def test_a_worker_that_slept_until_the_run_was_complete_finds_its_commit(folder: RunFolder) -> None:
    folder.claim_attempt(0, 1)
    folder.commit(commit(0, attempt=1))
    folder.storage.remove_tree(folder.path(layout.ATTEMPTS))
    assert folder.claim_attempt(0, 1) == commit(0, attempt=1)
    assert not folder.commit(commit(0, attempt=3))
    assert folder.attempts(0) == []


def _compete(root: str, name: int, start: Any, told: Any) -> None:
    folder = RunFolder(LocalStorage(Path(root)), "r1")
    start.wait(20)
    epochs = [folder.claim_epoch(Owner(pid=name), after=before) for before in range(5)]
    attempts = [folder.claim_attempt(0, 1) for _ in range(5)]
    commits = [folder.commit(commit(shard, attempt=name + 1)) for shard in range(5)]
    told.put((epochs, attempts, commits))


def test_of_many_processes_one_owns_an_epoch_an_attempt_and_a_commit(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    start, told = context.Barrier(4), context.Queue()
    processes = [context.Process(target=_compete, args=(str(tmp_path), name, start, told)) for name in range(4)]
    for process in processes:
        process.start()
    answers = [told.get(timeout=30) for _ in processes]
    for process in processes:
        process.join(20)
        assert process.exitcode == 0
    for epoch in range(5):
        assert sum(epochs[epoch] is not None for epochs, _, _ in answers) == 1
    assert sorted(number for _, attempts, _ in answers for number in attempts) == list(range(1, 21))
    # Of shard 0 every attempt has a successor by now: none of them may commit it.
    assert [sum(commits[shard] for _, _, commits in answers) for shard in range(5)] == [0, 1, 1, 1, 1]
