"""The part of the run check that reports inputs and variables without a value, or with one of the wrong type."""

from __future__ import annotations

from collections.abc import Mapping

from reqflo_ray._internal.compiler.values.scope import Use
from reqflo_ray._internal.compiler.values.uses import Uses
from reqflo_ray._internal.compiler.workspace.load import Workspace
from reqflo_ray._internal.compiler.yaml.problems import Problems
from reqflo_ray._internal.engine.values.conversion import ConversionError, convert
from reqflo_ray._internal.engine.values.supply import Supply, is_declared
from reqflo_ray._internal.errors import Position
from reqflo_ray._internal.model.artifact import Artifact, Input, Variable, VariableSource
from reqflo_ray._internal.model.names import did_you_mean, suggestion
from reqflo_ray._internal.model.plan import Environment
from reqflo_ray._internal.model.values import Literal, ValueType, references
from reqflo_ray._internal.runner.prepare.checks.growth import nodes_of_step
from reqflo_ray._internal.runner.prepare.checks.sources import environment_keys
from reqflo_ray._internal.runner.prepare.checks.text import references_in_text


class DeclarationCheck:
    """Checks the declarations of an artifact against what supplies their values in one run."""

    def __init__(
        self,
        artifact: Artifact,
        supply: Supply,
        environment: Environment,
        me: Mapping[str, str],
        workspace: Workspace | None,
        problems: Problems,
    ) -> None:
        self._artifact = artifact
        self._supply = supply
        self._environment = environment
        self._me = me
        self._workspace = workspace
        self._problems = problems
        self._read = _read_names(artifact)

    def run(
        self,
        columns: tuple[str, ...] | None,
        places: Mapping[str, Position],
        uses: Uses,
        *,
        has_environment: bool,
        has_given: bool,
    ) -> frozenset[str]:
        """Report values that are missing or of the wrong type; return the names that every row must supply.

        Args:
            columns: as in `RunSelection`.
            places, uses: where things are written and read, as in `Compilation`.
            has_environment: False if the chosen environment cannot be used, so that what it lacks is unknown.
            has_given: False if a case or preset cannot be used, so that what it would supply is unknown.
        """
        row_required = self._check_all(columns, places, uses, has_environment, has_given)
        self._check_me(uses)
        if has_environment and has_given:
            self._check_unset_in_text(frozenset(columns or ()), uses)
        return row_required

    def _check_all(
        self,
        columns: tuple[str, ...] | None,
        places: Mapping[str, Position],
        uses: Uses,
        has_environment: bool,
        has_given: bool,
    ) -> frozenset[str]:
        row_required: set[str] = set()
        for name, entry in self._supply.declared.items():
            place = places.get(f"{'inputs' if isinstance(entry, Input) else 'variables'}.{name}")
            self._check_default(entry, place)
            if not self._must_be_there(entry, uses) or self._supply.has_source(entry) or name in self._supply.assigned:
                continue
            if name in (columns or ()) or (entry.required and columns == ()):
                row_required.add(name)
            elif not has_given:
                continue
            elif isinstance(entry, Variable) and entry.source is not VariableSource.DECLARATION:
                if entry.source is VariableSource.ME or has_environment:
                    self._report_missing_source(entry, place)
            elif has_environment:
                kind = "input" if isinstance(entry, Input) else "variable"
                message = f"the required {kind} `{name}` has no value from any source"
                hint = f"set it with `--set {name}=…`, in a case or a preset, or add a column `{name}`"
                self._problems.error("missing_required_value", message, place, hint=hint)
        return frozenset(row_required)

    def _must_be_there(self, entry: Input | Variable, uses: Uses) -> bool:
        """Whether a row cannot run without the value. A variable from the environment or from `me` must have one if a
        step reads it."""
        if entry.required or not isinstance(entry, Variable) or entry.source is VariableSource.DECLARATION:
            return entry.required
        return entry.name in self._read or bool(uses.of(f"variables.{entry.name}"))

    def _report_missing_source(self, entry: Variable, place: Position | None) -> None:
        key = entry.key or entry.name
        if entry.source is VariableSource.ME:
            message = f"the variable `{entry.name}` takes its value from `me.{key}`, which is not set"
            self._problems.error("invalid_reference", message, place, hint=self._how_to_give(key))
            return
        environment = self._environment
        if not environment.name:
            known = [definition.name for definition in self._workspace.environments] if self._workspace else []
            message = f"the variable `{entry.name}` takes its value from the environment, but none is chosen"
            hint = f"choose one with `--env`; {suggestion('', known)}" if known else "define one in the workspace"
        else:
            taken = f"from which the variable `{entry.name}` takes its value"
            message = f"the environment `{environment.name}` has no `{key}`, {taken}"
            hint = suggestion(key, environment_keys(environment)) or "add it under `values`"
        self._problems.error("incompatible_environment", message, place, hint=hint)

    def _check_default(self, entry: Input | Variable, place: Position | None) -> None:
        # The default of a `json` declaration is the value itself, which may be any text.
        if not isinstance(entry.default, Literal) or entry.type in (None, ValueType.JSON):
            return
        try:
            convert(entry.default.value, entry.type or ValueType.JSON)
        except ConversionError as wrong:
            cause = wrong.reason if entry.sensitive else str(wrong)
            message = f"the default of `{entry.name}` does not match its type `{entry.type}`"
            self._problems.error("wrong_type", message, place, cause=cause)

    def _check_me(self, uses: Uses) -> None:
        for key in self._artifact.requires.me_keys:
            if key not in self._me:
                for place in uses.of(f"me.{key}") or (None,):
                    message = f"`me.{key}` is not set"
                    self._problems.error("invalid_reference", message, place, hint=self._how_to_give(key))

    def _how_to_give(self, key: str) -> str:
        """Return the hint for a value of `me` that is not set."""
        variable = f"REQFLO_ME_{key.upper()}"
        if key != key.lower():
            return f"write `{key.lower()}`, because keys of `me` are in lower case, and set `{variable}`"
        meant = did_you_mean(key, self._me)
        give = f"set the environment variable `{variable}`"
        return f"{meant} Or {give}" if meant else f"{give}; {suggestion('', self._me)}" if self._me else give

    def _check_unset_in_text(self, columns: frozenset[str], uses: Uses) -> None:
        for step in self._artifact.steps:
            for reference in references_in_text(step):
                entry = self._supply.declared.get(reference.name)
                if entry is None or self._must_be_there(entry, uses) or reference.name in columns:
                    continue
                if not self._supply.has_source(entry) and reference.name not in self._supply.assigned:
                    message = f"`{reference}` has no value, but step `{step.id}` uses it inside text"
                    hint = "set a value or a default; without one, the step ends with the status `error`"
                    for place in uses.in_step(step.id, str(reference), _is_inside_text) or (None,):
                        self._problems.warning("unset_value", message, place, hint=hint)


def _is_inside_text(use: Use) -> bool:
    return not use.is_whole and not use.is_expected


def _read_names(artifact: Artifact) -> frozenset[str]:
    """Return the inputs and variables that steps read, directly or through defaults."""
    defaults = {entry.name: entry.default for entry in artifact.declarations}
    waiting = [node for step in artifact.steps for node in nodes_of_step(step)]
    names: set[str] = set()
    while waiting:
        for reference in filter(is_declared, references(waiting.pop())):
            if reference.name not in names:
                names.add(reference.name)
                default = defaults.get(reference.name)
                waiting += [] if default is None else [default]
    return frozenset(names)
