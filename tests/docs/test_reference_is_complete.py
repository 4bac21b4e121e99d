"""Each command, option, error code, exit code and column of the product has its place in the reference."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer

import reqflo_ray
import reqflo_ray.testing
from docs.generate import environment
from docs.generate.__main__ import all_pages
from docs.generate.exit_codes import exit_codes
from reqflo_ray._internal import errors
from reqflo_ray._internal.analysis import comments
from reqflo_ray._internal.cli.main import COMMANDS, build_application
from reqflo_ray._internal.error_codes.registry import SECTIONS
from reqflo_ray._internal.model.results import ROW_STATUSES, Counts, exit_code
from reqflo_ray._internal.reports.formats import FORMATS
from reqflo_ray._internal.runs.results import tables


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


def test_every_column_of_the_views_and_files_is_listed_with_its_type(pages: Mapping[str, str]) -> None:
    for name, view in comments.VIEWS.items():
        section = pages["sql.md"].split(f"\n## {name}\n")[1].split("\n## ")[0]
        columns = re.findall(r"^\| `(\w+)` \| `([^`]+)` \| (.+) \|$", section, re.MULTILINE)
        assert [column for column, *_ in columns] == list(view.columns)
    assert "| `presets` | `VARCHAR[]` |" in pages["sql.md"]
    for name, schema in {"results": tables.RESULTS, "steps": tables.STEPS}.items():
        section = pages["parquet.md"].split(f"\n## {name}\n")[1].split("\n## ")[0]
        columns = re.findall(r"^\| `(\w+)` \| `[^`]+` \| ([12]) \| .+ \|$", section, re.MULTILINE)
        assert [column for column, _ in columns] == [each.name for each in schema]
        assert {column for column, version in columns if version == "2"} == tables.SINCE_2 & {e.name for e in schema}


def test_every_report_format_has_a_section(pages: Mapping[str, str]) -> None:
    titles = re.findall(r"^## (\w+)$", pages["reports.md"], re.MULTILINE)
    assert titles == list(FORMATS)
    for status in ROW_STATUSES:
        assert f"\n| `{status}` |" in pages["reports.md"]


def test_every_environment_variable_of_the_source_is_listed(pages: Mapping[str, str]) -> None:
    source = "\n".join(path.read_text() for path in Path(reqflo_ray.__file__).parent.rglob("*.py"))
    own = {each.replace("REQFLO_ME_", "REQFLO_ME_X") for each in re.findall(r'"(REQFLO_[A-Z_]+)"', source)}
    asked = re.findall(r'environ(?:ment)?\.get\("([A-Z][A-Z_]+)"', source)
    declared = re.findall(r'envvar="([A-Z_]+)"', source)
    # What every program has, and what Ray sets for its jobs, nobody sets for reqflo-ray.
    wanted = {*own, *asked, *declared, "REQFLO_STORE", "DEMO_CLIENT_SECRET"} - {"HOME"}
    assert wanted - set(environment.variables()) == set()
    assert {f"`{name}`" for name in environment.variables()} <= set(re.findall(r"`[^`]+`", pages["environment.md"]))


@pytest.mark.parametrize(
    ("path", "module"), [("python/reqflo_ray.md", reqflo_ray), ("python/testing.md", reqflo_ray.testing)]
)
def test_every_public_name_of_python_is_listed(pages: Mapping[str, str], path: str, module: ModuleType) -> None:
    sections = dict(re.findall(r"^### (\w+)\n\n(.+?)(?=^##|\Z)", pages[path], re.MULTILINE | re.DOTALL))
    assert sections.keys() == set(module.__all__)
    for name, section in sections.items():
        first = (getattr(module, name).__doc__ or "").split("\n")[0]
        assert name == "DEFAULT_STORE" or first.split("`")[0] in section.replace("\\", ""), name


def test_a_signature_shows_parameters_defaults_and_what_is_raised(pages: Mapping[str, str]) -> None:
    page = pages["python/reqflo_ray.md"]
    assert "def open_store(store: File | None = None) -> Store\n" in page
    assert "    target: Target = Target(),\n" in page
    assert "async def run_async(\n" in page
    assert "- `DefinitionError`: " in page
    assert 'class Dataset:\n    source: Any\n    key: str = ""\n' in page
