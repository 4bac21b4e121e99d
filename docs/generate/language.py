"""Generates the reference of the journey language and of the configuration from the models of what people write.

The text around the tables is in `parts/`, one file per page. There `<!-- properties: MODEL -->` stands for the table of
a model's properties, and `<!-- words: PROPERTY of MODEL -->` for that of the words which a property takes.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from docs.generate.markdown import NOTE, table
from reqflo_ray._internal.compiler.authoring.json_schema import model_schema, shown

_PARTS: Final = Path(__file__).parent / "parts"
_SUFFIX: Final = ".part"
_MARK: Final = re.compile(r"^<!-- (properties|words): (?:(\w+) of )?(\w+) -->$", re.MULTILINE)
_MODEL: Final = re.compile(r"<(mappings?) (\w+)>")
_NOUNS: Final = {"string": "text", "integer": "whole number", "object": "mapping", "array": "list", "null": "null"}


def pages() -> Mapping[str, str]:
    """Return the Markdown of each page by its path below `docs/reference/`."""
    schema = model_schema()
    places = _places()
    found = {}
    for part in sorted(_PARTS.rglob(f"*{_SUFFIX}")):
        title, _, body = part.read_text(encoding="utf-8").partition("\n")
        path = part.relative_to(_PARTS).as_posix().removesuffix(_SUFFIX)
        text = _MARK.sub(lambda mark: _table(schema, *mark.groups()), body)
        found[path] = f"{title}\n\n{NOTE}\n{_with_links(text, path, places)}"
    return found


def _places() -> dict[str, tuple[str, str]]:
    """Return the page and the heading under which the table of each model is."""
    places = {}
    for part in _PARTS.rglob(f"*{_SUFFIX}"):
        heading = ""
        for line in part.read_text(encoding="utf-8").splitlines()[1:]:
            if line.startswith("#"):
                heading = re.sub(r"[^\w\s-]", "", line).strip().lower().replace(" ", "-")
            elif line.startswith("<!-- properties: "):
                places[line.split()[2]] = (part.relative_to(_PARTS).as_posix().removesuffix(_SUFFIX), heading)
    return places


def _with_links(text: str, page: str, places: Mapping[str, tuple[str, str]]) -> str:
    """Return the text of a page in which each type that is a model links to the table of that model."""

    def link(mark: re.Match[str]) -> str:
        # An entry of the map form has the properties of the model.
        path, heading = places[mark[2].replace("Entry", "Model")]
        target = os.path.relpath(path, os.path.dirname(page) or ".") if path != page else ""
        return f"[{mark[1]}]({target}{'#' if heading else ''}{heading})"

    return _MODEL.sub(link, text)


def _table(schema: dict[str, Any], kind: str, property: str | None, model: str) -> str:
    definition = schema if model == "DocumentModel" else schema["$defs"][model]
    if kind == "words":
        node = _with_words(definition["properties"][property], schema)
        pairs = zip(node["enum"], node["enumDescriptions"], strict=True)
        return _rows(("Word", "Meaning"), ((f"`{word}`", meaning) for word, meaning in pairs))
    required = definition.get("required", ())
    properties = definition["properties"].items()
    rows = [
        (f"`{name}`", _type(node, schema), _default(node, name in required), node["description"], _example(node))
        for name, node in properties
    ]
    return _rows(("Property", "Type", "Default", "What it does", "Example"), rows)


def _with_words(node: Any, schema: dict[str, Any]) -> dict[str, Any]:
    """Return the closed list of words that a property takes, alone, in a list, or beside null."""
    node = schema["$defs"][node["$ref"].split("/")[-1]] if "$ref" in node else node
    if "enum" in node:
        return dict(node)
    inner = [*node.get("anyOf", ()), *([node["items"]] if "items" in node else [])]
    return next(found for choice in inner if (found := _with_words(choice, schema)))


def _rows(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return table(titles, ([cell.replace("|", "\\|") for cell in row] for row in rows))


def _type(node: dict[str, Any], schema: dict[str, Any]) -> str:
    """Return the type of a property in words, with its bounds."""
    if "$ref" in node:
        name = node["$ref"].split("/")[-1]
        # The link to the table of this model is made when its page is known.
        return _type(schema["$defs"][name], schema) if "enum" in schema["$defs"][name] else f"<mapping {name}>"
    if "enum" in node:
        return "one of " + ", ".join(f"`{word}`" for word in node["enum"])
    if "anyOf" in node:
        choices = [_type(choice, schema) for choice in node["anyOf"] if choice != {"type": "null"}]
        return " or ".join(dict.fromkeys(choices))
    if "(ms|s|m|h)" in node.get("pattern", ""):
        return "duration"
    type: str = node.get("type", "any value")
    if type == "array":
        return f"list of {_plural(_type(node.get('items', {}), schema))}"
    if type == "object" and isinstance(node.get("additionalProperties"), dict):
        values = node["additionalProperties"]
        models = [choice["$ref"] for choice in values.get("anyOf", [values]) if "$ref" in choice]
        return f"mapping from names to {_plural(_type({'$ref': models[0]}, schema))}" if models else "mapping"
    return _NOUNS.get(type, type) + _bounds(node)


def _plural(type: str) -> str:
    return {"text": "texts", "any value": "any values"}.get(type, type).replace("<mapping ", "<mappings ")


def _bounds(node: dict[str, Any]) -> str:
    low, high = node.get("minimum"), node.get("maximum")
    if low is not None and high is not None:
        return f" from {low} to {high}"
    if low is not None:
        return f", at least {low}"
    return f", more than {node['exclusiveMinimum']}" if "exclusiveMinimum" in node else ""


def _default(node: dict[str, Any], is_required: bool) -> str:
    if is_required:
        return "required"
    return shown(node["default"]) if "default" in node else ""


def _example(node: dict[str, Any]) -> str:
    value = node["examples"][0]
    return f"`{json.dumps(value, ensure_ascii=False)}`" if isinstance(value, str) else shown(value)
