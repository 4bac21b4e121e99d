from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reqflo_ray._internal.engine.render import RenderedRequest, render_request, render_value
from reqflo_ray._internal.engine.scope import RowFault, Scope
from reqflo_ray._internal.errors import DefinitionError
from reqflo_ray._internal.model.artifact import (
    Assertion,
    AssertionType,
    Body,
    BodyKind,
    CaptureRoot,
    HttpStep,
    Idempotency,
    Input,
    MultipartPart,
    Output,
    Timeouts,
    Variable,
)
from reqflo_ray._internal.model.plan import Environment, HttpSettings, SecretReference, SecretSource, Service
from reqflo_ray._internal.model.results import Status
from reqflo_ray._internal.model.values import (
    ArrayNode,
    Literal,
    Node,
    ObjectNode,
    Reference,
    StepReference,
    Text,
)
from reqflo_ray._internal.secrets.value import SecretValue

MakeScope = Callable[..., Scope]
MakeStep = Callable[..., HttpStep]
NodeOf = Callable[[str], Node]
Ref = Callable[[str], Reference]
LOCAL = "http://127.0.0.1:8480"


@pytest.fixture
def render(make_scope: MakeScope, make_step: MakeStep) -> Callable[..., RenderedRequest]:
    """Render a request with the given fields; `row` values are declared as inputs."""

    def make(row: dict[str, Any] | None = None, key: str = "", **fields: Any) -> RenderedRequest:
        scope_fields: dict[str, Any] = {
            name: fields.pop(name)
            for name in ("environment", "secrets", "files", "variables", "http", "inputs")
            if name in fields
        }
        given = scope_fields.pop("secrets", {})
        loaded = {name: SecretValue(name, text) for name, text in given.items()}
        row = row or {}
        scope_fields.setdefault("inputs", tuple(Input(name=name) for name in ("a", "b", "c")))
        bound = fields.pop("bound", None)
        if bound is not None:
            scope_fields["secrets"] = given
            scope = make_scope_with_bound(make_scope, bound, make_step(**fields), row, scope_fields)
        else:
            scope = make_scope(make_step(**fields), row=row, secrets=given, **scope_fields)
        return render_request(scope.program.steps[0], scope, loaded, idempotency_key=key)

    return make


def make_scope_with_bound(
    make_scope: MakeScope, bound: dict[str, tuple[str, ...] | None], step: HttpStep, row: Any, fields: dict[str, Any]
) -> Scope:
    """A run whose secrets may be sent to some hosts only."""
    loaded = fields.pop("secrets")
    scope = make_scope(step, row=row, secrets=loaded, **fields)
    for name, hosts in bound.items():
        scope.program.run.secrets[name] = SecretReference(name=name, source=SecretSource.ENV, key=name, hosts=hosts)
    return scope


Render = Callable[..., RenderedRequest]


def fault_of(render: Render, *args: Any, **fields: Any) -> RowFault:
    with pytest.raises(RowFault) as caught:
        render(*args, **fields)
    return caught.value


def base(text: str) -> Environment:
    return Environment(services={"shop-api": Service(base_url=Literal(text))})


# URLs


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


# Headers


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


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\n", "\r", "a\0b", "€", "\ud800"])
def test_a_header_value_that_cannot_be_sent_is_refused(render: Render, ref: Ref, value: str) -> None:
    fault = fault_of(render, {"a": value}, headers=(("X-A", ref("inputs.a")),))
    assert fault.code == "invalid_request"
    assert "X-A" in fault.message and "Evil" not in fault.message


@pytest.mark.parametrize("name", ["", "a b", "a:", "ä", "a\r\n"])
def test_a_header_name_that_is_none_is_refused(render: Render, name: str) -> None:
    assert fault_of(render, headers=((name, Literal("x")),)).code == "invalid_request"


def test_latin_1_in_a_header_is_sent(render: Render) -> None:
    assert render(headers=(("X", Literal("blå")),)).request.headers == (("X", "blå"),)


def test_the_idempotency_key_goes_into_its_header_unless_it_is_there_already(render: Render) -> None:
    own = Idempotency(header="X-Key")
    assert render(key="K", idempotency=own).request.headers == (("X-Key", "K"),)
    assert render(key="K", idempotency=own, headers=(("x-key", Literal("mine")),)).request.headers == (
        ("x-key", "mine"),
    )
    assert render(key="K").request.headers == ()
    assert render(idempotency=own).request.headers == ()


