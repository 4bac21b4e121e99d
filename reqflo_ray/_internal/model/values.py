"""JSON data, and the compiled form of values with `{{ … }}`. Data only: the engine renders them.

A written value is compiled once to a tree of nodes. An expression that is the whole scalar is a `Reference` and keeps
the type of its value; one inside text is a part of a `Text`. A subtree without expressions is one `Literal`.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, TypeAlias

import msgspec

# Any JSON value. Numbers with a fraction or exponent are `float` or `Decimal` as `exact_number` decides; they compare
# by value. A precise recursive alias would defeat msgspec's decoding.
JsonValue: TypeAlias = Any


class _Unset:
    """The type of `UNSET`: no value at all, which is not the same as null."""

    _instance: _Unset | None = None

    def __new__(cls) -> _Unset:
        if cls._instance is None:
            cls._instance = super().__new__(cls)
        return cls._instance

    def __repr__(self) -> str:
        return "UNSET"

    def __bool__(self) -> bool:
        return False

    def __reduce__(self) -> str:
        return "UNSET"


UNSET: Final = _Unset()


class Namespace(StrEnum):
    """The source of the value of a reference, except references to steps."""

    INPUTS = "inputs"
    VARIABLES = "variables"
    ENV = "env"
    SECRETS = "secrets"
    ME = "me"
    RUN = "run"  # run.id
    ROW = "row"  # row.index, row.key


class ValueType(StrEnum):
    """The declared type of an input or variable. Without a type, values are not converted."""

    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    STRING = "string"
    JSON = "json"


class Literal(msgspec.Struct, frozen=True, tag="literal", tag_field="kind"):
    """A JSON value without expressions, used unchanged."""

    value: JsonValue


class Reference(msgspec.Struct, frozen=True, tag="reference", tag_field="kind"):
    """`{{ inputs.x }}` and the like. `path` leads into a structured value: `inputs.address.city` is named `address`."""

    namespace: Namespace
    name: str
    path: tuple[str | int, ...] = ()

    def __str__(self) -> str:
        return ".".join([self.namespace.value, self.name, *map(str, self.path)])


class StepReference(msgspec.Struct, frozen=True, tag="step", tag_field="kind"):
    """`{{ steps.<step>.<capture> }}`: `capture` is the key of one of the producing step's `Capture`s."""

    step: str
    capture: str

    def __str__(self) -> str:
        return f"steps.{self.step}.{self.capture}"


class Text(msgspec.Struct, frozen=True, tag="text", tag_field="kind"):
    """Text with embedded expressions. A part that is unset at run time is an error."""

    parts: tuple[str | Reference | StepReference, ...]


class ObjectNode(msgspec.Struct, frozen=True, tag="object", tag_field="kind"):
    """A JSON object, with its fields in the order written. A field whose value is unset is left out."""

    fields: tuple[tuple[str, Node], ...]


class ArrayNode(msgspec.Struct, frozen=True, tag="array", tag_field="kind"):
    """A JSON array. An item whose value is unset is left out."""

    items: tuple[Node, ...]


Node: TypeAlias = Literal | Reference | StepReference | Text | ObjectNode | ArrayNode

AnyReference: TypeAlias = Reference | StepReference


def references(node: Node) -> tuple[AnyReference, ...]:
    """Return all references in `node`, in the order written."""
    match node:
        case Reference() | StepReference():
            return (node,)
        case Text(parts=parts):
            return tuple(part for part in parts if not isinstance(part, str))
        case ObjectNode(fields=fields):
            return tuple(found for _, child in fields for found in references(child))
        case ArrayNode(items=items):
            return tuple(found for child in items for found in references(child))
        case _:
            return ()


class WrittenNumber(Decimal):
    """A number in another form than Python's, such as 0.00000001 (not 1E-8) or 1e3, that keeps its text everywhere.

    `text` must be a JSON number.
    """

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> WrittenNumber:
        number = super().__new__(cls, text)
        number.text = text
        return number

    def __str__(self) -> str:
        return self.text

    def __reduce__(self) -> tuple[type[WrittenNumber], tuple[str]]:
        return WrittenNumber, (self.text,)


def fixed_texts(node: Node) -> tuple[str, ...]:
    """Return the literal texts of a text value or of a list of texts, whatever its references become.

    Objects and nested lists are left out: they become JSON, which can escape every character.
    """
    match node:
        case Literal(value=str() as text):
            return (text,)
        case Literal(value=list() as items):
            return tuple(item for item in items if isinstance(item, str))
        case Text(parts=parts):
            return tuple(part for part in parts if isinstance(part, str))
        case ArrayNode(items=nodes):
            return tuple(text for child in nodes if not isinstance(child, ArrayNode) for text in fixed_texts(child))
        case _:
            return ()


def exact_number(text: str) -> float | Decimal:
    """Read a JSON number with a fraction or exponent; the hook of every JSON decoder.

    Return a `float` if its text is exactly `text`, else a `Decimal`, so that no digit is lost and a value is the same
    after it has been in the journal. Integers are always exact.
    """
    if "e" not in text and "E" not in text:
        number = float(text)
        if repr(number) == text:
            return number
    exact = Decimal(text)
    return exact if str(exact) == text else WrittenNumber(text)


def without_exponent(number: float | Decimal) -> float | Decimal:
    """Return a finite number that was not read from text, such as one from Parquet, with a text that has no exponent.

    Its text is 0.00000001, for example, where Python writes 1e-08.
    """
    text = str(number)
    if "e" not in text and "E" not in text:
        return number
    digits = format(Decimal(text), "f")
    return exact_number(f"{digits}.0" if isinstance(number, float) and "." not in digits else digits)
