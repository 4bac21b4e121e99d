"""The calls that take long, for programs with an event loop: each is carried out in a thread of its own.

A cancelled task stops its run as a signal would: requests in flight end, what is finished is kept, and the run can be
resumed; the task ends when that is done.
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
    """`call` as a coroutine of the same arguments, in another thread."""

    @wraps(call)
    async def twin(*arguments: _P.args, **options: _P.kwargs) -> _T:
        # Not a thread of the loop's own pool, which others of the program wait for.
        thread = ThreadPoolExecutor(1, call.__name__)
        ready = partial(copy_context().run, call, *arguments, **options)
        running = asyncio.get_running_loop().run_in_executor(thread, ready)
        thread.shutdown(wait=False)  # it ends with its call
        return await asyncio.shield(running)

    return _documented(twin, call, doc)


def _stoppable(call: Callable[_P, _T], doc: str) -> Callable[_P, Coroutine[Any, Any, _T]]:
    """As `_twin`, of a call that takes `is_cancelled`."""
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
            while not running.done():  # also if it is cancelled again and again
                with suppress(asyncio.CancelledError):
                    await asyncio.wait({running})
            if not running.cancelled():
                running.exception()  # nobody is left who could be told
            raise

    return _documented(twin, call, doc)


def _documented(
    twin: Callable[_P, Coroutine[Any, Any, _T]], call: Callable[_P, _T], doc: str
) -> Callable[_P, Coroutine[Any, Any, _T]]:
    twin.__module__, twin.__name__, twin.__doc__ = __name__, f"{call.__name__}_async", doc
    twin.__qualname__ = twin.__name__
    return twin


_DOC = "`{}`, in another thread, where the listener is called too. It takes the same arguments."

run_async = _stoppable(runs.run, _DOC.format("run"))
resume_async = _stoppable(runs.resume, _DOC.format("resume"))
rerun_async = _stoppable(runs.rerun, _DOC.format("rerun"))
check_async = _twin(runs.check, "`check`, in another thread. It takes the same arguments.")
submit_async = _twin(
    submissions.submit,
    "`submit`, in another thread. It takes the same arguments. What is submitted is not stopped by a cancelled task.",
)
