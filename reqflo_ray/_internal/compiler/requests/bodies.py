"""Lowers request bodies (`json`, `form`, `multipart`, `text`, `file`) and inserts template values into them."""

from __future__ import annotations

from collections.abc import Sequence

from reqflo_ray._internal.compiler.authoring.requests import BodyModel, PartModel
from reqflo_ray._internal.compiler.values.nodes import ValueCompiler, is_known
from reqflo_ray._internal.compiler.workspace.bundled_files import BundledFiles
from reqflo_ray._internal.compiler.yaml.problems import Problems
from reqflo_ray._internal.compiler.yaml.tree import YamlMapping, YamlNode, child, elements, nearest
from reqflo_ray._internal.model.artifact import Body, BodyKind, MultipartPart
from reqflo_ray._internal.model.values import Literal, Node, ObjectNode


class BodyCompiler:
    """Compiles bodies with the values of one request."""

    def __init__(self, values: ValueCompiler, files: BundledFiles, problems: Problems) -> None:
        self._values = values
        self._files = files
        self._problems = problems

    def compile(self, model: BodyModel, node: YamlNode) -> Body | None:
        """Compile the body at `node`; return None after reporting errors, or for an optional value that is not set."""
        kinds = [kind for kind in BodyKind if isinstance(node, YamlMapping) and kind.value in node.entries]
        if len(kinds) != 1:
            message = "a body must have exactly one of `json`, `form`, `multipart`, `text`, and `file`"
            self._problems.error("invalid_template", message, node)
            return None
        kind = kinds[0]
        content = nearest(node, (kind.value,))
        match kind:
            case BodyKind.FILE:
                entry = self._files.take(model.file or "", content)
                return Body(kind=kind, file=entry, content_type=model.content_type)
            case BodyKind.MULTIPART:
                pairs = zip(model.multipart or (), elements(content), strict=True)
                parts = tuple(part for pair in pairs if (part := self._part(*pair)) is not None)
                return Body(kind=kind, parts=parts, content_type=model.content_type)
            case _:
                value = self._values.compile(content)
                if value is None:
                    return None
                if kind is BodyKind.TEXT and is_known(value) and not isinstance(value.value, str):
                    hint = "put it in quotes, or use `json`"
                    self._problems.error("wrong_type", "a text body must be text", content, hint=hint)
                return Body(kind=kind, value=value, content_type=model.content_type)

    def placed(self, body: Body | None, fields: Sequence[tuple[str, Node]], at: YamlNode) -> Body | None:
        """Return `body` with more fields in it; a JSON object if there is no body."""
        if not fields:
            return body
        if body is None:
            return Body(kind=BodyKind.JSON, value=_object(fields))
        if body.kind is BodyKind.MULTIPART:
            added = tuple(MultipartPart(name=name, value=node) for name, node in fields)
            names = {name for name, _ in fields}
            kept = tuple(part for part in body.parts if part.name not in names)
            return Body(kind=body.kind, parts=kept + added, content_type=body.content_type)
        present = _fields_of(body.value)
        if body.kind not in (BodyKind.JSON, BodyKind.FORM) or present is None:
            names_text = ", ".join(f"`{name}`" for name, _ in fields)
            message = f"{names_text} cannot be inserted into this body"
            hint = "use a JSON object, `form`, or `multipart`, or write `{{ values.x }}` in the body"
            self._problems.error("invalid_template", message, at, hint=hint)
            return body
        merged = dict(present) | dict(fields)
        return Body(kind=body.kind, value=_object(tuple(merged.items())), content_type=body.content_type)

    def _part(self, model: PartModel, node: YamlNode) -> MultipartPart | None:
        """Compile one part; return None if its value is an optional template value that is not set."""
        written = child(node, "value")
        if (written is None) == (not model.file):
            message = f"the part `{model.name}` must have either a `value` or a `file`"
            self._problems.error("invalid_template", message, node)
            return None
        value = self._values.compile(written) if written is not None else None
        if written is not None and value is None:
            return None
        return MultipartPart(
            name=model.name,
            value=value,
            file=self._files.take(model.file, nearest(node, ("file",))) if model.file else "",
            filename=model.filename,
            content_type=model.content_type,
        )


def _fields_of(value: Node | None) -> Sequence[tuple[str, Node]] | None:
    match value:
        case ObjectNode(fields=fields):
            return fields
        case Literal(value=dict() as literal):
            return [(name, Literal(item)) for name, item in literal.items()]
    return None


def _object(fields: Sequence[tuple[str, Node]]) -> Node:
    if all(isinstance(node, Literal) for _, node in fields):
        return Literal({name: node.value for name, node in fields if isinstance(node, Literal)})
    return ObjectNode(tuple(fields))
