"""Rules between the properties of one object, which the models leave to the compiler, as JSON Schema.

It must not know where in a document an object is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any, Final, TypeAlias

from reqflo_ray._internal.compiler.authoring.kinds import (
    ASSERTION_FIELDS,
    ASSERTION_TYPES,
    COMMON_ASSERTION_FIELDS,
    COMMON_STEP_FIELDS,
    JSON_TYPES,
    NUMERIC,
    OPERATORS,
    STEP_FIELDS,
    STEP_TYPES,
    WITHOUT_EXPECTED,
)

Schema: TypeAlias = dict[str, Any]

_EXPRESSION: Final[Schema] = {"type": "string", "pattern": r"\{\{"}
_STATUS: Final[Schema] = {
    "anyOf": [
        {"type": "integer", "minimum": 100, "maximum": 599},
        {"type": "string", "pattern": r"^([1-5][xX]{2}|[1-5][0-9]{2}-[1-5][0-9]{2})$"},
        _EXPRESSION,
    ]
}
_NUMBER: Final[Schema] = {"anyOf": [{"type": "number"}, _EXPRESSION]}
_HEADER_NAME: Final = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"
_OUTPUT_PATH: Final = (
    r"^\s*(\$\.?)?(response\.)?"
    r"""(body([.\[][\s\S]*)?|headers(\.[^\s\[\]'"]+|\['[^']+'\]|\["[^"]+"\])|status)\s*$"""
)


def add_rules(schema: Schema) -> None:
    """Make the schema of the models strict, in place."""
    definitions = schema["$defs"]
    _root(schema)
    _maps_by_name(definitions)
    _request(definitions)
    _assertion(definitions["AssertionModel"])
    _step(definitions["StepModel"])
    _overlay(definitions)
    definitions["HttpModel"]["dependentRequired"] = {"client_key": ["client_certificate"]}
    _declarations(definitions)
    _exclusive(definitions["SecretsModel"], "file", "folder")
    _exclusive(definitions["SecretsModel"], "gcp", "project")


def _root(schema: Schema) -> None:
    schema["minProperties"] = schema["maxProperties"] = 1
    for property in schema["properties"].values():
        _refuse_null(property)
    templates = schema["properties"]["templates"]
    listed = {"type": "array", "items": templates.pop("items"), "minItems": 1}
    templates.pop("type")
    templates["anyOf"] = [listed, {"type": "object", "additionalProperties": listed["items"]}]


def _refuse_null(property: Schema) -> None:
    choices = [choice for choice in property.pop("anyOf", []) if choice != {"type": "null"}]
    if len(choices) == 1:
        property |= choices[0]
    elif choices:
        property["anyOf"] = choices


def _maps_by_name(definitions: Schema) -> None:
    """Lists of named things may be written as mappings: there the key is the name, and text is the main property."""
    entries = {}
    for model, name in (("OutputModel", "OutputEntry"), ("PartModel", "PartEntry")):
        entry = deepcopy(definitions[model])
        entry["required"] = [key for key in entry["required"] if key != "name"]
        entries[name] = entry
    output, part = entries["OutputEntry"], entries["PartEntry"]
    for model in (definitions["OutputModel"], output):
        model["properties"]["path"]["pattern"] = _OUTPUT_PATH
    for model in (definitions["PartModel"], part):
        model["oneOf"] = [{"required": ["value"]}, {"required": ["file"]}]
        model["properties"]["file"]["minLength"] = 1
    definitions |= entries
    path = {"type": "string", "pattern": _OUTPUT_PATH}
    value = {"type": ["string", "number", "boolean", "null", "array"]}
    _type_map(definitions["StepModel"], "outputs", path, "OutputEntry")
    _type_map(definitions["OverlayOutputsModel"], "add", path, "OutputEntry")
    _type_map(definitions["BodyModel"], "multipart", value, "PartEntry")


def _type_map(model: Schema, property: str, short: Schema, entry: str) -> None:
    choices = model["properties"][property]["anyOf"]
    by_name = next(choice for choice in choices if choice.get("type") == "object")
    by_name["additionalProperties"] = {"anyOf": [short, {"$ref": f"#/$defs/{entry}"}]}
    by_name["propertyNames"] = {"minLength": 1, "maxLength": 200}


def _request(definitions: Schema) -> None:
    body = definitions["BodyModel"]
    body["oneOf"] = [{"required": [kind]} for kind in ("json", "form", "multipart", "text", "file")]
    body["properties"]["text"]["type"] = "string"
    _refuse_null(body["properties"]["file"])
    body["properties"]["file"]["minLength"] = 1
    for model in (definitions["RequestModel"], definitions["TemplateModel"]):
        headers = model["properties"]["headers"]
        headers["additionalProperties"] = {"type": ["string", "number", "boolean", "null"]}
        headers["propertyNames"] = {"pattern": _HEADER_NAME}


def _assertion(model: Schema) -> None:
    """What each type of assertion takes and needs, and what each operator expects."""
    model["properties"]["path"]["pattern"] = r"^(\$[\s\S]*)?$"
    model["properties"]["path"]["not"] = _EXPRESSION
    model["allOf"] = [_assertion_of_type(model, str(type), fields) for type, fields in ASSERTION_FIELDS.items()]


def _assertion_of_type(model: Schema, type: str, fields: Iterable[str]) -> Schema:
    rules: list[Schema] = []
    match type:
        case "json_path":
            rules += [_needs(model, "path", {"minLength": 1}), {"required": ["operator"]}, *_operators(model)]
        case "header":
            named = [_limits(model, name, {"minLength": 1}) for name in ("name", "header")]
            rules += [_one_of("name", "header"), *named, *_operators(model)]
        case "status_code":
            status = {"anyOf": [_STATUS, {"type": "array", "items": _STATUS, "minItems": 1}]}
            rules += [_one_of("expected", "value"), _limits(model, "operator", {"enum": ["equals", "in"]})]
            rules += _expects(model, status)
        case "json_schema":
            rules += [_needs(model, "schema", {"type": ["object", "boolean"]})]
        case "response_time":
            rules += [_one_of("max", "max_ms", "expected", "value"), *_expects(model, _NUMBER)]
        case _:
            rules += [_one_of("expected", "value")]
    aliases = {"expected": "value", "name": "header"}
    names = {*fields, *COMMON_ASSERTION_FIELDS, *(aliases[field] for field in fields if field in aliases)}
    taken = {"propertyNames": {"enum": [name for name in model["properties"] if name in names]}}
    return {"if": _says(model, "type", [type], ASSERTION_TYPES[type]), "then": {"allOf": [taken, *rules]}}


def _operators(model: Schema) -> Iterable[Schema]:
    """What each operator expects."""
    by_operators: Mapping[tuple[str, ...], Schema] = {
        NUMERIC: _NUMBER,
        ("in", "not_in"): {"anyOf": [{"type": "array"}, _EXPRESSION]},
        ("matches", "starts_with", "ends_with"): {"type": "string"},
        ("type",): {"anyOf": [{"enum": list(JSON_TYPES)}, _EXPRESSION]},
        ("length", "length_equals"): {"anyOf": [{"type": "integer", "minimum": 0}, _EXPRESSION]},
    }
    for operators, expected in by_operators.items():
        yield {"if": _says(model, "operator", operators), "then": {"allOf": _expects(model, expected)}}
    compared = [operator for operator in OPERATORS if operator not in WITHOUT_EXPECTED]
    without = [{"not": {"required": [name]}} for name in ("expected", "value")]
    yield {"if": _says(model, "operator", WITHOUT_EXPECTED), "then": {"allOf": without}}
    yield {"if": _says(model, "operator", compared), "then": _one_of("expected", "value")}
    yield {"not": {"required": ["expected", "value"]}}


def _step(model: Schema) -> None:
    """What each type of step takes and needs. A step that is skipped needs nothing."""
    types = [
        {
            "if": _says(model, "type", [type], STEP_TYPES[type], is_default=type == "http_request"),
            "then": {"propertyNames": {"enum": [*sorted(COMMON_STEP_FIELDS), *sorted(fields)]}, **_needed(model, type)},
        }
        for type, fields in STEP_FIELDS.items()
    ]
    model["allOf"] = types


def _needed(model: Schema, type: str) -> Schema:
    match type:
        case "wait":
            rule = _needs(model, "duration", {"type": "string"})
        case "note":
            rule = {"required": ["text"]}
        case "sub_journey":
            rule = _needs(model, "journey", {"minLength": 1})
        case "set_variable":
            rule = _needs(model, "values", {"minProperties": 1})
        case _:
            not_null = {"not": {"type": "null"}}
            template, request = _needs(model, "template", not_null), _needs(model, "request", not_null)
            inline = _limits(model, "values", {"maxProperties": 0})
            rule = {
                "oneOf": [template, request],
                "if": _needs(model, "request", {"type": "object"}),
                "then": inline,
            }
            if type == "poll":
                rule = {"allOf": [rule, _needs(model, "poll", {"type": "object"})]}
    return {"if": _says(model, "skip", [True]), "else": rule}


def _overlay(definitions: Schema) -> None:
    model = definitions["OverlayStepModel"]
    both = [_needs(model, name, {"not": {"type": "null"}}) for name in ("template", "request")]
    model["not"] = {"allOf": both}
    _refuse_null(model["properties"]["skip"])
    removed = definitions["OverlayAssertionsModel"]["properties"]["remove"]
    removed["items"] = {"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 0}]}


def _declarations(definitions: Schema) -> None:
    variable = definitions["VariableModel"]
    _exclusive(variable, "value", "default")
    variable["if"] = _needs(variable, "key", {"minLength": 1})
    variable["then"] = _needs(variable, "source", {"enum": ["environment", "me"]})


def _says(
    model: Schema, property: str, words: Iterable[Any], description: str = "", *, is_default: bool = False
) -> Schema:
    """Whether `property` is one of `words`, or, if that is the default, is left out."""
    words = [str(word) if isinstance(word, str) else word for word in words]
    said = {"const": words[0]} if len(words) == 1 else {"enum": words}
    condition = _limits(model, property, said, description)
    return condition if is_default else condition | {"required": [property]}


def _needs(model: Schema, property: str, limits: Schema) -> Schema:
    return {"required": [property], **_limits(model, property, limits)}


def _limits(model: Schema, property: str, limits: Schema, description: str = "") -> Schema:
    # Some editors show the description of the innermost schema only.
    description = description or model["properties"][property]["description"]
    return {"properties": {property: {**limits, "description": description}}}


def _expects(model: Schema, expected: Schema) -> list[Schema]:
    return [_limits(model, name, expected) for name in ("expected", "value")]


def _one_of(*names: str) -> Schema:
    return {"oneOf": [{"required": [name]} for name in names]}


def _exclusive(model: Schema, one: str, other: str) -> None:
    model.setdefault("allOf", []).append({"not": {"required": [one, other]}})
