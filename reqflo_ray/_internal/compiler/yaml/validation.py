"""Validates a tree against an authoring model, and turns each violation into a finding at its exact place."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Final, Generic, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from reqflo_ray._internal.compiler.yaml.problems import Problems
from reqflo_ray._internal.compiler.yaml.tree import (
    Path,
    YamlMapping,
    YamlNode,
    YamlScalar,
    YamlSequence,
    elements,
    key_position,
    nearest,
    plain,
    sequence_like,
)
from reqflo_ray._internal.model.limits import MAX_PROBLEMS
from reqflo_ray._internal.model.names import suggestion

Model = TypeVar("Model", bound=BaseModel)

# Removing an invalid part may make its container invalid, which is then removed in the next round.
_MOST_ROUNDS: Final = 10

_EXPECTED: Final = {
    "string_type": "text",
    "bool_type": "`true` or `false`",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


@dataclass(frozen=True, slots=True)
class Rest(Generic[Model]):
    """The valid part of a tree: the model, the `node` from which it was made, and the parts that were `dropped`."""

    model: Model
    node: YamlNode
    dropped: tuple[YamlNode, ...] = ()


def validate(model: type[Model], node: YamlNode, problems: Problems) -> Model | None:
    """Return the model made of `node`; None if it is not valid, after reporting every reason."""
    rest = validate_rest(model, node, problems)
    return rest.model if rest is not None and not rest.dropped else None


def validate_rest(model: type[Model], node: YamlNode, problems: Problems) -> Rest[Model] | None:
    """Return the model made of the valid part of `node`, after reporting the rest; None if no part is valid."""
    dropped: list[YamlNode] = []
    for _ in range(_MOST_ROUNDS):
        try:
            return Rest(model.model_validate(plain(node)), node, tuple(dropped))
        except ValidationError as invalid:
            complaints = invalid.errors(include_url=False)
        # Only the first round reports: later, a part is missing because it was dropped. The number is limited because
        # each report takes a while, and nobody reads more of them.
        for complaint in complaints[:MAX_PROBLEMS] if not dropped else ():
            _report(model, node, complaint, problems)
        paths = {_written_part(node, complaint["loc"]) for complaint in complaints}
        if () in paths:
            return None
        node = _without(node, paths, dropped)
    return None


def _written_part(node: YamlNode, path: Path) -> Path:
    """Return the beginning of `path` that leads to a node of the tree."""
    for length, part in enumerate(path):
        if nearest(node, (part,)) is node:
            return path[:length]
        node = nearest(node, (part,))
    return path


def _without(node: YamlNode, paths: Collection[Path], dropped: list[YamlNode]) -> YamlNode:
    """Return a copy of `node` without the nodes at `paths`, which are added to `dropped`."""
    below: dict[str | int, list[Path]] = {}
    for path in paths:
        below.setdefault(path[0], []).append(path[1:])

    def kept(part: str | int, value: YamlNode) -> YamlNode | None:
        if part not in below:
            return value
        if () in below[part]:
            dropped.append(value)
            return None
        return _without(value, below[part], dropped)

    if isinstance(node, YamlMapping):
        found = {name: kept(name, value) for name, value in node.entries.items()}
        return node.replaced(
            {name: None if value is None else (node.keys[name], value) for name, value in found.items()}
        )
    items = [kept(index, value) for index, value in enumerate(elements(node))]
    return sequence_like(node, tuple(item for item in items if item is not None))


def _report(model: type[BaseModel], node: YamlNode, complaint: ErrorDetails, problems: Problems) -> None:
    path: Path = complaint["loc"]
    kind, context = complaint["type"], complaint.get("ctx", {})
    label = str(path[-1]) if path else "it"
    value = nearest(node, path)
    if kind == "extra_forbidden":
        problems.error(
            "unknown_key", f"`{label}` is not a valid key here", key_position(node, path), hint=_known_keys(model, path)
        )
    elif kind == "missing":
        problems.error("missing_key", f"`{label}` is missing", value, hint=f"add `{label}:`")
    elif kind in ("enum", "literal_error"):
        allowed = [part.strip(" '") for part in str(context["expected"]).replace(" or ", ", ").split(",")]
        found = _shown(value)
        hint = suggestion(str(plain(value)), allowed)
        if not hint.startswith("known"):
            hint += f" ({', '.join(allowed)})"
        problems.error("wrong_value", f"`{label}` cannot be {found}", value, hint=hint)
    elif kind in _EXPECTED:
        hint = "put it in quotes" if kind == "string_type" and isinstance(value, YamlScalar) else ""
        problems.error("wrong_type", f"`{label}` must be {_EXPECTED[kind]}, not {_shown(value)}", value, hint=hint)
    elif kind == "too_short":
        if not plain(value):  # otherwise its items are invalid, and are reported
            problems.error("wrong_value", f"`{label}` must not be empty", value)
    elif kind == "string_too_short" and context["min_length"] == 1:
        problems.error("wrong_value", f"`{label}` must not be empty", value)
    elif kind == "string_too_long":
        length, most = len(str(plain(value))), context["max_length"]
        problems.error(
            "wrong_value", f"`{label}` is too long: {length:,} characters, at most {most:,} are allowed", value
        )
    elif kind in ("wrong_type", "wrong_value"):
        code = "wrong_type" if kind == "wrong_type" else "wrong_value"
        problems.error(code, f"`{label}`: {complaint['msg']}", value, hint=context.get("hint", ""))
    else:
        problems.error("wrong_value", f"`{label}` cannot be {_shown(value)}: {complaint['msg']}", value)


def _shown(node: YamlNode) -> str:
    if isinstance(node, YamlMapping):
        return "a mapping"
    if isinstance(node, YamlSequence):
        return "a list"
    value = plain(node)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    text = str(value)
    return f"`{text[:40]}…`" if len(text) > 40 else f"`{text}`"


def _known_keys(model: type[BaseModel], path: Path) -> str:
    owner = _model_at(model, path[:-1])
    if owner is None:
        return ""
    names = [field.alias or name for name, field in owner.model_fields.items()]
    return suggestion(str(path[-1]), names)


def _model_at(model: type[BaseModel], path: Path) -> type[BaseModel] | None:
    """Return the model that validates the node at `path`."""
    here: Any = model
    for part in path:
        if _is_model(here):
            fields = {field.alias or name: field for name, field in here.model_fields.items()}
            here = fields[str(part)].annotation if part in fields else None
        else:
            items = [inner for inner in get_args(here) if inner not in (str, Ellipsis)]  # tuple[M, ...], dict[str, M]
            here = items[0] if items else None
        here = _without_none(here)
    return here if _is_model(here) else None


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) is UnionType:
        return next(inner for inner in get_args(annotation) if inner is not NoneType)
    return annotation
