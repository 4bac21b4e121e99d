"""Encodes request bodies. It must not know headers, except the default content type of a body."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from typing import Final, NamedTuple, TypeAlias

from reqflo_ray._internal.engine.requests.urls import form_pairs
from reqflo_ray._internal.engine.values.expressions import Renderer, Values, compile_node, to_text
from reqflo_ray._internal.engine.values.faults import RowFault
from reqflo_ray._internal.errors import DefinitionError
from reqflo_ray._internal.model import json_text
from reqflo_ray._internal.model.artifact import Body, BodyKind, MultipartPart
from reqflo_ray._internal.model.values import UNSET, JsonValue, Literal, Node


class EncodedBody(NamedTuple):
    """A body as it is sent, and its content type unless a header sets another."""

    content: bytes
    content_type: str


# None if there is no body, because its value is unset.
BodyRenderer: TypeAlias = Callable[[Values], EncodedBody | None]

_CONTENT_TYPES: Final = {
    BodyKind.JSON: "application/json",
    BodyKind.FORM: "application/x-www-form-urlencoded",
    BodyKind.MULTIPART: "multipart/form-data",
    BodyKind.TEXT: "text/plain; charset=utf-8",
    BodyKind.FILE: "application/octet-stream",
}


def compile_body(body: Body, files: Mapping[str, bytes], *, masked: bool) -> BodyRenderer:
    """Return the function that encodes `body`.

    Raises:
        DefinitionError: it names a file that is not in the artifact.
    """
    content_type = body.content_type or _CONTENT_TYPES[body.kind]
    match body.kind:
        case BodyKind.JSON:
            return _encoded(body.value, masked, _as_json, content_type)
        case BodyKind.FORM:
            return _encoded(body.value, masked, _as_form, content_type)
        case BodyKind.TEXT:
            return _encoded(body.value, masked, _as_text, content_type)
        case BodyKind.FILE:
            encoded = EncodedBody(_file(body.file, files), content_type)
            return lambda _: encoded
        case BodyKind.MULTIPART:
            return _multipart(body.parts, files, masked, content_type)


def _encoded(node: Node | None, masked: bool, encode: Callable[[JsonValue], bytes], content_type: str) -> BodyRenderer:
    if node is None:
        return lambda _: None
    render = compile_node(node, masked=masked)

    def body(values: Values) -> EncodedBody | None:
        value = render(values)
        return None if value is UNSET else EncodedBody(encode(value), content_type)

    return body


def _as_json(value: JsonValue) -> bytes:
    try:
        return json_text.encode(value)
    except ValueError as problem:
        raise RowFault("invalid_request", f"the body cannot be written as JSON: {problem}") from None


def _as_form(value: JsonValue) -> bytes:
    if not isinstance(value, dict):
        return _as_text(value)
    return "&".join(pair for name, child in value.items() for pair in form_pairs(name, child)).encode("ascii")


def _as_text(value: JsonValue) -> bytes:
    try:
        return to_text(value).encode()
    except UnicodeEncodeError:
        raise RowFault("invalid_request", "the body holds half of a surrogate pair, which cannot be sent") from None


def _multipart(
    parts: tuple[MultipartPart, ...], files: Mapping[str, bytes], masked: bool, content_type: str
) -> BodyRenderer:
    compiled = tuple((_part_head(part), _part_content(part, files, masked)) for part in parts)

    def body(values: Values) -> EncodedBody:
        rendered = [(head, content) for head, render in compiled if (content := render(values)) is not None]
        boundary = _boundary([content for _, content in rendered])
        chunks = [b"--%b\r\n%b\r\n%b\r\n" % (boundary, head, content) for head, content in rendered]
        return EncodedBody(b"".join(chunks) + b"--%b--\r\n" % boundary, f"{content_type}; boundary={boundary.decode()}")

    return body


def _boundary(contents: list[bytes]) -> bytes:
    """Return a text that is in none of `contents`. It is not random, so that the same request has the same bytes."""
    for number in count():
        boundary = b"reqflo-ray-boundary-%d" % number
        if not any(boundary in content for content in contents):
            break
    return boundary


def _part_content(part: MultipartPart, files: Mapping[str, bytes], masked: bool) -> Callable[[Values], bytes | None]:
    if part.file:
        content = _file(part.file, files)
        return lambda _: content
    render: Renderer = compile_node(part.value if part.value is not None else Literal(""), masked=masked)

    def text(values: Values) -> bytes | None:
        value = render(values)
        return None if value is UNSET else b"" if value is None else _as_text(value)

    return text


def _part_head(part: MultipartPart) -> bytes:
    filename = part.filename or part.file.rsplit("/", 1)[-1]
    head = f'Content-Disposition: form-data; name="{_quoted(part.name)}"'
    if filename:
        head += f'; filename="{_quoted(filename)}"'
    type = part.content_type or ("application/octet-stream" if part.file else "")
    # The name of a file may contain bytes that are not UTF-8: they are sent as they are.
    return (head + (f"\r\nContent-Type: {type}" if type else "") + "\r\n").encode("utf-8", "surrogateescape")


def _quoted(text: str) -> str:
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _file(name: str, files: Mapping[str, bytes]) -> bytes:
    if name not in files:
        raise DefinitionError(f"the artifact does not hold the file `{name}` of a body", code="invalid_artifact")
    return files[name]
