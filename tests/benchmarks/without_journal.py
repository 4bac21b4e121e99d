"""`reqflo-ray`, but nothing is journaled: what the journal's cost is measured against. Takes the same arguments."""

from __future__ import annotations

import sys

from reqflo_ray._internal.cli.main import main
from reqflo_ray._internal.journal.writer import JournalWriter
from reqflo_ray._internal.model.journal import Completion, Intent, JournalRecord
from reqflo_ray._internal.runner.execute import shard


class NoJournal(JournalWriter):
    """Takes records and forgets them."""

    def append(self, record: JournalRecord) -> None:
        pass

    async def intend(self, record: Intent, *, synced: bool = False) -> None:
        pass

    async def complete(self, record: Completion) -> None:
        pass


if __name__ == "__main__":
    setattr(shard, JournalWriter.__name__, NoJournal)
    sys.exit(main())
