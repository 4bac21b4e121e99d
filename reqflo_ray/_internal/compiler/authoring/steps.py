"""A step as people write it, with all that may be set on it. Shape only: what it means is found when it is compiled.

A value that may hold expressions is typed `Any` here; it is compiled from the tree, where its place is known.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

from reqflo_ray._internal.compiler.authoring.assertions import AssertionModel
from reqflo_ray._internal.compiler.authoring.base import AlsoWritten, Authored, Listed, Name, about, note
from reqflo_ray._internal.compiler.authoring.kinds import STEP_TYPES
from reqflo_ray._internal.compiler.authoring.requests import RequestModel, Url
from reqflo_ray._internal.compiler.authoring.units import POSITIVE_SCHEMA, Duration, PositiveDuration
from reqflo_ray._internal.model.artifact import Backoff, OnFailure, OnInterrupt, RetryCause
from reqflo_ray._internal.model.limits import MAX_EXPRESSION

_Path = Annotated[str, Field(min_length=1, max_length=MAX_EXPRESSION)]
_Cause = Annotated[RetryCause, Field(strict=False)]


class OutputModel(Authored):
    """A named value that is taken from the response and kept with the results. Later steps read it as
    `steps.ID.outputs.NAME`. In the map form the key is the name, and text alone is the path."""

    name: Annotated[Name, about("The name under which later steps read the value.", "order_id")]
    path: Annotated[
        _Path,
        about(
            "Where the value is in the response: `body` with a JSONPath below it, `headers.NAME`, or `status`. "
            "`$.` and `response.` in front are optional.",
            "$.body.order.id",
            "headers.x-request-id",
        ),
    ]
    required: Annotated[
        bool,
        about(
            "With `true`, a path that finds nothing makes the step an `error` (`output_missing`). With `false`, the "
            "output is not set.",
            False,
        ),
    ] = True
    sensitive: Annotated[
        bool | None,
        about(
            "With `true`, the value is masked in results and logs, and encrypted where it is stored. If it is "
            "left out, a value that a later step sends in `Authorization`, `Cookie`, or a header whose name ends "
            "in `-key` or `-token` is sensitive; `false` turns that off.",
            True,
        ),
    ] = None
    description: Annotated[str, note("The ID of the new order.")] = ""


class RetryModel(Authored):
    """When and how often a request is tried again. `Retry-After` of a response is obeyed; if it is longer than
    `max_delay`, there is no further retry."""

    count: Annotated[
        int, Field(ge=0, le=100), about("How many attempts may follow the first one, from 0 to 100.", 2)
    ] = 0
    delay: Annotated[Duration, about("How long to wait before the first retry.", "200ms")] = 0
    backoff: Annotated[
        Backoff, Field(strict=False), about("How the delay grows from one retry to the next.", "exponential")
    ] = Backoff.CONSTANT
    causes: Annotated[
        Listed[_Cause],
        Field(min_length=1),
        about("Which outcomes of an attempt are tried again. If it is left out, both are.", ["error"]),
    ] = (RetryCause.ERROR, RetryCause.FAILED)
    max_delay: Annotated[Duration, about("The longest wait before a retry, however much the delay grows.", "10s")] = (
        60_000
    )


class PollModel(Authored):
    """Repeats the request until all conditions of `until` hold. `Retry-After` of a response is obeyed; if it is longer
    than what is left of `timeout`, the poll ends."""

    until: Annotated[
        Listed[AssertionModel],
        Field(min_length=1),
        about(
            "The conditions that end the poll. All of them must hold for the same response.",
            [{"type": "json_path", "path": "$.status", "operator": "equals", "expected": "done"}],
        ),
    ]
    interval: Annotated[
        PositiveDuration, about("How long to wait between the end of a request and the next one.", "500ms")
    ] = 1_000
    timeout: Annotated[
        PositiveDuration,
        about(
            "How long the poll may take in all, its requests included. A request in flight is canceled then, and the "
            "step fails.",
            "2m",
        ),
    ] = 60_000


class TimeoutModel(Authored):
    """How long a request of this step may take. A duration alone is the `total`. What is left out is taken from
    `workspace.http`."""

    connect: Annotated[
        PositiveDuration | None,
        about("How long connecting may take. If it is left out, `http.connect_timeout` applies.", "2s"),
    ] = None
    read: Annotated[
        PositiveDuration | None,
        about("How long to wait for the next bytes of the response. If left out, `http.read_timeout` applies.", "10s"),
    ] = None
    total: Annotated[
        PositiveDuration | None,
        about(
            "How long one attempt may take in all, redirects included. If it is left out, `http.total_timeout` "
            "applies.",
            "30s",
        ),
    ] = None


class IdempotencyModel(Authored):
    """Whether an idempotency key is sent. `true` alone uses the usual header, `false` alone sends no key."""

    enabled: Annotated[
        bool,
        about("With `true`, each request carries a key that is new for each run, row, and step.", False),
    ] = True
    header: Annotated[
        str,
        Field(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"),
        about("The header that carries the key. All attempts of the step send the same key.", "X-Request-Key"),
    ] = "Idempotency-Key"


class TemplateReferenceModel(Authored):
    """Names a template. Text alone is the `key`."""

    key: Annotated[Url, about("The key of the template, its name, or its method and URL.", "POST /orders")]
    service: Annotated[
        str, about("Only templates of this service are meant. Needed if several have the same key.", "shop-api")
    ] = ""


_TEMPLATE = AlsoWritten({"type": "string", "minLength": 1})
_OUTPUTS = AlsoWritten({"type": "object"})
StepType = Annotated[str, WithJsonSchema({"type": "string", "enum": list(STEP_TYPES)})]
OutputList = Annotated[Listed[OutputModel], _OUTPUTS]


class StepModel(Authored):
    """One step of a journey. `type` decides which other properties apply."""

    id: Annotated[
        str,
        Field(pattern=r"^[A-Za-z0-9_-]+$", max_length=100),
        about(
            "Names the step in expressions, results, and overlays: letters, digits, `_`, and `-`. If it is "
            "left out, it is made from `name`, or from the number of the step (`step-2`).",
            "create",
        ),
    ] = ""
    name: Annotated[str, about("A title for reports.", "Place the order")] = ""
    description: Annotated[str, note("Uses the partner's account.")] = ""
    type: Annotated[
        StepType, about("What the step does; it determines which other properties are allowed.", "wait")
    ] = "http_request"
    template: Annotated[
        TemplateReferenceModel | None,
        _TEMPLATE,
        about(
            "The request template that the step sends, by key, by name, or by method and URL. A step that sends a "
            "request has either a `template` or a `request`.",
            "create-order",
            "POST /orders",
        ),
    ] = None
    request: Annotated[
        RequestModel | None,
        _TEMPLATE,
        about(
            "The request that the step sends, written in place. Text alone is read as `template`.",
            {"method": "GET", "url": "/orders/{{ inputs.order_id }}"},
        ),
    ] = None
    values: Annotated[
        dict[str, Any],
        about(
            "The values for the template, by name; or, for `set_variable`, the new values of variables. They may hold "
            "expressions.",
            {"customer_id": "{{ inputs.customer_id }}"},
        ),
    ] = Field(default_factory=dict)
    assertions: Annotated[
        Listed[AssertionModel],
        about(
            "Conditions on the response. Without a `status_code` assertion, a status of 500 or more is an `error`.",
            [{"type": "status_code", "expected": 201}],
        ),
    ] = ()
    outputs: Annotated[
        OutputList,
        about(
            "Values to take from the response: a list, or a mapping from names to paths.",
            {"order_id": "$.body.order.id"},
        ),
    ] = ()
    retry: Annotated[
        RetryModel | None,
        about(
            "When and how often to try the request again. If it is left out, the request is tried once.",
            {"count": 2, "delay": "200ms"},
        ),
    ] = None
    poll: Annotated[
        PollModel | None,
        about(
            "Repeat the request until conditions hold. Required for a step of type `poll`.",
            {"until": [{"type": "status_code", "expected": 200}], "interval": "1s", "timeout": "30s"},
        ),
    ] = None
    flaky: Annotated[
        bool,
        about(
            "With `true`, results and reports mark the step as known to be unreliable. Its outcome counts as usual.",
            True,
        ),
    ] = False
    timeout: Annotated[
        TimeoutModel | None,
        AlsoWritten(POSITIVE_SCHEMA),
        about(
            "How long one attempt may take: a duration for all of it, or one for each part. If it is left out, the "
            "timeouts of `workspace.http` apply.",
            "5s",
            {"connect": "2s", "total": "30s"},
        ),
    ] = None
    idempotency: Annotated[
        IdempotencyModel | None,
        AlsoWritten({"type": "boolean"}),
        about(
            "Whether to send an idempotency key, so that the step is safe to repeat. If left out: no.",
            True,
        ),
    ] = None
    on_interrupt: Annotated[
        OnInterrupt | None,
        Field(strict=False),
        about(
            "What to do after a crash with a request whose outcome is unknown. If it is left out: `resend` for "
            "GET, HEAD, OPTIONS, PUT, and DELETE, and with an idempotency key; `fail` otherwise.",
            "resend",
        ),
    ] = None
    on_failure: Annotated[
        OnFailure | None,
        Field(strict=False),
        about(
            "Whether the row continues if an assertion that is not soft does not hold. If it is left out, `on_failure` "
            "of the journey applies.",
            "halt",
        ),
    ] = None
    duration: Annotated[Duration | None, about("How long a `wait` step waits, at most 24 hours.", "500ms")] = None
    text: Annotated[
        Any, about("What a `note` step writes into the results. It may hold expressions.", "order {{ inputs.id }}")
    ] = None
    journey: Annotated[str, about("The name of the journey that a `sub_journey` step runs.", "log-in")] = ""
    inputs: Annotated[
        dict[str, Any],
        about(
            "The inputs of the journey that a `sub_journey` step runs, by name. They may hold expressions.",
            {"user": "{{ inputs.customer_id }}"},
        ),
    ] = Field(default_factory=dict)
    skip: Annotated[
        bool, about("With `true`, the step is not executed; its status is `skipped`, and the row does not fail.", True)
    ] = False
