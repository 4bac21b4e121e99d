"""Records the order in which the runs of a store were created, by numbers, because clocks are sometimes wrong.

It knows names of runs. It must not know what is in a run.
"""

from __future__ import annotations

from collections.abc import Iterable

from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.storage.protocol import Storage


def note_next(storage: Storage, run_id: str) -> None:
    """Record that `run_id` is created now, after all others. Runs created at the same instant may share a number."""
    storage.create(layout.place(max(places(storage).values(), default=0) + 1, run_id), b"")


def places(storage: Storage) -> dict[str, int]:
    """Return the number of each run; those of 0.1.0 have none, and are older. Some may no longer exist."""
    found = (layout.place_of(name) for name in storage.list(layout.ORDER))
    # A reused ID counts from its latest use.
    return {run_id: number for number, run_id in sorted(place for place in found if place is not None)}


def forget(storage: Storage, run_ids: Iterable[str]) -> None:
    """Remove the numbers of runs that were deleted."""
    gone = set(run_ids)
    for name in storage.list(layout.ORDER):
        place = layout.place_of(name)
        if place is not None and place[1] in gone:
            storage.remove(f"{layout.ORDER}/{name}")
