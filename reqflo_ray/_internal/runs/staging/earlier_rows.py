"""Selects rows of a complete run by their status: counts them per shard, and reads them.

It must not know what happens to them.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator
from functools import partial
from typing import Any

from reqflo_ray._internal.model.plan import Row
from reqflo_ray._internal.model.results import Commit, FileDigest, Status
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.runs.folder.recount import read_columns
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.runs.results.checked_files import read_checked
from reqflo_ray._internal.runs.staging.rows import need_plan, read_rows


def count_chosen(earlier: RunFolder, statuses: Collection[Status] | None) -> array[int]:
    """Return how many rows of each shard ended with one of `statuses`; None selects all rows.

    Raises:
        IntegrityError: the plan or a commit is damaged.
    """
    plan = need_plan(earlier.storage, earlier.run_id)
    if statuses is None:
        return array("q", (line.rows for line in plan))
    counts = array("q", bytes(8 * len(plan)))
    for commit in earlier.storage.each(partial(_read_commit, earlier), _listed_commits(earlier)):
        counts[commit.shard] = _counted(commit, statuses)
    return counts


def read_chosen(earlier: RunFolder, statuses: Collection[Status] | None, *, first_shard: int = 0) -> Iterator[Row]:
    """Yield the selected rows from a shard on, in order, with one shard in memory at a time.

    Raises:
        IntegrityError: staged rows or results are damaged, or had sensitive values, which are lost.
    """
    plan = need_plan(earlier.storage, earlier.run_id)
    for line in (plan[shard] for shard in range(first_shard, len(plan))):
        wanted = None if statuses is None else _ended_with(earlier, line.shard, statuses)
        if wanted is None or wanted:
            for row in read_rows(earlier.storage, earlier.path(layout.rows(line.shard)), sha256=line.sha256):
                if wanted is None or row.index in wanted:
                    yield row


def _listed_commits(earlier: RunFolder) -> Iterator[FileDigest]:
    """Return the commits as the manifest lists them, because a changed commit could hide rows."""
    manifest = earlier.read_manifest()
    files = manifest.files if manifest is not None else ()
    return (file for file in files if file.path.startswith(f"{layout.COMMITS}/"))


def _read_commit(earlier: RunFolder, promised: FileDigest) -> Commit:
    return earlier.decode(promised.path, read_checked(earlier, promised), Commit)


def _ended_with(earlier: RunFolder, shard: int, statuses: Collection[Status]) -> set[int]:
    commit = earlier.read_commit(shard)
    # Counts make a search unnecessary: most shards of most runs have no such row.
    if commit is None or not _counted(commit, statuses):
        return set()
    name = layout.results(shard, commit.attempt)
    promised = next(file for file in commit.files if file.path == name)
    data = read_checked(earlier, promised)
    lines: list[dict[str, Any]] = read_columns(data, ["row_index", "status"]).to_pylist()
    return {line["row_index"] for line in lines if line["status"] in statuses}


def _counted(commit: Commit, statuses: Collection[Status]) -> int:
    return sum(getattr(commit.summary.counts, status.value) for status in statuses)
