"""Reports the columns that fill no input or variable, in one finding however many there are. It must not read
datasets."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import islice
from typing import Final

from reqflo_ray._internal.errors import Problem
from reqflo_ray._internal.model.names import closest, suggestion

_NAMED: Final = 3
_LONGEST_NAME: Final = 60


def undeclared_columns(columns: Sequence[str], unfilled: Collection[str]) -> Problem:
    """Return the finding for one or more undeclared columns.

    Args:
        unfilled: the inputs and variables that no column fills, one of which may be meant.
    """
    if len(columns) == 1:
        what, hint = f"the column {_named(columns[0])}", suggestion(columns[0], unfilled)
    else:
        more = len(columns) - _NAMED
        first = ", ".join(map(_named, columns[:_NAMED] if more > 0 else columns[:-1]))
        what = f"{len(columns):,} columns: {first} and {f'{more:,} more' if more > 0 else _named(columns[-1])}"
        likely = ((name, close) for name in sorted(unfilled) if (close := closest(name, columns)) is not None)
        hint = " ".join(f"did you mean `{name}` instead of {_named(close)}?" for name, close in islice(likely, _NAMED))
    message = f"the journey declares no input or variable for {what}"
    return Problem(code="undeclared_column", message=message, hint=hint)


def _named(column: str) -> str:
    return f"`{column}`" if len(column) <= _LONGEST_NAME else f"`{column[:_LONGEST_NAME]}…`"
