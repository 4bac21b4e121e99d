"""Completes a run and removes what it no longer needs. The order of files makes a crash safe at any instant."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import TypeAlias

from reqflo_ray._internal.errors import StoreError
from reqflo_ray._internal.model.results import NAMED_FAILURES, Counts, Failure, FileDigest, ShardSummary, Verdict
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.runs.folder.manifest import manifest_parts
from reqflo_ray._internal.runs.folder.recount import difference, recount
from reqflo_ray._internal.runs.folder.run_files import damaged
from reqflo_ray._internal.runs.folder.run_folder import RunFolder

# Makes the verdict from the counts and the first rows that did not pass, in the order of rows.
Judge: TypeAlias = Callable[[Counts, list[Failure]], Verdict]


def complete(folder: RunFolder, judge: Judge, shards: int) -> Verdict:
    """Complete the run: check every file, write the verdict, then the manifest. Memory holds one shard at a time.

    The first verdict counts and is returned, so that two drivers that both get here cannot contradict each other.

    Args:
        shards: the number of shards in the plan.

    Raises:
        IntegrityError: a file does not match its commit; the run stays unfinished.
        StoreError: `uncommitted_shards`.
    """
    missing = shards - sum(shard < shards for shard in folder.committed())
    if missing:
        raise StoreError(
            f"{missing} of {shards} shards of run `{folder.run_id}` are not committed",
            code="uncommitted_shards",
            hint=f"run `reqflo-ray resume {folder.run_id}`",
        )
    # The last entry of the manifest is the verdict, which is created while the manifest is being written.
    folder.storage.create_from(
        folder.path(layout.MANIFEST),
        manifest_parts(folder.path(layout.MANIFEST), folder.run_id, _files(folder, judge, shards)),
    )
    return folder.decode(layout.VERDICT, folder.read_file(layout.VERDICT), Verdict)


def clean_up(folder: RunFolder) -> None:
    """Remove what only an unfinished run needs: the key of its sensitive values, journals, claims, markers, and files
    of attempts that lost.

    Does nothing for an unfinished run. The driver must have stopped its beat before.
    """
    if not folder.is_complete():
        return
    # First, because the sensitive values, which are no longer needed, go with it.
    folder.storage.remove(folder.path(layout.SEALING_KEY))
    shards, manifest = len(folder.committed()), None
    for part in (layout.ROWS, layout.RESULTS, layout.STEPS):
        names = [name for name in folder.storage.list(folder.path(part)) if layout.is_shard_file(name)]
        if len(names) == shards:
            continue  # exactly the files that the manifest lists
        manifest = manifest or folder.read_manifest()
        kept = manifest.names(part) if manifest is not None else set(names)
        for name in names:
            if name not in kept:
                folder.storage.remove(folder.path(f"{part}/{name}"))
    # Attempts that still run somewhere find the commits, which stay, so their fence remains closed.
    for part in (layout.JOURNALS, layout.ATTEMPTS, layout.STOPS, layout.EPOCHS):
        folder.storage.remove_tree(folder.path(part))
    for part in ("", layout.ROWS, layout.RESULTS, layout.STEPS, layout.COMMITS):
        folder.storage.sweep(folder.path(part))


def _files(folder: RunFolder, judge: Judge, shards: int) -> Iterator[FileDigest]:
    """Yield the digests of all files of the run, the verdict last: it is made after all others are checked."""
    for name in (layout.RECORD, layout.PLAN):
        yield _digest(name, folder.read_file(name))
    counts = Counts()
    failures: list[Failure] = []
    for files, summary in folder.storage.each(lambda shard: _look(folder, shard), range(shards)):
        yield from files
        counts = counts.plus(summary.counts)
        failures += summary.failures[: NAMED_FAILURES - len(failures)]
    yield _digest(layout.VERDICT, _keep_verdict(folder, judge(counts, failures)))


def _keep_verdict(folder: RunFolder, verdict: Verdict) -> bytes:
    """Return the bytes of the verdict that counts: the first one that was written, which must be the same."""
    data = folder.encode(layout.VERDICT, verdict)
    if folder.storage.create(folder.path(layout.VERDICT), data):
        return data
    data = folder.read_file(layout.VERDICT)
    if folder.decode(layout.VERDICT, data, Verdict).counts != verdict.counts:
        raise damaged(folder.run_id, layout.VERDICT, "it does not match the results")
    return data


def _look(folder: RunFolder, shard: int) -> tuple[list[FileDigest], ShardSummary]:
    """Return the digests of the files of a committed shard, and how its rows ended. Its commit, the claim that closed
    the shard, and a recount of the results must agree."""
    name = layout.commit(shard)
    encoded = folder.read_file(name)
    commit = folder.decode_commit(shard, encoded)
    if why := folder.contradiction(commit):
        raise damaged(folder.run_id, name, why)
    for promised in commit.files:
        data = folder.read_file(promised.path)
        found = _digest(promised.path, data)
        if (found.sha256, found.size) != (promised.sha256, promised.size):
            raise damaged(folder.run_id, promised.path, "it differs from what was committed")
        if promised.path.startswith(f"{layout.RESULTS}/") and (
            why := difference(commit.summary.counts, recount(data).counts)
        ):
            raise damaged(folder.run_id, name, why)
    rows = layout.rows(shard)
    return [_digest(rows, folder.read_file(rows)), _digest(name, encoded), *commit.files], commit.summary


def _digest(name: str, data: bytes) -> FileDigest:
    return FileDigest(path=name, sha256=hashlib.sha256(data).hexdigest(), size=len(data))
