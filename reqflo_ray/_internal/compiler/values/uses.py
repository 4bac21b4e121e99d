"""Where a journey reads each value, so that whoever judges a value can tell every place of it. It judges nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from reqflo_ray._internal.compiler.values.scope import Use
from reqflo_ray._internal.errors import Position


class Uses:
    """The places of all values that steps read, by reference (`inputs.x`, `secrets.X`, `steps.a.status` …)."""

    def __init__(self) -> None:
        self._places: dict[str, dict[Position, None]] = {}
        self._in_step: dict[tuple[str, str], list[Use]] = {}

    def add(self, step: str, uses: Iterable[Use]) -> None:
        """Add what the step of that id reads, also by way of declarations."""
        for use in uses:
            reference = str(use.reference)
            self._places.setdefault(reference, {})[use.position] = None
            self._in_step.setdefault((step, reference), []).append(use)

    def of(self, reference: str) -> tuple[Position, ...]:
        """Every place that reads `reference`, in the order of the steps."""
        return tuple(self._places.get(reference, ()))

    def first(self, reference: str) -> Position | None:
        """The first of these places."""
        return next(iter(self._places.get(reference, ())), None)

    def in_step(self, step: str, reference: str, is_meant: Callable[[Use], bool]) -> tuple[Position, ...]:
        """The places of a step that read `reference` as is meant; if there are none (a template reads it so, and the
        step only gives it the value), all that it has."""
        uses = self._in_step.get((step, reference), [])
        return tuple(dict.fromkeys(use.position for use in [*filter(is_meant, uses)] or uses))
