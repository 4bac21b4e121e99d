"""Every property and every word of a closed list is described in the JSON Schema, from the models alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import pytest

from reqflo_ray._internal.compiler.authoring.json_schema import document_schema, model_schema
from reqflo_ray._internal.compiler.authoring.kinds import (
    ASSERTION_TYPES,
    OPERATOR_ALIASES,
    OPERATORS,
    STEP_FIELDS,
    WORDS,
)
from reqflo_ray._internal.compiler.authoring.units import parse_duration
from reqflo_ray._internal.model.artifact import AssertionType, Backoff, OnFailure, OnInterrupt, Operator, RetryCause
from reqflo_ray._internal.model.plan import SecretSource
from reqflo_ray._internal.model.values import ValueType

_DATA = ("examples", "default", "enum", "const")


def objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for key, part in value.items():
            if key not in _DATA:
                yield from objects(part)
    elif isinstance(value, list):
        for part in value:
            yield from objects(part)


def model_properties() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The model, the name and the schema of every property that a person can write."""
    schema = model_schema()
    for model, definition in {"document": schema, **schema["$defs"]}.items():
        for name, property in definition.get("properties", {}).items():
            yield model, name, property


PROPERTIES = list(model_properties())


@pytest.mark.parametrize(("model", "name", "property"), PROPERTIES, ids=[f"{one[0]}.{one[1]}" for one in PROPERTIES])
def test_a_description_says_more_than_the_name(model: str, name: str, property: dict[str, Any]) -> None:
    description = property["description"]
    own = {name, name.rstrip("s"), *name.split("_"), *re.findall("[A-Z][a-z]+", model)}
    said = [word for word in re.findall(r"[a-z]+", description.lower()) if word not in {part.lower() for part in own}]
    assert len(said) >= 4, description
    assert description[0].isupper() and description.endswith("."), description
    assert property["examples"], "an example is missing"


def test_no_object_of_the_schema_has_a_property_without_a_description() -> None:
    for node in objects(document_schema()):
        for name, property in node.get("properties", {}).items():
            assert not isinstance(property, dict) or property.get("description"), name


def test_descriptions_end_with_the_default_and_an_example() -> None:
    http = document_schema()["$defs"]["HttpModel"]["properties"]
    assert http["connect_timeout"]["description"].endswith("Default: `5s`. Example: `2s`.")
    assert http["max_redirects"]["description"].endswith("Default: `0`. Example: `5`.")


def test_a_default_is_a_value_that_may_be_written() -> None:
    for node in objects(document_schema()):
        for name, property in node.get("properties", {}).items():
            if isinstance(property, dict) and "default" in property and "(ms|s|m|h)" in str(property):
                assert parse_duration(property["default"]) >= 0, name


def test_every_closed_list_of_the_schema_describes_its_words() -> None:
    lists = [node for node in objects(document_schema()) if "enum" in node and "type" in node and "if" not in node]
    assert len(lists) > 10
    for node in lists:
        assert len(node["enumDescriptions"]) == len(node["enum"]), node["enum"]


@pytest.mark.parametrize(
    "kind", [AssertionType, Operator, OnFailure, OnInterrupt, RetryCause, Backoff, ValueType, SecretSource]
)
def test_the_words_are_those_of_the_model(kind: type[StrEnum]) -> None:
    words = {member.value for member in kind} | (set(OPERATOR_ALIASES) if kind is Operator else set())
    assert any(described.keys() == words for described in WORDS)


def test_the_tables_of_kinds_are_complete() -> None:
    assert ASSERTION_TYPES.keys() == {kind.value for kind in AssertionType}
    assert OPERATORS.keys() == {operator.value for operator in Operator} | OPERATOR_ALIASES.keys()
    assert STEP_FIELDS.keys() == WORDS[0].keys()


def test_no_title_repeats_the_name_of_a_property() -> None:
    schema = document_schema()
    assert schema.pop("title")
    assert not [node for node in objects(schema) if isinstance(node.get("title"), str)]
