"""Runs are found, ordered and deleted among whatever else lies in a folder or a bucket."""

from __future__ import annotations

from datetime import UTC, datetime

import boto3
from bucket_fixtures import S3_KEY, S3_SECRET, Bucket

from reqflo_ray._internal.model.plan import RunRecord
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.runs.folder.claims import Beat
from reqflo_ray._internal.runs.folder.owner import Owner
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.runs.upkeep.history import list_runs, resolve_run, run_ids
from reqflo_ray._internal.runs.upkeep.pruning import RESUMABLE, prune
from reqflo_ray._internal.runs.upkeep.verify import verify_run
from reqflo_ray._internal.storage.open import open_storage
from reqflo_ray._internal.storage.protocol import Storage

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


def begin(storage: Storage, run_id: str, created_at: str) -> RunFolder:
    folder = RunFolder(storage, run_id)
    assert folder.create_run(RunRecord(run_id=run_id, nonce="00", created_at=created_at, artifact="a", journey="j"))
    assert folder.claim_epoch(Owner(), after=0) == 1
    folder.write_beat(1, Beat(count=-1))
    return folder


def test_stray_files_hide_no_run_and_are_none(storage: Storage) -> None:
    begin(storage, "future", "2030-01-01T00:00:00Z")
    begin(storage, "past", "1970-01-01T00:00:00Z")
    lost = begin(storage, "lost", "2026-11-22T10:00:00Z")
    storage.remove(lost.path(layout.RECORD))
    for stray in ("runs/.DS_Store", "runs/notes.txt", "runs/r9/readme", "runs/past/.DS_Store", "order/x", "order/.y"):
        storage.write(stray, b"stray")
    assert run_ids(storage) == ["future", "lost", "past"]
    assert [run.run_id for run in list_runs(storage, NOW)] == ["lost", "past", "future"]
    assert resolve_run(storage, "latest").run_id == "lost"
    assert [finding.kind for finding in verify_run(lost).findings] == ["missing"]
    kept = {kept.run_id: kept.reason for kept in prune(storage, NOW, keep=0).kept}
    assert kept["past"] == kept["future"] == RESUMABLE
    assert set(prune(storage, NOW, keep=0, unfinished=True).runs) >= {"past", "future"}
    assert "past" not in run_ids(storage)
    assert storage.exists("runs/notes.txt")
    assert storage.exists("runs/r9/readme")


def test_journals_keep_their_numbers_where_all_claims_are_lost(storage: Storage) -> None:
    folder = begin(storage, "r1", "2026-11-22T10:00:00Z")
    for number in (1, 2):
        assert folder.claim_attempt(0, 1) == number
        log = folder.open_journal(0, number)
        log.append(b"begun")
        log.sync()
        log.close()
    storage.remove_tree(folder.path(layout.attempts(0)))
    assert folder.claim_attempt(0, 1) == 3


def test_an_object_that_stands_for_a_folder_is_nothing_in_it(s3_bucket: Bucket, s3_url: str) -> None:
    storage = open_storage(s3_bucket.uri)
    begin(storage, "r1", "2026-11-22T10:00:00Z")
    client = boto3.client(
        "s3",
        endpoint_url=s3_url,
        aws_access_key_id=S3_KEY,
        aws_secret_access_key=S3_SECRET,
        region_name="us-east-1",
    )
    bucket = s3_bucket.uri.removeprefix("s3://").partition("/")[0]
    for name in ("runs/", "runs/r1/", "runs/r1/results/", "runs/r2/"):
        client.put_object(Bucket=bucket, Key=f"{s3_bucket.prefix}/{name}", Body=b"")
    assert storage.list("runs/r1/results") == []
    assert run_ids(storage) == ["r1"]
