"""The artifact: a compiled journey, and the only definition that a worker reads. Frozen data, no I/O.

It is complete (templates inlined, references explicit, defaults written out) and contains no secret value, run input or
environment value. The SHA-256 of its canonical bytes identifies it. Fields may be added with a default; other changes
need a new `FORMAT`, and old formats stay readable or are refused by name.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Final, TypeAlias

import msgspec

from reqflo_ray._internal.errors import DefinitionError
from reqflo_ray._internal.model import json_text
from reqflo_ray._internal.model.values import Node, ValueType

FORMAT: Final = 1


class Operator(StrEnum):
    """How an assertion compares the actual value with the expected one."""

    EXISTS = "exists"
    NOT_EXISTS = "not_exists"
    EQUALS = "equals"
    NOT_EQUALS = "not_equals"
    CONTAINS = "contains"
    NOT_CONTAINS = "not_contains"
    GREATER_THAN = "greater_than"
    GREATER_THAN_OR_EQUAL = "greater_than_or_equal"
    LESS_THAN = "less_than"
    LESS_THAN_OR_EQUAL = "less_than_or_equal"
    MATCHES = "matches"
    STARTS_WITH = "starts_with"
    ENDS_WITH = "ends_with"
    IN = "in"
    NOT_IN = "not_in"
    TYPE = "type"
    LENGTH = "length"


class AssertionType(StrEnum):
    """The part of a response that an assertion checks."""

    STATUS_CODE = "status_code"
    JSON_PATH = "json_path"
    HEADER = "header"
    BODY_CONTAINS = "body_contains"
    BODY_EQUALS = "body_equals"
    JSON_SCHEMA = "json_schema"
    RESPONSE_TIME = "response_time"


class AssertionOrigin(StrEnum):
    """Where an assertion is written. Template assertions are evaluated before those of the step."""

    TEMPLATE = "template"
    STEP = "step"


class OnFailure(StrEnum):
    """Whether a failed (not soft) assertion ends the row."""

    CONTINUE = "continue"
    HALT = "halt"


class OnInterrupt(StrEnum):
    """What to do with a request whose outcome is unknown after a crash."""

    RESEND = "resend"
    FAIL = "fail"


class RetryCause(StrEnum):
    """The outcomes of an attempt after which the step is tried again."""

    ERROR = "error"
    FAILED = "failed"


class Backoff(StrEnum):
    """How the delay grows from one retry to the next: not at all, by the same amount, or by doubling."""

    CONSTANT = "constant"
    LINEAR = "linear"
    EXPONENTIAL = "exponential"


class VariableSource(StrEnum):
    """The source of a variable's value. Its default is used if the source has no value."""

    DECLARATION = "declaration"
    ENVIRONMENT = "environment"
    ME = "me"


class BodyKind(StrEnum):
    """How a request body is encoded."""

    JSON = "json"
    FORM = "form"
    MULTIPART = "multipart"
    TEXT = "text"
    FILE = "file"


class Input(msgspec.Struct, frozen=True, kw_only=True):
    """A run input. `default` is None if it has no default; a default of null is `Literal(None)`."""

    name: str
    required: bool = False
    type: ValueType | None = None
    default: Node | None = None
    sensitive: bool = False
    description: str = ""


class Variable(msgspec.Struct, frozen=True, kw_only=True):
    """A journey variable. `key` is the name to look up in the environment or in `me`, usually that of the variable."""

    name: str
    source: VariableSource = VariableSource.DECLARATION
    key: str = ""
    required: bool = False
    type: ValueType | None = None
    default: Node | None = None
    sensitive: bool = False
    description: str = ""


class Assertion(msgspec.Struct, frozen=True, kw_only=True):
    """One condition on a response.

    `target` is the JSONPath or the header name, "" for the other types. `expected` is None if the operator has no
    expected value. `status_code` expects an integer, "2xx", "200-299", or a list of these; `response_time` a number of
    milliseconds; `json_schema` the schema itself.
    """

    type: AssertionType
    target: str = ""
    operator: Operator = Operator.EQUALS
    expected: Node | None = None
    soft: bool = False
    id: str = ""
    origin: AssertionOrigin = AssertionOrigin.STEP


