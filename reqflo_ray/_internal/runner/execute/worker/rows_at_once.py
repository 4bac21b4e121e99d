"""Decides how many rows a worker executes at a time: as many as requested, unless the machine has too few
descriptors."""

from __future__ import annotations

from typing import Final

from reqflo_ray._internal.descriptors import TOO_MANY_OPEN_FILES, free_descriptors, raise_descriptor_limit
from reqflo_ray._internal.errors import Problem, ReqfloError, Severity

# For journals, result files, and name lookups of the rows in flight, and for files that libraries open.
_RESERVE: Final = 48
# For the event loop, a journal, a connection, and one file: nothing works with fewer.
_FEWEST: Final = 16
_HINT: Final = "raise the limit with `ulimit -n`, or lower `--concurrency`"


def need_descriptors() -> None:
    """Make sure, before an event loop is created, that there are descriptors for one row at a time.

    Raises:
        ReqfloError: `too_many_open_files`.
    """
    raise_descriptor_limit(_FEWEST)
    free = free_descriptors()
    if free < _FEWEST:
        raise ReqfloError(
            f"this process can open only {free} more files, but needs {_FEWEST}",
            code=TOO_MANY_OPEN_FILES,
            hint="raise the limit with `ulimit -n`, then resume the run",
        )


def rows_at_once(wanted: int) -> tuple[int, Problem | None]:
    """Return how many of the `wanted` rows can run at a time, at least one, with a warning if that is not all of them.

    A row needs a connection, and briefly a second one while two addresses are tried.
    """
    raise_descriptor_limit(2 * wanted + _RESERVE)
    free = free_descriptors()
    kept = min(_RESERVE, free // 2)
    rows = max(1, min(wanted, free - kept))
    if rows == wanted:
        return rows, None
    return rows, fewer_rows(rows, wanted, f"only {free} file descriptors are free, and files need {kept} of them")


def fewer_rows(rows: int, wanted: int, cause: str) -> Problem:
    """Return the warning of a worker that executes fewer rows at a time than requested."""
    return Problem(
        code="fewer_rows_at_once",
        message=f"a worker executes {rows:,} {'row' if rows == 1 else 'rows'} at a time instead of {wanted:,}",
        cause=cause,
        hint=_HINT,
        severity=Severity.WARNING,
    )
