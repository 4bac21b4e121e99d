"""Checks that a JSON Schema of a journey is one, needs nothing from elsewhere, and does not multiply itself."""

from __future__ import annotations

from decimal import Decimal

from reqflo_ray._internal.compiler.yaml.problems import Problems
from reqflo_ray._internal.compiler.yaml.tree import YamlNode, plain
from reqflo_ray._internal.model.limits import MAX_SUBSCHEMAS, subschemas
from reqflo_ray._internal.model.values import JsonValue


def check_schema(written: YamlNode, problems: Problems) -> JsonValue:
    """The schema at `written` as it is: it holds no expressions. What is wrong with it is reported."""
    schema = plain(written)
    import jsonschema_rs

    try:
        jsonschema_rs.validator_for(_with_floats(schema), retriever=_refuse_to_fetch)
    except Exception as problem:  # the library raises ValueError and its own kinds; none may escape
        cause = str(problem).splitlines()[0][:200]
        problems.error("invalid_assertion", "this is no valid JSON Schema", written, cause=cause)
        return schema
    if subschemas(schema) > MAX_SUBSCHEMAS:
        message = f"more than {MAX_SUBSCHEMAS:,} subschemas of this JSON Schema judge one value"
        cause = "`allOf`, `anyOf`, `oneOf` and `$ref` that lead to one another multiply"
        problems.error("journey_limit", message, written, cause=cause, hint="refer to each of them once")
    return schema


def _with_floats(value: JsonValue) -> JsonValue:
    """The schema library knows no decimals; for finding out whether a schema is one, floats will do."""
    match value:
        case Decimal():
            return float(value)
        case dict():
            return {name: _with_floats(item) for name, item in value.items()}
        case list():
            return [_with_floats(item) for item in value]
    return value


def _refuse_to_fetch(uri: str) -> JsonValue:
    raise ValueError(f"`{uri}` is outside of the schema, and nothing is fetched")