# Bodies


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


# Time limits, fingerprints, secrets


def test_time_limits_of_the_step_win_over_those_of_the_run(render: Render) -> None:
    settings = HttpSettings(connect_ms=1, read_ms=2, total_ms=3)
    request = render(http=settings, timeouts=Timeouts(total_ms=9)).request
    assert (request.connect_ms, request.read_ms, request.total_ms) == (1, 2, 9)


def test_each_part_of_a_request_is_in_its_fingerprint(render: Render) -> None:
    text = Body(kind=BodyKind.TEXT, value=Literal(""))
    different = [
        render(),
        render(method="HEAD"),
        render(path=("/y",)),
        render(query=(("a", Literal(1)),)),
        render(headers=(("a", Literal("1")),)),
        render(headers=(("a1", Literal("")),)),
        render(body=text),
        render(key="K", idempotency=Idempotency()),
    ]
    assert len({rendered.fingerprint for rendered in different}) == len(different)
    assert render().fingerprint == render().fingerprint
    assert len(render().fingerprint) == 64


def test_secrets_anywhere_in_a_request_are_sent_and_are_not_in_its_fingerprint(render: Render, node_of: NodeOf) -> None:
    def rendered(secret: str) -> RenderedRequest:
        return render(
            method="POST",
            variables=(Variable(name="auth", default=node_of("Basic {{ secrets.A }}")),),
            environment=Environment(services={"shop-api": Service(base_url=node_of("http://h/{{ secrets.B }}/"))}),
            path=("/x/", node_of("{{ secrets.A }}")),
            query=(("k", node_of("{{ secrets.A }}")),),
            headers=(("Authorization", node_of("{{ variables.auth }}")),),
            body=Body(kind=BodyKind.FORM, value=ObjectNode((("p", node_of("{{ secrets.A }}")),))),
            secrets={"A": secret, "B": secret + "b"},
        )

    one, two = rendered("aaaa"), rendered("zz/ä")
    assert one.request.url == "http://h/aaaab/x/aaaa?k=aaaa"
    assert one.request.headers[0] == ("Authorization", "Basic aaaa")
    assert one.request.body == b"p=aaaa"
    assert one.fingerprint == two.fingerprint
    assert "aaaa" not in repr(one) + repr(one.request)


def test_a_request_tells_which_parts_of_it_are_private(
    render: Render, make_scope: MakeScope, make_step: MakeStep, node_of: NodeOf, ref: Ref
) -> None:
    headers = (("X-Shop-Key", node_of("{{ secrets.A }}")), ("X-Trace", node_of("{{ inputs.a }}")))
    one = render(row={"a": "1"}, headers=headers, secrets={"A": "aaaa"}).request
    assert (one.private_headers, one.private_body) == (frozenset({"x-shop-key"}), False)
    body = Body(kind=BodyKind.JSON, value=ObjectNode((("p", ref("inputs.pin")),)))
    scope = make_scope(
        make_step(method="POST", body=body, headers=(("X-Pin", node_of("<{{ inputs.pin }}>")), ("X", node_of("1")))),
        inputs=(Input(name="pin", sensitive=True),),
        row={"pin": "90210"},
    )
    two = render_request(scope.program.steps[0], scope, {}).request
    assert (two.private_headers, two.private_body) == (frozenset({"x-pin"}), True)
    three = render(row={"a": "1"}, headers=headers[1:], body=Body(kind=BodyKind.TEXT, value=node_of("x"))).request
    assert (three.private_headers, three.private_body) == (frozenset(), False)


def test_sensitive_inputs_are_sent_noted_and_not_in_the_fingerprint(
    make_scope: MakeScope, make_step: MakeStep, ref: Ref
) -> None:
    fingerprints = set()
    for pin in ("90210", "90211"):
        scope = make_scope(
            make_step(query=(("pin", ref("inputs.pin")),)),
            inputs=(Input(name="pin", sensitive=True),),
            row={"pin": pin},
        )
        rendered = render_request(scope.program.steps[0], scope, {})
        assert rendered.request.url.endswith(f"?pin={pin}")
        assert scope.take_sensitive() == [("inputs.pin", pin)]
        fingerprints.add(rendered.fingerprint)
    assert len(fingerprints) == 1


