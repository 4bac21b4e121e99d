"""What a report says about a command that ended without a result, such as a run that was refused. It replaces an
earlier report, which would be mistaken for that of this run. It has plain values, and must not know any format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from reqflo_ray._internal.errors import Problem, ReqfloError, Severity
from reqflo_ray._internal.model import instants
from reqflo_ray._internal.visible_text import one_line

_MOST_PROBLEMS: Final = 50
_LONGEST: Final = 1_000

# Stands in for a row, a test case, or a status.
CASE: Final = "(no result)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a command has no result to report. `subject` is the journey or run that it named, if any; `at` is when it
    ended."""

    subject: str
    exit_code: int
    problems: tuple[Problem, ...]
    at: datetime

    @classmethod
    def of(cls, error: ReqfloError, subject: str = "") -> Refusal:
        """Return the refusal that `error` explains, without its warnings."""
        found = error.all_problems()
        problems = tuple(problem for problem in found if problem.severity is Severity.ERROR) or found
        return cls(subject=one_line(subject, 200), exit_code=error.exit_code, problems=problems, at=datetime.now(UTC))

    @property
    def headline(self) -> str:
        """The first reason why there is no result, on one line."""
        return f"no result: {one_line(self.problems[0].message)}"

    @property
    def instant(self) -> str:
        """When the command ended, in UTC."""
        return instants.written(self.at)

    def lines(self) -> Iterator[str]:
        """Yield the reasons as they are shown on standard error, up to 50."""
        for problem in self.problems[:_MOST_PROBLEMS]:
            yield f"error[{one_line(problem.code, 100)}]: {one_line(problem.message, _LONGEST)}"
            if problem.position is not None:
                yield f"  --> {one_line(problem.position, _LONGEST)}"
            if problem.cause:
                yield f"  cause: {one_line(problem.cause, _LONGEST)}"
            if problem.hint:
                yield f"  hint: {one_line(problem.hint, _LONGEST)}"
        if more := len(self.problems[_MOST_PROBLEMS:]):
            yield f"… and {more} more"
