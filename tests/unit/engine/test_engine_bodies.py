"""Headers and bodies of a request, byte for byte."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rendering import Render, fault_of

from reqflo_ray._internal.engine.render import RenderedRequest
from reqflo_ray._internal.errors import DefinitionError
from reqflo_ray._internal.model.artifact import Body, BodyKind, Idempotency, MultipartPart
from reqflo_ray._internal.model.values import ArrayNode, Literal, Node, ObjectNode, Reference, Text

NodeOf = Callable[[str], Node]
Ref = Callable[[str], Reference]


def test_headers_keep_order_and_case_and_unset_ones_are_left_out(render: Render, ref: Ref) -> None:
    request = render(
        {"a": None, "b": ["1", 2]},
        headers=(
            ("X-One", Literal(1.5)),
            ("x-null", ref("inputs.a")),
            ("X-C", ref("inputs.c")),
            ("x-l", ref("inputs.b")),
        ),
    ).request
    assert request.headers == (("X-One", "1.5"), ("x-null", ""), ("x-l", "1"), ("x-l", "2"))


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\n", "\r", "a\0b", "\x07", "\x7f", "\ud83d", "a\udd00"])
def test_a_header_value_that_cannot_be_sent_is_refused(render: Render, ref: Ref, value: str) -> None:
    fault = fault_of(render, {"a": value}, headers=(("X-A", ref("inputs.a")),))
    assert fault.code == "invalid_request"
    assert "X-A" in fault.message and "Evil" not in fault.message


@pytest.mark.parametrize("name", ["", "a b", "a:", "ä", "a\r\n"])
def test_a_header_name_that_is_none_is_refused(render: Render, name: str) -> None:
    assert fault_of(render, headers=((name, Literal("x")),)).code == "invalid_request"


@pytest.mark.parametrize("value", ["", "blå", "€ 日本", "\U0001f600", "a\tb", "caf\udce9", "\x80"])
def test_text_in_any_language_is_sent_in_a_header(render: Render, value: str) -> None:
    assert render(headers=(("X", Literal(value)),)).request.headers == (("X", value),)


def test_the_idempotency_key_goes_into_its_header_unless_it_is_there_already(render: Render) -> None:
    own = Idempotency(header="X-Key")
    assert render(key="K", idempotency=own).request.headers == (("X-Key", "K"),)
    assert render(key="K", idempotency=own, headers=(("x-key", Literal("mine")),)).request.headers == (
        ("x-key", "mine"),
    )
    assert render(key="K").request.headers == ()
    assert render(idempotency=own).request.headers == ()


def body_of(rendered: RenderedRequest) -> tuple[bytes | None, str]:
    types = [value for name, value in rendered.request.headers if name.lower() == "content-type"]
    assert len(types) <= 1
    return rendered.request.body, types[0] if types else ""


def test_a_json_body_keeps_types_nulls_and_order_and_leaves_out_what_is_unset(render: Render, ref: Ref) -> None:
    value = ObjectNode(
        (
            ("z", ref("inputs.a")),
            ("gone", ref("inputs.c")),
            ("list", ArrayNode((ref("inputs.b"), ref("inputs.c"), Literal([1])))),
            ("text", Text(("n=", ref("inputs.a")))),
        )
    )
    rendered = render({"a": Decimal("1.50"), "b": None}, method="POST", body=Body(kind=BodyKind.JSON, value=value))
    assert body_of(rendered) == (b'{"z":1.50,"list":[null,[1]],"text":"n=1.50"}', "application/json")


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()


@given(st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_json_literal_arrives_as_it_was_written(render: Render, value: Any) -> None:
    body = render(body=Body(kind=BodyKind.JSON, value=Literal(value))).request.body
    assert body is not None
    assert json.loads(body) == value


def test_null_is_a_body_and_unset_is_none(render: Render, ref: Ref) -> None:
    assert body_of(render({"a": None}, body=Body(kind=BodyKind.JSON, value=ref("inputs.a")))) == (
        b"null",
        "application/json",
    )
    assert body_of(render(body=Body(kind=BodyKind.JSON, value=ref("inputs.a")))) == (None, "")
    assert body_of(render(body=Body(kind=BodyKind.TEXT))) == (None, "")


def test_a_form_is_encoded_as_forms_are(render: Render, ref: Ref) -> None:
    value = ObjectNode(
        (("a b", ref("inputs.a")), ("n", Literal(None)), ("l", Literal([1, True])), ("u", ref("inputs.c")))
    )
    body, kind = body_of(render({"a": "x y&ä"}, body=Body(kind=BodyKind.FORM, value=value)))
    assert body == b"a+b=x+y%26%C3%A4&n=&l=1&l=true"
    assert kind == "application/x-www-form-urlencoded"


def test_text_is_sent_as_utf_8(render: Render, node_of: NodeOf) -> None:
    body = Body(kind=BodyKind.TEXT, value=node_of("<a>{{ inputs.a }}</a>"))
    assert body_of(render({"a": "ä"}, body=body)) == ("<a>ä</a>".encode(), "text/plain; charset=utf-8")


def test_a_file_is_sent_as_it_is(render: Render) -> None:
    body = Body(kind=BodyKind.FILE, file="data/x.bin", content_type="image/png")
    assert body_of(render(body=body, files={"data/x.bin": b"\x00\xff"})) == (b"\x00\xff", "image/png")


def test_a_file_that_the_artifact_does_not_hold_is_refused_when_the_program_is_made(render: Render) -> None:
    with pytest.raises(DefinitionError, match=r"x\.bin"):
        render(body=Body(kind=BodyKind.FILE, file="x.bin"))


def multipart(*parts: MultipartPart) -> Body:
    return Body(kind=BodyKind.MULTIPART, parts=parts)


def test_multipart_is_the_same_bytes_each_time(render: Render, ref: Ref) -> None:
    body = multipart(
        MultipartPart(name='a"b', value=ref("inputs.a")),
        MultipartPart(name="gone", value=ref("inputs.c")),
        MultipartPart(name="f", file="d/x.txt", content_type="text/plain"),
    )
    content, kind = body_of(render({"a": 1}, body=body, files={"d/x.txt": b"file"}))
    assert kind == "multipart/form-data; boundary=reqflo-ray-boundary-0"
    assert content == (
        b'--reqflo-ray-boundary-0\r\nContent-Disposition: form-data; name="a%22b"\r\n\r\n1\r\n'
        b'--reqflo-ray-boundary-0\r\nContent-Disposition: form-data; name="f"; filename="x.txt"\r\n'
        b"Content-Type: text/plain\r\n\r\nfile\r\n--reqflo-ray-boundary-0--\r\n"
    )


def test_a_part_that_holds_the_boundary_gets_another_one(render: Render, ref: Ref) -> None:
    body = multipart(MultipartPart(name="a", value=ref("inputs.a")))
    content, kind = body_of(render({"a": "--reqflo-ray-boundary-0--"}, body=body))
    assert kind.endswith("boundary=reqflo-ray-boundary-1")
    assert content is not None and content.count(b"--reqflo-ray-boundary-1") == 2


def test_the_content_type_of_the_request_wins_and_gets_the_boundary_that_it_lacks(render: Render) -> None:
    own = (("content-TYPE", Literal("application/vnd.api+json")),)
    assert render(headers=own, body=Body(kind=BodyKind.JSON, value=Literal(1))).request.headers == (
        ("content-TYPE", "application/vnd.api+json"),
    )
    mixed = (("Content-Type", Literal("multipart/mixed")),)
    body = multipart(MultipartPart(name="a", value=Literal("x")))
    assert body_of(render(headers=mixed, body=body))[1] == "multipart/mixed; boundary=reqflo-ray-boundary-0"


def test_a_lone_surrogate_is_escaped_in_json_and_refused_elsewhere(render: Render, ref: Ref) -> None:
    json_body = Body(kind=BodyKind.JSON, value=ref("inputs.a"))
    assert render({"a": "\ud800"}, body=json_body).request.body == b'"\\ud800"'
    for kind in (BodyKind.TEXT, BodyKind.FORM):
        body = Body(
            kind=kind, value=ObjectNode((("x", ref("inputs.a")),)) if kind is BodyKind.FORM else ref("inputs.a")
        )
        assert fault_of(render, {"a": "\ud800"}, body=body).code == "invalid_request"
    assert fault_of(render, {"a": "\ud800"}, query=(("q", ref("inputs.a")),)).code == "invalid_request"
