"""A request and a request template as people write them. Shape only: what they mean is found when they are compiled.

A value that may hold expressions is typed `Any` here; it is compiled from the tree, where its place is known.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from reqflo_ray._internal.compiler.authoring.assertions import AssertionModel
from reqflo_ray._internal.compiler.authoring.base import AlsoWritten, Authored, Listed, Name, about, note
from reqflo_ray._internal.model.limits import MAX_URL

_Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"]
_ContentType = Annotated[str, Field(pattern=r"^[ -~]*$")]
Url = Annotated[str, Field(min_length=1, max_length=MAX_URL)]


class PartModel(Authored):
    """One part of a multipart body: either a `value` or a `file`. In the map form the key is the name, and a bare
    value is the `value`."""

    name: Annotated[Name, about("The name of the form field that this part fills.", "attachment")]
    value: Annotated[
        Any, about("The text of the part. It may hold expressions; lists and mappings are sent as JSON.", "a note")
    ] = None
    file: Annotated[
        str,
        about(
            "The part is the content of this file. The path is relative to the workspace; the file is read when the "
            "journey is compiled, and becomes part of the artifact.",
            "files/invoice.pdf",
        ),
    ] = ""
    filename: Annotated[
        str,
        about(
            "The file name that is sent with the part. If it is left out, a file is sent under its own name.", "a.pdf"
        ),
    ] = ""
    content_type: Annotated[
        _ContentType,
        about("The media type that is sent with the part. If it is left out, none is sent for a value.", "image/png"),
    ] = ""


class BodyModel(Authored):
    """The body of a request: exactly one of `json`, `form`, `multipart`, `text`, and `file`."""

    json_: Annotated[
        Any,
        Field(alias="json"),
        about(
            "The body is this value as JSON, sent as `application/json`. A value that is one expression keeps its "
            "type; an optional template value that is not set leaves its key out.",
            {"total": "{{ inputs.total }}"},
        ),
    ] = None
    form: Annotated[
        dict[str, Any] | None,
        about(
            "The body is these fields in URL encoding, sent as `application/x-www-form-urlencoded`. A list repeats its "
            "key.",
            {"grant_type": "client_credentials"},
        ),
    ] = None
    multipart: Annotated[
        Listed[PartModel] | None,
        AlsoWritten({"type": "object"}),
        about(
            "The body is these parts, sent as `multipart/form-data`: a list of parts, or a mapping from names to parts "
            "or values.",
            [{"name": "attachment", "file": "files/invoice.pdf"}],
        ),
    ] = None
    text: Annotated[
        Any,
        about("The body is this text in UTF-8, sent as `text/plain`. It may hold expressions.", "id={{ inputs.id }}"),
    ] = None
    file: Annotated[
        str | None,
        about(
            "The body is the content of this file, byte by byte. The path is relative to the workspace; the file is "
            "read when the journey is compiled, and becomes part of the artifact.",
            "files/order.xml",
        ),
    ] = None
    content_type: Annotated[
        _ContentType,
        about(
            "The media type that is sent in place of the usual one of the kind of body. A `Content-Type` in `headers` "
            "takes precedence.",
            "application/vnd.shop+json",
        ),
    ] = ""


class RequestModel(Authored):
    """A request that is written in the step itself."""

    method: Annotated[_Method, about("The HTTP method, in capitals.", "POST")] = "GET"
    url: Annotated[
        Url,
        about(
            "Where the request goes: a path, which is appended to the base URL of `service`, or an absolute "
            "URL. It may hold expressions, whose values are percent-encoded.",
            "/orders/{{ inputs.order_id }}",
        ),
    ]
    service: Annotated[
        str,
        about(
            "The service of the environment whose `base_url` the path is appended to. It may be left out if the "
            "workspace has only one service.",
            "shop-api",
        ),
    ] = ""
    headers: Annotated[
        dict[str, Any],
        about(
            "Headers by name. Names ignore case; values may hold expressions. A header whose value is not set is left "
            "out.",
            {"Authorization": "Bearer {{ steps.token.outputs.access_token }}"},
        ),
    ] = Field(default_factory=dict)
    query: Annotated[
        dict[str, Any],
        about(
            "Parameters that are added to the query of the URL, percent-encoded. A list repeats its key; a parameter "
            "whose value is not set is left out.",
            {"limit": 10, "tag": ["new", "paid"]},
        ),
    ] = Field(default_factory=dict)
    body: Annotated[
        BodyModel | None, about("The body of the request. If it is left out, there is none.", {"json": {"total": 12.5}})
    ] = None


class TemplateValueModel(Authored):
    """A value that steps pass to the template. It goes where `{{ values.NAME }}` or `:NAME` is written; without such a
    placeholder it goes where `in` says."""

    name: Annotated[Name, about("The name under which steps pass the value, below `values`.", "customer_id")]
    in_: Annotated[
        Literal["path", "query", "header", "body"] | None,
        Field(alias="in"),
        about(
            "Where the value goes if the template does not name it, as `{{ values.NAME }}` or as `:NAME` in the "
            "path. It may be left out if there is a "
            "placeholder.",
            "body",
        ),
    ] = None
    required: Annotated[
        bool,
        about(
            "With `true`, every step that uses the template must pass the value. With `false`, a value that is not "
            "passed leaves its field, header, or parameter out.",
            True,
        ),
    ] = False
    description: Annotated[str, note("The ID that the shop knows the customer by.")] = ""
    recommended_source: Annotated[
        str, about("A note on where the value should come from. It is shown if a step does not pass it.", "secret")
    ] = ""
    example: Annotated[Any, about("An example for readers of the file. It is never sent.", "cus-1")] = None


class TemplateModel(RequestModel):
    """A request that steps share. A step names it by `key`, by `name`, or by method and URL, as in `POST /orders`."""

    url: Annotated[
        Url,
        about(
            "Where the request goes: a path, which is appended to the base URL of `service`, or an absolute URL. "
            "`:NAME` in the path is replaced by the value of this name, percent-encoded, with `/` included.",
            "/orders/:orderId",
        ),
    ]
    key: Annotated[
        str,
        about("The name that steps use in `template`. It should be unique among the templates.", "create-order"),
    ] = ""
    name: Annotated[str, about("A title; steps may also use it in `template`.", "Create an order")] = ""
    description: Annotated[str, note("Places an order for one customer.")] = ""
    tags: Annotated[Listed[str], about("Words for people to sort by. They have no effect.", ["orders"])] = ()
    values: Annotated[
        Listed[TemplateValueModel],
        about(
            "The values that steps may pass. A step that passes another one is refused.",
            [{"name": "customer_id", "in": "body", "required": True}],
        ),
    ] = ()
    assertions: Annotated[
        Listed[AssertionModel],
        about(
            "Conditions on every response to this request. They are evaluated before those of the step, and overlays "
            "cannot replace them.",
            [{"type": "status_code", "expected": 201}],
        ),
    ] = ()
