"""Collects what is wrong, so that people are told all of it at once. Knows places, not meaning."""

from __future__ import annotations

from reqflo_ray._internal.compiler.yaml.tree import YamlNode
from reqflo_ray._internal.errors import DefinitionError, Position, Problem, Severity


class Problems:
    """A list of findings that grows; the same finding is kept once. `most`: so many that block end the search."""

    def __init__(self, most: int | None = None) -> None:
        self._found: dict[Problem, None] = {}
        self._most = most
        self._errors = 0

    def error(
        self, code: str, message: str, at: YamlNode | Position | None, *, cause: str = "", hint: str = ""
    ) -> None:
        """Add a finding that blocks."""
        position = at.position if isinstance(at, YamlNode) else at
        self.add(Problem(code=code, message=message, position=position, cause=cause, hint=hint))

    def warning(
        self, code: str, message: str, at: YamlNode | Position | None, *, cause: str = "", hint: str = ""
    ) -> None:
        """Add a finding that does not block."""
        position = at.position if isinstance(at, YamlNode) else at
        warning = Severity.WARNING
        self.add(Problem(code=code, message=message, position=position, cause=cause, hint=hint, severity=warning))

    def add(self, *problems: Problem) -> None:
        """Add findings made elsewhere.

        Raises:
            DefinitionError: more than `most` findings block; it holds those found so far.
        """
        for problem in problems:
            if problem in self._found:
                continue
            self._found[problem] = None
            self._errors += problem.severity is Severity.ERROR
            if self._most is not None and self._errors > self._most:
                self._most = None
                hint = "repair these first; the rest has not been looked for"
                self.error("too_many_errors", f"there are more than {self._errors - 1} errors", None, hint=hint)
                self.raise_errors()

    @property
    def errors(self) -> int:
        """How many findings block."""
        return self._errors

    def all(self) -> tuple[Problem, ...]:
        """Errors first, each kind in the order it was found."""
        return tuple(sorted(self._found, key=lambda problem: problem.severity is not Severity.ERROR))

    def raise_errors(self) -> None:
        """Raise one `DefinitionError` with all findings if any of them blocks."""
        if self.errors:
            raise DefinitionError.of(self.all())
