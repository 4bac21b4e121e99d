"""Deletes a run so that at any instant all of it is visible or nothing; and judges folders without a record.

It must not know which runs to delete.
"""

from __future__ import annotations

from contextlib import suppress
from enum import StrEnum
from typing import Final

from reqflo_ray._internal.errors import StoreError, UsageError
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.storage.protocol import Storage

# Created during or after a run, so a folder with one of them had a record.
_EVIDENCE: Final = frozenset(
    [
        *(layout.MANIFEST, layout.VERDICT, layout.PLAN, layout.EPOCHS, layout.ATTEMPTS, layout.JOURNALS),
        *(layout.RESULTS, layout.STEPS, layout.COMMITS),
    ]
)
_FOLDERS: Final = (
    *(layout.COMMITS, layout.RESULTS, layout.STEPS, layout.ROWS, layout.JOURNALS, layout.ATTEMPTS),
    *(layout.STOPS, layout.EPOCHS, layout.STAGING, layout.REPORTS),
)


class Presence(StrEnum):
    """What is at the place of a run."""

    RUN = "run"
    BARE = "bare"  # its record is missing: damaged
    DELETED = "deleted"  # not all of it is removed yet
    NONE = "none"  # nothing, or something that is not ours


def presence(storage: Storage, name: str) -> Presence:
    """Return whether there is a run called `name`. One that cannot be read counts as a run, so that it is not
    hidden."""
    if not layout.is_run_id(name):
        return Presence.NONE
    with suppress(StoreError):
        if storage.exists(f"{layout.run(name)}/{layout.RECORD}"):
            return Presence.RUN
    try:
        held = set(storage.list(layout.run(name)))
    except StoreError as problem:
        return Presence.NONE if problem.code == "not_a_folder" else Presence.RUN
    if layout.RECORD in held:  # it exists and cannot be read
        return Presence.RUN
    if layout.DELETED in held:
        return Presence.DELETED
    return Presence.BARE if held & _EVIDENCE else Presence.NONE


def is_run(storage: Storage, name: str) -> bool:
    """Return whether there is a run called `name`, damaged or not."""
    return presence(storage, name) in (Presence.RUN, Presence.BARE)


def delete_run(storage: Storage, run_id: str) -> None:
    """Remove a run. The first step marks it, and after the second it is no longer a run: readers find all of it or
    nothing, and `prune` continues after a crash."""
    folder = layout.run(run_id)
    storage.create(f"{folder}/{layout.DELETED}", b"")
    for document in (layout.RECORD, layout.SEALING_KEY, layout.MANIFEST, layout.VERDICT, layout.PLAN):
        storage.remove(f"{folder}/{document}")
    for part in _FOLDERS:
        storage.remove_tree(f"{folder}/{part}")
    storage.remove_tree(folder)  # the mark, and anything else


def make_room(storage: Storage, run_id: str) -> None:
    """Make sure that a new run can have this ID. A half-deleted run is removed: its commits would count for the new
    one.

    Raises:
        UsageError: `run_without_record`: files of a run exist, which the new one would use as its own.
    """
    found = presence(storage, run_id)
    if found is Presence.DELETED:
        delete_run(storage, run_id)
    elif found is Presence.BARE:
        raise UsageError(
            f"`{layout.RECORD}` of run `{run_id}` is missing, but other files of the run exist",
            code="run_without_record",
            hint="choose another --run-id, or restore the file; `reqflo-ray prune --unfinished` deletes the rest",
        )
