"""JSON Schema validation that reads nothing but the schema it is given: no file, no network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import jsonschema_rs

from reqflo_ray.model.values import JsonValue


class SchemaError(ValueError):
    """A schema cannot be used."""


def compile_schema(schema: JsonValue) -> Callable[[Any], str]:
    """A function that validates a document and says what is wrong with it, "" if nothing.

    What it says names places and keywords of the schema, no values of the document. It raises `SchemaError` for a
    document that the validator cannot read.

    Raises:
        SchemaError: `schema` is no JSON Schema, or refers to something outside of itself.
    """
    if not isinstance(schema, dict | bool):
        raise SchemaError("a JSON Schema is an object or a boolean")
    try:
        validator = jsonschema_rs.validator_for(schema, retriever=_refuse, validate_formats=True)
    except (ValueError, jsonschema_rs.ReferencingError) as problem:
        raise SchemaError(f"the JSON Schema cannot be used: {str(problem).splitlines()[0]}") from None

    def validate(document: Any) -> str:
        try:
            errors = [] if validator.is_valid(document) else list(validator.iter_errors(document))
        except ValueError:
            raise SchemaError("the body is nested too deeply, or holds half of a surrogate pair") from None
        except (ArithmeticError, TypeError, RecursionError):
            raise SchemaError("the body holds a value that cannot be validated") from None
        if not errors:
            return ""
        more = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
        return f"body does not match the schema: {_describe(errors[0])}{more}"

    return validate


def _describe(error: jsonschema_rs.ValidationError) -> str:
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.instance_path)
    rule = "/".join(str(part) for part in error.schema_path)
    return f"`${place}` breaks `{rule}`"


def _refuse(uri: str) -> NoReturn:
    raise ValueError(f"`{uri}` is outside of the schema, and nothing is fetched")
