"""Collects what is wrong, so that people are told all of it at once. Knows places, not meaning."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from reqflo_ray.compiler.yaml_tree import YamlNode
from reqflo_ray.errors import DefinitionError, Position, Problem, Severity


def suggestion(name: str, known: Iterable[str]) -> str:
    """`did you mean …?` when something known is close, else the known names (at most twelve); "" if none are."""
    names = sorted(set(known))
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if not close:
        lowered = {candidate.lower(): candidate for candidate in names}
        close = [lowered[name.lower()]] if name.lower() in lowered else []
    if close:
        return f"did you mean `{close[0]}`?"
    if not names:
        return ""
    shown = ", ".join(f"`{candidate}`" for candidate in names[:12])
    return f"known: {shown}" + (f" and {len(names) - 12} more" if len(names) > 12 else "")


class Problems:
    """A list of findings that grows; the same finding is kept once."""

    def __init__(self) -> None:
        self._found: dict[Problem, None] = {}

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
        """Add findings made elsewhere."""
        self._found.update(dict.fromkeys(problems))

    @property
    def errors(self) -> int:
        """How many findings block."""
        return sum(problem.severity is Severity.ERROR for problem in self._found)

    def all(self) -> tuple[Problem, ...]:
        """Errors first, each kind in the order it was found."""
        return tuple(sorted(self._found, key=lambda problem: problem.severity is not Severity.ERROR))

    def raise_errors(self) -> None:
        """Raise one `DefinitionError` with all findings if any of them blocks."""
        if self.errors:
            raise DefinitionError.of(self.all())
