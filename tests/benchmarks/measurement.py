"""One number that was measured, what it should be, and the table that shows them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """A value in `unit`. With `at_least` or `at_most` it has a target, without both it explains another one."""

    name: str
    value: float
    unit: str = ""
    at_least: float | None = None
    at_most: float | None = None

    @property
    def reached(self) -> bool:
        """Whether the target is reached; True if there is none."""
        return (self.at_least is None or self.value >= self.at_least) and (
            self.at_most is None or self.value <= self.at_most
        )

    @property
    def target(self) -> str:
        """The target in words, "" if there is none."""
        if self.at_least is not None:
            return f"≥ {_number(self.at_least)}"
        return f"≤ {_number(self.at_most)}" if self.at_most is not None else ""


def table(measurements: Iterable[Measurement]) -> str:
    """All of them as a Markdown table."""
    lines = ["| what | value | target | ok |", "|---|---:|---:|---|"]
    for each in measurements:
        verdict = ("yes" if each.reached else "NO") if each.target else ""
        lines.append(f"| {each.name} | {_number(each.value)} {each.unit} | {each.target} | {verdict} |")
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
