"""The places where a journey reads each value, so that a finding about a value can name them. It checks nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from reqflo_ray._internal.compiler.values.scope import Use
from reqflo_ray._internal.errors import Position


class Uses:
    """The places of all values that steps read, by reference such as `inputs.x`, `secrets.X` or `steps.a.status`."""

    def __init__(self) -> None:
        self._places: dict[str, dict[Position, None]] = {}
        self._in_step: dict[tuple[str, str], list[Use]] = {}

    def add(self, step: str, uses: Iterable[Use]) -> None:
        """Add the values that the step with this ID reads, directly or through declarations."""
        for use in uses:
            reference = str(use.reference)
            self._places.setdefault(reference, {})[use.position] = None
            self._in_step.setdefault((step, reference), []).append(use)

    def of(self, reference: str) -> tuple[Position, ...]:
        """Return every place that reads `reference`, in the order of the steps."""
        return tuple(self._places.get(reference, ()))

    def first(self, reference: str) -> Position | None:
        """Return the first place that reads `reference`."""
        return next(iter(self._places.get(reference, ())), None)

    def in_step(self, step: str, reference: str, is_meant: Callable[[Use], bool]) -> tuple[Position, ...]:
        """Return the places of a step that read `reference` and satisfy `is_meant`, or else all of its places.

        The latter happens if a template reads the value in this way, and the step only passes it to the template.
        """
        uses = self._in_step.get((step, reference), [])
        return tuple(dict.fromkeys(use.position for use in [*filter(is_meant, uses)] or uses))
