"""The journey, step, request template and overlay as people write them. Shape only: what it
means is found when it is compiled.

A value that may hold expressions is typed `Any` here; it is compiled from the tree, where its place is known.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from reqflo_ray._internal.compiler.authoring.base import AlsoWritten, Authored, Listed, Name, also_keys
from reqflo_ray._internal.compiler.authoring.units import Duration, DurationOrMilliseconds, PositiveDuration
from reqflo_ray._internal.model.artifact import AssertionType, Backoff, OnFailure, OnInterrupt, RetryCause
from reqflo_ray._internal.model.limits import MAX_EXPRESSION, MAX_URL
from reqflo_ray._internal.model.values import ValueType

_Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"]
_TEXT = {"type": "string"}
_ContentType = Annotated[str, Field(pattern=r"^[ -~]*$")]
_Url = Annotated[str, Field(min_length=1, max_length=MAX_URL)]
_Path = Annotated[str, Field(min_length=1, max_length=MAX_EXPRESSION)]
_Cause = Annotated[RetryCause, Field(strict=False)]
_EnumType = Annotated[ValueType | None, Field(strict=False)]


class AssertionModel(Authored):
    """One condition; which of the fields apply depends on `type`. `value` is read as `expected`, `header` as `name`."""

    model_config = ConfigDict(json_schema_extra=also_keys({"value": {}, "header": _TEXT}))

    type: Annotated[AssertionType, Field(strict=False)]
    id: str = ""
    description: str = ""
    path: str = ""
    name: str = ""
    operator: str = ""
    expected: Any = None
    schema_: Annotated[Any, Field(alias="schema")] = None
    max: DurationOrMilliseconds | None = None
    max_ms: Annotated[int | None, Field(ge=0)] = None
    soft: bool = False


class OutputModel(Authored):
    """A named value of the response. In the map form the key is the name; text alone is the path. `sensitive` is what a
    later step sends as a credential, unless this says `false`."""

    name: Name
    path: _Path
    required: bool = True
    sensitive: bool | None = None
    description: str = ""


class RetryModel(Authored):
    """`count` is additional attempts. An answer's Retry-After is heeded; one beyond `max_delay` ends the retries."""

    count: Annotated[int, Field(ge=0, le=100)] = 0
    delay: Duration = 0
    backoff: Annotated[Backoff, Field(strict=False)] = Backoff.CONSTANT
    causes: Annotated[Listed[_Cause], Field(min_length=1)] = (RetryCause.ERROR, RetryCause.FAILED)
    max_delay: Duration = 60_000


class PollModel(Authored):
    """Repeat the request until all of `until` hold or `timeout` is over, which ends a request under way. An answer's
    Retry-After is heeded; one beyond `timeout` ends the poll."""

    until: Annotated[Listed[AssertionModel], Field(min_length=1)]
    interval: PositiveDuration = 1_000
    timeout: PositiveDuration = 60_000


class TimeoutModel(Authored):
    """A duration alone is the total."""

    connect: PositiveDuration | None = None
    read: PositiveDuration | None = None
    total: PositiveDuration | None = None


