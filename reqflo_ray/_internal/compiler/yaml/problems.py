"""Collects findings, so that all of them are reported at the same time. Knows places, not meaning."""

from __future__ import annotations

from reqflo_ray._internal.compiler.yaml.tree import YamlNode
from reqflo_ray._internal.errors import DefinitionError, Position, Problem, Severity


class Problems:
    """A growing list of findings, each kept once. The search ends when more than `most` of them are errors."""

    def __init__(self, most: int | None = None) -> None:
        self._found: dict[Problem, None] = {}
        self._most = most
        self._errors = 0

    def error(
        self, code: str, message: str, at: YamlNode | Position | None, *, cause: str = "", hint: str = ""
    ) -> None:
        """Add an error."""
        position = at.position if isinstance(at, YamlNode) else at
        self.add(Problem(code=code, message=message, position=position, cause=cause, hint=hint))

    def warning(
        self, code: str, message: str, at: YamlNode | Position | None, *, cause: str = "", hint: str = ""
    ) -> None:
        """Add a warning."""
        position = at.position if isinstance(at, YamlNode) else at
        warning = Severity.WARNING
        self.add(Problem(code=code, message=message, position=position, cause=cause, hint=hint, severity=warning))

    def add(self, *problems: Problem) -> None:
        """Add existing findings.

        Raises:
            DefinitionError: more than `most` findings are errors; it holds those found so far.
        """
        for problem in problems:
            if problem in self._found:
                continue
            self._found[problem] = None
            self._errors += problem.severity is Severity.ERROR
            if self._most is not None and self._errors > self._most:
                self._most = None
                hint = "correct these, then check again: there may be more"
                self.error("too_many_errors", f"there are more than {self._errors - 1} errors", None, hint=hint)
                self.raise_errors()

    @property
    def errors(self) -> int:
        """The number of errors."""
        return self._errors

    def all(self) -> tuple[Problem, ...]:
        """Return errors, then warnings, each in the order in which they were found."""
        return tuple(sorted(self._found, key=lambda problem: problem.severity is not Severity.ERROR))

    def raise_errors(self) -> None:
        """Raise one `DefinitionError` with all findings if one of them is an error."""
        if self.errors:
            raise DefinitionError.of(self.all())
