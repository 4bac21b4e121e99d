"""The contents of the files of epochs and attempts: who claims a run, and who claims a shard. Data only.

A claim that cannot be read is treated with the most care: its owner is unknown and can still be outwaited, and its
journal counts as started, so that a missing one is known to be lost.
"""

from __future__ import annotations

from typing import Final

import msgspec

from reqflo_ray._internal.model.results import Commit
from reqflo_ray._internal.runs.folder.owner import Owner


class EpochClaim(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The driver that owns the run. `record_sha256` is the digest of the run record that it found; every later driver
    and worker must find the record of the first driver. 0.1.0 wrote only the owner."""

    epoch: int
    owner: Owner
    record_sha256: str = ""


class AttemptClaim(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who started an attempt, and under which driver: with the stop markers, this shows how it ended.

    `has_journal`: its journal was started, so a missing or empty one is lost. With `commit` it is not an attempt: it
    permanently occupies the place of the next one, because the attempt before has committed.
    """

    epoch: int = 0
    owner: Owner = Owner()
    has_journal: bool = False
    commit: Commit | None = None


class Beat(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A driver's heartbeat: a counter that it raises, negative once it has released the run. `at_us`, its wall clock in
    microseconds, is only for people."""

    count: int = 0
    at_us: int = 0


UNREADABLE_ATTEMPT: Final = AttemptClaim(has_journal=True)
