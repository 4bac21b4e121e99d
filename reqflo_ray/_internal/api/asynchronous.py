"""The calls that take long, for programs with an event loop: each is carried out in a thread of its own.

A cancelled task stops its run as a signal would: requests in flight end, what is finished is kept, and the run can be
resumed; the task ends when that is done.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from reqflo_ray._internal.api import runs, submissions
from reqflo_ray._internal.errors import Problem
from reqflo_ray._internal.runner.prepare.request import Dataset, File, Journey
from reqflo_ray._internal.runner.progress.listener import RunOutcome

_T = TypeVar("_T")


async def run_async(journey: Journey | File, data: Dataset | Any = None, **options: Any) -> RunOutcome:
    """`run`, on another thread; the listener is called there. It takes the same options."""
    return await _stoppable(partial(runs.run, journey, data, **options))


async def resume_async(run: str, **options: Any) -> RunOutcome:
    """`resume`, on another thread; the listener is called there. It takes the same options."""
    return await _stoppable(partial(runs.resume, run, **options))


async def rerun_async(run: str, **options: Any) -> RunOutcome:
    """`rerun`, on another thread; the listener is called there. It takes the same options."""
    return await _stoppable(partial(runs.rerun, run, **options))


async def check_async(journey: Journey | File, data: Dataset | Any = None, **options: Any) -> tuple[Problem, ...]:
    """`check`, on another thread. It takes the same options."""
    return await asyncio.to_thread(runs.check, journey, data, **options)


async def submit_async(journey: Journey | File, data: Dataset | Any = None, **options: Any) -> submissions.Submission:
    """`submit`, on another thread. It takes the same options. What is submitted is not stopped by a cancelled task."""
    return await asyncio.to_thread(submissions.submit, journey, data, **options)


async def _stoppable(call: Callable[..., _T]) -> _T:
    cancelled = threading.Event()
    running = asyncio.ensure_future(asyncio.to_thread(call, is_cancelled=cancelled.is_set))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        cancelled.set()
        await asyncio.wait({running})
        if not running.cancelled():
            running.exception()  # nobody is left who could be told
        raise
