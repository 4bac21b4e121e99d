"""A run with any number of shards, whose files are generated while they are read, for measurements of memory.

No file of a shard is on disk; files that the product writes (verdict, manifest) are.
"""

from __future__ import annotations

import hashlib

import msgspec

from reqflo_ray._internal.model.artifact import Artifact, JourneyIdentity, digest
from reqflo_ray._internal.model.plan import Plan, RunRecord, ShardPlan
from reqflo_ray._internal.model.results import Commit, Counts, FileDigest, RowResult, ShardSummary, Status
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.runs.folder.artifacts import save_artifact
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.runs.results.writer import Origin, results_file
from reqflo_ray._internal.runs.staging.rows import write_plan
from reqflo_ray._internal.storage.local import LocalStorage

ROWS = 100  # of a shard
_FOLDERS = (layout.ROWS, layout.RESULTS, layout.STEPS)
_DATA = b"made up"
_RESULTS = results_file(
    [RowResult(row_index=row, row_key="", status=Status.PASSED, requests=1) for row in range(ROWS)],
    Origin(run_id="made-up", journey="made-up", shard=0),
)
_DIGEST = hashlib.sha256(_DATA).hexdigest()


class MadeUpStorage(LocalStorage):
    """The store of a run `made-up` of so many shards, all of them committed."""

    shards = 0

    def read(self, path: str) -> bytes:
        part = self._part(path)
        if part in _FOLDERS:
            return _RESULTS if part == layout.RESULTS else _DATA
        if part == layout.COMMITS:
            return msgspec.json.encode(_commit(layout.number_of(path.rpartition("/")[2]) or 0))
        return super().read(path)

    def list(self, folder: str) -> list[str]:
        part = self._part(f"{folder}/")
        if part == layout.COMMITS:
            return [f"{shard:05d}.json" for shard in range(self.shards)]
        if part in _FOLDERS:
            attempt = "" if part == layout.ROWS else ".a0001"
            return [f"shard-{shard:05d}{attempt}.parquet" for shard in range(self.shards)]
        return super().list(folder)

    @staticmethod
    def _part(path: str) -> str:
        return path.removeprefix("runs/made-up/").partition("/")[0]


def made_up_run(storage: MadeUpStorage, shards: int) -> RunFolder:
    """A run that only lacks its verdict and manifest."""
    storage.shards = shards
    artifact = Artifact(journey=JourneyIdentity(name="made-up"), steps=())
    save_artifact(storage, artifact)
    folder = RunFolder(storage, "made-up")
    folder.create_run(
        RunRecord(
            run_id=folder.run_id,
            nonce="00",
            created_at="2026-01-01T00:00:00Z",
            artifact=digest(artifact),
            journey="made-up",
        )
    )
    lines = (ShardPlan(shard=shard, first_row=shard * ROWS, rows=ROWS, sha256=_DIGEST) for shard in range(shards))
    write_plan(storage, folder.run_id, Plan(lines))
    return folder


def _commit(shard: int) -> Commit:
    files = {layout.results(shard, 1): _RESULTS, layout.steps(shard, 1): _DATA}
    return Commit(
        shard=shard,
        attempt=1,
        epoch=1,
        files=tuple(
            FileDigest(path=path, sha256=hashlib.sha256(data).hexdigest(), size=len(data), rows=ROWS)
            for path, data in files.items()
        ),
        summary=ShardSummary(shard=shard, attempt=1, counts=Counts(rows=ROWS, passed=ROWS, steps=ROWS, requests=ROWS)),
    )
