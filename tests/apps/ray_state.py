"""Prints all that a Ray cluster tells of its jobs, actors, tasks, objects and workers: `ray_state.py GCS_ADDRESS`.

What needs the dashboard is left out where there is none; the last line says how many tables were read.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import ray
from ray.util import state


def main() -> None:
    context = ray.init(address=sys.argv[1], logging_level=logging.ERROR, log_to_driver=False)
    read = 0
    tables: list[Callable[[], Any]] = [
        lambda: ray._private.state.state.job_table(),
        lambda: ray._private.state.actors(),
        lambda: ray.nodes(),
        lambda: ray.timeline(),
    ]
    if context.dashboard_url:
        listings = (state.list_jobs, state.list_actors, state.list_tasks, state.list_objects, state.list_workers)
        tables += [partial(listing, address=sys.argv[1], detail=True, limit=10_000) for listing in listings]
    for table in tables:
        try:
            print(table())
        except Exception as error:  # a table that this version does not have
            print(f"no table: {type(error).__name__}: {error}")
            continue
        read += 1
    for name in ray.experimental.internal_kv._internal_kv_list(b"", namespace=None):
        print(name, ray.experimental.internal_kv._internal_kv_get(name))
    print(f"tables={read}")
    ray.shutdown()


if __name__ == "__main__":
    main()
