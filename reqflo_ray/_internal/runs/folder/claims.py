"""Who claims a run, and who claims a shard: what the files of epochs and attempts say. Data only.

A claim that cannot be read is taken for the one that asks for most care: of an owner whom nobody knows, who can still
be outwaited, and with a journal that was begun, so that one which is missing is known to be lost.
"""

from __future__ import annotations

from typing import Final

import msgspec

from reqflo_ray._internal.model.results import Commit
from reqflo_ray._internal.runs.folder.owner import Owner


class EpochClaim(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The driver that owns the run. `record_sha256` is the digest of the run record that it found: whoever carries out
    the run later has to find the one of the first driver. 0.1.0 wrote the owner alone."""

    epoch: int
    owner: Owner
    record_sha256: str = ""


class AttemptClaim(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who made an attempt, under which driver: how it ended can be judged from this and the stop markers.

    `has_journal`: its journal was begun, so one that is missing or empty is lost. With `commit` it is no attempt: it
    holds the place of the next one for ever, since the one before has committed.
    """

    epoch: int = 0
    owner: Owner = Owner()
    has_journal: bool = False
    commit: Commit | None = None


class Beat(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A driver's sign of life: a counter that it raises, negative once it has let the run go. `at_us` (its wall
    clock) is for people only."""

    count: int = 0
    at_us: int = 0


UNREADABLE_ATTEMPT: Final = AttemptClaim(has_journal=True)
