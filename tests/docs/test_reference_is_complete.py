"""Each command, option, error code, exit code and column of the product has its place in the reference."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from itertools import chain
from typing import Any

import pytest
import typer

from docs.generate.__main__ import all_pages
from docs.generate.exit_codes import exit_codes
from reqflo_ray._internal import errors
from reqflo_ray._internal.cli.main import COMMANDS, build_application
from reqflo_ray._internal.error_codes.registry import SECTIONS
from reqflo_ray._internal.model.results import Counts, exit_code


@pytest.fixture(scope="module")
def pages() -> Mapping[str, str]:
    """The generated pages."""
    return all_pages()


@pytest.mark.parametrize("name", [entry.name for entry in COMMANDS])
def test_every_command_has_a_page_with_all_its_options(pages: Mapping[str, str], name: str) -> None:
    program: Any = typer.main.get_command(build_application({name}))
    page = pages[f"cli/{name}.md"]
    lines = [line for line in page.splitlines() if line.startswith("| `")]
    parameters = program.commands[name].params
    assert len(lines) == len(parameters)
    for parameter in parameters:
        name_shown = parameter.opts[0] if parameter.opts[0].startswith("-") else parameter.metavar
        [line] = [line for line in lines if f"`{name_shown}`" in line.split(" | ")[0]]
        assert " ".join(parameter.help.split())[:20].replace("`", "") in line.replace("`", "")
    assert f"({name}.md)" in pages["cli/index.md"]


def test_a_default_a_variable_and_the_possible_values_are_told(pages: Mapping[str, str]) -> None:
    cells = [line.strip("| ").split(" | ") for line in pages["cli/run.md"].splitlines()]
    assert ["`--backend`", "`auto`, `ray`, `local`", "`auto`"] in [line[:3] for line in cells]
    assert ["`--store`", "`URI`", "`REQFLO_STORE`"] in [line[:3] for line in cells]
    assert ["`--concurrency`", "`N`, at least 1"] in [[line[0], line[1].strip()] for line in cells if len(line) > 1]


def test_every_error_code_has_cause_remedy_and_exit_code(pages: Mapping[str, str]) -> None:
    lines = re.findall(r'^\| <a id="(\w+)"></a>`\1` \| (.+) \| (.+) \| (.+) \|$', pages["error-codes.md"], re.MULTILINE)
    assert [name for name, *_ in lines] == [each.name for each in chain(*(section.codes for section in SECTIONS))]
    known = {str(number) for each in exit_codes() for number in each.numbers}
    for name, _, _, ends_with in lines:
        assert known.issuperset(re.findall(r"\d+", ends_with)), name
        assert re.fullmatch(r"none: .+|\d.*", ends_with), name


@pytest.mark.parametrize(
    ("name", "ends_with"),
    [
        ("usage", "2"),
        ("unknown_run", "2"),
        ("store_unreachable", "3"),
        ("nothing_selected", "5"),
        ("assertion_failed", "1"),
        ("poison_row", "3"),
        ("untyped_value", "none: a warning"),
    ],
)
def test_the_exit_code_of_an_error_code_is_that_of_its_error(
    pages: Mapping[str, str], name: str, ends_with: str
) -> None:
    [line] = [line for line in pages["error-codes.md"].splitlines() if f'id="{name}"' in line]
    assert line.endswith(f"| {ends_with} |")


def test_every_exit_code_of_a_run_or_an_error_is_listed(pages: Mapping[str, str]) -> None:
    listed = {number for each in exit_codes() for number in each.numbers}
    of_runs = {exit_code(Counts()), exit_code(Counts(failed=1)), exit_code(Counts(inconclusive=1))}
    of_signals = {128 + each for each in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)}
    classes = [each for each in vars(errors).values() if isinstance(each, type)]
    of_errors = {each.default_exit_code for each in classes if issubclass(each, errors.ReqfloError)}
    assert listed == of_runs | of_signals | of_errors
    for number in listed:
        assert f"`{number}`" in pages["exit-codes.md"]
    for each in classes:
        if issubclass(each, errors.ReqfloError) and each is not errors.ReqfloError:
            assert f"`{each.__name__}`" in pages["exit-codes.md"]
