"""Finds the known name that a person meant, by its beginning or by likeness. Pure text."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Final

# Comparing takes microseconds per name, and every reference in a file may need it.
_MOST_COMPARED: Final = 1_000
_LONGEST_COMPARED: Final = 200
# A hint lists at most this many names, and then says how many more there are.
_MOST_SHOWN: Final = 100


def meant_by(beginning: str, known: Iterable[str]) -> list[str]:
    """Return the known names that `beginning` can mean, sorted: the name itself if it is known, else all that begin so.

    "" means none.
    """
    names = sorted(set(known))
    return [beginning] if beginning in names else [name for name in names if beginning and name.startswith(beginning)]


def closest(name: str, known: Iterable[str], likeness: float = 0.6) -> str | None:
    """Return the known name that is most like `name`, or equal to it except for case; None if there is none.

    Args:
        likeness: the least likeness, from 0 to 1, as difflib measures it.
    """
    names = sorted(set(known))
    if len(names) <= _MOST_COMPARED and len(name) <= _LONGEST_COMPARED:
        close = difflib.get_close_matches(name, names, n=1, cutoff=likeness)
        if close:
            return close[0]
    return {candidate.lower(): candidate for candidate in names}.get(name.lower())


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `did you mean …?` if a known name is close, else ""."""
    close = closest(name, known)
    return f"did you mean `{close}`?" if close is not None else ""


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return `did you mean …?` if a known name is close, else the known names; "" if there are none."""
    names = sorted(set(known))
    if not names:
        return ""
    shown = ", ".join(f"`{candidate[:_LONGEST_COMPARED]}`" for candidate in names[:_MOST_SHOWN])
    more = f" and {len(names) - _MOST_SHOWN:,} more in the files of the workspace" if len(names) > _MOST_SHOWN else ""
    return did_you_mean(name, names) or f"known: {shown}{more}"
