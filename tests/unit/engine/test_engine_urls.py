"""The URL of a request: base and path, parameters that are encoded, queries."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rendering import Render, fault_of

from reqflo_ray._internal.engine.scope import RowFault
from reqflo_ray._internal.model.plan import Environment, Service
from reqflo_ray._internal.model.values import Literal, Namespace, Reference

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
        ("http://h/api//", ("/x",), "http://h/api/x"),
        ("http://h/api", ("//a//b",), "http://h/api//a//b"),
        ("http://h/api", ("?x=1",), "http://h/api?x=1"),
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
     ("..", "%2E%2E"), (".", "%2E"), (" ", "%20"), ("...", "..."), ("a..b", "a..b"),
     ("%2e%2e", "%252e%252e"), ("a+b;c=d", "a%2Bb%3Bc%3Dd"),
     ("~-_.", "~-_."), ("x\r\ny", "x%0D%0Ay")],
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


def pieces_of(text: str) -> tuple[str | Reference, ...]:
    """`/o/{a}?q={b}` as an artifact holds it: text, and references to inputs."""
    parts = re.split(r"\{(\w)\}", text)
    found = [Reference(Namespace.INPUTS, part) if index % 2 else part for index, part in enumerate(parts)]
    return tuple(piece for piece in found if piece != "")


@pytest.mark.parametrize("own", [False, True], ids=["of a service", "of its own"])
class TestOneRuleForEveryUrl:
    """The same text means the same behind a service's base URL and in a URL of its own."""

    def url(self, render: Render, own: bool, text: str, row: dict[str, Any], **fields: Any) -> str:
        fields |= {"service": ""} if own else {"environment": base("http://h:81/v1")}
        path = pieces_of(("http://h:81/v1" if own else "") + text)
        return render(row, path=path, **fields).request.url.removeprefix("http://h:81/v1")

    @pytest.mark.parametrize(
        ("text", "row", "sent"),
        [
            ("/o/{a}/z", {"a": "7/../8"}, "/o/7%2F..%2F8/z"),
            ("/o/{a}", {"a": "50%"}, "/o/50%25"),
            ("/o/{a}", {"a": "a%2Fb"}, "/o/a%252Fb"),
            ("/o/{a}", {"a": "ä b"}, "/o/%C3%A4%20b"),
            ("/o/x-{a}.{b}", {"a": "..", "b": "json"}, "/o/x-...json"),
            ("/users/{a}/x", {"a": ".."}, "/users/%2E%2E/x"),
            ("/users/{a}?q=1", {"a": "."}, "/users/%2E?q=1"),
            ("/users/{a}{b}", {"a": ".", "b": "."}, "/users/%2E%2E"),
            ("/users/%2e{a}", {"a": "."}, "/users/%2e%2E"),
            ("/users/{a}/x", {"a": " "}, "/users/%20/x"),
            ("/o;v={a};w=1", {"a": "1;2"}, "/o;v=1%3B2;w=1"),
            ("/o/%2F/{a}/%zz/ä b/:c", {"a": 1}, "/o/%2F/1/%25zz/%C3%A4%20b/:c"),
            ("/o/{id}/{a}?f={\"id\":1}", {"a": 1}, '/o/%7Bid%7D/1?f={"id":1}'),
            ("/../{a}/.", {"a": 1}, "/../1/."),
            ("/o?q={a}&limit=1", {"a": "a&admin=true"}, "/o?q=a%26admin%3Dtrue&limit=1"),
            ("/o?q={a}", {"a": "C#"}, "/o?q=C%23"),
            ("/o?q={a}", {"a": "a+b c"}, "/o?q=a%2Bb%20c"),
            ("/o?q={a}&limit=1", {}, "/o?limit=1"),
            ("/o?q={a}", {}, "/o"),
            ("/o?q={a}", {"a": None}, "/o?q="),
            ("/o?q={a}", {"a": ""}, "/o?q="),
            ("/o?x&q={a}&&y=", {"a": [1, "b,c"]}, "/o?x&q=1&q=b%2Cc&&y="),
            ("/o?q=from:{a},to:{b}", {"a": "1&2", "b": None}, "/o?q=from:1%262,to:null"),
            ("/o?{a}={b}", {"a": "k=1", "b": "v"}, "/o?k%3D1=v"),
            ("/o?{a}", {"a": "x=1&y=a b#c"}, "/o?x=1&y=a%20b%23c"),
            ("/o?{a}", {"a": "?x=1"}, "/o?x=1"),
            ("/o?{a}", {}, "/o"),
            ("/{a}?q=caf%E9&p=a+b&flag&ids=1,2;x:y&a=1&&b=[2]", {"a": 1},
             "/1?q=caf%E9&p=a+b&flag&ids=1,2;x:y&a=1&&b=[2]"),
            ("/o?ids[]={a}&x=%zz|^`<>\\é b", {"a": "[1]"}, "/o?ids[]=%5B1%5D&x=%zz|^`<>\\%C3%A9%20b"),
            ("/o?", {}, "/o?"),
            ("//o//{a}//", {"a": 1}, "//o//1//"),
        ],
    )  # fmt: skip
    def test_a_value_is_encoded_for_its_place_and_text_is_sent_as_written(
        self, render: Render, own: bool, text: str, row: dict[str, Any], sent: str
    ) -> None:
        assert self.url(render, own, text, row) == sent

    @pytest.mark.parametrize(
        ("text", "row", "code"),
        [
            ("/users/{a}", {"a": ""}, "invalid_request"),
            ("/users/x{a}", {"a": ""}, "invalid_request"),
            ("/users/{a}", {"a": None}, "missing_value"),
            ("/users/{a}", {}, "missing_value"),
            ("/users?q=x{a}", {}, "missing_value"),
            ("/users?q=x{a}", {"a": "\udc00"}, "invalid_request"),
        ],
    )
    def test_a_value_that_would_address_something_else_is_refused(
        self, render: Render, own: bool, text: str, row: dict[str, Any], code: str
    ) -> None:
        with pytest.raises(RowFault, match=r"inputs\.a|surrogate") as caught:
            self.url(render, own, text, row)
        assert caught.value.code == code

    @pytest.mark.parametrize(
        ("text", "sent"),
        [("/o", "/o?n=1&n=2"), ("/o?a=b+c", "/o?a=b+c&n=1&n=2"), ("/o?", "/o?n=1&n=2"), ("/o?a&", "/o?a&n=1&n=2")],
    )
    def test_query_parameters_are_added_to_the_query_in_the_url(
        self, render: Render, own: bool, text: str, sent: str
    ) -> None:
        assert self.url(render, own, text, {}, query=(("n", Literal([1, 2])),)) == sent


