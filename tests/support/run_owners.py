"""The owners of runs in tests of stores: live processes, dead ones, and ones that cannot be examined from here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from sample_runs import RunMaker

from reqflo_ray._internal.runs.folder.owner import Owner, this_process
from reqflo_ray._internal.runs.folder.run_folder import RunFolder

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
NOW_US = int(NOW.timestamp()) * 1_000_000


def at(hours: float) -> str:
    """So many hours before now."""
    return (NOW - timedelta(hours=hours)).isoformat()


def driven_by(runs: RunMaker, run_id: str, owner: Owner, **fields: Any) -> RunFolder:
    """An unfinished run, driven by `owner`."""
    folder = runs.begin(run_id, **fields)
    assert folder.claim_epoch(owner, after=1) == 2
    return folder


def dead() -> Owner:
    """A process of this machine that has ended."""
    me = this_process()
    return msgspec.structs.replace(me, process_started=me.process_started - 1)


def elsewhere() -> Owner:
    """A process of another machine."""
    return Owner(host="other", boot_id="other", pid=1, process_started=1)
