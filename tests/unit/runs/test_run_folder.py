"""Claims, fences and commits: of many that try, exactly one wins, and the others know it."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from reqflo_ray._internal.errors import IntegrityError, StoreError, UsageError
from reqflo_ray._internal.model.artifact import Artifact, JourneyIdentity
from reqflo_ray._internal.model.plan import (
    Environment,
    HttpSettings,
    InputSource,
    InputValue,
    RunOptions,
    RunRecord,
    SecretReference,
    SecretSource,
    encode_run,
)
from reqflo_ray._internal.model.results import Commit, Counts, ShardSummary
from reqflo_ray._internal.model.values import Literal
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.runs.folder.artifacts import load_artifact, save_artifact
from reqflo_ray._internal.runs.folder.claims import AttemptClaim, Beat, EpochClaim
from reqflo_ray._internal.runs.folder.document import content_of, with_checksum
from reqflo_ray._internal.runs.folder.owner import Owner, this_process
from reqflo_ray._internal.runs.folder.run_folder import FenceState, RunFolder
from reqflo_ray._internal.runs.folder.run_record import record_differences, run_conflict
from reqflo_ray._internal.storage.local import LocalStorage

RECORD = RunRecord(run_id="r1", nonce="00", created_at="2026-11-22T10:45:00Z", artifact="a" * 64, journey="j")


@pytest.fixture
def folder(storage: LocalStorage) -> RunFolder:
    return RunFolder(storage, "r1")


def summary(shard: int, attempt: int) -> ShardSummary:
    return ShardSummary(shard=shard, attempt=attempt, counts=Counts(rows=1, passed=1))


def commit(shard: int, attempt: int = 1) -> Commit:
    return Commit(shard=shard, attempt=attempt, epoch=1, files=(), summary=summary(shard, attempt))


def gone(**fields: Any) -> Owner:
    """An owner on this machine whose process has ended."""
    me = this_process()
    return msgspec.structs.replace(me, process_started=me.process_started - 1, **fields)


# The run record


def test_a_run_is_created_once(folder: RunFolder) -> None:
    assert not folder.exists()
    assert folder.create_run(RECORD)
    assert folder.exists()
    assert not folder.create_run(msgspec.structs.replace(RECORD, journey="other"))
    assert folder.load_run() == RECORD


def test_a_record_of_another_run_is_refused(folder: RunFolder) -> None:
    with pytest.raises(ValueError, match="does not belong"):
        folder.create_run(msgspec.structs.replace(RECORD, run_id="r2"))


def test_a_run_that_is_not_there_is_named(folder: RunFolder) -> None:
    with pytest.raises(UsageError) as caught:
        folder.load_run()
    assert caught.value.code == "unknown_run"
    assert "`r1`" in caught.value.message


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"run_id": 7}', b"\xff\xfe"])
def test_a_damaged_record_is_named(folder: RunFolder, data: bytes) -> None:
    folder.write_file(layout.RECORD, data)
    with pytest.raises(IntegrityError) as caught:
        folder.load_run()
    assert caught.value.code == "damaged_file"
    assert "`run.json`" in caught.value.message


def test_a_record_of_a_later_version_is_refused_by_name(folder: RunFolder) -> None:
    folder.create_run(msgspec.structs.replace(RECORD, format=3))
    with pytest.raises(StoreError) as caught:
        folder.load_run()
    assert caught.value.code == "unsupported_run"
    assert "`run.json` of run `r1` was written by a newer version" in caught.value.message
    assert "format 3; this version reads 1 and 2" in caught.value.cause


def with_field(folder: RunFolder, name: str, field: bytes) -> bytes:
    """A document as a version would have written it that knows one more field."""
    content = content_of(folder.read_file(name), folder.path(name))
    assert content is not None
    return with_checksum(content.rstrip(b"}\n ") + b"," + field + b"}", folder.path(name))


def test_a_field_that_a_newer_version_added_is_no_damage(folder: RunFolder) -> None:
    folder.create_run(RECORD)
    folder.write_file(layout.RECORD, with_field(folder, layout.RECORD, b'"colour": "red"'))
    with pytest.raises(StoreError) as caught:
        folder.load_run()
    assert caught.value.code == "unsupported_run"
    assert "unknown field `colour`" in caught.value.cause and "newer version" in caught.value.message


def test_an_unknown_field_without_a_checksum_is_damage(folder: RunFolder) -> None:
    folder.write_file(layout.RECORD, encode_run(RECORD).rstrip(b"}\n ") + b',"colour":"red"}')
    with pytest.raises(IntegrityError):
        folder.load_run()


def test_a_record_that_0_1_0_wrote_is_read(folder: RunFolder) -> None:
    old = msgspec.structs.replace(RECORD, format=1)
    folder.write_file(layout.RECORD, encode_run(old))
    assert folder.load_run() == folder.load_proven_run() == old


def test_the_record_of_the_first_driver_is_the_one_that_counts(folder: RunFolder) -> None:
    folder.create_run(RECORD)
    folder.claim_epoch(Owner(pid=1), after=0, record_sha256=folder.record_sha256())
    assert folder.load_proven_run() == RECORD
    other = msgspec.structs.replace(RECORD, environment=Environment(values={"api": Literal("http://127.0.0.1:9")}))
    folder.write_file(layout.RECORD, folder.encode(layout.RECORD, other))
    assert folder.load_run() == other, "it is whole"
    with pytest.raises(IntegrityError) as caught:
        folder.load_proven_run()
    assert "`run.json`" in caught.value.message and "`epochs/0001.json` says" in caught.value.cause
    # What a later driver claims changes nothing.
    folder.claim_epoch(Owner(pid=2), after=1, record_sha256=folder.record_sha256())
    with pytest.raises(IntegrityError):
        folder.load_proven_run()


def test_the_record_of_a_finished_run_is_proven_by_its_manifest(runs: Any) -> None:
    folder = runs.finish("r9")
    record = folder.load_proven_run()
    other = msgspec.structs.replace(record, journey="other")
    folder.write_file(layout.RECORD, folder.encode(layout.RECORD, other))
    with pytest.raises(IntegrityError):
        folder.load_proven_run()


def test_a_driver_whose_claim_is_lost_is_still_the_latest(folder: RunFolder) -> None:
    folder.claim_epoch(Owner(pid=1), after=0)
    folder.claim_epoch(Owner(pid=2), after=1)
    folder.write_beat(2, Beat(count=4))
    folder.storage.remove(folder.path(layout.epoch(2)))
    assert folder.latest_epoch() == EpochClaim(epoch=2, owner=Owner())


def test_who_tells_others_of_an_owner_is_told_that_its_claim_is_damaged(folder: RunFolder) -> None:
    folder.claim_epoch(Owner(pid=1), after=0)
    assert folder.read_latest_epoch() == EpochClaim(epoch=1, owner=Owner(pid=1))
    folder.write_file(layout.epoch(1), b"{")
    with pytest.raises(IntegrityError) as caught:
        folder.read_latest_epoch()
    assert "`epochs/0001.json`" in caught.value.message


def test_a_claim_of_the_same_run_id_in_another_store_is_no_claim_of_this_run(folder: RunFolder) -> None:
    folder.create_run(RECORD)
    folder.claim_epoch(Owner(pid=1), after=0, record_sha256="0" * 64)
    with pytest.raises(IntegrityError) as caught:
        folder.read_latest_epoch()
    assert "`epochs/0001.json`" in caught.value.message and "another `run.json`" in caught.value.cause
    assert folder.latest_epoch() == EpochClaim(epoch=1, owner=Owner()), "that driver may live, and has another run"


def test_an_owner_as_0_1_0_wrote_it_is_read(folder: RunFolder) -> None:
    folder.write_file(layout.epoch(1), msgspec.json.encode(Owner(pid=7, host="h")))
    assert folder.latest_epoch() == EpochClaim(epoch=1, owner=Owner(pid=7, host="h"))


def test_who_and_when_are_no_difference() -> None:
    other = msgspec.structs.replace(
        RECORD,
        nonce="ff",
        created_at="2027-01-01T00:00:00Z",
        user="b",
        host="h",
        backend="ray",
        workspace="/else",
        versions={"x": "1"},
        options=RunOptions(workers=7, concurrency=3),
    )
    assert record_differences(RECORD, other) == ()


def test_a_rotated_secret_is_no_difference_but_another_one_is() -> None:
    def with_secret(**fields: Any) -> RunRecord:
        known = {"source": SecretSource.GCP, "key": "projects/p/secrets/s", "version": "1", **fields}
        return msgspec.structs.replace(RECORD, secrets={"TOKEN": SecretReference(name="TOKEN", **known)})

    assert record_differences(with_secret(), with_secret(version="2")) == ()
    assert record_differences(with_secret(), with_secret(key="projects/p/secrets/t")) == ("secrets.TOKEN",)
    assert record_differences(RECORD, with_secret()) == ("secrets.TOKEN",)


def test_differences_are_named_one_by_one() -> None:
    other = msgspec.structs.replace(
        RECORD,
        artifact="b" * 64,
        presets=("p",),
        inputs={"total": InputValue(node=Literal(1), source=InputSource.SET)},
        http=HttpSettings(read_ms=1),
        options=RunOptions(rate=5.0),
    )
    differences = record_differences(RECORD, other)
    assert differences == ("artifact", "given.total", "http.read_ms", "options.rate", "presets")
    error = run_conflict("r1", differences)
    assert (error.code, error.exit_code) == ("run_differs", 2)
    assert "artifact, given.total" in error.message


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


def test_the_files_of_a_lost_attempt_are_dropped(folder: RunFolder, runs: Any) -> None:
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


# Artifacts


def test_an_artifact_is_kept_once_and_read_back(storage: LocalStorage, folder: RunFolder) -> None:
    artifact = Artifact(journey=JourneyIdentity(name="j"))
    digest = save_artifact(storage, artifact)
    assert save_artifact(storage, artifact) == digest
    assert load_artifact(storage, digest) == artifact
    assert folder.load_artifact(digest) == artifact


def test_a_missing_or_damaged_artifact_is_named(storage: LocalStorage) -> None:
    with pytest.raises(IntegrityError) as caught:
        load_artifact(storage, "0" * 64)
    assert caught.value.code == "missing_artifact"
    digest = save_artifact(storage, Artifact(journey=JourneyIdentity(name="j")))
    storage.write(layout.artifact(digest), b"{}")
    with pytest.raises(IntegrityError) as caught:
        load_artifact(storage, digest)
    assert caught.value.code == "damaged_artifact"