class CaptureRoot(StrEnum):
    """The part of a step's outcome from which a value is taken."""

    BODY = "body"
    HEADERS = "headers"
    STATUS = "status"
    OUTPUTS = "outputs"


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """A named value taken from a response.

    `root` is `body`, `headers` or `status`. `path` is a JSONPath rooted at the body (`$.order.id`), the name of a
    header, or "" for `status`. A path that matches nothing is an error unless `required` is false.
    """

    name: str
    root: CaptureRoot
    path: str = ""
    required: bool = True
    sensitive: bool = False


class Capture(msgspec.Struct, frozen=True, kw_only=True):
    """A value of this step that a later step reads, and that the journal therefore keeps.

    `key` equals `StepReference.capture`, in normal form: `outputs.order_id`, `body.order.id`,
    `headers.x-request-id` (lower case), `status`. `path`: for `outputs` (name, then keys into its value), for
    `headers` (name,), for `body` the keys and indexes, for `status` ().
    """

    key: str
    root: CaptureRoot
    path: tuple[str | int, ...] = ()
    sensitive: bool = False


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """When and how often a step is tried again.

    `count` is the number of additional attempts, `delay_ms` the wait before the first of them. `max_delay_ms` bounds
    every wait, including Retry-After; a longer Retry-After ends the retries.
    """

    count: int = 0
    delay_ms: int = 0
    backoff: Backoff = Backoff.CONSTANT
    causes: tuple[RetryCause, ...] = (RetryCause.ERROR, RetryCause.FAILED)
    max_delay_ms: int = 60_000


class Poll(msgspec.Struct, frozen=True, kw_only=True):
    """Repeat the request every `interval_ms`, or later if the response has a Retry-After, until all of `until` hold.

    The step fails when `timeout_ms` have passed, which ends a request in flight, or if the next request would start
    later than that.
    """

    interval_ms: int
    timeout_ms: int
    until: tuple[Assertion, ...]


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """Timeouts of a step in milliseconds; None means that the HTTP settings of the run apply."""

    connect_ms: int | None = None
    read_ms: int | None = None
    total_ms: int | None = None


class Idempotency(msgspec.Struct, frozen=True, kw_only=True):
    """The header that carries the idempotency key."""

    header: str = "Idempotency-Key"


class MultipartPart(msgspec.Struct, frozen=True, kw_only=True):
    """One part of a multipart body: text from `value`, or the bytes of a bundled file (`file` names its entry)."""

    name: str
    value: Node | None = None
    file: str = ""
    filename: str = ""
    content_type: str = ""


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """A request body.

    `json`, `form`, and `text` use `value`; `multipart` uses `parts`; `file` uses `file`, an entry of `Artifact.files`.
    `content_type` "" means the default of the kind.
    """

    kind: BodyKind
    value: Node | None = None
    parts: tuple[MultipartPart, ...] = ()
    file: str = ""
    content_type: str = ""


class RequestTemplate(msgspec.Struct, frozen=True, kw_only=True):
    """A request with all template values inserted.

    `path` is the URL as its author wrote it: text, which is sent as written, and values, each encoded for its place. It
    is absolute, or a path of `service`; if it begins with a value, that value decides. `url` is the complete URL of
    artifacts written by 0.1.0, in which nothing is encoded. `query` is added to either. A header, query parameter or
    body field whose value is unset is left out; a query value that is a list repeats its key.
    """

    method: str
    service: str = ""
    path: tuple[str | Node, ...] = ()
    url: Node | None = None
    headers: tuple[tuple[str, Node], ...] = ()
    query: tuple[tuple[str, Node], ...] = ()
    body: Body | None = None
    template: str = ""  # the key of the template, shown in results


