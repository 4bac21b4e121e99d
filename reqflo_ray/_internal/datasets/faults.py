"""Collects what is wrong with a dataset: the first findings in full, and the number of the rest. It must not know how
any format is read."""

from __future__ import annotations

import bisect
import os
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import msgspec

from reqflo_ray._internal.errors import DatasetError, NothingSelectedError, Position, Problem

SHOWN: Final = 20
_SHOWN_TEXT: Final = 200
_SHOWN_BEHIND: Final = 50
_FARTHEST: Final = 10_000  # a line is not quoted for a fault beyond this column


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file of the dataset: its place in the order of reading (from 0), and its name in messages."""

    number: int
    name: str


class Found(NamedTuple):
    """A finding and its sort key: the number of the file, line, column, and the order in which it was found."""

    file: int
    line: int
    column: int
    nth: int
    problem: Problem


class Findings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one reading of a part of a dataset found, for another collector: the number of findings, and the first of
    them in the order of the data."""

    count: int = 0
    first: tuple[Found, ...] = ()


class PassedOver(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of empty cells, which are skipped: how many, and where the first one is (file and line)."""

    rows: int = 0
    first: tuple[DataFile, int] | None = None

    def __add__(self, later: PassedOver) -> PassedOver:
        return PassedOver(rows=self.rows + later.rows, first=self.first or later.first)

    def remarks(self) -> tuple[Problem, ...]:
        """Return the warning about them; () if there are none."""
        if self.first is None:
            return ()
        file, line = self.first
        message = f"{self.rows:,} {'row of empty cells is' if self.rows == 1 else 'rows of empty cells are'} skipped"
        hint = 'delete such rows, which spreadsheets append; write `""` for an empty text that is meant'
        problem = Problem.warning("empty_rows", message, hint=hint)
        return (_from_anywhere(replace(problem, position=Position(file=file.name, line=line))),)


class Faults:
    """The findings of one reading of a dataset, kept in the order of the data however late they are found.

    `show_text` False keeps the text of lines out of every finding: no line of a dataset with sensitive values may be
    shown.
    """

    def __init__(self, *, show_text: bool) -> None:
        self.count = 0
        self.show_text = show_text
        self._first: list[Found] = []
        self._passed_over = 0
        self._first_passed_over: tuple[DataFile, int] | None = None

    @property
    def passed_over(self) -> PassedOver:
        """The rows of empty cells so far, which are not findings."""
        return PassedOver(rows=self._passed_over, first=self._first_passed_over)

    def pass_over(self, file: DataFile, line: int) -> None:
        """Count a skipped row of empty cells."""
        self._passed_over += 1
        if self._first_passed_over is None:
            self._first_passed_over = file, line

    def add(
        self,
        code: str,
        message: str,
        *,
        file: DataFile,
        line: int = 0,
        column: int = 1,
        text: str = "",
        cause: str = "",
        hint: str = "",
    ) -> None:
        """Record one finding. `line` counts from 1 (of a Parquet file: the row); 0 means the file as a whole."""
        self.count += 1
        order = (file.number, line, column, self.count)
        if len(self._first) == SHOWN and order > self._first[-1][:4]:
            return
        position = None
        if line:
            shown = text[: max(_SHOWN_TEXT, column + _SHOWN_BEHIND)] if self.show_text and column < _FARTHEST else ""
            position = Position(file=file.name, line=line, column=column, text=shown)
        problem = Problem(code=code, message=message, position=position, cause=cause, hint=hint)
        bisect.insort(self._first, Found(*order, problem))
        del self._first[SHOWN:]

    def findings(self) -> Findings:
        """Return what was found so far, for `take`."""
        return Findings(count=self.count, first=tuple(self._first))

    def take(self, found: Findings) -> None:
        """Add what another reading found, as if it had been found here now."""
        for one in found.first:
            bisect.insort(self._first, one._replace(nth=self.count + one.nth))
        del self._first[SHOWN:]
        self.count += found.count

    def problems(self) -> tuple[Problem, ...]:
        """Return the first findings in the order of the data, and one that counts the rest."""
        shown = tuple(_from_anywhere(entry.problem) for entry in self._first)
        rest = self.count - len(shown)
        if rest == 0:
            return shown
        more = Problem(
            code="more_problems",
            message=f"the dataset has {rest:,} more {'problem' if rest == 1 else 'problems'}",
            hint="correct those shown, then check again",
        )
        return (*shown, more)

    def raise_any(self) -> None:
        """Raise what was found.

        Raises:
            DatasetError: there is at least one finding.
        """
        if self.count:
            raise DatasetError.of(self.problems())


def _from_anywhere(problem: Problem) -> Problem:
    """Return the finding with the absolute path of its file, however the dataset was named."""
    place = problem.position
    if place is None or "://" in place.file:
        return problem
    try:
        return replace(problem, position=replace(place, file=os.path.abspath(place.file)))
    except OSError:  # the current folder has been deleted
        return problem


def no_row() -> NothingSelectedError:
    """Return the error for a dataset without rows."""
    return NothingSelectedError("there is no row to run", cause="the dataset has no rows")
