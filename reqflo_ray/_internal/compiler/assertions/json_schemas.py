"""Checks that a JSON Schema of a journey is valid, refers to nothing outside itself, and does not multiply."""

from __future__ import annotations

from decimal import Decimal

from reqflo_ray._internal.compiler.yaml.problems import Problems
from reqflo_ray._internal.compiler.yaml.tree import YamlNode, plain
from reqflo_ray._internal.model.limits import MAX_SUBSCHEMAS, subschemas
from reqflo_ray._internal.model.values import JsonValue


def check_schema(written: YamlNode, problems: Problems) -> JsonValue:
    """Return the schema at `written` after reporting errors. It is used as written: a schema holds no expressions."""
    schema = plain(written)
    import jsonschema_rs

    try:
        jsonschema_rs.validator_for(_with_floats(schema), retriever=_refuse_to_fetch)
    except Exception as problem:  # the library raises ValueError and its own kinds; none may escape
        cause = str(problem).splitlines()[0][:200]
        problems.error("invalid_assertion", "this is not a valid JSON Schema", written, cause=cause)
        return schema
    if subschemas(schema) > MAX_SUBSCHEMAS:
        message = f"more than {MAX_SUBSCHEMAS:,} subschemas of this JSON Schema apply to the same value"
        cause = "nested `allOf`, `anyOf`, `oneOf`, and `$ref` multiply the number of subschemas"
        problems.error("journey_limit", message, written, cause=cause, hint="refer to each subschema once")
    return schema


def _with_floats(value: JsonValue) -> JsonValue:
    """Convert decimals to floats: the schema library has no decimals, and floats are exact enough for schemas."""
    match value:
        case Decimal():
            return float(value)
        case dict():
            return {name: _with_floats(item) for name, item in value.items()}
        case list():
            return [_with_floats(item) for item in value]
    return value


def _refuse_to_fetch(uri: str) -> JsonValue:
    raise ValueError(f"`{uri}` is outside the schema, and schemas are not fetched")
