"""Collects what is wrong, so that people are told all of it at once. Knows places, not meaning."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Final

from reqflo_ray._internal.compiler.yaml.tree import YamlNode
from reqflo_ray._internal.errors import DefinitionError, Position, Problem, Severity

# Comparing takes microseconds a name, and may be asked for by every reference of a file.
_MOST_COMPARED: Final = 1_000
_LONGEST_COMPARED: Final = 200


def suggestion(name: str, known: Iterable[str]) -> str:
    """`did you mean …?` when something known is close, else the known names (at most twelve); "" if none are."""
    names = sorted(set(known))
    comparable = len(names) <= _MOST_COMPARED and len(name) <= _LONGEST_COMPARED
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6) if comparable else []
    if not close:
        lowered = {candidate.lower(): candidate for candidate in names}
        close = [lowered[name.lower()]] if name.lower() in lowered else []
    if close:
        return f"did you mean `{close[0]}`?"
    if not names:
        return ""
    shown = ", ".join(f"`{candidate[:_LONGEST_COMPARED]}`" for candidate in names[:12])
    return f"known: {shown}" + (f" and {len(names) - 12} more" if len(names) > 12 else "")


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
