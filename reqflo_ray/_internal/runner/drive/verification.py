"""Checks a run: its files, as `runs/upkeep/verify` does, and the journals that a resume of it would go by.

It changes nothing, and must not know what the records of a journal mean.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace

from reqflo_ray._internal.errors import ReqfloError
from reqflo_ray._internal.journal.reader import JournalContents
from reqflo_ray._internal.runner.execute.journals import read_journals
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.runs.folder.run_folder import RunFolder
from reqflo_ray._internal.runs.upkeep.verify import FileFinding, FindingKind, VerifyReport, verify_run


def verify(folder: RunFolder) -> VerifyReport:
    """Check every file of a run, of an unfinished one its journals too. Raises as `verify_run`."""
    report = verify_run(folder)
    if report.complete or report.lost_manifest:
        return report
    damaged = tuple(_damaged_journals(folder))
    if damaged and folder.storage.exists(folder.path(layout.MANIFEST)):
        return verify_run(folder)  # completed meanwhile: its journals are gone, and no longer needed
    return replace(report, findings=(*report.findings, *damaged))


def _damaged_journals(folder: RunFolder) -> Iterator[FileFinding]:
    """Journals that are not as they were written, of shards that are not closed. A record that a crash cut off is none
    of that."""
    try:
        nonce = folder.load_run().nonce
    except ReqfloError:
        return  # it is a finding already, and without it no journal can be told from another's

    def read(shard: int) -> tuple[int, dict[int, JournalContents]]:
        if folder.copy_of_commit(shard) is not None:
            return shard, {}
        return shard, read_journals(folder, nonce, shard, folder.attempts(shard), before=sys.maxsize, synced=False)

    committed = set(folder.committed())
    uncommitted = [shard for shard in folder.begun() if shard not in committed]
    for shard, journals in folder.storage.each(read, uncommitted):
        for attempt, found in sorted(journals.items()):
            if found.damage:
                reasons = ", ".join(f"{part.reason} at byte {part.offset}" for part in found.damage[:3])
                yield FileFinding(
                    path=layout.journal(shard, attempt),
                    kind=FindingKind.DAMAGED,
                    message=f"the journal is not as it was written ({reasons})",
                )