@pytest.mark.parametrize(
    ("url", "row", "sent"),
    [
        ("http://{a}:{b}/x", {"a": "h", "b": 81}, "http://h:81/x"),
        ("https://{a}.api.example/x", {"a": "Eu"}, "https://Eu.api.example/x"),
        ("http://{a}/x", {"a": "127.0.0.1:81"}, "http://127.0.0.1:81/x"),
        ("http://{a}/x", {"a": "h:81/v1/"}, "http://h:81/v1/x"),
        ("http://{a}", {"a": "[::1]:81"}, "http://[::1]:81"),
        ("http://{a}/x", {"a": "faß.example"}, "http://xn--fa-hia.example/x"),
        ("http://h:81{a}", {"a": "/a/b?x=1#top"}, "http://h:81/a/b?x=1"),
        ("{a}://h/x?q={b}", {"a": "HTTPS", "b": "&"}, "https://h/x?q=%26"),
    ],
)
def test_host_port_and_scheme_may_come_from_values(render: Render, url: str, row: dict[str, Any], sent: str) -> None:
    assert render(row, service="", path=pieces_of(url)).request.url == sent


@pytest.mark.parametrize(
    ("url", "row"),
    [
        ("http://{a}.example/x", {"a": ""}),
        ("http://{a}.example/x", {"a": "evil.example/"}),
        ("http://{a}.example/x", {"a": "evil.example#"}),
        ("http://{a}/x", {"a": "user:pw@h"}),
        ("http://api.example{a}", {"a": ".evil.example/x"}),
        ("http://api.example{a}", {"a": "@evil.example"}),
        ("http://{a}/x", {"a": "h?y=1"}),
        ("http://h:{a}/x", {"a": "70000"}),
        ("http://h:{a}/x", {"a": ""}),
        ("http://{a}/x", {"a": "\u2603.example"}),
        ("http://{a}/x", {"a": "h\\@evil.example"}),
        ("{a}://h/x", {"a": "ftp"}),
        ("{a}://h/x", {}),
    ],
)
def test_a_value_that_makes_another_host_of_it_is_refused(render: Render, url: str, row: dict[str, Any]) -> None:
    assert fault_of(render, row, service="", path=pieces_of(url)).code == "invalid_request"


