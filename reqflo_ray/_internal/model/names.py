"""How a name that a person has typed is found among those that there are: by its beginning, or by likeness."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Final

# Comparing takes microseconds a name, and may be asked for by every reference of a file.
_MOST_COMPARED: Final = 1_000
_LONGEST_COMPARED: Final = 200
# Of more names than anyone writes down, a hint says how many there are.
_MOST_SHOWN: Final = 100


def meant_by(beginning: str, known: Iterable[str]) -> list[str]:
    """The known names that `beginning` can stand for, in order: that name alone if it is one, else all that begin so.
    "" stands for none."""
    names = sorted(set(known))
    return [beginning] if beginning in names else [name for name in names if beginning and name.startswith(beginning)]


def closest(name: str, known: Iterable[str], likeness: float = 0.6) -> str | None:
    """The known name that is most like `name`, upper and lower case apart; None if none is alike.

    Args:
        likeness: how much alike it must be, from 0 to 1, as difflib measures it.
    """
    names = sorted(set(known))
    if len(names) <= _MOST_COMPARED and len(name) <= _LONGEST_COMPARED:
        close = difflib.get_close_matches(name, names, n=1, cutoff=likeness)
        if close:
            return close[0]
    return {candidate.lower(): candidate for candidate in names}.get(name.lower())


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`did you mean …?` when a known name is close; else ""."""
    close = closest(name, known)
    return f"did you mean `{close}`?" if close is not None else ""


def suggestion(name: str, known: Iterable[str]) -> str:
    """`did you mean …?` when a known name is close, else the known names; "" if there are none."""
    names = sorted(set(known))
    if not names:
        return ""
    shown = ", ".join(f"`{candidate[:_LONGEST_COMPARED]}`" for candidate in names[:_MOST_SHOWN])
    more = f" and {len(names) - _MOST_SHOWN:,} more in the files of the workspace" if len(names) > _MOST_SHOWN else ""
    return did_you_mean(name, names) or f"known: {shown}{more}"
