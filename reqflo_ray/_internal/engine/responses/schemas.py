"""JSON Schema validation that reads only the schema that it is passed: no file, no network.

A validator does not report its work and cannot be stopped, so the work is bounded before it begins.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, NoReturn, TypeAlias
from urllib.parse import unquote

import jsonschema_rs

from reqflo_ray._internal.engine.values.work import MOST_STEPS, Unjudged, Work
from reqflo_ray._internal.model.values import JsonValue, WrittenNumber

Validate: TypeAlias = Callable[[Any, Work], str]

# Problems of a document with more nodes are not all listed, because each holds a copy of its place.
_LISTED_NODES: Final = 10_000
_RULES_A_STEP: Final = 4
_UNDER_WAY: Final = -1
_REFERENCES: Final = frozenset({"$ref", "$dynamicRef", "$recursiveRef"})


class SchemaError(ValueError):
    """A schema cannot be used."""


def compile_schema(schema: JsonValue) -> Validate:
    """Return a function that validates a document and returns what is wrong with it, "" if nothing is.

    Its text names places and keywords of the schema, but no values of the document. It raises `SchemaError` for a
    document that the validator cannot read, and `Unjudged`.

    Raises:
        SchemaError: `schema` is not a JSON Schema, or refers to something outside itself.
    """
    if not isinstance(schema, dict | bool):
        raise SchemaError("a JSON Schema must be an object or a boolean")
    validator, backtracks = _validator(schema)
    rules = MOST_STEPS if backtracks else _rules(schema)

    def validate(document: Any, work: Work) -> str:
        nodes = work.weigh(document)
        work.spend_uncounted(nodes * rules // _RULES_A_STEP)
        try:
            try:
                valid = validator.is_valid(document)
            except ValueError:
                document = _in_usual_spelling(document)
                valid = validator.is_valid(document)
            if valid:
                return ""
            if nodes > _LISTED_NODES:
                return _first_of_many(validator, document)
            errors = list(validator.iter_errors(document))
        except ValueError:
            raise SchemaError("the body is nested too deeply, or holds half of a surrogate pair") from None
        except (ArithmeticError, TypeError, RecursionError):
            raise SchemaError("the body holds a value that cannot be validated") from None
        for error in errors:
            _check_judged(error)
        more = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
        return f"body does not match the schema: {_describe(errors[0])}{more}"

    return validate


def _validator(schema: JsonValue) -> tuple[Any, bool]:
    """Return the validator, and whether its patterns backtrack: they look around or refer to groups."""
    try:
        try:
            return _compiled(schema, jsonschema_rs.RegexOptions()), False
        except jsonschema_rs.ValidationError:
            return _compiled(schema, jsonschema_rs.FancyRegexOptions()), True
    except (ValueError, jsonschema_rs.ReferencingError) as problem:
        raise SchemaError(f"the JSON Schema cannot be used: {str(problem).splitlines()[0]}") from None


def _in_usual_spelling(value: Any) -> Any:
    """Return `value` with numbers that the library can read: it rejects subclasses of `Decimal`."""
    match value:
        case WrittenNumber():
            return Decimal(value)
        case dict():
            return {name: _in_usual_spelling(item) for name, item in value.items()}
        case list():
            return [_in_usual_spelling(item) for item in value]
    return value


def _compiled(schema: JsonValue, patterns: Any) -> Any:
    schema = _in_usual_spelling(schema)
    return jsonschema_rs.validator_for(schema, retriever=_refuse, validate_formats=True, pattern_options=patterns)


def _first_of_many(validator: Any, document: Any) -> str:
    try:
        validator.validate(document)
    except jsonschema_rs.ValidationError as error:
        _check_judged(error)
        return f"body does not match the schema: {_describe(error)}, and perhaps more"
    return ""


def _check_judged(error: jsonschema_rs.ValidationError) -> None:
    if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.BacktrackLimitExceeded):
        raise Unjudged("work_limit", "matching a pattern of the schema takes too many steps on this response")


def _rules(schema: JsonValue) -> int:
    """Return how many rules of `schema` apply to one node at most: `MOST_STEPS` if that depends on the document,
    because the schema refers to itself, or to something that is not plainly a part of it."""
    try:
        return _count(schema, schema, {})
    except (_Endless, RecursionError):
        return MOST_STEPS


class _Endless(Exception):
    """A schema refers to itself."""


def _count(node: JsonValue, root: JsonValue, counted: dict[int, int]) -> int:
    known = counted.get(id(node))
    if known is not None:
        if known == _UNDER_WAY:
            raise _Endless
        return known
    counted[id(node)] = _UNDER_WAY
    rules = 1
    if isinstance(node, dict):
        rules += sum(_count(child, root, counted) for child in node.values())
        for name in _REFERENCES:
            if isinstance(node.get(name), str):
                rules += _count(_target(node[name], root), root, counted)
    elif isinstance(node, list):
        rules += sum(_count(child, root, counted) for child in node)
    else:
        del counted[id(node)]  # one object may be the same text or number in many places
        return 1
    counted[id(node)] = min(rules, MOST_STEPS)
    return counted[id(node)]


def _target(reference: str, root: JsonValue) -> JsonValue:
    if not reference.startswith("#/"):
        raise _Endless
    node = root
    for part in unquote(reference[2:]).split("/"):
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(node, dict) and name in node:
            node = node[name]
        elif isinstance(node, list) and name.isdecimal() and int(name) < len(node):
            node = node[int(name)]
        else:
            raise _Endless
    return node


def _describe(error: jsonschema_rs.ValidationError) -> str:
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.instance_path)
    rule = "/".join(str(part) for part in error.schema_path)
    return f"`${place}` breaks `{rule}`"


def _refuse(uri: str) -> NoReturn:
    raise ValueError(f"`{uri}` is outside the schema, and nothing is fetched")
