"""What all models of the authoring format share: strictness, and how a property is described.

It must not know any single property.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


class Authored(BaseModel):
    """The base of everything that a person writes: unknown keys are errors, and no value is converted silently."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def about(description: str, *examples: Any) -> Any:
    """Describe a property for editors and for the reference.

    `description` says what happens, the unit, and what applies if the property is left out. The default is added to
    it where the model has one that can be shown.
    """
    return Field(description=description, examples=list(examples))


def note(example: str) -> Any:
    """Describe a property that only people read."""
    return about("A note for readers of the file. It has no effect.", example)


class AlsoWritten:
    """Marks a property that also has shorter forms, which are expanded before the property is validated."""

    def __init__(self, *schemas: dict[str, Any]) -> None:
        self._schemas = schemas

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return the property's own schema, or one of the short forms."""
        own = handler(core)
        own = handler.resolve_ref_schema(own) if "anyOf" in own else own
        choices = own.get("anyOf", [own])
        return {"anyOf": [*choices, *self._schemas]}


def also_keys(properties: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
    """Add keys to a model's JSON Schema that are read as other keys of it."""

    def extend(schema: dict[str, Any]) -> None:
        schema["properties"] |= properties

    return extend


def _as_float(value: Any) -> Any:
    if isinstance(value, Decimal) or (isinstance(value, int) and not isinstance(value, bool)):
        return float(value)
    return value


Number = Annotated[float, BeforeValidator(_as_float)]
"""A finite number, with or without a fraction."""

Item = TypeVar("Item")
Listed = Annotated[tuple[Item, ...], Field(strict=False)]
"""A list."""

Name = Annotated[str, Field(min_length=1, max_length=200)]
"""A name of 1 to 200 characters."""