class IdempotencyModel(Authored):
    """`true` uses the default header, `false` sends no key."""

    enabled: bool = True
    header: Annotated[str, Field(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")] = "Idempotency-Key"


class TemplateReferenceModel(Authored):
    """A template by key, name or `METHOD /path`, if need be of one service only. Text alone is the key."""

    key: _Url
    service: str = ""


class PartModel(Authored):
    """One part of a multipart body: text, or a file of the workspace. A bare value is the text."""

    name: Name
    value: Any = None
    file: str = ""
    filename: str = ""
    content_type: _ContentType = ""


class BodyModel(Authored):
    """Exactly one of json, form, multipart, text and file."""

    json_: Annotated[Any, Field(alias="json")] = None
    form: dict[str, Any] | None = None
    multipart: Annotated[Listed[PartModel] | None, AlsoWritten({"type": "object"})] = None
    text: Any = None
    file: str | None = None
    content_type: _ContentType = ""


class RequestModel(Authored):
    """A request written in the step itself: `url` absolute, or a path of `service`."""

    method: _Method = "GET"
    url: _Url
    service: str = ""
    headers: dict[str, Any] = Field(default_factory=dict)
    query: dict[str, Any] = Field(default_factory=dict)
    body: BodyModel | None = None


class TemplateValueModel(Authored):
    """A variable part of a template. `recommended_source` and `example` document."""

    name: Name
    in_: Annotated[Literal["path", "query", "header", "body"] | None, Field(alias="in")] = None
    required: bool = False
    description: str = ""
    recommended_source: str = ""
    example: Any = None


class TemplateModel(RequestModel):
    """A reusable request."""

    key: str = ""
    name: str = ""
    description: str = ""
    tags: Listed[str] = ()
    values: Listed[TemplateValueModel] = ()
    assertions: Listed[AssertionModel] = ()


class InputModel(Authored):
    """A value supplied afresh at each run."""

    name: Name
    required: bool = False
    type: _EnumType = None
    default: Any = None
    sensitive: bool = False
    description: str = ""
    example: Any = None


class VariableModel(Authored):
    """A value that the journey declares. `value` is read as `default`; `key` is the name to look up (its own)."""

    model_config = ConfigDict(json_schema_extra=also_keys({"value": {}}))

    name: Name
    source: Literal["environment", "me", "preset", "hard_coded", "manual"] | None = None
    key: str = ""
    required: bool = False
    type: _EnumType = None
    default: Any = None
    sensitive: bool = False
    description: str = ""


class StepModel(Authored):
    """One step; which of the fields apply depends on `type`. `request: text` is read as `template`."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$", max_length=100)] = ""
    name: str = ""
    description: str = ""
    type: str = "http_request"
    template: Annotated[TemplateReferenceModel | None, AlsoWritten(_TEXT)] = None
    request: Annotated[RequestModel | None, AlsoWritten(_TEXT)] = None
    values: dict[str, Any] = Field(default_factory=dict)
    assertions: Listed[AssertionModel] = ()
    outputs: Annotated[Listed[OutputModel], AlsoWritten({"type": "object"})] = ()
    retry: RetryModel | None = None
    poll: PollModel | None = None
    flaky: bool = False
    timeout: Annotated[TimeoutModel | None, AlsoWritten(_TEXT)] = None
    idempotency: Annotated[IdempotencyModel | None, AlsoWritten({"type": "boolean"})] = None
    on_interrupt: Annotated[OnInterrupt | None, Field(strict=False)] = None
    on_failure: Annotated[OnFailure | None, Field(strict=False)] = None
    duration: Duration | None = None
    text: Any = None
    journey: str = ""
    inputs: dict[str, Any] = Field(default_factory=dict)
    skip: bool = False


class JourneyModel(Authored):
    """Metadata, value declarations and ordered steps."""

    name: Name
    description: str = ""
    version: str = ""
    owner: str = ""
    owners: Listed[str] = ()
    editors: Listed[str] = ()
    viewers: Listed[str] = ()
    private: bool = False
    tags: Listed[str] = ()
    base_template: str = ""
    overlays: Listed[str] = ()
    inputs: Listed[InputModel] = ()
    variables: Listed[VariableModel] = ()
    steps: Annotated[Listed[StepModel], Field(min_length=1)]
    on_failure: Annotated[OnFailure, Field(strict=False)] = OnFailure.CONTINUE
    cookies: bool = False


class OverlayOutputsModel(Authored):
    """Outputs taken away by name, and outputs added (or replaced under the same name)."""

    remove: Listed[str] = ()
    add: Annotated[Listed[OutputModel], AlsoWritten({"type": "object"})] = ()


class OverlayAssertionsModel(Authored):
    """Changes to a step's own assertions, in this order; `remove` takes ids and indexes (from 0)."""

    replace: Listed[AssertionModel] | None = None
    add: Listed[AssertionModel] = ()
    remove: Listed[Any] = ()


class OverlayStepModel(Authored):
    """Changes to one step: values are merged by key, other fields replaced."""

    skip: bool | None = None
    values: dict[str, Any] = Field(default_factory=dict)
    outputs: OverlayOutputsModel | None = None
    assertions: OverlayAssertionsModel | None = None
    name: str = ""
    description: str = ""
    type: str = ""
    template: Annotated[TemplateReferenceModel | None, AlsoWritten(_TEXT)] = None
    request: Annotated[RequestModel | None, AlsoWritten(_TEXT)] = None
    retry: RetryModel | None = None
    poll: PollModel | None = None
    flaky: bool = False
    timeout: Annotated[TimeoutModel | None, AlsoWritten(_TEXT)] = None
    idempotency: Annotated[IdempotencyModel | None, AlsoWritten({"type": "boolean"})] = None
    on_interrupt: Annotated[OnInterrupt | None, Field(strict=False)] = None
    on_failure: Annotated[OnFailure | None, Field(strict=False)] = None
    duration: Duration | None = None
    text: Any = None
    journey: str = ""
    inputs: dict[str, Any] = Field(default_factory=dict)


class OverlayModel(Authored):
    """A named structural change of one journey."""

    name: Name
    journey: Name
    description: str = ""
    steps: Annotated[dict[str, OverlayStepModel], Field(min_length=1)]
