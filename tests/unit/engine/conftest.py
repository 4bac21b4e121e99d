"""The reference journey as an artifact, written by hand, and short ways to run its parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from rendering import MakeScope, Render, make_scope_with_bound

from reqflo_ray._internal.engine.judge import Judgement, judge
from reqflo_ray._internal.engine.program import Program, prepare
from reqflo_ray._internal.engine.render import RenderedRequest, render_request
from reqflo_ray._internal.engine.scope import Scope
from reqflo_ray._internal.engine.values.work import Work
from reqflo_ray._internal.model.artifact import (
    Artifact,
    Assertion,
    AssertionOrigin,
    AssertionType,
    Backoff,
    Body,
    BodyKind,
    Capture,
    CaptureRoot,
    HttpStep,
    Idempotency,
    Input,
    JourneyIdentity,
    OnInterrupt,
    Operator,
    Output,
    RequestTemplate,
    Retry,
    RetryCause,
    Variable,
    VariableSource,
)
from reqflo_ray._internal.model.http.exchange import Exchange, Headers, Timings, TransportResponse
from reqflo_ray._internal.model.plan import (
    Environment,
    InputValue,
    Row,
    RunRecord,
    SecretReference,
    SecretSource,
    Service,
)
from reqflo_ray._internal.model.values import (
    Literal,
    Namespace,
    Node,
    ObjectNode,
    Reference,
    StepReference,
    Text,
    ValueType,
)
from reqflo_ray._internal.secrets.value import SecretValue


def reference(text: str) -> Reference:
    """`inputs.x.y` as a node."""
    namespace, name, *path = text.split(".")
    return Reference(Namespace(namespace), name, tuple(path))


def hidden(secrets: Mapping[str, str]) -> dict[str, SecretValue]:
    """Secrets as the store of a worker has them."""
    return {name: SecretValue(name, text) for name, text in secrets.items()}


def make_run(**changes: Any) -> RunRecord:
    settings: dict[str, Any] = {
        "run_id": "run-1",
        "nonce": "00" * 16,
        "created_at": "2026-01-01T00:00:00Z",
        "artifact": "ab" * 32,
        "journey": "place-order",
        "environment": Environment(
            name="local",
            services={"shop-api": Service(base_url=Literal("http://127.0.0.1:8480"))},
            values={"region": Literal("local")},
        ),
        "secrets": {
            "SHOP_CLIENT_SECRET": SecretReference(
                name="SHOP_CLIENT_SECRET",
                source=SecretSource.ENV,
                key="SHOP_CLIENT_SECRET",
                hosts=("127.0.0.1", "*.shop.example"),
            )
        },
    }
    return RunRecord(**(settings | changes))


def _authorization() -> Text:
    return Text(("Bearer ", StepReference("token", "outputs.access_token")))


def _token_step() -> HttpStep:
    return HttpStep(
        id="token",
        request=RequestTemplate(
            method="POST",
            service="shop-api",
            path=("/auth/token",),
            body=Body(
                kind=BodyKind.JSON,
                value=ObjectNode(
                    (
                        ("client_id", reference("variables.client_id")),
                        ("client_secret", reference("secrets.SHOP_CLIENT_SECRET")),
                    )
                ),
            ),
        ),
        assertions=(Assertion(type=AssertionType.STATUS_CODE, expected=Literal(200), origin=AssertionOrigin.TEMPLATE),),
        outputs=(Output(name="access_token", root=CaptureRoot.BODY, path="$.access_token", sensitive=True),),
        captures=(
            Capture(key="outputs.access_token", root=CaptureRoot.OUTPUTS, path=("access_token",), sensitive=True),
        ),
        on_interrupt=OnInterrupt.RESEND,
    )


def _create_step() -> HttpStep:
    names = ("customer_id", "total", "sku", "qty")
    return HttpStep(
        id="create",
        request=RequestTemplate(
            method="POST",
            service="shop-api",
            path=("/orders",),
            headers=(("Authorization", _authorization()),),
            body=Body(
                kind=BodyKind.JSON, value=ObjectNode(tuple((name, reference(f"inputs.{name}")) for name in names))
            ),
        ),
        idempotency=Idempotency(),
        retry=Retry(count=2, delay_ms=200, backoff=Backoff.EXPONENTIAL, causes=(RetryCause.ERROR,)),
        outputs=(Output(name="order_id", root=CaptureRoot.BODY, path="$.order.id"),),
        captures=(Capture(key="outputs.order_id", root=CaptureRoot.OUTPUTS, path=("order_id",)),),
        assertions=(
            Assertion(type=AssertionType.STATUS_CODE, expected=Literal(201)),
            Assertion(type=AssertionType.JSON_PATH, target="$.order.id", operator=Operator.EXISTS),
            Assertion(
                type=AssertionType.JSON_PATH, target="$.order.customer_id", expected=reference("inputs.customer_id")
            ),
        ),
        on_interrupt=OnInterrupt.RESEND,
    )


def _read_step() -> HttpStep:
    return HttpStep(
        id="read",
        request=RequestTemplate(
            method="GET",
            service="shop-api",
            path=("/orders/", StepReference("create", "outputs.order_id")),
            headers=(("Authorization", _authorization()), ("Accept", Literal("application/json"))),
        ),
        assertions=(
            Assertion(type=AssertionType.STATUS_CODE, expected=Literal(200), origin=AssertionOrigin.TEMPLATE),
            Assertion(type=AssertionType.JSON_PATH, target="$.order.total", expected=reference("inputs.total")),
            Assertion(
                type=AssertionType.HEADER,
                target="content-type",
                operator=Operator.CONTAINS,
                expected=Literal("json"),
            ),
            Assertion(type=AssertionType.RESPONSE_TIME, expected=Literal(2000), soft=True),
        ),
        on_interrupt=OnInterrupt.RESEND,
    )


@pytest.fixture
def reference_artifact() -> Artifact:
    return Artifact(
        journey=JourneyIdentity(name="place-order", version="1.0.0"),
        inputs=(
            Input(name="order_ref", required=True),
            Input(name="customer_id", required=True),
            Input(name="total", required=True, type=ValueType.NUMBER),
            Input(name="sku", default=Literal("SKU-1")),
            Input(name="qty", type=ValueType.INTEGER, default=Literal(1)),
        ),
        variables=(
            Variable(name="client_id", default=Literal("reqflo")),
            Variable(name="region", source=VariableSource.ENVIRONMENT),
        ),
        steps=(_token_step(), _create_step(), _read_step()),
    )


@pytest.fixture
def ref() -> Callable[[str], Reference]:
    return reference


@pytest.fixture
def run_record() -> Callable[..., RunRecord]:
    return make_run


@pytest.fixture
def program(reference_artifact: Artifact) -> Program:
    return prepare(reference_artifact, make_run())


@pytest.fixture
def make_scope() -> Callable[..., Scope]:
    """A scope of one row over an artifact of the given parts."""

    def make(
        *steps: Any,
        inputs: tuple[Input, ...] = (),
        variables: tuple[Variable, ...] = (),
        row: Mapping[str, Any] | None = None,
        secrets: Mapping[str, str] | None = None,
        files: dict[str, bytes] | None = None,
        given: dict[str, InputValue] | None = None,
        **run: Any,
    ) -> Scope:
        artifact = Artifact(
            journey=JourneyIdentity(name="j"), inputs=inputs, variables=variables, steps=steps, files=files or {}
        )
        values = dict(row or {})
        return Scope(
            prepare(artifact, make_run(inputs=given or {}, **run)),
            Row(index=3, key="k3", values=values),
            hidden(secrets or {}),
        )

    return make


@pytest.fixture
def make_step() -> Callable[..., HttpStep]:
    """A step that sends a request; what is given of the request's fields goes into its template."""

    def make(**fields: Any) -> HttpStep:
        request: dict[str, Any] = {"method": "GET", "service": "shop-api", "path": ("/x",)}
        for name in ("method", "service", "path", "url", "headers", "query", "body"):
            if name in fields:
                request[name] = fields.pop(name)
        return HttpStep(id=fields.pop("id", "s"), request=RequestTemplate(**request), **fields)

    return make


