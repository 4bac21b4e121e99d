"""Verifies a run: its files, as `runs/upkeep/verify` does, and the journals that a resume would read.

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
    """Verify every file of a run, and the journals of an unfinished run. Raises the same errors as `verify_run`."""
    report = verify_run(folder)
    if report.complete or report.lost_manifest:
        return report
    damaged = tuple(_damaged_journals(folder))
    if damaged and folder.storage.exists(folder.path(layout.MANIFEST)):
        return verify_run(folder)  # completed in the meantime: the journals were removed and are no longer needed
    return replace(report, findings=(*report.findings, *damaged))


def _damaged_journals(folder: RunFolder) -> Iterator[FileFinding]:
    """Yield the damaged journals of shards that are not closed. A record that a crash cut off is not damage."""
    try:
        nonce = folder.load_run().nonce
    except ReqfloError:
        return  # already a finding, and without the record no journal can be told from that of another run

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
                    message=f"the journal is damaged ({reasons})",
                )
