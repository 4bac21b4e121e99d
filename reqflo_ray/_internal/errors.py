"""The errors that this project raises, with what a person needs to act on them. Imports nothing of the project.

The tree, with the exit code of each::

    ReqfloError
    ├── UsageError               2   the command line, or the arguments of a call, are not valid
    ├── DefinitionError          2   a workspace, journey, artifact or run set-up has errors (all of them in one error)
    ├── DatasetError             2   rows cannot be read or converted (many of them in one error)
    ├── RunConflictError         2   another driver owns the run, or the run exists with different inputs
    ├── QueryError               2   a SQL query cannot be answered
    ├── NothingSelectedError     5   no row to run
    ├── StoreError               3   the store cannot be read or written
    │   └── IntegrityError       3   stored data differs from what was written
    ├── SecretError              3   a secret value is not available
    ├── ClusterError             3   the cluster cannot be reached, or could not finish its work
    └── InterruptedRunError    130   stopped by a signal (129 SIGHUP, 143 SIGTERM); the run can be resumed

Errors of the API under test are results, not errors of this kind.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, ClassVar, Self


class Severity(StrEnum):
    """How serious a finding is: an error blocks a run, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A place in a text file: `line` and `column` count from 1; `text` is the line without its line end."""

    file: str
    line: int
    column: int = 1
    text: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One error or warning.

    `code` is a stable name in snake_case, `message` says what is wrong, `position` where in a file (None if it concerns
    no file), `cause` why, and `hint` what to do. `cause` and `hint` are empty if there is nothing to add.
    """

    code: str
    message: str
    severity: Severity = Severity.ERROR
    position: Position | None = None
    cause: str = ""
    hint: str = ""

    @classmethod
    def warning(cls, code: str, message: str, *, cause: str = "", hint: str = "") -> Problem:
        """Create a warning without a place in a file."""
        return cls(code=code, message=message, severity=Severity.WARNING, cause=cause, hint=hint)

    def as_warning(self) -> Problem:
        """Return the same finding as a warning."""
        return replace(self, severity=Severity.WARNING)


class ReqfloError(Exception):
    """The base class of all errors.

        try:
            reqflo_ray.run("place-order", "data/orders.csv")
        except reqflo_ray.ReqfloError as error:
            print(error.code, error.message, error.hint)
            sys.exit(error.exit_code)

    `code`, `message`, `cause`, `hint`, and `position` are those of a `Problem`. `exit_code` is the exit code of the
    command line for this error. `problems` is empty, or all findings, of which the error shows the first. Errors can
    be pickled, because workers send them to the driver.
    """

    default_code: ClassVar[str] = "internal_error"
    default_exit_code: ClassVar[int] = 3

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        position: Position | None = None,
        cause: str = "",
        hint: str = "",
        exit_code: int | None = None,
        problems: tuple[Problem, ...] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.position = position
        self.cause = cause
        self.hint = hint
        self.exit_code = self.default_exit_code if exit_code is None else exit_code
        self.problems = problems

    @classmethod
    def of(cls, problems: tuple[Problem, ...]) -> Self:
        """Create one error from one or more findings, with the text of the first error and the number of the others."""
        errors = [problem for problem in problems if problem.severity is Severity.ERROR]
        first = errors[0] if errors else problems[0]
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        return cls(
            first.message + more,
            code=first.code,
            position=first.position,
            cause=first.cause,
            hint=first.hint,
            problems=problems,
        )

    @property
    def in_one_line(self) -> str:
        """The message and the cause, in one line."""
        return f"{self.message} ({self.cause})" if self.cause else self.message

    def all_problems(self) -> tuple[Problem, ...]:
        """Return the findings of this error, or the error itself as one finding."""
        if self.problems:
            return self.problems
        return (
            Problem(code=self.code, message=self.message, position=self.position, cause=self.cause, hint=self.hint),
        )

    @property
    def __notes__(self) -> list[str]:  # type: ignore[override]  # computed on access
        """The lines that Python and pytest print below an uncaught error: place, cause, and hint of each error."""
        errors = [problem for problem in self.all_problems() if problem.severity is Severity.ERROR]
        lines = list[str]()
        for problem in errors:
            if len(errors) > 1:
                lines.append(f"{problem.code}: {problem.message}")
            facts = {"at": problem.position, "cause": problem.cause, "hint": problem.hint}
            lines += [f"  {name}: {fact}" for name, fact in facts.items() if fact]
        return lines

    # Pickle calls the class with `args` only, which loses the keyword arguments: rebuild from the fields instead.
    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.message, {name: getattr(self, name) for name in _FACTS}))


_FACTS = ("code", "position", "cause", "hint", "exit_code", "problems")


def _rebuild(kind: type[ReqfloError], message: str, facts: dict[str, Any]) -> ReqfloError:
    return kind(message, **facts)


class UsageError(ReqfloError):
    """The command line, or the arguments of a call, are not valid."""

    default_code = "usage"
    default_exit_code = 2


class DefinitionError(ReqfloError):
    """A workspace, journey, artifact, or run set-up has errors."""

    default_code = "invalid_definition"
    default_exit_code = 2


class DatasetError(ReqfloError):
    """A dataset cannot be read, or rows of it cannot be used."""

    default_code = "invalid_dataset"
    default_exit_code = 2


class RunConflictError(ReqfloError):
    """Another driver owns the run, or a run with the same ID exists with different inputs."""

    default_code = "run_conflict"
    default_exit_code = 2


class QueryError(ReqfloError):
    """A SQL query cannot be answered."""

    default_code = "query_error"
    default_exit_code = 2


class NothingSelectedError(ReqfloError):
    """There is no row to run: the dataset is empty, or no row was selected."""

    default_code = "nothing_selected"
    default_exit_code = 5


class StoreError(ReqfloError):
    """The store cannot be read or written."""

    default_code = "store_error"


class IntegrityError(StoreError):
    """Stored data differs from what was written."""

    default_code = "integrity_error"


class SecretError(ReqfloError):
    """A secret value is not available. The text of the error never contains a secret value."""

    default_code = "secret_unavailable"


class ClusterError(ReqfloError):
    """The cluster cannot be reached, or could not finish its work."""

    default_code = "cluster_error"


class InterruptedRunError(ReqfloError):
    """A signal stopped the run. Finished steps are kept, and the run can be resumed.

    `exit_code` is 129 for SIGHUP, 130 for SIGINT, and 143 for SIGTERM.
    """

    default_code = "interrupted"
    default_exit_code = 130
