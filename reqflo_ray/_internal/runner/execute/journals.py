"""Reads the journals that the attempts of a shard left, each under the name that it must have.

It must not know what their records mean, which `journal.replay` decides.
"""

from __future__ import annotations

from collections.abc import Sequence

from reqflo_ray._internal.engine.identity import journal_name
from reqflo_ray._internal.journal.reader import JournalContents, read_journal
from reqflo_ray._internal.runs.folder.claims import AttemptClaim
from reqflo_ray._internal.runs.folder.run_folder import RunFolder


def read_journals(
    folder: RunFolder,
    nonce: str,
    shard: int,
    attempts: Sequence[tuple[int, AttemptClaim]],
    *,
    before: int,
    synced: bool,
) -> dict[int, JournalContents]:
    """Return the journals of all attempts below the number `before`. A journal that was begun but is missing is read as
    lost.

    Args:
        nonce: that of the run record.
        attempts: the result of `RunFolder.attempts` for the shard.
        synced: as for `RunFolder.older_journals`.
    """
    begun = {number for number, claim in attempts if number < before and claim.has_journal}
    journals = dict.fromkeys(begun, b"")
    journals |= folder.older_journals(shard, before, synced=synced)
    return {
        number: read_journal(data, name=journal_name(nonce, shard, number), begun=number in begun)
        for number, data in journals.items()
    }