@pytest.mark.parametrize(
    ("url", "row", "sent"),
    [
        ("{a}", {"a": "/health"}, "http://s/v1/health"),
        ("{a}", {"a": "health/x"}, "http://s/v1/health/x"),
        ("{a}", {"a": " /a/../b%2f ä?x=1&y=%E9+#top "}, "http://s/v1/a/../b%2f%20%C3%A4?x=1&y=%E9+"),
        ("{a}", {"a": "?x=1"}, "http://s/v1?x=1"),
        ("{a}", {"a": "//x//"}, "http://s/v1//x//"),
        ("{a}", {"a": "/x?to=http://h/"}, "http://s/v1/x?to=http://h/"),
        ("{a}", {"a": "http://h/a b?c=d e#f"}, "http://h/a%20b?c=d%20e"),
        ("{a}", {"a": "HTTPS://h"}, "https://h"),
        ("{a}/users/{b}?q={b}", {"a": "http://h:81", "b": "a/b"}, "http://h:81/users/a%2Fb?q=a%2Fb"),
        ("{a}/users/{b}", {"a": "http://h/v2/", "b": 1}, "http://h/v2/users/1"),
        ("{a}/lines/{b}", {"a": "/orders/7", "b": 1}, "http://s/v1/orders/7/lines/1"),
        ("{a}{b}", {"a": "http://h", "b": "/x/y?z=1#top"}, "http://h/x/y?z=1"),
        ("{a}{b}", {"a": "http://h/v2/", "b": "/x"}, "http://h/v2/x"),
        ("{a}{b}", {"a": "http://h/v2/", "b": "?x=1"}, "http://h/v2/?x=1"),
        ("{a}{b}/items", {"a": "http://h/v2", "b": "/users/7"}, "http://h/v2/users/7/items"),
        ("{a}{b}?q={c}", {"a": "http://h", "b": "/x", "c": "&"}, "http://h/x?q=%26"),
        ("{a}&page={b}", {"a": "http://h/x?size=5", "b": 2}, "http://h/x?size=5&page=2"),
        ("{a}?page={b}", {"a": "http://h/x", "b": 2}, "http://h/x?page=2"),
        ("{a}:81/x", {"a": "http://h"}, "http://h:81/x"),
    ],
)
def test_a_value_at_the_beginning_is_a_base_url_or_a_path(
    render: Render, url: str, row: dict[str, Any], sent: str
) -> None:
    assert render(row, path=pieces_of(url), environment=base("http://s/v1/")).request.url == sent


@pytest.mark.parametrize(
    ("url", "row", "code"),
    [
        ("{a}", {}, "missing_value"),
        ("{a}", {"a": None}, "missing_value"),
        ("{a}", {"a": "  "}, "invalid_request"),
        ("{a}", {"a": "#top"}, "invalid_request"),
        ("{a}", {"a": "ftp://h/x"}, "invalid_request"),
        ("{a}", {"a": "http://ok@evil.example/"}, "invalid_request"),
        ("{a}/users", {"a": ""}, "invalid_request"),
        ("{a}/users", {"a": "http://h/x?y=1"}, "invalid_request"),
        ("{a}/users", {"a": "http://h/x#y"}, "invalid_request"),
        ("{a}?x=1", {"a": "http://h/x?y=1"}, "invalid_request"),
        ("{a}/users/{b}", {"a": "http://h", "b": ""}, "invalid_request"),
        ("{a}{b}", {"a": "http://h", "b": ".evil.example/x"}, "invalid_request"),
        ("{a}{b}", {"a": "http://h", "b": "@evil.example"}, "invalid_request"),
        ("{a}{b}", {"a": "http://h", "b": ""}, "invalid_request"),
        ("{a}{b}", {"a": "http://h"}, "missing_value"),
        ("{a}{b}/items", {"a": "http://h", "b": "/users?x=1"}, "invalid_request"),
        ("{a}{b}/items", {"a": "http://h", "b": "?x=1"}, "invalid_request"),
        ("{a}{b}/items", {"a": "http://h", "b": "/u#f"}, "invalid_request"),
        ("{a}{b}?limit=1", {"a": "http://h", "b": "/u?x=1"}, "invalid_request"),
    ],
)
def test_a_beginning_that_is_neither_is_refused(render: Render, url: str, row: dict[str, Any], code: str) -> None:
    assert fault_of(render, row, path=pieces_of(url), environment=base("http://s/v1")).code == code


def test_a_path_alone_needs_a_service_with_a_base_url(render: Render, ref: Ref) -> None:
    fault = fault_of(render, {"a": "/x"}, path=(ref("inputs.a"),), environment=Environment())
    assert fault.code == "missing_base_url"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://h/a b?c=d e#f", "http://h/a%20b?c=d%20e&q=1"),
        ("https://h", "https://h?q=1"),
        ("http://h/{x}?a[]=%zz", "http://h/%7Bx%7D?a%5B%5D=%25zz&q=1"),
    ],
)
def test_the_one_text_of_an_artifact_of_0_1_0_is_sent_as_it_was(render: Render, ref: Ref, text: str, url: str) -> None:
    assert render({"a": text}, url=ref("inputs.a"), query=(("q", Literal(1)),)).request.url == url


@pytest.mark.parametrize("row", [{}, {"a": None}, {"a": ""}, {"a": "/relative"}, {"a": "http://ok@evil.example/"}])
def test_the_one_text_of_an_artifact_of_0_1_0_must_be_a_url(render: Render, ref: Ref, row: dict[str, Any]) -> None:
    assert fault_of(render, row, url=ref("inputs.a")).code in ("missing_value", "invalid_request")
