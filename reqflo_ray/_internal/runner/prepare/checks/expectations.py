"""The part of the run check that judges what assertions expect: values that nobody gives, statuses that are none, and
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
    """Judges the assertions of one artifact. `columns` are those of the dataset; `sampled` values of some of them."""

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
        """Report what is wrong.

        Args:
            places: where inputs and variables are declared.
            knows_sources: False if what was to give values cannot be used, so that nobody knows what has none.
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
            return  # each row is judged by itself; what is required and missing is reported as that
        message = f"`{reference}` has no value, and an assertion of step `{step.id}` expects it"
        for place in self._places_in(step, reference):
            hint = "the assertion will fail: give it a value or a default"
            self._problems.warning("unset_value", message, place, hint=hint)

    def _check_status(self, step: HttpStep, reference: Reference) -> None:
        for value in self._literals(reference):
            if is_status(value):
                continue
            message = f"the value of `{reference}` is no status, and step `{step.id}` expects it as one"
            hint = f"declare `{reference.name}` with `type: json`" if _is_list_text(value) else ""
            hint = hint if is_declared(reference) else ""
            for place in self._places_in(step, reference):
                self._problems.error("invalid_assertion", message, place, cause=STATUSES, hint=hint)

    def _literals(self, reference: Reference) -> Iterator[JsonValue]:
        """The values that are known now: those of rows are judged when they are read."""
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
        # The order of booleans is nobody's question.
        if not kind or (kind == "boolean" and assertion.operator in (*ORDERINGS, Operator.LENGTH)):
            return
        message = f"{source} gives text, and `{assertion.type}` compares it: the text `5` does not equal the number 5"
        if kind == "boolean":
            message = f"{source} gives text, and `{assertion.type}` compares it: the text `true` does not equal true"
        hint = f"declare `{name}` with `type: {kind}`; with `type: string` if the answer has text there"
        self._problems.warning("untyped_value", message, places.get(f"{reference.namespace}.{name}"), hint=hint)

    def _places_in(self, step: HttpStep, reference: Reference) -> Sequence[Position | None]:
        return self._uses.in_step(step.id, str(reference), _is_expected) or (None,)


def _is_expected(use: Use) -> bool:
    return use.is_expected


def _compares_numbers(assertion: Assertion) -> bool:
    """Whether text that looks like a number would be taken for what it is not."""
    match assertion.type:
        case AssertionType.JSON_PATH:
            return assertion.operator in _COMPARED
        case AssertionType.HEADER:
            return assertion.operator in (*ORDERINGS, Operator.LENGTH)
        case AssertionType.RESPONSE_TIME:
            return True
    return False


def _kind_of_all(values: Sequence[JsonValue]) -> str:
    """The type that all values look like, if they are texts: `integer`, `number`, `boolean` or ""."""
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