@pytest.fixture
def answer() -> Callable[..., Exchange]:
    """An exchange that ended with a response."""

    def make(
        status: int = 200,
        body: bytes | str = b"{}",
        headers: Headers = (("Content-Type", "application/json"),),
        total_ms: float = 12.5,
    ) -> Exchange:
        data = body.encode() if isinstance(body, str) else body
        return Exchange(
            request_headers=(),
            url="http://127.0.0.1:8480/x",
            timings=Timings(total_ms=total_ms),
            response=TransportResponse(status=status, reason="", headers=headers, body=data, wire_size=len(data)),
        )

    return make


@pytest.fixture
def node_of() -> Callable[[str], Node]:
    """A text with `{{ … }}` as a node: enough of the journey language for tests."""

    def make(text: str) -> Node:
        parts = tuple(
            reference(part.strip()) if index % 2 else part
            for index, part in enumerate(text.replace("}}", "{{").split("{{"))
        )
        kept = tuple(part for part in parts if part != "")
        if not kept:
            return Literal("")
        if len(kept) == 1:
            return Literal(kept[0]) if isinstance(kept[0], str) else kept[0]
        return Text(kept)

    return make


@pytest.fixture
def render(make_scope: MakeScope, make_step: Callable[..., HttpStep]) -> Render:
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


@pytest.fixture
def judged(make_scope: MakeScope, make_step: Callable[..., HttpStep]) -> Callable[..., Judgement]:
    """Judge an exchange as the answer to a step with the given fields."""

    def make(exchange: Exchange, **fields: Any) -> Judgement:
        scope = make_scope(make_step(**fields))
        return judge(scope.program.steps[0], exchange, scope, Work())

    return make
