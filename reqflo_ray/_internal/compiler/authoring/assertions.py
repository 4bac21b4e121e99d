"""An assertion as people write it. Shape only: what it means is found when it is compiled."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field, WithJsonSchema

from reqflo_ray._internal.compiler.authoring.base import Authored, about, also_keys, note
from reqflo_ray._internal.compiler.authoring.kinds import OPERATORS
from reqflo_ray._internal.compiler.authoring.units import DurationOrMilliseconds
from reqflo_ray._internal.model.artifact import AssertionType


class AssertionModel(Authored):
    """A condition on the response of a step. `type` says what is compared, and decides which other properties apply."""

    model_config = ConfigDict(
        json_schema_extra=also_keys(
            {
                "value": {"description": "Another word for `expected`. Write one of the two.", "examples": [200]},
                "header": {
                    "type": "string",
                    "description": "Another word for `name`. Write one of the two.",
                    "examples": ["content-type"],
                },
            }
        )
    )

    type: Annotated[
        AssertionType,
        Field(strict=False),
        about("Which part of the response is compared: its status, body, headers, or time.", "status_code"),
    ]
    id: Annotated[
        str,
        about(
            "Names the assertion in reports, and for overlays that remove it. It must be unique in the list. If it is "
            "left out, the assertion is known by its place in the list.",
            "status-is-created",
        ),
    ] = ""
    description: Annotated[str, note("The order must belong to the customer.")] = ""
    path: Annotated[
        str,
        about(
            "A `json_path` assertion compares what this JSONPath (RFC 9535) finds. `$` is the body; expressions are "
            "not allowed.",
            "$.order.id",
        ),
    ] = ""
    name: Annotated[
        str,
        about("A `header` assertion compares the response header of this name. Case is ignored.", "content-type"),
    ] = ""
    operator: Annotated[
        str,
        WithJsonSchema({"type": "string", "enum": list(OPERATORS)}),
        about(
            "How the value found is compared with `expected`. A `json_path` assertion needs one. A `header` assertion "
            "without one uses `equals` if there is an `expected`, and `exists` otherwise.",
            "equals",
        ),
    ] = ""
    expected: Annotated[
        Any,
        about(
            "The value to compare with. It may hold expressions. For `status_code`: an integer, `2xx`, `200-299`, or a "
            "list of these. For `response_time`: milliseconds.",
            201,
            "{{ inputs.customer_id }}",
        ),
    ] = None
    schema_: Annotated[
        Any,
        Field(alias="schema"),
        about(
            "A `json_schema` assertion validates the JSON body against this JSON Schema. Expressions and references "
            "to other files are not allowed.",
            {"type": "object", "required": ["id"]},
        ),
    ] = None
    max: Annotated[
        DurationOrMilliseconds | None,
        about(
            "A `response_time` assertion holds if the last attempt took at most this long. Write a duration, or a "
            "number of milliseconds.",
            "2s",
        ),
    ] = None
    max_ms: Annotated[
        int | None,
        Field(ge=0),
        about("The same limit as `max`, as a number of milliseconds. Write one of the two.", 2000),
    ] = None
    soft: Annotated[
        bool,
        about(
            "With `true`, the assertion is reported if it does not hold, but the step still passes and its outputs can "
            "be used.",
            True,
        ),
    ] = False
