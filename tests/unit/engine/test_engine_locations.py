"""A URL that begins with the `Location` of an earlier answer: relative to the URL that this answered (RFC 9110)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from rendering import MakeScope

from reqflo_ray._internal.engine.render import render_request
from reqflo_ray._internal.engine.scope import RowFault
from reqflo_ray._internal.model.artifact import CaptureRoot, HttpStep, Output
from reqflo_ray._internal.model.plan import Environment, SecretReference, SecretSource, Service
from reqflo_ray._internal.model.results import Status
from reqflo_ray._internal.model.values import Literal, Namespace, Reference, StepReference, Text
from reqflo_ray._internal.secrets.value import SecretValue

MakeStep = Callable[..., HttpStep]
CREATED = "http://h:81/api/shops/7/orders?draft=1"


def services(**urls: str) -> Environment:
    return Environment(services={name: Service(base_url=Literal(url)) for name, url in urls.items()})


def followed(
    make_scope: MakeScope,
    make_step: MakeStep,
    location: str,
    *behind: str,
    capture: str = "headers.location",
    **fields: Any,
) -> str:
    """The URL that the second step asks for after the first one was answered with `location`."""
    create = make_step(
        id="create",
        path=("/shops/", Reference(Namespace.INPUTS, "shop"), "/orders?draft=1"),
        outputs=(
            Output(name="next", root=CaptureRoot.HEADERS, path="Location"),
            Output(name="path", root=CaptureRoot.BODY, path="$.path"),
        ),
    )
    read = make_step(**{"id": "read", "path": (StepReference("create", capture), *behind), **fields})
    scope = make_scope(create, read, row={"shop": 7}, environment=services(**{"shop-api": "http://h:81/api"}))
    scope.conclude("create", Status.PASSED, {capture: location})
    return render_request(scope.program.steps[1], scope, {}).request.url


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/api/orders/1", "http://h:81/api/orders/1"),
        ("/elsewhere/1?x=%2f+", "http://h:81/elsewhere/1?x=%2f+"),
        ("orders/1", "http://h:81/api/shops/7/orders/1"),
        ("../1", "http://h:81/api/shops/1"),
        ("?page=2", "http://h:81/api/shops/7/orders?page=2"),
        ("/orders/1#top", "http://h:81/orders/1"),
        ("//other.example/1", "http://other.example/1"),
        ("https://other.example/1#top", "https://other.example/1"),
        ("/caf\u00e9", "http://h:81/caf%C3%A9"),
        ("/caf\udce9", "http://h:81/caf%E9"),  # a byte that is no UTF-8
    ],
)
@pytest.mark.parametrize("capture", ["headers.location", "headers.content-location", "outputs.next"])
def test_a_location_is_relative_to_the_url_that_it_answered(
    make_scope: MakeScope, make_step: MakeStep, location: str, url: str, capture: str
) -> None:
    assert followed(make_scope, make_step, location, capture=capture) == url


def test_a_location_needs_no_service_and_may_be_followed_by_more(make_scope: MakeScope, make_step: MakeStep) -> None:
    assert followed(make_scope, make_step, "/orders/1", "/lines", service="") == "http://h:81/orders/1/lines"


@pytest.mark.parametrize("capture", ["headers.x-next", "outputs.path", "body.path"])
def test_another_value_of_an_answer_is_a_path_of_the_service(
    make_scope: MakeScope, make_step: MakeStep, capture: str
) -> None:
    assert followed(make_scope, make_step, "/orders/1", capture=capture) == "http://h:81/api/orders/1"


@pytest.mark.parametrize("location", ["", "  ", "ftp://h/1", "mailto:a@b", "//user:pw@h/1", "http://", "//[::1"])
def test_a_location_that_leads_nowhere_is_refused(make_scope: MakeScope, make_step: MakeStep, location: str) -> None:
    with pytest.raises(RowFault) as caught:
        followed(make_scope, make_step, location)
    assert caught.value.code == "invalid_request"


def test_secrets_of_the_url_that_was_answered_are_needed_again(make_scope: MakeScope, make_step: MakeStep) -> None:
    # After a resume only what the step names is loaded.
    base = Text(("http://", Reference(Namespace.SECRETS, "TENANT"), ".example"))
    environment = Environment(services={"shop-api": Service(base_url=base)})
    create = make_step(id="create", path=("/orders",))
    read = make_step(id="read", service="", path=(StepReference("create", "headers.location"),))
    scope = make_scope(create, read, environment=environment)
    scope.program.run.secrets["TENANT"] = SecretReference(
        name="TENANT", source=SecretSource.ENV, key="TENANT", hosts=("*.other.example",)
    )
    scope.conclude("create", Status.PASSED, {"headers.location": "/orders/1"})
    assert scope.program.steps[1].secrets == ("TENANT",)
    with pytest.raises(RowFault, match="may not be sent") as caught:
        render_request(scope.program.steps[1], scope, {"TENANT": SecretValue("TENANT", "acme-corp")})
    assert caught.value.code == "secret_host_refused"


def test_a_secret_of_a_base_url_binds_only_what_is_asked_of_that(make_scope: MakeScope, make_step: MakeStep) -> None:
    base = Text(("http://", Reference(Namespace.SECRETS, "TENANT"), ".example"))
    environment = Environment(services={"shop-api": Service(base_url=base)})
    follow = make_step(id="s", path=(Reference(Namespace.INPUTS, "a"),))
    for value, hosts, allowed in (
        ("/orders", ("*.example",), ("*.example",)),
        ("http://acme-corp.example/orders", ("*.example",), ("*.example",)),
        ("http://other.test/orders", ("*.example",), None),
    ):
        scope = make_scope(follow, row={"a": value}, environment=environment)
        scope.program.run.secrets["TENANT"] = SecretReference(
            name="TENANT", source=SecretSource.ENV, key="TENANT", hosts=hosts
        )
        rendered = render_request(scope.program.steps[0], scope, {"TENANT": SecretValue("TENANT", "acme-corp")})
        assert rendered.request.allowed_hosts == allowed
