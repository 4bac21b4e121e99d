"""Reads and writes JSON without losing a digit. It must not know where a text comes from or what it means."""

from __future__ import annotations

import json
from typing import NamedTuple

import msgspec

from reqflo_ray.model.values import JsonValue, exact_number

_decode = msgspec.json.Decoder(float_hook=exact_number).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode


class NotJson(ValueError):
    """A text is not JSON. The message says why in a few words and quotes nothing of the text."""


class Decoded(NamedTuple):
    """A value, and whether its text was JSON as RFC 8259 has it (else: a BOM, NaN, a lone surrogate, UTF-16 …)."""

    value: JsonValue
    standard: bool


def decode(data: bytes | str) -> Decoded:
    """Read a JSON text as APIs send it, which is a little more than the standard allows.

    Raises:
        NotJson: it cannot be read.
    """
    try:
        return Decoded(_decode(data), True)
    except RecursionError:
        raise NotJson("it is nested too deeply") from None
    except (ValueError, ArithmeticError) as problem:
        if not data.strip():
            raise NotJson("it is empty") from None
        return _decode_leniently(data, problem)


def decode_strictly(text: str) -> JsonValue:
    """Read a text that must be JSON as RFC 8259 has it.

    Raises:
        NotJson: it is not.
    """
    try:
        return _decode(text)
    except RecursionError:
        raise NotJson("it is nested too deeply") from None
    except (ValueError, ArithmeticError) as problem:
        raise NotJson(_reason(problem)) from None


def encode(value: JsonValue) -> bytes:
    """The compact JSON of `value`: every number exactly, object keys in their own order.

    Raises:
        ValueError: it is nested too deeply, or a number is too long to be written.
    """
    try:
        return _encode(value)
    except UnicodeEncodeError:
        # A lone surrogate has no UTF-8 form, but it has an escape.
        return _escaped(value).encode()
    except RecursionError:
        raise ValueError("the value is nested too deeply") from None


def encode_text(value: JsonValue) -> str:
    """As `encode`, as text."""
    return encode(value).decode()


def _decode_leniently(data: bytes | str, first: Exception) -> Decoded:
    try:
        return Decoded(json.loads(data, parse_float=exact_number), False)
    except RecursionError:
        raise NotJson("it is nested too deeply") from None
    except UnicodeDecodeError:
        raise NotJson("it is not text in UTF-8") from None
    except (ValueError, ArithmeticError):
        raise NotJson(_reason(first)) from None


def _reason(problem: Exception) -> str:
    if isinstance(problem, UnicodeError):
        return "it is not text in UTF-8"
    if isinstance(problem, msgspec.ValidationError) or not isinstance(problem, msgspec.DecodeError):
        return "it holds a number that is out of all range"
    text = str(problem)
    return text if text.startswith("JSON") else text[:1].lower() + text[1:]


def _escaped(value: JsonValue) -> str:
    match value:
        case dict():
            return "{" + ",".join(f"{json.dumps(str(name))}:{_escaped(child)}" for name, child in value.items()) + "}"
        case list() | tuple():
            return "[" + ",".join(map(_escaped, value)) + "]"
        case str():
            return json.dumps(value)
        case _:
            return _encode(value).decode()
