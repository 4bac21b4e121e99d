"""What else a request is: its time limits, its fingerprint, and the secrets that it may carry and to whom."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rendering import MakeScope, Render, fault_of, make_scope_with_bound

from reqflo_ray._internal.engine.render import RenderedRequest, render_request, render_value
from reqflo_ray._internal.engine.scope import RowFault
from reqflo_ray._internal.model.artifact import (
    Assertion,
    AssertionType,
    Body,
    BodyKind,
    CaptureRoot,
    HttpStep,
    Idempotency,
    Input,
    Output,
    Timeouts,
    Variable,
)
from reqflo_ray._internal.model.plan import Environment, HttpSettings, Service
from reqflo_ray._internal.model.results import Status
from reqflo_ray._internal.model.values import Literal, Node, ObjectNode, Reference, StepReference
from reqflo_ray._internal.secrets.value import SecretValue

MakeStep = Callable[..., HttpStep]
NodeOf = Callable[[str], Node]
Ref = Callable[[str], Reference]


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
