"""One row's values: what a reference stands for in this row at this moment, and which part must not be shown.

It must not know requests or responses. A scope belongs to one row and is dropped with it, including sensitive values.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Final, Protocol

from reqflo_ray._internal.engine.program import Declared, Program, Source
from reqflo_ray._internal.engine.values.conversion import ConversionError, convert
from reqflo_ray._internal.engine.values.expressions import Resolved, to_text
from reqflo_ray._internal.engine.values.faults import RowFault
from reqflo_ray._internal.engine.values.jsonpath_query import walk
from reqflo_ray._internal.model.plan import Row
from reqflo_ray._internal.model.results import Status
from reqflo_ray._internal.model.values import (
    UNSET,
    AnyReference,
    JsonValue,
    Namespace,
    Reference,
    StepReference,
    ValueType,
)

__all__ = ["Hidden", "RowFault", "Scope", "mask"]


class Hidden(Protocol):
    """A secret value, which only an explicit call returns."""

    def reveal(self) -> str:
        """The text itself."""
        ...


_NO_SECRETS: Final[Mapping[str, Hidden]] = MappingProxyType({})
_NOTHING: Final = Resolved(UNSET, UNSET)


class Scope:
    """The values of one row. A reference is resolved when it is first needed, and then kept.

    `secrets` are the values of secrets by name, as far as they have been loaded. `unset` names every optional input or
    variable that was read and has no value.
    """

    def __init__(self, program: Program, row: Row, secrets: Mapping[str, Hidden] = _NO_SECRETS) -> None:
        self.program = program
        self.row = row
        self.secrets = secrets
        self.resolved: dict[str, Resolved] = {}
        self.unset: set[str] = set()
        self._resolving: set[str] = set()
        self._assigned: dict[str, JsonValue] = {}
        self._captures: dict[str, Mapping[str, JsonValue]] = {}
        self._statuses: dict[str, Status] = {}
        self._sensitive: list[tuple[str, str]] = []

    def resolve(self, reference: AnyReference, label: str = "") -> Resolved:
        """Return what `reference` stands for; its value is `UNSET` if there is none. `label` is its text, if known.

        Raises:
            RowFault: `missing_value` (required), `unresolved_dependency`, `secret_unavailable`, `invalid_value`,
                `reference_cycle`.
        """
        label = label or str(reference)
        found = self.resolved.get(label)
        if found is not None:
            return found
        if isinstance(reference, StepReference):
            found = self._of_step(reference, label)
        else:
            found = self._named(reference)
            if reference.path:
                found = self._reach_into(reference, label, found)
        self.resolved[label] = found
        return found

    def conclude(self, step_id: str, status: Status, captures: Mapping[str, JsonValue]) -> None:
        """Record how a step ended, for later steps. `captures` are its values by capture key; one left out is unset."""
        prefix = f"steps.{step_id}."
        if step_id in self._statuses:
            self.resolved = {label: found for label, found in self.resolved.items() if not label.startswith(prefix)}
        self._statuses[step_id] = status
        self._captures[step_id] = captures
        for key, value in captures.items():
            if prefix + key in self.program.sensitive_captures:
                self.keep_secret(prefix + key, value)

    def assign(self, variables: Mapping[str, JsonValue]) -> None:
        """Assign new values to variables for the rest of the row.

        Raises:
            RowFault: `invalid_value`, if a value is not of the declared type.
        """
        assigned = {}
        for name, value in variables.items():
            declared = self.program.declared.get(name)
            hidden = f"variables.{name}" in self.program.tainted
            assigned[name] = _converted(value, declared.type, name, hidden) if declared and declared.type else value
        self._assigned |= assigned
        # Other variables may depend on these.
        self.resolved = {label: found for label, found in self.resolved.items() if label.startswith("steps.")}

    def meet_sensitive(self, secrets: Mapping[str, Hidden]) -> None:
        """Note all sensitive inputs and variables that have a value now, as if they had been read. `secrets` are the
        values of secrets loaded so far."""
        self.secrets = secrets
        unset = set(self.unset)
        for declared in self.program.declared.values():
            if declared.sensitive:
                with suppress(RowFault):
                    self.resolve(Reference(declared.namespace, declared.name), declared.label)
        # A missing value is reported when it is really read.
        for label in self.unset - unset:
            self.resolved.pop(label, None)
        self.unset = unset

    def inputs(self) -> dict[str, JsonValue]:
        """Return the declared inputs with their values in this row, secret and sensitive ones masked."""
        shown = {}
        for reference, label in self.program.inputs:
            try:
                value = self.resolve(reference, label).masked
            except RowFault:
                continue  # the step that needs it reports it
            if value is not UNSET:
                shown[reference.name] = value
        return shown

    def keep_secret(self, label: str, value: JsonValue) -> None:
        """Note that `value`, and every text and number inside it, must never be shown."""
        # Without recursion, because an answer may be nested to any depth, and none of it may be missed.
        pending = [(label, value)]
        while pending:
            label, value = pending.pop()
            match value:
                case dict():
                    pending += ((f"{label}.{name}", child) for name, child in value.items())
                case list() | tuple():
                    pending += ((f"{label}.{index}", child) for index, child in enumerate(value))
                case None | bool() | "":
                    continue
                case _ if value is UNSET:
                    continue
                case _:
                    self._sensitive.append((label, to_text(value)))

    def take_sensitive(self) -> list[tuple[str, str]]:
        """Return the sensitive values met since the last call, as (label, text), to be registered for masking before
        anything that may contain them is built."""
        if not self._sensitive:
            return []
        taken, self._sensitive = self._sensitive, []
        return taken

    def _named(self, reference: Reference) -> Resolved:
        """Return what the reference stands for before its path is followed."""
        name = reference.name
        match reference.namespace:
            case Namespace.INPUTS | Namespace.VARIABLES:
                return self._of_declaration(name)
            case Namespace.SECRETS:
                if name not in self.secrets:
                    raise RowFault("secret_unavailable", f"the value of `secrets.{name}` is not available")
                # From here on it is one of the row's values: this is how it gets into a request.
                return Resolved(self.secrets[name].reveal(), f"{{{{ secrets.{name} }}}}", (name,))
            case Namespace.ENV:
                return self._of_environment(reference)
            case Namespace.ME:
                return _plain(self.program.run.me.get(name, UNSET))
            case Namespace.RUN:
                return _plain(self.program.run.run_id if name == "id" else UNSET)
            case Namespace.ROW:
                return _plain({"index": self.row.index, "key": self.row.key}.get(name, UNSET))

    def _reach_into(self, reference: Reference, label: str, found: Resolved) -> Resolved:
        path = reference.path[1:] if self._names_service(reference) else reference.path
        if found.value is UNSET or not path:
            return found
        value = walk(found.value, path)
        if found.masked is found.value:
            return _plain(value)
        if value is UNSET:
            return _NOTHING
        inner = walk(found.masked, path)
        masked = mask(label) if inner is UNSET else inner
        self._keep_hidden(label, value, masked)
        return Resolved(value, masked, found.secrets)

    def _of_step(self, reference: StepReference, label: str) -> Resolved:
        status = self._statuses.get(reference.step)
        if status is not Status.PASSED:
            how = f"ended {status}" if status else "has not run"
            raise RowFault("unresolved_dependency", f"`{label}` has no value, because step `{reference.step}` {how}")
        value = self._captures[reference.step].get(reference.capture, UNSET)
        if value is UNSET or label not in self.program.sensitive_captures:
            return _plain(value)
        return Resolved(value, mask(label))

    def _of_declaration(self, name: str) -> Resolved:
        declared = self.program.declared.get(name)
        if declared is not None and not declared.sensitive and name in self.row.values and name not in self._assigned:
            return _plain(self.row.values[name])
        label = declared.label if declared is not None else f"variables.{name}"
        base = self.resolved.get(label)
        if base is not None:
            return base
        if label in self._resolving:
            raise RowFault("reference_cycle", f"`{label}` depends on itself")
        self._resolving.add(label)
        try:
            base = self._sensitive_or_plain(label, declared, self._first_supplied(name, label, declared))
        finally:
            self._resolving.discard(label)
        self.resolved[label] = base
        return base

    def _first_supplied(self, name: str, label: str, declared: Declared | None) -> Resolved:
        """Follow the precedence chain: assigned in this row, the data row, then the sources in their order."""
        if name in self._assigned:
            value = self._assigned[name]
            if label not in self.program.tainted:
                return _plain(value)
            return Resolved(value, mask(label), self.program.assigned_secrets[name])
        if name in self.row.values:
            return _plain(self.row.values[name])
        for source in declared.sources if declared else ():
            found = self._from_source(source, label)
            if found.value is not UNSET:
                return found
        if declared is None or declared.required:
            raise RowFault("missing_value", f"`{label}` has no value, because no source supplies one")
        self.unset.add(label)
        return _NOTHING

    def _from_source(self, source: Source, label: str) -> Resolved:
        value = source.real(self)
        if value is UNSET:
            return _NOTHING
        if not source.tainted:
            return _plain(_converted(value, source.type, label, hidden=False))
        secrets = sorted({name for reference in source.references for name in self.resolve(reference).secrets})
        return Resolved(_converted(value, source.type, label, hidden=True), source.masked(self), tuple(secrets))

    def _sensitive_or_plain(self, label: str, declared: Declared | None, found: Resolved) -> Resolved:
        if declared is not None and declared.sensitive and found.value is not UNSET:
            found = Resolved(found.value, mask(label), found.secrets)
        self._keep_hidden(label, found.value, found.masked)
        return found

    def _names_service(self, reference: Reference) -> bool:
        return (
            reference.namespace is Namespace.ENV
            and reference.name not in self.program.environment
            and bool(reference.path)
        )

    def _of_environment(self, reference: Reference) -> Resolved:
        key = f"{reference.name}.{reference.path[0]}" if self._names_service(reference) else reference.name
        source = self.program.environment.get(key)
        if source is None:
            return _NOTHING
        label = f"env.{key}"
        if label in self._resolving:
            raise RowFault("reference_cycle", f"`{label}` depends on itself")
        self._resolving.add(label)
        try:
            found = self._from_source(source, label)
        finally:
            self._resolving.discard(label)
        self._keep_hidden(label, found.value, found.masked)
        return found

    def _keep_hidden(self, label: str, value: JsonValue, masked: JsonValue) -> None:
        """Note the parts of `value` that are not shown in `masked`."""
        if value is masked:
            return
        if isinstance(value, dict) and isinstance(masked, dict):
            for name, child in value.items():
                self._keep_hidden(f"{label}.{name}", child, masked.get(name, UNSET))
        elif isinstance(value, list) and isinstance(masked, list) and len(value) == len(masked):
            for index, child in enumerate(value):
                self._keep_hidden(f"{label}.{index}", child, masked[index])
        elif value != masked:
            self.keep_secret(label, value)


def mask(label: str) -> str:
    """Return the placeholder of a sensitive value."""
    return f"[sensitive:{label}]"


def _plain(value: JsonValue) -> Resolved:
    return Resolved(value, value)


def _converted(value: JsonValue, type: ValueType | None, label: str, hidden: bool) -> JsonValue:
    if type is None:
        return value
    try:
        return convert(value, type)
    except ConversionError as problem:
        raise RowFault("invalid_value", f"`{label}`: {problem.reason if hidden else problem}") from None
