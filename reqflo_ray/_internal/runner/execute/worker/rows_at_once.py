"""How many rows a worker takes at once: as many as were asked for, unless the machine has no descriptors for them."""

from __future__ import annotations

from typing import Final

from reqflo_ray._internal.descriptors import TOO_MANY_OPEN_FILES, free_descriptors, raise_descriptor_limit
from reqflo_ray._internal.errors import Problem, ReqfloError, Severity

# Journals, result files and name look-ups of the rows in flight, and what libraries open.
_RESERVE: Final = 48
# The event loop, a journal, a connection, a look at a file: with less nothing can be done.
_FEWEST: Final = 16
_HINT: Final = "raise the limit (`ulimit -n`), or ask for less with --concurrency"


def need_descriptors() -> None:
    """See that there are descriptors for one row at a time, before an event loop is made.

    Raises:
        ReqfloError: `too_many_open_files`.
    """
    raise_descriptor_limit(_FEWEST)
    free = free_descriptors()
    if free < _FEWEST:
        raise ReqfloError(
            f"this process may open only {free} more files, and needs {_FEWEST}",
            code=TOO_MANY_OPEN_FILES,
            hint="raise the limit (`ulimit -n`), then resume the run",
        )


def rows_at_once(wanted: int) -> tuple[int, Problem | None]:
    """So many of the `wanted` rows have room, at least one; with what is to be said if that is not all of them.

    A row has a connection, and a second one for the moment in which two addresses are tried.
    """
    raise_descriptor_limit(2 * wanted + _RESERVE)
    free = free_descriptors()
    kept = min(_RESERVE, free // 2)
    rows = max(1, min(wanted, free - kept))
    if rows == wanted:
        return rows, None
    return rows, fewer_rows(rows, wanted, f"only {free} file descriptors are free, and files need {kept} of them")


def fewer_rows(rows: int, wanted: int, cause: str) -> Problem:
    """The warning of a worker that takes fewer rows at once than it was asked to."""
    return Problem(
        code="fewer_rows_at_once",
        message=f"a worker takes {rows} {'row' if rows == 1 else 'rows'} at once instead of {wanted}",
        cause=cause,
        hint=_HINT,
        severity=Severity.WARNING,
    )