class StepBase(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of every kind of step. `skip` is set by an overlay."""

    id: str
    name: str = ""
    skip: bool = False


class HttpStep(StepBase, frozen=True, kw_only=True, tag="http_request", tag_field="kind"):
    """Send a request, judge the response, keep outputs. Template assertions are first in `assertions`."""

    request: RequestTemplate
    assertions: tuple[Assertion, ...] = ()
    outputs: tuple[Output, ...] = ()
    captures: tuple[Capture, ...] = ()
    retry: Retry = Retry()
    poll: Poll | None = None
    timeouts: Timeouts = Timeouts()
    idempotency: Idempotency | None = None
    on_interrupt: OnInterrupt = OnInterrupt.FAIL
    on_failure: OnFailure = OnFailure.CONTINUE
    flaky: bool = False


class SetVariableStep(StepBase, frozen=True, kw_only=True, tag="set_variable", tag_field="kind"):
    """Assign variables for the rest of the row; all values are rendered before any is assigned."""

    values: tuple[tuple[str, Node], ...]


class WaitStep(StepBase, frozen=True, kw_only=True, tag="wait", tag_field="kind"):
    """Wait for `duration_ms`."""

    duration_ms: int


class NoteStep(StepBase, frozen=True, kw_only=True, tag="note", tag_field="kind"):
    """Text that is written to the log of the step."""

    text: Node


Step: TypeAlias = HttpStep | SetVariableStep | WaitStep | NoteStep


class JourneyIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """The facts that identify a journey; none of them changes how it runs. `overlays` are applied in this order."""

    name: str
    description: str = ""
    version: str = ""
    owner: str = ""
    tags: tuple[str, ...] = ()
    base_template: str = ""
    overlays: tuple[str, ...] = ()


class Requirements(msgspec.Struct, frozen=True, kw_only=True):
    """What must be available before a row can run, for steps that are not skipped.

    `environment_keys` are dotted, as written after `env.`; `me_keys` as written after `me.`. All are sorted.
    """

    services: tuple[str, ...] = ()
    environment_keys: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    me_keys: tuple[str, ...] = ()


class Artifact(msgspec.Struct, frozen=True, kw_only=True):
    """A compiled journey. `files` are the contents of files that bodies use, by their path in the workspace."""

    format: int = FORMAT
    journey: JourneyIdentity
    inputs: tuple[Input, ...] = ()
    variables: tuple[Variable, ...] = ()
    steps: tuple[Step, ...] = ()
    requires: Requirements = Requirements()
    cookies: bool = False
    files: dict[str, bytes] = {}

    @property
    def declarations(self) -> tuple[Input | Variable, ...]:
        """All inputs, then all variables."""
        return (*self.inputs, *self.variables)

    @property
    def sensitive_names(self) -> frozenset[str]:
        """The names of inputs and variables that are declared as sensitive."""
        return frozenset(entry.name for entry in self.declarations if entry.sensitive)


_read = json_text.reader(Artifact)


def canonical_bytes(artifact: Artifact) -> bytes:
    """Return the canonical JSON of `artifact`: fields in declared order, object keys as written, no whitespace."""
    return json_text.encode_exactly(artifact)


def digest(artifact: Artifact) -> str:
    """Return the SHA-256 of the canonical bytes in hexadecimal, which identifies the artifact."""
    return hashlib.sha256(canonical_bytes(artifact)).hexdigest()


def decode(data: bytes, *, file: str = "artifact") -> Artifact:
    """Read an artifact.

    Raises:
        DefinitionError: `invalid_artifact` if it is not an artifact, `unsupported_artifact` if it has another format.
    """
    try:
        head = _read_head(data)
    except ValueError as problem:
        raise DefinitionError(
            f"`{file}` is not an artifact",
            code="invalid_artifact",
            cause=str(problem),
            hint="write one with `reqflo-ray compile JOURNEY -o FILE`",
        ) from None
    if head.format != FORMAT:
        raise DefinitionError(
            f"`{file}` has artifact format {head.format}; this version reads {FORMAT}",
            code="unsupported_artifact",
            hint="compile the journey again with this version, or run it with the version that wrote it",
        )
    try:
        return _read(data)
    except ValueError as problem:
        raise DefinitionError(f"`{file}` is a damaged artifact", code="invalid_artifact", cause=str(problem)) from None


class _Head(msgspec.Struct):
    format: int


_read_head = json_text.reader(_Head)
