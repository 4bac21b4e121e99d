"""The record of a run: made once, proven, compared; and the artifact that it names."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from sample_runs import RunMaker

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
from reqflo_ray._internal.model.values import Literal
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.runs.folder.artifacts import load_artifact, save_artifact
from reqflo_ray._internal.runs.folder.claims import Beat, EpochClaim
from reqflo_ray._internal.runs.folder.document import content_of, with_checksum
from reqflo_ray._internal.runs.folder.owner import Owner
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.runs.folder.run_record import record_differences, run_conflict
from reqflo_ray._internal.storage.local import LocalStorage

RECORD = RunRecord(run_id="r1", nonce="00", created_at="2026-11-22T10:45:00Z", artifact="a" * 64, journey="j")


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
    assert "`run.json`" in caught.value.message and "`epochs/0001.json` names" in caught.value.cause
    # What a later driver claims changes nothing.
    folder.claim_epoch(Owner(pid=2), after=1, record_sha256=folder.record_sha256())
    with pytest.raises(IntegrityError):
        folder.load_proven_run()


def test_the_record_of_a_finished_run_is_proven_by_its_manifest(runs: RunMaker) -> None:
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
