"""The long calls of the API for programs with an event loop: each is carried out in its own thread.

A canceled task stops its run as a signal would: requests in flight are completed, everything that is finished is kept,
and the run can be resumed. The task ends when this is done.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar

from reqflo_ray._internal.api import runs, submissions

_P = ParamSpec("_P")
_T = TypeVar("_T")


def _twin(call: Callable[_P, _T], doc: str) -> Callable[_P, Coroutine[Any, Any, _T]]:
    """Return `call` as a coroutine with the same arguments, carried out in another thread."""

    @wraps(call)
    async def twin(*arguments: _P.args, **options: _P.kwargs) -> _T:
        # Not a thread of the loop's own pool, which other parts of the program need.
        thread = ThreadPoolExecutor(1, call.__name__)
        ready = partial(copy_context().run, call, *arguments, **options)
        running = asyncio.get_running_loop().run_in_executor(thread, ready)
        thread.shutdown(wait=False)  # it ends with its call
        return await asyncio.shield(running)

    return _documented(twin, call, doc)


def _stoppable(call: Callable[_P, _T], doc: str) -> Callable[_P, Coroutine[Any, Any, _T]]:
    """Do the same as `_twin` for a call that takes `is_cancelled`."""
    in_thread = _twin(call, doc)

    @wraps(call)
    async def twin(*arguments: _P.args, **options: _P.kwargs) -> _T:
        cancelled = threading.Event()
        asked: Any = options.pop("is_cancelled", None)
        options["is_cancelled"] = lambda: cancelled.is_set() or (asked is not None and asked())
        running = asyncio.ensure_future(in_thread(*arguments, **options))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            cancelled.set()
            while not running.done():  # even if it is canceled repeatedly
                with suppress(asyncio.CancelledError):
                    await asyncio.wait({running})
            if not running.cancelled():
                running.exception()  # marked as retrieved: nobody is left to receive it
            raise

    return _documented(twin, call, doc)


def _documented(
    twin: Callable[_P, Coroutine[Any, Any, _T]], call: Callable[_P, _T], doc: str
) -> Callable[_P, Coroutine[Any, Any, _T]]:
    twin.__module__, twin.__name__, twin.__doc__ = __name__, f"{call.__name__}_async", doc
    twin.__qualname__ = twin.__name__
    return twin


_DOC = """Do the same as `{0}` in another thread, and return the same. The listener is called in that thread.

    It has the arguments of `{0}`, and raises the same errors. If its task is canceled, the run stops as after a signal
    and can be resumed; the task ends when the run has stopped.
    """

run_async = _stoppable(runs.run, _DOC.format("run"))
resume_async = _stoppable(runs.resume, _DOC.format("resume"))
rerun_async = _stoppable(runs.rerun, _DOC.format("rerun"))
check_async = _twin(
    runs.check, "Do the same as `check` in another thread, with the same arguments, result, and errors."
)
submit_async = _twin(
    submissions.submit,
    "Do the same as `submit` in another thread, with the same arguments, result, and errors. If its task is canceled, a"
    " run that is submitted already is not stopped.",
)