def test_a_secret_is_bound_to_its_hosts(render: Render, node_of: NodeOf) -> None:
    fields = {"headers": (("X", node_of("{{ secrets.A }}{{ secrets.B }}")),), "secrets": {"A": "aaaa", "B": "bbbb"}}
    free = render(bound={"A": None, "B": None}, **fields)
    assert free.request.allowed_hosts is None
    one = render(bound={"A": ("127.0.0.1", "*.example"), "B": None}, **fields)
    assert one.request.allowed_hosts == ("127.0.0.1", "*.example")
    both = render(bound={"A": ("127.0.0.1", "*.example"), "B": ("127.0.0.1", "a.example")}, **fields)
    assert both.request.allowed_hosts == ("127.0.0.1", "a.example")


@pytest.mark.parametrize("hosts", [(), ("other.example",), ("*.0.0.1x",)])
def test_a_request_to_a_host_that_a_secret_is_not_bound_to_is_never_made(
    render: Render, node_of: NodeOf, hosts: tuple[str, ...]
) -> None:
    fault = fault_of(render, headers=(("X", node_of("{{ secrets.A }}")),), secrets={"A": "aaaa"}, bound={"A": hosts})
    assert fault.code == "secret_host_refused"
    assert "aaaa" not in str(fault) and "127.0.0.1" in fault.message


def test_a_host_that_is_secret_itself_is_not_named(render: Render, node_of: NodeOf) -> None:
    url = node_of("https://{{ secrets.A }}.example/")
    fault = fault_of(render, url=url, secrets={"A": "hidden-name"}, bound={"A": ("other.example",)})
    assert fault.code == "secret_host_refused"
    assert "hidden-name" not in str(fault)


def test_a_secret_that_a_row_overrides_restricts_nothing(render: Render, ref: Ref, node_of: NodeOf) -> None:
    rendered = render(
        {"a": "mine"},
        inputs=(Input(name="a", default=node_of("{{ secrets.A }}")),),
        headers=(("X", ref("inputs.a")),),
        secrets={"A": "aaaa"},
        bound={"A": ("other.example",)},
    )
    assert rendered.request.allowed_hosts is None


def test_a_host_that_is_decided_by_a_response_does_not_get_a_bound_secret(
    make_scope: MakeScope, make_step: MakeStep, node_of: NodeOf
) -> None:
    step = make_step(url=StepReference("first", "body.url"), headers=(("X", node_of("{{ secrets.A }}")),))
    scope = make_scope_with_bound(make_scope, {"A": ("127.0.0.1",)}, step, {}, {"secrets": {"A": "aaaa"}})
    for url in (
        "http://evil.example/",
        "http://127.0.0.1.evil.example/",
        "http://evil.example/127.0.0.1",
        "http://evil.example?@127.0.0.1",
    ):
        scope.conclude("first", Status.PASSED, {"body.url": url})
        with pytest.raises(RowFault, match="secret_host_refused"):
            render_request(scope.program.steps[0], scope, {"A": SecretValue("A", "aaaa")})


def test_a_step_whose_assertion_needs_a_failed_step_is_not_sent(make_scope: MakeScope, make_step: MakeStep) -> None:
    expected = StepReference("first", "outputs.id")
    step = make_step(assertions=(Assertion(type=AssertionType.BODY_CONTAINS, expected=expected),))
    scope = make_scope(make_step(id="first", outputs=(Output(name="id", root=CaptureRoot.STATUS),)), step)
    scope.conclude("first", Status.FAILED, {})
    with pytest.raises(RowFault, match="unresolved_dependency"):
        render_request(scope.program.steps[1], scope, {})


def test_a_step_whose_assertion_needs_a_failed_step_through_a_variable_is_not_sent(
    make_scope: MakeScope, make_step: MakeStep, ref: Ref
) -> None:
    step = make_step(assertions=(Assertion(type=AssertionType.BODY_CONTAINS, expected=ref("variables.v")),))
    scope = make_scope(step, variables=(Variable(name="v", default=StepReference("first", "outputs.id")),))
    scope.conclude("first", Status.ERROR, {})
    with pytest.raises(RowFault, match="unresolved_dependency"):
        render_request(scope.program.steps[0], scope, {})


def test_a_value_outside_of_requests_is_null_when_it_is_unset(make_scope: MakeScope, ref: Ref, node_of: NodeOf) -> None:
    scope = make_scope(inputs=(Input(name="a"), Input(name="b")), row={"b": 1})
    assert render_value(ref("inputs.a"), scope, {}) is None
    assert render_value(node_of("{{ inputs.b }}-{{ secrets.S }}"), scope, {"S": SecretValue("S", "s")}) == "1-s"
