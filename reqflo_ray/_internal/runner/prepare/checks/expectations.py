"""The part of the run check that judges the expected values of assertions: missing values, invalid status codes, and
text from a table that is compared with numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from reqflo_ray._internal.compiler.values.scope import Use
from reqflo_ray._internal.compiler.values.uses import Uses
from reqflo_ray._internal.compiler.yaml.problems import Problems
from reqflo_ray._internal.engine.values.compare import ORDERINGS
from reqflo_ray._internal.engine.values.expectations import (
    STATUSES,
    assertions_of,
    expected_to_be_there,
    expected_whole,
    is_status,
    sources_of,
)
from reqflo_ray._internal.engine.values.supply import Supply, is_declared
from reqflo_ray._internal.errors import Position
from reqflo_ray._internal.model.artifact import Artifact, Assertion, AssertionType, HttpStep, Operator
from reqflo_ray._internal.model.plan import InputSource, InputValue
from reqflo_ray._internal.model.values import JsonValue, Literal, Reference

_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_COMPARED: Final = (Operator.EQUALS, Operator.NOT_EQUALS, Operator.IN, Operator.NOT_IN, Operator.LENGTH, *ORDERINGS)


class ExpectationCheck:
    """Checks the assertions of an artifact. `columns` are those of the dataset; `sampled` holds the first values of
    some of them."""

    def __init__(
        self,
        artifact: Artifact,
        supply: Supply,
        given: Mapping[str, InputValue],
        columns: Iterable[str],
        sampled: Mapping[str, Sequence[JsonValue]],
        uses: Uses,
        problems: Problems,
    ) -> None:
        self._artifact = artifact
        self._supply = supply
        self._given = given
        self._columns = frozenset(columns)
        self._sampled = sampled
        self._uses = uses
        self._problems = problems

    def run(self, places: Mapping[str, Position], *, knows_sources: bool) -> None:
        """Report expected values that are missing, are not valid status codes, or lack a type.

        Args:
            places: where inputs and variables are declared.
            knows_sources: False if a source of values cannot be used, so that missing values are unknown.
        """
        for step, assertion in assertions_of(self._artifact):
            for reference in expected_to_be_there(assertion) if knows_sources else ():
                self._check_is_there(step, reference)
            for reference in expected_whole(assertion):
                if assertion.type is AssertionType.STATUS_CODE:
                    self._check_status(step, reference)
                elif is_declared(reference) and _compares_numbers(assertion):
                    self._check_type(reference, assertion, places)

    def _check_is_there(self, step: HttpStep, reference: Reference) -> None:
        names = self._supply.only_rows(reference)
        if not names or names & self._columns or any(self._supply.declared[name].required for name in names):
            return  # each row is judged by itself; a missing required value is reported elsewhere
        message = f"`{reference}` has no value, but an assertion of step `{step.id}` expects it"
        for place in self._places_in(step, reference):
            hint = "set a value or a default; without one, the assertion fails"
            self._problems.warning("unset_value", message, place, hint=hint)

    def _check_status(self, step: HttpStep, reference: Reference) -> None:
        for value in self._literals(reference):
            if is_status(value):
                continue
            message = f"the value of `{reference}` is not an HTTP status, but step `{step.id}` expects it as one"
            hint = f"declare `{reference.name}` with `type: json`" if _is_list_text(value) else ""
            hint = hint if is_declared(reference) else ""
            for place in self._places_in(step, reference):
                self._problems.error("invalid_assertion", message, place, cause=STATUSES, hint=hint)

    def _literals(self, reference: Reference) -> Iterator[JsonValue]:
        """Yield the values that are known before rows are read; the values of rows are judged when they are read."""
        for source in sources_of(reference, self._supply):
            for node in self._supply.definitions(source):
                if isinstance(node, Literal):
                    yield node.value

    def _check_type(self, reference: Reference, assertion: Assertion, places: Mapping[str, Position]) -> None:
        name = reference.name
        entry = self._supply.declared.get(name)
        if entry is None or entry.type is not None:
            return
        given = self._given.get(name)
        if name in self._columns:
            texts, source = self._sampled.get(name, ()), f"the column `{name}`"
        elif given is not None and given.source is InputSource.SET and isinstance(given.node, Literal):
            texts, source = (given.node.value,), f"`--set {name}`"
        else:
            return
        kind = _kind_of_all(texts)
        # Booleans have no order and no length.
        if not kind or (kind == "boolean" and assertion.operator in (*ORDERINGS, Operator.LENGTH)):
            return
        different = "`true` does not equal true" if kind == "boolean" else "`5` does not equal the number 5"
        message = f"{source} supplies text, which `{assertion.type}` compares: the text {different}"
        hint = f"declare `{name}` with `type: {kind}`, or with `type: string` if the response has text there"
        self._problems.warning("untyped_value", message, places.get(f"{reference.namespace}.{name}"), hint=hint)

    def _places_in(self, step: HttpStep, reference: Reference) -> Sequence[Position | None]:
        return self._uses.in_step(step.id, str(reference), _is_expected) or (None,)


def _is_expected(use: Use) -> bool:
    return use.is_expected


def _compares_numbers(assertion: Assertion) -> bool:
    """Whether the assertion tells the text of a number from the number."""
    match assertion.type:
        case AssertionType.JSON_PATH:
            return assertion.operator in _COMPARED
        case AssertionType.HEADER:
            return assertion.operator in (*ORDERINGS, Operator.LENGTH)
        case AssertionType.RESPONSE_TIME:
            return True
    return False


def _kind_of_all(values: Sequence[JsonValue]) -> str:
    """Return the type that all values look like if they are texts: `integer`, `number`, `boolean`, or ""."""
    texts = [value for value in values if isinstance(value, str)]
    if not texts or any(value is not None and not isinstance(value, str) for value in values):
        return ""
    if all(text in ("true", "false") for text in texts):
        return "boolean"
    if all(_NUMBER.fullmatch(text) for text in texts):
        return "integer" if all(text.lstrip("-").isdecimal() for text in texts) else "number"
    return ""


def _is_list_text(value: JsonValue) -> bool:
    return isinstance(value, str) and value.lstrip().startswith("[")
