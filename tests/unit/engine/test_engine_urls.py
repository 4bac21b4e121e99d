"""The URL of a request: base and path, parameters that are encoded, queries."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rendering import Render, fault_of

from reqflo_ray._internal.model.plan import Environment, Service
from reqflo_ray._internal.model.values import Literal, Reference

Ref = Callable[[str], Reference]
LOCAL = "http://127.0.0.1:8480"


def base(text: str) -> Environment:
    return Environment(services={"shop-api": Service(base_url=Literal(text))})


@pytest.mark.parametrize(
    ("root", "path", "url"),
    [
        ("http://h", ("/x",), "http://h/x"),
        ("http://h/", ("/x",), "http://h/x"),
        ("http://h/api/", ("x",), "http://h/api/x"),
        ("http://h/api//", ("//x",), "http://h/api/x"),
        ("http://h", (), "http://h"),
        ("http://h", ("/",), "http://h/"),
        ("http://h", ("/a b/ä/%41%zz",), "http://h/a%20b/%C3%A4/%41%25zz"),
        ("http://h", ("/x?open=yes&q=a b",), "http://h/x?open=yes&q=a%20b"),
        ("http://h", ("/x#part",), "http://h/x"),
        ("HTTP://Ex.example:8080/v1", ("/x",), "http://Ex.example:8080/v1/x"),
        ("https://bücher.example", ("/x",), "https://xn--bcher-kva.example/x"),
        ("http://[::1]:80", ("/x",), "http://[::1]:80/x"),
        (" http://h ", ("/x",), "http://h/x"),
    ],
)
def test_base_url_and_path_are_joined_by_one_slash(render: Render, root: str, path: tuple[str, ...], url: str) -> None:
    assert render(environment=base(root), path=path).request.url == url


@pytest.mark.parametrize(
    "root",
    ["", "h/x", "ftp://h", "//h", "http://", "http:///x", "http://user:pw@h", "http://h:99999", "http://h:8a",
     "http://h\\@evil", "http://[::g]", "http://a b", "http://h?x=1", "http://%41", "http://h:80:80",
     "javascript:alert(1)"],
)  # fmt: skip
def test_a_base_url_that_is_none_is_refused(render: Render, root: str) -> None:
    assert fault_of(render, environment=base(root)).code == "invalid_request"


def test_a_service_without_base_url_is_named(render: Render) -> None:
    fault = fault_of(render, environment=Environment())
    assert fault.code == "missing_base_url"
    assert "shop-api" in fault.message


@pytest.mark.parametrize(
    ("value", "encoded"),
    [("a/b", "a%2Fb"), ("ä ?#%", "%C3%A4%20%3F%23%25"), (7, "7"), (Decimal("1.50"), "1.50"), (True, "true"),
     ("..", "%2E%2E"), (".", "%2E"), ("a..b", "a..b"), ("~-_.", "~-_."), ("x\r\ny", "x%0D%0Ay")],
)  # fmt: skip
def test_a_path_parameter_is_encoded_whole(render: Render, ref: Ref, value: Any, encoded: str) -> None:
    assert render({"a": value}, path=("/o/", ref("inputs.a"), "/z")).request.url == f"{LOCAL}/o/{encoded}/z"


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ({}, "missing_value"),
        ({"a": None}, "missing_value"),
        ({"a": ""}, "invalid_request"),
        ({"a": "\ud800"}, "invalid_request"),
    ],
)
def test_a_path_parameter_must_have_a_value_that_can_be_sent(
    render: Render, ref: Ref, row: dict[str, Any], code: str
) -> None:
    fault = fault_of(render, row, path=("/o/", ref("inputs.a")))
    assert fault.code == code
    if code == "missing_value":
        assert "inputs.a" in fault.message


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_comes_back_out_of_path_and_query(render: Render, ref: Ref, text: str) -> None:
    url = render({"a": text}, path=("/o/", ref("inputs.a")), query=(("q", ref("inputs.a")),)).request.url
    assert url.isascii() and " " not in url
    parts = urlsplit(url)
    assert unquote(parts.path.removeprefix("/o/")) == text
    assert parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True) == [("q", text)]


def test_query_lists_repeat_null_is_empty_and_unset_is_left_out(render: Render, ref: Ref) -> None:
    request = render(
        {"a": [1, "b c", None, True], "b": None},
        path=("/x?fixed=1",),
        query=(
            ("list", ref("inputs.a")),
            ("null", ref("inputs.b")),
            ("unset", ref("inputs.c")),
            ("sp ä", Literal("+&=")),
            ("o", Literal({"k": [1]})),
        ),
    ).request
    assert request.url == (
        f"{LOCAL}/x?fixed=1&list=1&list=b%20c&list=&list=true&null=&sp%20%C3%A4=%2B%26%3D&o=%7B%22k%22%3A%5B1%5D%7D"
    )


def test_a_query_of_nothing_adds_no_question_mark(render: Render, ref: Ref) -> None:
    assert render(query=(("a", ref("inputs.a")), ("b", Literal([])))).request.url == f"{LOCAL}/x"


@pytest.mark.parametrize(
    ("text", "url"),
    [("http://h/a b?c=d e#f", "http://h/a%20b?c=d%20e&q=1"), ("https://h", "https://h?q=1")],
)
def test_a_url_of_its_own_is_made_exact(render: Render, ref: Ref, text: str, url: str) -> None:
    assert render({"a": text}, url=ref("inputs.a"), query=(("q", Literal(1)),)).request.url == url


@pytest.mark.parametrize("row", [{}, {"a": None}, {"a": ""}, {"a": "/relative"}, {"a": "http://ok@evil.example/"}])
def test_a_url_of_its_own_that_is_none_is_refused(render: Render, ref: Ref, row: dict[str, Any]) -> None:
    assert fault_of(render, row, url=ref("inputs.a")).code in ("missing_value", "invalid_request")
