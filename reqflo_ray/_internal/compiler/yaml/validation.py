"""Validates a tree against an authoring model and turns each complaint into a problem at its exact place."""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Any, Final, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from reqflo_ray._internal.compiler.yaml.problems import Problems
from reqflo_ray._internal.compiler.yaml.tree import (
    Path,
    YamlMapping,
    YamlNode,
    YamlScalar,
    YamlSequence,
    key_position,
    nearest,
    plain,
)
from reqflo_ray._internal.model.limits import MAX_PROBLEMS
from reqflo_ray._internal.model.names import suggestion

Model = TypeVar("Model", bound=BaseModel)

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


def validate(model: type[Model], node: YamlNode, problems: Problems) -> Model | None:
    """The model made of `node`; None if it is not valid, and then `problems` has every reason."""
    try:
        return model.model_validate(plain(node))
    except ValidationError as invalid:
        # Beyond so many, one more thing that is wrong helps nobody, and each takes a while to be told.
        for complaint in invalid.errors(include_url=False)[:MAX_PROBLEMS]:
            _report(model, node, complaint, problems)
        return None


def _report(model: type[BaseModel], node: YamlNode, complaint: ErrorDetails, problems: Problems) -> None:
    path: Path = complaint["loc"]
    kind, context = complaint["type"], complaint.get("ctx", {})
    label = str(path[-1]) if path else "it"
    value = nearest(node, path)
    if kind == "extra_forbidden":
        problems.error(
            "unknown_key", f"`{label}` is no key of this", key_position(node, path), hint=_known_keys(model, path)
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
        if not plain(value):  # else its items are wrong, and that is reported
            problems.error("wrong_value", f"`{label}` must not be empty", value)
    elif kind == "string_too_short" and context["min_length"] == 1:
        problems.error("wrong_value", f"`{label}` must not be empty", value)
    elif kind == "string_too_long":
        length, most = len(str(plain(value))), context["max_length"]
        problems.error("wrong_value", f"`{label}` has {length:,} characters; at most {most:,} are allowed", value)
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
    """The model that validates what is at `path`."""
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
