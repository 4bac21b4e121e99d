"""Converts text to the declared type of an input or variable, and checks values that already have a type.

The grammar is exactly that of JSON, except for `TRUE` and `True`, which spreadsheets and pandas write. It must not know
which value it converts, or where that came from.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Final

from reqflo_ray._internal.model import json_text
from reqflo_ray._internal.model.values import JsonValue, ValueType, exact_number

_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)\Z")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?\Z")
_BOOLEANS: Final = {"true": True, "TRUE": True, "True": True, "false": False, "FALSE": False, "False": False}
_LONGEST_QUOTE: Final = 60
# What people type instead of a number, and the hint for it.
_ALMOST_NUMBERS: Final = (
    (
        re.compile(r"[-+]?[0-9]+,[0-9]+|[-+]?[0-9]{1,3}([.'’\u00a0\u202f ][0-9]{3})+,[0-9]+"),
        "write the number with a decimal point",
    ),
    (
        re.compile(r"[-+]?[0-9]{1,3}([,.'’\u00a0\u202f ][0-9]{3})+(\.[0-9]+)?"),
        "remove the separators between thousands",
    ),
    (re.compile(r"-?0[0-9]+(\.[0-9]+)?"), "remove the leading zeros, or declare `type: string` if they matter"),
    (re.compile(r"\+[0-9]+(\.[0-9]+)?"), "remove the plus sign, or declare `type: string` if it matters"),
    (re.compile(r"\s+.*|.*\s+", re.DOTALL), "remove the blanks around it"),
)

_EXPECTED: Final = {
    ValueType.NUMBER: "a number as JSON writes it, such as 12 or -0.5",
    ValueType.INTEGER: "an integer as JSON writes it, such as 12",
    ValueType.BOOLEAN: "`true` or `false`",
    ValueType.STRING: "text",
    ValueType.JSON: "JSON",
}


class ConversionError(ValueError):
    """A value is not of its declared type. `reason` is the message without the value, for values that must stay
    hidden; `hint` says what to do, and does not quote the value either."""

    def __init__(self, shown: str, reason: str, hint: str = "") -> None:
        super().__init__(f"{shown} {reason}")
        self.reason = reason
        self.hint = hint


def convert(value: JsonValue, type: ValueType) -> JsonValue:
    """Return `value` in the declared `type`.

    Text is read by the grammar of JSON (`json` parses all of it). Any other value is checked and never changed. Null
    belongs to every type.

    Raises:
        ConversionError: it is not of that type; one sentence that quotes at most 60 characters of the value.
    """
    if value is None:
        return None
    if isinstance(value, str):
        return _from_text(value, type)
    if _is_of(value, type):
        return value
    raise ConversionError(_shown(value), f"is {kind_of(value)}, not {_EXPECTED[type]}")


def kind_of(value: JsonValue) -> str:
    """Return what `value` is, in words: "an object", "text", "null"."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case str():
            return "text"
        case dict():
            return "an object"
        case list() | tuple():
            return "an array"
        case _:
            return "a number"


def _from_text(text: str, type: ValueType) -> JsonValue:
    match type:
        case ValueType.STRING:
            return text
        case ValueType.BOOLEAN if text in _BOOLEANS:
            return _BOOLEANS[text]
        case ValueType.INTEGER if _INTEGER.match(text):
            return json_text.exact_integer(text)
        case ValueType.NUMBER if _INTEGER.match(text):
            return json_text.exact_integer(text)
        case ValueType.NUMBER if _NUMBER.match(text):
            try:
                return exact_number(text)
            except InvalidOperation:
                raise ConversionError(_shown(text), "is a number that is out of range") from None
        case ValueType.JSON:
            try:
                return json_text.decode_strictly(text)
            except json_text.NotJson as problem:
                raise ConversionError(_shown(text), f"is not JSON: {problem}") from None
    raise ConversionError(_shown(text), f"is not {_EXPECTED[type]}", _hint(text, type))


def _hint(text: str, type: ValueType) -> str:
    if text and not text.isspace() and type in (ValueType.NUMBER, ValueType.INTEGER):
        return next((hint for pattern, hint in _ALMOST_NUMBERS if pattern.fullmatch(text)), "")
    return ""


def _is_of(value: JsonValue, type: ValueType) -> bool:
    match type:
        case ValueType.NUMBER:
            return isinstance(value, int | float | Decimal) and not isinstance(value, bool)
        case ValueType.INTEGER:
            return isinstance(value, int) and not isinstance(value, bool)
        case ValueType.BOOLEAN:
            return isinstance(value, bool)
        case ValueType.STRING:
            return False
        case ValueType.JSON:
            return True


def _shown(value: JsonValue) -> str:
    text = (value if isinstance(value, str) else str(value))[:_LONGEST_QUOTE]
    # One line, without anything that a terminal would interpret.
    text = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    return f"`{text}`" if len(text) <= _LONGEST_QUOTE - 2 else f"`{text[: _LONGEST_QUOTE - 3]}…`"
