"""The JSON Schema of the documents of a workspace, for editors: made from the models, and then made strict.

It refuses what the compiler refuses in a single document, as far as a schema can. It must accept every valid document.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Final, TypeAlias

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from reqflo_ray._internal.compiler.authoring.documents import DocumentModel
from reqflo_ray._internal.compiler.authoring.kinds import WORDS
from reqflo_ray._internal.compiler.authoring.schema_rules import add_rules
from reqflo_ray._internal.compiler.authoring.units import duration_text

Schema: TypeAlias = dict[str, Any]

_NAME: Final = "A document of a reqflo-ray workspace"
# Where a check runs before a bound, pydantic writes it under its own keyword.
_BOUNDS: Final = {"gt": "exclusiveMinimum", "ge": "minimum", "lt": "exclusiveMaximum", "le": "maximum"}


def document_schema() -> Schema:
    """Return the JSON Schema (draft 2020-12). Every description ends with the default and an example."""
    schema = model_schema()
    for node in _objects(schema):
        for property in node.get("properties", {}).values():
            if isinstance(property, dict) and "description" in property:
                property["description"] = _with_facts(property)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": _NAME, **schema}


def model_schema() -> Schema:
    """Return the same schema with descriptions as they are in the models: default and example are apart."""
    # A copy: parts of it are the constants that the models hold.
    schema = deepcopy(DocumentModel.model_json_schema(schema_generator=_InOrder))
    schema.pop("title")
    for node in _objects(schema):
        for name in [name for name, property in node.get("properties", {}).items() if isinstance(property, dict)]:
            _tidy(node["properties"][name])
        for word in _BOUNDS.keys() & node.keys():
            node[_BOUNDS[word]] = node.pop(word)
        if "enum" in node:
            _describe_words(node)
    for definition in schema["$defs"].values():
        definition.pop("title", None)
    add_rules(schema)
    return schema


class _InOrder(GenerateJsonSchema):
    """Leaves keys in the order of the models, also those of examples."""

    def sort(self, value: JsonSchemaValue, parent_key: str | None = None) -> JsonSchemaValue:
        return value


def _tidy(property: Schema) -> None:
    """Remove what only repeats the name or says nothing, and write defaults as people write them."""
    property.pop("title", None)
    if "default" not in property:
        return
    default = property.pop("default")
    if isinstance(default, int) and not isinstance(default, bool) and _is_duration(property):
        default = duration_text(default)
    # Nothing else is meant by leaving such a property out: what applies then is in its description.
    if default not in (None, "", [], {}) and not isinstance(default, dict):
        property["default"] = default


def _is_duration(property: Schema) -> bool:
    return any("(ms|s|m|h)" in choice.get("pattern", "") for choice in (property, *property.get("anyOf", ())))


def _describe_words(node: Schema) -> None:
    words = next((words for words in WORDS if list(words) == node["enum"] or words.keys() == set(node["enum"])), None)
    if words is not None:
        # Visual Studio Code and the YAML language server show these beside each word.
        node["enumDescriptions"] = [words[word] for word in node["enum"]]


def _with_facts(property: Schema) -> str:
    facts = [property["description"]]
    if "default" in property:
        facts.append(f"Default: {shown(property['default'])}.")
    if property.get("examples"):
        facts.append(f"Example: {shown(property['examples'][0])}.")
    return " ".join(facts)


def shown(value: Any) -> str:
    """Return a value as code, in the flow style of YAML, which JSON is."""
    return f"`{value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}`"


def _objects(value: Any) -> Iterator[Schema]:
    if isinstance(value, dict):
        yield value
        # An example or a default is data, whatever its keys are called.
        for key, part in value.items():
            if key not in ("examples", "default", "enum", "const"):
                yield from _objects(part)
    elif isinstance(value, list):
        for part in value:
            yield from _objects(part)
