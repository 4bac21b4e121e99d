"""An overlay, a named change to a journey, as people write it. Shape only: it is applied when the journey is "
"compiled."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from reqflo_ray._internal.compiler.authoring.assertions import AssertionModel
from reqflo_ray._internal.compiler.authoring.base import AlsoWritten, Authored, Listed, Name, about, note
from reqflo_ray._internal.compiler.authoring.requests import RequestModel
from reqflo_ray._internal.compiler.authoring.steps import (
    IdempotencyModel,
    OutputList,
    PollModel,
    RetryModel,
    StepType,
    TemplateReferenceModel,
    TimeoutModel,
)
from reqflo_ray._internal.compiler.authoring.units import POSITIVE_SCHEMA, Duration
from reqflo_ray._internal.model.artifact import OnFailure, OnInterrupt


class OverlayOutputsModel(Authored):
    """Changes to the outputs of a step: first `remove`, then `add`."""

    remove: Annotated[Listed[str], about("The names of outputs to remove. Each of them must exist.", ["order_id"])] = ()
    add: Annotated[
        OutputList,
        about(
            "Outputs to add: a list, or a mapping from names to paths. One with the same name is replaced.",
            {"error_code": "$.body.error.code"},
        ),
    ] = ()


class OverlayAssertionsModel(Authored):
    """Changes to the step's own assertions, in the order `replace`, `add`, `remove`. Those of a template stay."""

    replace: Annotated[
        Listed[AssertionModel] | None,
        about("The assertions that replace all of the step's own.", [{"type": "status_code", "expected": 401}]),
    ] = None
    add: Annotated[
        Listed[AssertionModel],
        about("Assertions to add at the end.", [{"type": "json_path", "path": "$.error", "operator": "exists"}]),
    ] = ()
    remove: Annotated[
        Listed[Any],
        about("Assertions to remove, by `id` or by place in the list, counted from 0.", ["status-is-created", 0]),
    ] = ()


class OverlayStepModel(Authored):
    """Changes to one step: `values` are merged by name, `outputs` and `assertions` are changed as they say, and every
    other property replaces that of the step."""

    skip: Annotated[
        bool | None,
        about(
            "With `true`, the step is not executed, and none of its values are needed. With `false`, it is executed.",
            True,
        ),
    ] = None
    values: Annotated[
        dict[str, Any],
        about("Values that are added to those of the step. One with the same name is replaced.", {"token": "nonsense"}),
    ] = Field(default_factory=dict)
    outputs: Annotated[
        OverlayOutputsModel | None, about("Changes to the outputs of the step.", {"remove": ["order_id"]})
    ] = None
    assertions: Annotated[
        OverlayAssertionsModel | None,
        about("Changes to the step's own assertions.", {"replace": [{"type": "status_code", "expected": 401}]}),
    ] = None
    name: Annotated[str, about("Replaces the title of the step.", "Order without a token")] = ""
    description: Annotated[str, about("Replaces the note on the step. It has no effect.", "The token is wrong.")] = ""
    type: Annotated[StepType, about("Replaces what the step does.", "note")] = ""
    template: Annotated[
        TemplateReferenceModel | None,
        AlsoWritten({"type": "string", "minLength": 1}),
        about("Replaces the template or the request of the step with this template.", "create-order-v2"),
    ] = None
    request: Annotated[
        RequestModel | None,
        AlsoWritten({"type": "string", "minLength": 1}),
        about(
            "Replaces the template or the request of the step with this request. Text alone is read as `template`.",
            {"method": "GET", "url": "/orders/unknown"},
        ),
    ] = None
    retry: Annotated[
        RetryModel | None, about("Replaces when and how often the request is tried again.", {"count": 0})
    ] = None
    poll: Annotated[
        PollModel | None,
        about("Replaces how the request is repeated.", {"until": [{"type": "status_code", "expected": 404}]}),
    ] = None
    flaky: Annotated[bool, about("Replaces whether the step is marked as known to be unreliable.", True)] = False
    timeout: Annotated[
        TimeoutModel | None,
        AlsoWritten(POSITIVE_SCHEMA),
        about("Replaces how long one attempt may take: a duration for all of it, or one for each part.", "500ms"),
    ] = None
    idempotency: Annotated[
        IdempotencyModel | None,
        AlsoWritten({"type": "boolean"}),
        about("Replaces whether an idempotency key is sent.", False),
    ] = None
    on_interrupt: Annotated[
        OnInterrupt | None,
        Field(strict=False),
        about("Replaces what happens after a crash with a request whose outcome is unknown.", "fail"),
    ] = None
    on_failure: Annotated[
        OnFailure | None,
        Field(strict=False),
        about("Replaces whether the row continues if an assertion of the step does not hold.", "halt"),
    ] = None
    duration: Annotated[Duration | None, about("Replaces how long a `wait` step waits.", "10ms")] = None
    text: Annotated[Any, about("Replaces what a `note` step writes into the results.", "without a token")] = None
    journey: Annotated[str, about("Replaces the journey that a `sub_journey` step runs.", "log-in-v2")] = ""
    inputs: Annotated[
        dict[str, Any],
        about("Replaces all inputs of the journey that a `sub_journey` step runs.", {"user": "nobody"}),
    ] = Field(default_factory=dict)


class OverlayModel(Authored):
    """A named change to one journey. `--overlay NAME` applies it; several are applied in the order they are written."""

    name: Annotated[Name, about("The name that `--overlay` applies it by.", "no-token")]
    journey: Annotated[Name, about("The name of the journey that is changed.", "place-order")]
    description: Annotated[str, note("What happens without a token.")] = ""
    steps: Annotated[
        dict[str, OverlayStepModel],
        Field(min_length=1),
        about(
            "The changes, by the `id` of the step. An unknown `id` is refused.",
            {"token": {"skip": True}, "create": {"values": {"token": "nonsense"}}},
        ),
    ]
