"""Counts the steps and values of a journey with its sub-journeys and templates before anything is expanded, because a
few lines can ask for more steps than anyone could run.

It knows which journeys use which, and must not know what a step means.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from reqflo_ray._internal.compiler.authoring.journey import JourneyModel
from reqflo_ray._internal.compiler.journeys.templates import TemplateIndex
from reqflo_ray._internal.compiler.workspace.load import Definition, Workspace
from reqflo_ray._internal.compiler.yaml.problems import Problems
from reqflo_ray._internal.compiler.yaml.tree import (
    YamlMapping,
    YamlNode,
    YamlScalar,
    YamlSequence,
    child,
    elements,
    nearest,
)
from reqflo_ray._internal.model.limits import MAX_CHARACTERS, MAX_NESTING, MAX_STEPS, MAX_VALUES


@dataclass(frozen=True, slots=True)
class Extent:
    """Numbers of steps, written values and their characters, and the depth to which journeys are nested."""

    steps: int = 0
    values: int = 0
    characters: int = 0
    nesting: int = 0

    def __add__(self, other: Extent) -> Extent:
        return Extent(
            self.steps + other.steps,
            self.values + other.values,
            self.characters + other.characters,
            max(self.nesting, other.nesting),
        )


class ExpansionCounter:
    """Counts one journey. It examines each journey that this one runs only once, however often it is run."""

    def __init__(self, workspace: Workspace, templates: TemplateIndex, problems: Problems) -> None:
        self._journeys: dict[str, list[Definition[JourneyModel]]] = defaultdict(list)
        for definition in workspace.journeys:
            self._journeys[definition.name].append(definition)
        self._templates = templates
        self._problems = problems
        self._counted: dict[str, Extent] = {}
        self._weights: dict[int, Extent] = {}

    def check(self, name: str, journey: YamlNode, steps: Sequence[YamlNode]) -> None:
        """Check that the journey `name`, which has these `steps`, exceeds no limit and does not run itself.

        Raises:
            DefinitionError: with `journey_limit` or `journey_cycle`; the journey cannot be assembled.
        """
        self._of_journey(journey, steps, (name,))

    def _of_journey(self, node: YamlNode, steps: Sequence[YamlNode], trail: tuple[str, ...]) -> Extent:
        total = self._weight(node) + Extent(nesting=1)
        for step in steps:
            inner = self._of_step(step, trail)
            total += Extent(1 + inner.steps, inner.values, inner.characters, inner.nesting + 1)
            self._check(total, step, trail)
        return total

    def _of_step(self, step: YamlNode, trail: tuple[str, ...]) -> Extent:
        template = _text(nearest(child(step, "template") or step, ("key",)))
        if template is not None and child(step, "template") is not None:
            return sum((self._weight(node) for node in self._templates.nodes(template)), Extent())
        name = _text(child(step, "journey"))
        if _text(child(step, "type")) != "sub_journey" or _is_skipped(step) or name is None:
            return Extent()
        if name in trail:
            path = " → ".join((*trail[trail.index(name) :], name))
            place = nearest(step, ("journey",))
            self._refuse("journey_cycle", f"the journey `{name}` runs itself", place, path)
        if len(trail) >= MAX_NESTING:
            self._refuse_nesting(step, trail)
        if name not in self._counted:
            total = Extent()
            for definition in self._journeys.get(name, ()):
                steps = elements(child(definition.node, "steps"))
                total += self._of_journey(definition.node, steps, (*trail, name))
            self._counted[name] = total
        return self._counted[name]

    def _check(self, total: Extent, step: YamlNode, trail: tuple[str, ...]) -> None:
        if len(trail) - 1 + total.nesting > MAX_NESTING:
            self._refuse_nesting(step, trail)
        over = ""
        if total.steps > MAX_STEPS:
            over = f"{MAX_STEPS:,} steps"
        elif total.values > MAX_VALUES:
            over = f"{MAX_VALUES:,} values"
        elif total.characters > MAX_CHARACTERS:
            over = f"{MAX_CHARACTERS // 2**20} MiB of text"
        if over:
            message = f"with this step the journey `{trail[-1]}` has more than {over}"
            cause = "the contents of templates and sub-journeys count each time they are used"
            self._refuse("journey_limit", message, step, cause, "repeat steps with the rows of a dataset instead")

    def _refuse_nesting(self, step: YamlNode, trail: tuple[str, ...]) -> None:
        message = f"journeys are nested more than {MAX_NESTING} levels deep"
        cause = f"`{trail[0]}` leads to `{trail[-1]}`" if len(trail) > 1 else ""
        self._refuse(
            "journey_limit", message, nearest(step, ("journey",)), cause, "move their steps into fewer journeys"
        )

    def _refuse(self, code: str, message: str, at: YamlNode, cause: str = "", hint: str = "") -> None:
        self._problems.error(code, message, at, cause=cause, hint=hint)
        self._problems.raise_errors()

    def _weight(self, node: YamlNode) -> Extent:
        """Count the values of a definition and their characters."""
        if id(node) not in self._weights:
            values = characters = 0
            waiting = [node]
            while waiting:
                here = waiting.pop()
                values += 1
                match here:
                    case YamlScalar(value=str() as text):
                        characters += len(text)
                    case YamlMapping(entries=entries):
                        waiting += entries.values()
                    case YamlSequence(items=items):
                        waiting += items
            self._weights[id(node)] = Extent(values=values, characters=characters)
        return self._weights[id(node)]


def _text(node: YamlNode | None) -> str | None:
    return node.value if isinstance(node, YamlScalar) and isinstance(node.value, str) else None


def _is_skipped(step: YamlNode) -> bool:
    skip = child(step, "skip")
    return isinstance(skip, YamlScalar) and skip.value is True
