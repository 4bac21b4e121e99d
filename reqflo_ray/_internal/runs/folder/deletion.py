"""How a run is deleted, so that at any instant all of it is seen or nothing; and what a folder without a record is.

It must not know which runs are to go.
"""

from __future__ import annotations

from contextlib import suppress
from enum import StrEnum
from typing import Final

from reqflo_ray._internal.errors import StoreError, UsageError
from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.storage.protocol import Storage

# Made while or after a run is driven, so a folder with one of them held a record.
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
    """What is in the place where a run would be."""

    RUN = "run"
    BARE = "bare"  # its record is missing: damaged
    DELETED = "deleted"  # not all of it is removed yet
    NONE = "none"  # nothing, or what is none of ours


def presence(storage: Storage, name: str) -> Presence:
    """Whether there is a run called `name`. One that cannot be looked at counts as a run, so that it is not hidden."""
    if not layout.is_run_id(name):
        return Presence.NONE
    with suppress(StoreError):
        if storage.exists(f"{layout.run(name)}/{layout.RECORD}"):
            return Presence.RUN
    try:
        held = set(storage.list(layout.run(name)))
    except StoreError as problem:
        return Presence.NONE if problem.code == "not_a_folder" else Presence.RUN
    if layout.RECORD in held:  # there, and nobody can look at it
        return Presence.RUN
    if layout.DELETED in held:
        return Presence.DELETED
    return Presence.BARE if held & _EVIDENCE else Presence.NONE


def is_run(storage: Storage, name: str) -> bool:
    """Whether there is a run called so, damaged or not."""
    return presence(storage, name) in (Presence.RUN, Presence.BARE)


def delete_run(storage: Storage, run_id: str) -> None:
    """Remove a run. From the first step on it is marked, from the second on it is none any more: whoever asks finds all
    of it or nothing, and a crash leaves what `prune` goes on with."""
    folder = layout.run(run_id)
    storage.create(f"{folder}/{layout.DELETED}", b"")
    for document in (layout.RECORD, layout.SEALING_KEY, layout.MANIFEST, layout.VERDICT, layout.PLAN):
        storage.remove(f"{folder}/{document}")
    for part in _FOLDERS:
        storage.remove_tree(f"{folder}/{part}")
    storage.remove_tree(folder)  # the mark, and what others left there


def make_room(storage: Storage, run_id: str) -> None:
    """See that a new run may be called so. What was half deleted is removed: its commits would count for the new one.

    Raises:
        UsageError: `run_without_record`: there are files of a run, which the new one would take for its own.
    """
    found = presence(storage, run_id)
    if found is Presence.DELETED:
        delete_run(storage, run_id)
    elif found is Presence.BARE:
        raise UsageError(
            f"`{layout.RECORD}` of run `{run_id}` is missing, and other files of the run exist",
            code="run_without_record",
            hint="choose another --run-id, or restore the file; `reqflo-ray prune --unfinished` deletes the rest",
        )
