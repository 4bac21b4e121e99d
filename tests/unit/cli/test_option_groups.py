"""Commands take options in groups: how typer sees them, and what reaches the command."""

from __future__ import annotations

import inspect
from dataclasses import MISSING, dataclass, fields
from typing import Annotated, Any

import pytest
import typer

from reqflo_ray._internal.cli.options.dataset import DatasetOptions
from reqflo_ray._internal.cli.options.execution import ExecutionOptions
from reqflo_ray._internal.cli.options.groups import flat
from reqflo_ray._internal.cli.options.journey import JourneyOptions
from reqflo_ray._internal.cli.options.output import OutputOptions
from reqflo_ray._internal.cli.options.panels import HOW, ORDER, WHAT
from reqflo_ray._internal.cli.options.target import ClusterOptions, TargetOptions

GROUPS = (JourneyOptions, DatasetOptions, ExecutionOptions, TargetOptions, ClusterOptions, OutputOptions)


@dataclass(frozen=True)
class Fruit:
    """A group with an option of each of two headings."""

    apples: Annotated[int, typer.Option("--apples", rich_help_panel=HOW)] = 1
    name: Annotated[str, typer.Option("--name", rich_help_panel=WHAT)] = ""


@dataclass(frozen=True)
class Needed:
    """A group with an option that must be given, below no heading of ours."""

    place: Annotated[str, typer.Option("--place", rich_help_panel="Elsewhere")]


def market(
    context: typer.Context, fruit: Fruit, open_: Annotated[bool, typer.Option("--open", rich_help_panel=WHAT)] = False
) -> list[Any]:
    """Sell."""
    return [context, fruit, open_]


def names(command: Any) -> list[str]:
    return list(inspect.signature(command).parameters)


def test_the_options_of_a_group_are_parameters_in_the_order_of_their_headings() -> None:
    assert names(flat(market)) == ["context", "name", "open_", "apples"]
    assert (flat(market).__name__, flat(market).__doc__) == ("market", "Sell.")
    assert inspect.signature(flat(market)).parameters["apples"].default == 1


def test_a_command_gets_its_groups_made_of_what_was_given() -> None:
    assert flat(market)(context="c", apples=3, name="pink", open_=True) == ["c", Fruit(3, "pink"), True]


def test_a_command_without_groups_is_left_as_it_is() -> None:
    def plain(context: typer.Context, other: str = "x") -> None: ...

    assert flat(plain) is plain


def test_an_option_below_an_unknown_heading_is_a_mistake_of_ours() -> None:
    def trade(context: typer.Context, needed: Needed) -> None: ...

    with pytest.raises(ValueError, match="not in tuple"):
        flat(trade)


@pytest.mark.parametrize("group", GROUPS)
def test_every_option_of_a_group_has_a_default_and_a_known_heading(group: type) -> None:
    declared = inspect.get_annotations(group, eval_str=True)
    for each in fields(group):
        assert each.default is not MISSING, each.name
        [option] = [data for data in declared[each.name].__metadata__ if hasattr(data, "rich_help_panel")]
        assert each.name == "journey" or option.rich_help_panel in ORDER, each.name
        assert option.help, each.name


@pytest.mark.parametrize("target", [TargetOptions, ClusterOptions])
def test_no_option_is_in_two_groups_of_a_command(target: type) -> None:
    groups = (JourneyOptions, DatasetOptions, ExecutionOptions, target, OutputOptions)
    options = [each.name for group in groups for each in fields(group)]
    assert len(options) == len(set(options))
