"""In which order the runs of a store were made: by numbers that the store gives them, since clocks are wrong at times.

It knows names of runs. It must not know what is in a run.
"""

from __future__ import annotations

from collections.abc import Iterable

from reqflo_ray._internal.runs.folder import layout
from reqflo_ray._internal.storage.protocol import Storage


def note_next(storage: Storage, run_id: str) -> None:
    """Say that `run_id` is made now, after all others. Runs that are made at the same instant may share a number."""
    storage.create(layout.place(max(places(storage).values(), default=0) + 1, run_id), b"")


def places(storage: Storage) -> dict[str, int]:
    """The number of each run; those of 0.1.0 have none, and are older. Some may not be there any more."""
    found = (layout.place_of(name) for name in storage.list(layout.ORDER))
    # An id that was used again counts from then on.
    return {run_id: number for number, run_id in sorted(place for place in found if place is not None)}


def forget(storage: Storage, run_ids: Iterable[str]) -> None:
    """Remove what is noted of runs that have been deleted."""
    gone = set(run_ids)
    for name in storage.list(layout.ORDER):
        place = layout.place_of(name)
        if place is not None and place[1] in gone:
            storage.remove(f"{layout.ORDER}/{name}")
