"""Lets a command take options in groups: a parameter whose type is a dataclass stands for its fields, each an option.

Each option is declared once, in its group, and the group alone turns its options into arguments of the API. This module
must not know any option.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields, is_dataclass
from inspect import Parameter
from typing import Any, get_args, get_type_hints

from typer.models import OptionInfo

from reqflo_ray._internal.cli.options import panels


def flat(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return `command` with the options of its groups as its own parameters, as typer reads them. When it is called, it
    builds the groups. The options of a command with groups are in the order of their headings."""
    signature = inspect.signature(command, eval_str=True)
    groups: dict[str, Any] = {
        name: each.annotation for name, each in signature.parameters.items() if is_dataclass(each.annotation)
    }
    if not groups:
        return command
    parameters = list[Parameter]()
    for name, each in signature.parameters.items():
        parameters += _options(groups[name]) if name in groups else [each.replace(kind=Parameter.KEYWORD_ONLY)]

    def call(**given: Any) -> Any:
        made = {}
        for name, group in groups.items():
            made[name] = group(**{each.name: given[each.name] for each in fields(group)})
        return command(**{name: made.get(name, given.get(name)) for name in signature.parameters})

    call.__name__, call.__doc__ = command.__name__, command.__doc__
    call.__signature__ = signature.replace(parameters=sorted(parameters, key=_rank))  # type: ignore[attr-defined]
    return call


def _options(group: Any) -> Iterator[Parameter]:
    declared = get_type_hints(group, include_extras=True)
    for each in fields(group):
        default = Parameter.empty if each.default is MISSING else each.default
        yield Parameter(each.name, Parameter.KEYWORD_ONLY, default=default, annotation=declared[each.name])


def _rank(parameter: Parameter) -> int:
    option = next((each for each in get_args(parameter.annotation) if isinstance(each, OptionInfo)), None)
    return -1 if option is None else panels.ORDER.index(option.rich_help_panel or "")
