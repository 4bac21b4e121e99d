"""A journey with its inputs and variables as people write it. Shape only: what it means is found when it is "
"compiled."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from reqflo_ray._internal.compiler.authoring.base import Authored, Listed, Name, about, also_keys, note
from reqflo_ray._internal.compiler.authoring.steps import StepModel
from reqflo_ray._internal.model.artifact import OnFailure
from reqflo_ray._internal.model.values import ValueType

_ValueType = Annotated[ValueType | None, Field(strict=False)]
_TYPE: str = (
    "Text from a dataset or from `--set` is converted to this type; another value must be of it. If it is left out, "
    "nothing is converted."
)
_SENSITIVE: str = "With `true`, the value is masked in results and logs, and encrypted where it is stored."


class InputModel(Authored):
    """A value that each row or run supplies. Read it as `inputs.NAME`."""

    name: Annotated[Name, about("The name in expressions, and the name of the dataset's column.", "customer_id")]
    required: Annotated[
        bool,
        about(
            "With `true`, the run does not start if no source has a value for one of the rows.",
            True,
        ),
    ] = False
    type: Annotated[_ValueType, about(_TYPE, "number")] = None
    default: Annotated[
        Any,
        about("The value if no other source has one. It may hold expressions.", "SKU-1", "{{ env.region }}"),
    ] = None
    sensitive: Annotated[bool, about(_SENSITIVE, True)] = False
    description: Annotated[
        str, about("A note for readers of the file. It is kept in the artifact.", "The key of the row.")
    ] = ""
    example: Annotated[Any, about("An example for readers of the file. It is never used as a value.", "cus-1")] = None


class VariableModel(Authored):
    """A value that the journey declares. Read it as `variables.NAME`; `set_variable` steps change it."""

    model_config = ConfigDict(
        json_schema_extra=also_keys(
            {"value": {"description": "Another word for `default`. Write one of the two.", "examples": ["reqflo"]}}
        )
    )

    name: Annotated[Name, about("The name by which expressions read the value.", "client_id")]
    source: Annotated[
        Literal["environment", "me", "preset", "hard_coded", "manual"] | None,
        about(
            "Where the variable's own value comes from. If it is left out, it is `default`. `--set`, cases, and "
            "presets take precedence.",
            "environment",
        ),
    ] = None
    key: Annotated[
        str,
        about(
            "The name to look up with `source: environment` or `source: me`. If it is left out, it is the variable's "
            "name.",
            "aws_region",
        ),
    ] = ""
    required: Annotated[
        bool, about("With `true`, the run does not start if no source has a value for the variable.", True)
    ] = False
    type: Annotated[_ValueType, about(_TYPE, "integer")] = None
    default: Annotated[
        Any,
        about("The value if no other source has one. It may hold expressions.", "reqflo", "{{ inputs.customer_id }}"),
    ] = None
    sensitive: Annotated[bool, about(_SENSITIVE, True)] = False
    description: Annotated[str, note("The client that orders for the customer.")] = ""


class JourneyModel(Authored):
    """An API workflow: the values that it needs, and the steps that each row executes in order."""

    name: Annotated[
        Name, about("The name in commands, cases, and overlays. It is unique in the workspace.", "place-order")
    ]
    description: Annotated[str, note("Get a token, place an order, read it back.")] = ""
    version: Annotated[str, about("A version of your own choice, shown in results. Write it in quotes.", "1.0.0")] = ""
    owner: Annotated[str, about("Who maintains the journey. It has no effect.", "shop-team")] = ""
    owners: Annotated[Listed[str], about("Who maintains the journey. It has no effect.", ["shop-team"])] = ()
    editors: Annotated[
        Listed[str], about("Who may edit the journey in other tools. Here it has no effect.", ["shop-team"])
    ] = ()
    viewers: Annotated[
        Listed[str], about("Who may see the journey in other tools. Here it has no effect.", ["everyone"])
    ] = ()
    private: Annotated[bool, about("Whether other tools hide the journey. Here it has no effect.", True)] = False
    tags: Annotated[Listed[str], about("Words for people to sort by. They have no effect.", ["orders", "smoke"])] = ()
    base_template: Annotated[
        str, about("The name of the source that the journey was made from. It has no effect.", "place-order-v2")
    ] = ""
    overlays: Annotated[
        Listed[str],
        about(
            "The names of overlays that belong to the journey, for readers. They are applied only with `--overlay`.",
            ["no-token"],
        ),
    ] = ()
    inputs: Annotated[
        Listed[InputModel],
        about(
            "The values that each row or run supplies. A name is either an input or a variable.",
            [{"name": "total", "required": True, "type": "number"}],
        ),
    ] = ()
    variables: Annotated[
        Listed[VariableModel],
        about("The values that the journey declares.", [{"name": "client_id", "default": "reqflo"}]),
    ] = ()
    steps: Annotated[
        Listed[StepModel],
        Field(min_length=1),
        about(
            "The steps, in the order of execution. There is at least one.", [{"id": "read", "template": "get-order"}]
        ),
    ]
    on_failure: Annotated[
        OnFailure,
        Field(strict=False),
        about(
            "Whether a row continues if an assertion that is not soft does not hold. A step may say otherwise. An "
            "`error` always ends the row.",
            "halt",
        ),
    ] = OnFailure.CONTINUE
    cookies: Annotated[
        bool,
        about(
            "With `true`, each row keeps the cookies that responses set, and sends them with its later requests.", True
        ),
    ] = False
